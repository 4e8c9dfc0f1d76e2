"""How much may be out on one datagram lane: NewReno as in RFC 9002, section 7, gentler where a loss is noise.

Radio links lose records without any queue being full. A loss while round trips show no queue takes 15 % off the
window, one with a queue half of it (the idea is that of TCP Veno, Fu and Liew 2003); the floor keeps 20 % of
random loss usable.
"""

from protocols.stream.limits import (
    WINDOW_BYTES_INITIAL,
    WINDOW_BYTES_MAX,
    WINDOW_BYTES_MIN,
    WINDOW_RECORDS_MIN,
)

AFTER_NOISE = 0.85
AFTER_QUEUE = 0.5


class CongestionWindow:
    __slots__ = ("_fitted", "_floor", "_recovery_ns", "_threshold", "window")

    def __init__(self) -> None:
        self.window = WINDOW_BYTES_INITIAL
        self._fitted = 0  # bytes of the records that the floor was made for
        self._floor = WINDOW_BYTES_MIN
        self._threshold = WINDOW_BYTES_MAX
        self._recovery_ns = -1  # losses of records sent up to then were already answered for

    def fit(self, record_bytes: int) -> None:
        """The lane carries records of this size: at least two must fit."""
        if record_bytes == self._fitted:
            return
        self._fitted = record_bytes
        self._floor = max(WINDOW_BYTES_MIN, WINDOW_RECORDS_MIN * record_bytes)
        self.window = max(self.window, WINDOW_RECORDS_MIN * record_bytes)

    def acknowledged(self, nbytes: int, record_bytes: int, *, sent_ns: int) -> None:
        """Call it only while the window is what limits the sender."""
        if sent_ns <= self._recovery_ns:
            return
        if self.window < self._threshold:
            self.window += nbytes
        else:
            self.window += max(1, record_bytes * nbytes // self.window)
        self.window = min(self.window, WINDOW_BYTES_MAX)

    def lost(self, *, sent_ns: int, now_ns: int, queue_seen: bool) -> None:
        if sent_ns <= self._recovery_ns:
            return
        self._recovery_ns = now_ns
        self.window = max(self._floor, int(self.window * (AFTER_QUEUE if queue_seen else AFTER_NOISE)))
        self._threshold = self.window

    def collapse(self) -> None:
        """Nothing came back for several probe times (RFC 9002, section 7.6)."""
        self.window = self._floor
