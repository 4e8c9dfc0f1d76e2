"""What the peer sends on streams: checked against its limits, put in order, handed on, and credited back."""

from protocols.errors import LocalError
from protocols.stream.credit import Credit
from protocols.stream.events import Buffer, Event, StreamData, StreamReset
from protocols.stream.frames import MAX_DATA, MAX_STREAM_DATA, MAX_STREAM_DATA_FRAME, ONE_U64
from protocols.stream.limits import CHUNKS_HELD_MAX, DATA_BYTES_INITIAL, StreamLimits
from protocols.stream.receiving import ReceiveHalf, lean
from protocols.stream.record import Draft
from protocols.stream.table import Stream, StreamTable


class Inflow:
    __slots__ = (
        "_credit",
        "_data_due",
        "_held_bytes",
        "_held_chunks",
        "_limits",
        "_owed",
        "_streams_due",
        "_table",
    )

    def __init__(self, table: StreamTable, limits: StreamLimits, now_ns: int) -> None:
        self._table = table
        self._limits = limits
        self._credit = Credit(DATA_BYTES_INITIAL, limits.data_window_bytes, now_ns)
        self._owed = 0  # delivered and not yet consumed
        self._held_chunks = self._held_bytes = 0  # early ones, all streams
        self._streams_due: dict[int, None] = {}  # whose new limit the peer should be told
        self._data_due = limits.data_window_bytes > DATA_BYTES_INITIAL

    @property
    def due(self) -> bool:
        return self._data_due or bool(self._streams_due)

    @property
    def held_bytes(self) -> int:
        """Received and not yet consumed, early ones included."""
        return self._owed + self._held_bytes

    def data(
        self, stream: Stream, offset: int, piece: memoryview, *, fin: bool, record_bytes: int
    ) -> list[Buffer] | None:
        """The pieces that are next in order; None where the frame must come again, for want of room."""
        receive = stream.receive
        if receive.done:
            return []
        end = offset + len(piece)
        if fin or end > receive.credit.received or receive.final_size is not None:
            self._credit.receive(receive.reach(end, fin=fin))
        if receive.stop_code is not None:
            self._discard(stream)
            return []
        old = receive.offset - offset
        if old < 0:
            return self._hold(receive, offset, lean(piece, record_bytes)) if piece else []
        fresh = lean(piece[old:] if old else piece, record_bytes)
        if not receive.held_chunks:
            receive.offset += len(fresh)
            return [fresh] if fresh else []
        return self._release(receive, fresh) if fresh else []

    def deliver(self, stream: Stream, pieces: list[Buffer], events: list[Event]) -> None:
        """Tell the application, and whether that was all."""
        receive = stream.receive
        stream_id = stream.id
        ended = receive.offset == receive.final_size and not receive.done
        for piece in pieces:
            self._owed += len(piece)
            events.append(StreamData(stream_id, piece, fin=False))
        if ended:
            receive.done = True
            last = events.pop() if pieces else None
            tail = last.data if isinstance(last, StreamData) else b""
            events.append(StreamData(stream_id, tail, fin=True))
            self._table.retire(stream)

    def reset(self, stream: Stream, code: int, final_size: int, events: list[Event]) -> None:
        receive = stream.receive
        if receive.done:
            return
        self._credit.receive(receive.reach(final_size, fin=True))
        if receive.stop_code is None:
            events.append(StreamReset(stream.id, code))
        self._discard(stream)
        receive.done = True
        self._table.retire(stream)

    def stop(self, stream: Stream, code: int) -> None:
        stream.receive.stop_code = code
        self._discard(stream)

    def consumed(self, stream_id: int, nbytes: int) -> None:
        if nbytes > self._owed:
            raise LocalError(f"consumed {nbytes} bytes, delivered {self._owed}")
        self._owed -= nbytes
        self._give_back(nbytes)
        stream = self._table.find(stream_id)
        if stream is not None and stream.receive.credit.consume(nbytes):
            self.window_due(stream_id)

    def window_due(self, stream_id: int) -> None:
        """Tell the peer the stream's limit, for the first time or again, if it can still use it."""
        stream = self._table.find(stream_id)
        if stream is not None and stream.receive.final_size is None and stream.receive.stop_code is None:
            self._streams_due[stream_id] = None

    def data_due(self) -> None:
        self._data_due = True

    def put_windows(self, draft: Draft, now_ns: int, rtt_ns: int) -> None:
        if self._data_due and draft.room >= ONE_U64.size:
            self._data_due = False
            draft.put_frame(ONE_U64.pack(MAX_DATA, self._credit.renew(now_ns, rtt_ns)))
        while self._streams_due and draft.room >= MAX_STREAM_DATA_FRAME.size:
            stream_id = next(iter(self._streams_due))
            del self._streams_due[stream_id]
            stream = self._table.find(stream_id)
            if stream is not None:
                limit = stream.receive.credit.renew(now_ns, rtt_ns)
                draft.put_frame(MAX_STREAM_DATA_FRAME.pack(MAX_STREAM_DATA, stream_id, limit))

    def _give_back(self, nbytes: int) -> None:
        if self._credit.consume(nbytes):
            self._data_due = True

    def _hold(self, receive: ReceiveHalf, offset: int, piece: Buffer) -> list[Buffer] | None:
        too_many = self._held_chunks >= CHUNKS_HELD_MAX
        too_long = self._held_bytes + len(piece) > self._limits.data_window_bytes
        if too_many or too_long:  # overlapping chunks could hold more than the window promised
            return None
        chunks, held = receive.held_chunks, receive.held_bytes
        receive.hold(offset, piece)
        self._held_chunks += receive.held_chunks - chunks
        self._held_bytes += receive.held_bytes - held
        return []

    def _release(self, receive: ReceiveHalf, fresh: Buffer) -> list[Buffer]:
        chunks, held = receive.held_chunks, receive.held_bytes
        pieces = receive.advance(fresh)
        self._held_chunks += receive.held_chunks - chunks
        self._held_bytes += receive.held_bytes - held
        return pieces

    def _discard(self, stream: Stream) -> None:
        """Nobody will read what was not delivered: give its credit back."""
        receive = stream.receive
        self._held_chunks -= receive.held_chunks
        self._held_bytes -= receive.held_bytes
        receive.drop()
        self._give_back(receive.credit.received - receive.offset)
        receive.offset = receive.credit.received
        if receive.final_size == receive.offset:
            receive.done = True
            self._table.retire(stream)
