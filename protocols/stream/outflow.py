"""What we send on streams: in which order, within the peer's limits, and again where it was lost."""

from collections.abc import Sequence

from protocols.envelope import TrafficClass
from protocols.errors import LocalError
from protocols.stream.events import Buffer, Event, StreamStopped, StreamWritable
from protocols.stream.frames import RESET, RESET_FRAME, STOP, STOP_FRAME, STREAM_FRAME_BYTES
from protocols.stream.limits import DATA_BYTES_INITIAL, FRAGMENT_BYTES_MIN, LAST_WORDS_BYTES_MAX, StreamLimits
from protocols.stream.receiving import lean
from protocols.stream.record import Carried, Draft
from protocols.stream.schedule import Schedule
from protocols.stream.table import Stream, StreamTable


class Outflow:
    __slots__ = (
        "_farewells",
        "_farewells_again",
        "_limit",
        "_schedule",
        "_sent",
        "_starved",
        "_table",
        "_unsent_max",
        "events",
        "unsent",
    )

    def __init__(self, table: StreamTable, limits: StreamLimits) -> None:
        self._table = table
        self._unsent_max = limits.unsent_bytes_max
        self._schedule = Schedule()
        self._limit = DATA_BYTES_INITIAL  # the peer's, for all streams
        self._sent = 0  # new bytes, all streams
        self._starved: dict[int, Stream] = {}  # wait for the peer's MAX_DATA
        self._farewells: dict[int, Stream] = {}  # a RESET or STOP waits
        self._farewells_again: list[bytes] = []  # were lost; as many at most as records are out
        self.unsent = 0  # bytes of all streams, those to go again included
        self.events: list[Event] = []  # StreamWritable, until the owner fetches them

    @property
    def highest(self) -> TrafficClass | None:
        return self._schedule.highest

    @property
    def farewells_due(self) -> bool:
        return bool(self._farewells or self._farewells_again)

    def append(self, stream: Stream, chunks: Sequence[Buffer], *, fin: bool) -> int:
        """Raises LocalError after FIN, and when a full stream gets more than last words."""
        send = stream.send
        if send.reset_code is not None:
            return 0  # the peer stopped it; the event is on its way to the caller
        if send.fin:
            raise LocalError("the stream has ended")
        before = send.unsent
        if before > self._unsent_max and not (fin and sum(map(len, chunks)) <= LAST_WORDS_BYTES_MAX):
            raise LocalError("the stream is full: wait for StreamWritable")
        for chunk in chunks:
            if chunk:
                send.append(chunk)
        self.unsent += send.unsent - before
        send.fin = fin
        send.full = send.full or send.unsent > self._unsent_max
        if not stream.scheduled:
            self.wake(stream)
        return send.unsent

    def move(self, stream: Stream, traffic: TrafficClass) -> None:
        self._schedule.move(stream, traffic)

    def wake(self, stream: Stream) -> None:
        """Let it take part again if it has something to send and may."""
        if not self._table.permitted(stream):
            return
        if stream.reset_due or stream.stop_due:
            self._farewells[stream.id] = stream
        send = stream.send
        if send.sendable(self._limit - self._sent):
            self._schedule.add(stream)
        elif send.unsent and send.limit > send.sent:
            self._starved[stream.id] = stream

    def raise_limit(self, bytes_max: int) -> None:
        self._limit = max(self._limit, bytes_max)
        starved, self._starved = self._starved, {}
        for stream in starved.values():
            self.wake(stream)

    def raise_stream_limit(self, stream: Stream, bytes_max: int) -> None:
        stream.send.limit = max(stream.send.limit, bytes_max)
        self.wake(stream)

    def reset(self, stream: Stream, code: int) -> None:
        if stream.send.done:
            return
        self.unsent -= stream.send.reset(code)
        self._schedule.remove(stream)
        stream.reset_due = True
        self.wake(stream)

    def stop(self, stream: Stream) -> None:
        """The receiving half was stopped: tell the peer."""
        stream.stop_due = True
        self.wake(stream)

    def stopped(self, stream: Stream, code: int, events: list[Event]) -> None:
        if not stream.send.done:
            self.reset(stream, code)
            events.append(StreamStopped(stream.id, code))

    def put_farewells(self, draft: Draft) -> None:
        while self._farewells_again and draft.put_frame(self._farewells_again[0]):
            del self._farewells_again[0]
        while self._farewells and draft.room >= RESET_FRAME.size + STOP_FRAME.size:
            stream = self._farewells.pop(next(iter(self._farewells)))
            if stream.reset_due:
                code = stream.send.reset_code or 0
                draft.put_frame(RESET_FRAME.pack(RESET, stream.id, code, stream.send.sent))
            if stream.stop_due:
                draft.put_frame(STOP_FRAME.pack(STOP, stream.id, stream.receive.stop_code or 0))
            stream.reset_due = stream.stop_due = False
            self._table.retire(stream)

    def put_streams(self, draft: Draft) -> None:
        for queue in self._schedule.turn():
            while queue:
                stream = queue[0]
                more = self._put_stream(stream, draft)
                if more is None:
                    return
                del queue[0]
                if more:
                    queue.append(stream)
                    return
                stream.scheduled = False
                if stream.send.unsent:
                    self.wake(stream)  # a window is shut: it may have to wait among the starved

    def acknowledged(self, piece: Carried) -> None:
        stream = piece.stream
        stream.send.flying -= 1
        if not stream.send.flying and stream.send.done:
            self._table.retire(stream)

    def lost(self, piece: Carried, contents: bytes) -> int:
        """Give the piece back to its stream; how many bytes go again."""
        stream = piece.stream
        send = stream.send
        send.flying -= 1
        if send.reset_code is not None:
            return 0
        data = memoryview(contents)[piece.start : piece.start + piece.length]
        send.lost(piece.offset, lean(data, len(contents)), fin=piece.fin)
        self.unsent += piece.length
        self.wake(stream)
        return piece.length

    def farewell_lost(self, frame: bytes) -> None:
        self._farewells_again.append(frame)

    def _put_stream(self, stream: Stream, draft: Draft) -> bool | None:
        """None: the record has no room for it. True: it filled the record and has more. False: it has no more."""
        send = stream.send
        while send.again:
            room = draft.room - STREAM_FRAME_BYTES
            if room < min(len(send.again[0][1]), FRAGMENT_BYTES_MIN):
                return None
            offset, data, fin = send.take_again(room)
            draft.put_header(stream, offset, len(data), fin=fin)
            draft.parts.append(data)
            send.flying += 1
            self.unsent -= len(data)
        room = draft.room - STREAM_FRAME_BYTES
        may = min(send.unsent, send.limit - send.sent, self._limit - self._sent)
        if not may and (send.unsent or not send.fin or send.fin_sent):
            return False
        if room < min(may, FRAGMENT_BYTES_MIN):
            return None
        self._put_new(stream, draft, min(may, room))
        return may > room

    def _put_new(self, stream: Stream, draft: Draft, nbytes: int) -> None:
        send = stream.send
        fin = send.fin and nbytes == send.unsent
        draft.put_header(stream, send.sent, nbytes, fin=fin)
        send.take(nbytes, draft.parts)
        send.fin_sent = fin
        send.flying += 1
        self._sent += nbytes
        self.unsent -= nbytes
        if send.full and 2 * send.unsent < self._unsent_max:
            send.full = False
            self.events.append(StreamWritable(stream.id))
