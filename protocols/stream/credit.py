"""How much the peer may send us: a window that follows what the application took, and grows where it was too small.

One for the connection, one for each stream. It opens small, so that a stranger or a stalled reader costs little.
"""

from protocols.errors import RemoteError
from protocols.stream.limits import CREDIT_RENEWED_PART, TUNE_RTT_NS_MIN, TUNE_RTTS


class Credit:
    """`received` never passes `limit`: that is the peer's promise, and breaking it a RemoteError."""

    __slots__ = ("_renewed_ns", "_window", "_window_max", "consumed", "limit", "received")

    def __init__(self, initial: int, window_max: int, now_ns: int) -> None:
        self.received = 0
        self.consumed = 0
        self.limit = initial
        self._window = initial
        self._window_max = window_max
        self._renewed_ns = now_ns

    def receive(self, nbytes: int) -> None:
        self.received += nbytes
        if self.received > self.limit:
            raise RemoteError("flow_control", f"{self.received} bytes, at most {self.limit}")

    def consume(self, nbytes: int) -> bool:
        """True when the peer should be told of a new limit."""
        self.consumed += nbytes
        return self.limit - self.consumed <= self._window - self._window // CREDIT_RENEWED_PART

    def renew(self, now_ns: int, rtt_ns: int) -> int:
        """The new limit, to be told to the peer."""
        if now_ns - self._renewed_ns < TUNE_RTTS * max(rtt_ns, TUNE_RTT_NS_MIN):
            self._window = min(2 * self._window, self._window_max)
        self._renewed_ns = now_ns
        self.limit = max(self.limit, self.consumed + self._window)
        return self.limit
