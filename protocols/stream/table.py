"""The streams of a connection: who may open how many, and which ids were used up.

Ids of one side are opened in order, and using one opens all below it. So an id below the mark that is not in the
table is closed, and nothing of closed streams need be remembered.
"""

from protocols.envelope import TrafficClass
from protocols.errors import RefusedError, RemoteError
from protocols.stream.credit import Credit
from protocols.stream.limits import (
    CREDIT_RENEWED_PART,
    STREAM_BYTES_INITIAL,
    STREAM_INDEX_MAX,
    STREAMS_INITIAL,
    StreamLimits,
)
from protocols.stream.receiving import ReceiveHalf
from protocols.stream.sending import SendHalf


class Stream:
    __slots__ = ("id", "receive", "reset_due", "scheduled", "send", "stop_due", "traffic")

    def __init__(self, stream_id: int, traffic: TrafficClass, window_bytes_max: int, now_ns: int) -> None:
        self.id = stream_id
        self.traffic = traffic
        self.send = SendHalf()
        self.receive = ReceiveHalf(Credit(STREAM_BYTES_INITIAL, window_bytes_max, now_ns))
        self.scheduled = False  # in a queue of the schedule
        self.reset_due = self.stop_due = False  # the frame waits for a record

    @property
    def done(self) -> bool:
        return self.receive.done and self.send.done and not self.reset_due and not self.stop_due


class StreamTable:
    __slots__ = (
        "_limits",
        "_open",
        "_ours",
        "_ours_max",
        "_ours_open",
        "_parity",
        "_theirs",
        "_theirs_max",
        "_theirs_open",
        "allow_due",
    )

    def __init__(self, limits: StreamLimits, *, initiator: bool) -> None:
        self._limits = limits
        self._parity = 0 if initiator else 1  # of the ids that we open
        self._open: dict[int, Stream] = {}
        self._ours = self._theirs = 0  # indices used
        self._ours_open = self._theirs_open = 0
        self._ours_max = STREAMS_INITIAL  # the peer's permission: indices below it
        self._theirs_max = STREAMS_INITIAL
        self.allow_due = (
            self._theirs_max < limits.streams_max
        )  # the peer should be told that it may open more

    def __len__(self) -> int:
        return len(self._open)

    def find(self, stream_id: int) -> Stream | None:
        return self._open.get(stream_id)

    def open(self, traffic: TrafficClass, now_ns: int) -> Stream:
        """Raises RefusedError("busy") or RefusedError("session_worn_out")."""
        if self._ours_open >= self._limits.streams_waiting_max:
            raise RefusedError(
                "busy", f"{self._ours_open} requests to this peer are open; wait for some to end"
            )
        if self._ours > STREAM_INDEX_MAX:
            raise RefusedError(
                "session_worn_out", "this session has used all its stream numbers; start a new one"
            )
        stream = self._add(2 * self._ours + self._parity, traffic, now_ns)
        self._ours += 1
        self._ours_open += 1
        return stream

    def permitted(self, stream: Stream) -> bool:
        """The peer lets us use it. Those it doesn't wait for `permit`."""
        return stream.id & 1 != self._parity or stream.id >> 1 < self._ours_max

    def permit(self, streams_max: int) -> list[Stream]:
        """The peer's MAX_STREAMS; gives the streams that may go now."""
        before, self._ours_max = self._ours_max, max(self._ours_max, streams_max)
        indices = range(before, min(self._ours_max, self._ours))
        found = (self._open.get(2 * index + self._parity) for index in indices)
        return [stream for stream in found if stream is not None]

    def meet(self, stream_id: int, now_ns: int) -> list[Stream]:
        """A frame names an id that is not in the table: the streams it opens; none where it is closed.

        Raises RemoteError("bad_stream") for one of ours that was never opened, RemoteError("stream_limit").
        """
        index = stream_id >> 1
        if stream_id & 1 == self._parity:
            if index >= self._ours:
                raise RemoteError("bad_stream", "not opened")
            return []
        if index < self._theirs:
            return []
        if index >= self._theirs_max:
            raise RemoteError("stream_limit", f"{index}, at most {self._theirs_max}")
        opened = [
            self._add(2 * i + 1 - self._parity, TrafficClass.INTERACTIVE, now_ns)
            for i in range(self._theirs, index + 1)
        ]
        self._theirs_open += len(opened)
        self._theirs = index + 1
        return opened

    def retire(self, stream: Stream) -> None:
        """Let go of a stream that is done; twice is harmless."""
        if not stream.done or self._open.pop(stream.id, None) is None:
            return
        if stream.id & 1 == self._parity:
            self._ours_open -= 1
            return
        self._theirs_open -= 1
        if self._wanted() - self._theirs_max >= self._limits.streams_max // CREDIT_RENEWED_PART:
            self.allow_due = True

    def allow(self) -> int:
        """How many streams the peer may open in all, to be told to it."""
        self.allow_due = False
        self._theirs_max = max(self._theirs_max, self._wanted())
        return self._theirs_max

    def _wanted(self) -> int:
        return min(self._theirs - self._theirs_open + self._limits.streams_max, STREAM_INDEX_MAX + 1)

    def _add(self, stream_id: int, traffic: TrafficClass, now_ns: int) -> Stream:
        stream = self._open[stream_id] = Stream(stream_id, traffic, self._limits.stream_window_bytes, now_ns)
        return stream
