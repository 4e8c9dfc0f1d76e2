"""End-to-end reliability between two nodes, over whatever lanes their session has at the moment.

The owner seals what `next_record` gives and hands `receive` what it opened; neither touches a socket or a clock.

    owner                                   Connection
      wants_to_send() ─────────────────────► what waits: class and size
      next_record(path, counter) ──────────► frames for one record, or None: not on this path, not now
      receive(counter, plaintext) ─────────► events
      lane_lost(lane) ─────────────────────► what was out on it goes again
      next_timeout() / handle_timeout() ───► acknowledgements due, records lost, keep-alive
      set_ways() / take_way_news() ────────► which of several links have fallen silent (ways.py)

    OPEN ──close()──► CLOSING ──the CLOSE record was made──► CLOSED ◄──the peer's CLOSE── OPEN, CLOSING

Acknowledgements, loss and congestion are kept for each lane by itself (lane.py); streams and their windows for the
peer as a whole (inflow.py, outflow.py). A RemoteError from `receive` ends the session.
"""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple, assert_never

from protocols.envelope import TrafficClass
from protocols.errors import RemoteError
from protocols.stream.controls import Controls
from protocols.stream.events import Buffer, Closed, ControlReceived, Event, StreamOpened, WayNews
from protocols.stream.frames import (
    ACK,
    CONTROL,
    FIN_BIT,
    MAX_DATA,
    MAX_STREAM_DATA,
    MAX_STREAM_DATA_FRAME,
    MAX_STREAMS,
    ONE_U32,
    PADDING,
    PING,
    RESET,
    STOP,
    STREAM,
    STREAM_FRAME,
    STREAM_FRAME_BYTES,
    Ack,
    Close,
    Control,
    Frame,
    MaxData,
    MaxStreamData,
    MaxStreams,
    Ping,
    Reset,
    Stop,
    decode_frame,
    encode_close,
    encode_control,
)
from protocols.stream.inflow import Inflow
from protocols.stream.limits import StreamLimits
from protocols.stream.outflow import Outflow
from protocols.stream.receipts import Receipts
from protocols.stream.record import Draft, Path, way_of
from protocols.stream.recovery import Recovery
from protocols.stream.stats import StreamStats
from protocols.stream.table import Stream, StreamTable
from protocols.stream.ways import Ways
from protocols.timers import earliest

PING_FRAME = bytes([PING])


class State(Enum):
    OPEN, CLOSING, CLOSED = range(3)


class Waiting(NamedTuple):
    """What the owner looks at to choose a lane."""

    traffic: TrafficClass  # the highest that waits
    nbytes: int  # of stream data that waits, all classes; 0: only small frames of the connection's own


class LaneFigures(NamedTuple):
    flying_bytes: int
    flying_records: int
    bytes_per_s: int  # what it was seen to carry; 0: not measured yet
    rtt_ns: int  # the shortest seen; 0: not measured yet


SMALL_FRAMES = Waiting(TrafficClass.INTERACTIVE, 0)


class Connection:
    __slots__ = (
        "_asked_ns",
        "_close_frame",
        "_controls",
        "_inflow",
        "_now_ns",
        "_outflow",
        "_ping_due",
        "_receipts",
        "_recovery",
        "_table",
        "_ways",
        "heard_ns",
        "is_spare",
        "limits",
        "state",
        "stats",
    )

    def __init__(self, *, initiator: bool, now_ns: int, limits: StreamLimits | None = None) -> None:
        limits = limits or StreamLimits()
        self.state = State.OPEN
        self.stats = StreamStats()
        self.limits = limits
        self.heard_ns = now_ns  # when the last record came
        self.is_spare = False  # the owner prefers another: without an open stream, let it fall asleep
        self._now_ns = now_ns
        self._table = StreamTable(limits, initiator=initiator)
        self._inflow = Inflow(self._table, limits, now_ns)
        self._outflow = Outflow(self._table, limits)
        self._recovery = Recovery(self.stats)
        self._receipts = Receipts()
        self._controls = Controls(self.stats)
        self._ways = Ways()
        self._ping_due = False
        self._asked_ns = now_ns  # when the last record that asks for an answer went
        self._close_frame = b""

    # What the application does

    def open_stream(self, *, traffic: TrafficClass) -> int:
        """Never waits: beyond the peer's MAX_STREAMS the stream is ours at once and its data go when they may.

        Raises RefusedError("busy") beyond `streams_waiting_max`.
        """
        return self._table.open(traffic, self._now_ns).id

    def set_traffic(self, stream_id: int, traffic: TrafficClass) -> None:
        stream = self._table.find(stream_id)
        if stream is not None:
            self._outflow.move(stream, traffic)

    def send(self, stream_id: int, chunks: Sequence[Buffer], *, fin: bool = False) -> int:
        """Take `chunks`, which must not change any more; gives the bytes that now wait on the stream.

        Above `unsent_bytes_max` wait for StreamWritable: one more `send` would be a LocalError, except for a few
        last bytes with FIN. On a stream that the peer reset or stopped the data are dropped: an event said so.
        """
        stream = self._table.find(stream_id)
        return 0 if stream is None else self._outflow.append(stream, chunks, fin=fin)

    def unsent_bytes(self, stream_id: int) -> int:
        stream = self._table.find(stream_id)
        return 0 if stream is None else stream.send.unsent

    def reset(self, stream_id: int, code: int) -> None:
        """Give up our direction; what has not arrived may never. Harmless on a stream that is over."""
        stream = self._table.find(stream_id)
        if stream is not None:
            self._outflow.reset(stream, code)

    def stop(self, stream_id: int, code: int) -> None:
        """Read no more: no further events of the peer's direction. Harmless on a stream that is over."""
        stream = self._table.find(stream_id)
        if stream is None or stream.receive.done or stream.receive.stop_code is not None:
            return
        self._inflow.stop(stream, code)
        if not stream.receive.done:
            self._outflow.stop(stream)

    def consumed(self, stream_id: int, nbytes: int) -> None:
        """The application took so many of the delivered bytes, once for each byte, whatever became of the stream."""
        self._inflow.consumed(stream_id, nbytes)

    def send_control(self, kind: int, body: bytes, *, lane: int | None = None) -> None:
        """Before all else, and again where lost. With `lane` on no other; it is forgotten when the lane is lost."""
        self._controls.put(encode_control(kind, body), lane)

    def close(self, code: int, reason: str) -> None:
        """The next record says so, the last one. Twice is harmless."""
        if self.state is State.OPEN:
            self.state = State.CLOSING
            self._close_frame = encode_close(code, reason)

    # What the owner does with records

    def wants_to_send(self) -> Waiting | None:
        """None while there is nothing to send, or while the peer's windows are shut."""
        if self.state is not State.OPEN:
            return SMALL_FRAMES if self.state is State.CLOSING else None
        highest = self._outflow.highest
        if highest is not None:
            return Waiting(highest, self._outflow.unsent)
        if (
            self._receipts.is_due
            or self._ping_due
            or self._table.allow_due
            or self._inflow.due
            or self._outflow.farewells_due
            or self._controls.due
        ):
            return SMALL_FRAMES
        return None

    def own_lanes(self) -> list[int]:
        """Lanes that a CONTROL or a PING waits for (`Path.only` "control"); `wants_to_send` does not speak of these."""
        return sorted({*self._controls.lanes, *self._ways.asks}) if self._ways.asks else self._controls.lanes

    def answer_ways(self) -> list[int]:
        """Ways of several that an answer is due on (`Path.only` "answers"): send these before all else."""
        return self._receipts.due_ways

    def next_record(self, path: Path, counter: int, *, now_ns: int) -> bytes | None:
        """Frames for one record of at most `path.bytes_max`; None when nothing may be sent that way now.

        A counter that was given and not used may be given again; used ones ascend.
        """
        if self.state is not State.OPEN:
            return self._last_record()
        self._now_ns = now_ns
        lane, way = self._recovery.lane(path), way_of(path.lane)
        draft = Draft(path.bytes_max)
        answer_bytes = 0
        if path.only != "control" and self._receipts.waits_for(way):
            answer_bytes = self._receipts.frame_bytes(draft.room)
            draft.reserve(answer_bytes)
        if path.only != "answers" and self._recovery.may_send(lane, path.bytes_max):
            self._fill(draft, path, now_ns)
        if draft.pieces or draft.frames:
            self._asked_ns = now_ns
        elif not answer_bytes or not self._receipts.is_due_on(way):
            return None
        if answer_bytes:
            draft.answers_upto = self._receipts.largest
            draft.put_front(self._receipts.frame(answer_bytes, now_ns, way))
        contents = b"".join(draft.parts)
        self._recovery.sent(draft, contents, counter, lane, now_ns)
        self.stats.records_out += 1
        self.stats.bytes_out += len(contents)
        return contents

    def receive(
        self, counter: int, plaintext: bytes, *, reliable: bool, now_ns: int, way: int | None = None
    ) -> list[Event]:
        """Frames of one record, each counter once (the replay window sees to that). `reliable`: the lane it took;
        `way`: the link, if it came over one.

        Raises RemoteError when the peer breaks a rule; the connection is of no use afterwards.
        """
        if self.state is not State.OPEN:
            return []
        self._now_ns = self.heard_ns = now_ns
        self.stats.records_in += 1
        self.stats.bytes_in += len(plaintext)
        events: list[Event] = []
        asks, kept = self._read(plaintext, events)
        if self._ways.present:
            self._heed_answers(way)
            if way not in self._ways.present:
                way = None
        else:
            way = None
        if kept:
            self._receipts.received(counter, asks=asks, reliable=reliable, now_ns=now_ns, way=way)
        else:
            self.stats.records_refused += 1
        return events + self.take_events() if self._outflow.events else events

    def take_events(self) -> list[Event]:
        """What `next_record` found out: streams that are writable again."""
        events, self._outflow.events = self._outflow.events, []
        return events

    def lane_lost(self, lane: int, *, now_ns: int) -> None:
        """What was out there goes again, at once; CONTROL frames meant for it are forgotten."""
        self._now_ns = now_ns
        self._ways.asks.pop(lane, None)
        self._recovery.lane_lost(lane)
        self._controls.lane_lost(lane)
        self._send_again(gone=lane)

    # Several links

    @property
    def ways(self) -> tuple[int, ...]:
        return self._ways.present

    def set_ways(self, ways: tuple[int, ...], *, now_ns: int) -> None:
        """The links to the peer, where there are several; () where there is no choice: then silence is borne."""
        self._now_ns = now_ns
        self._ways.keep(ways, self._recovery.lanes)
        self._receipts.keep_ways(ways)

    def take_way_news(self) -> list[WayNews]:
        return self._ways.take_news()

    def lane_figures(self, lane: int) -> LaneFigures:
        known = self._recovery.find_lane(lane)
        if known is None:
            return LaneFigures(0, 0, 0, 0)
        rtt_ns = known.rtt.smallest_ns if known.rtt.measured else 0
        return LaneFigures(known.flying_bytes, known.flying_records, known.bytes_per_s, rtt_ns)

    def _heed_answers(self, way: int | None) -> None:
        """A silent way is of use again when an answer comes back over it."""
        for answered in self._recovery.answered_ways:
            if answered == way and self._ways.answered(answered, now_ns=self._now_ns):
                self._recovery.way_answers(answered)
        self._recovery.answered_ways.clear()

    def _judge_ways(self, now_ns: int) -> None:
        for way in self._ways.handle_timeout(self._recovery.lanes, now_ns=now_ns):
            self._recovery.way_silent(way)

    # Time

    def next_timeout(self) -> int | None:
        if self.state is not State.OPEN:
            return None
        due_ns = earliest(self._receipts.due_ns, self._recovery.due_ns, self._keepalive_ns())
        return earliest(due_ns, self._ways.due_ns(self._recovery.lanes)) if self._ways.present else due_ns

    def handle_timeout(self, now_ns: int) -> list[Event]:
        """Then ask `wants_to_send`. Too early is harmless."""
        self._now_ns = now_ns
        self._receipts.handle_timeout(now_ns)
        self._recovery.handle_timeout(now_ns)
        if self._ways.present:
            self._judge_ways(now_ns)
        self._ping_due = self._ping_due or self._recovery.ping_wanted
        self._recovery.ping_wanted = False
        keepalive_ns = self._keepalive_ns()
        if keepalive_ns is not None and now_ns >= keepalive_ns:
            self._ping_due = True
        self._send_again()
        return self.take_events()

    # Figures

    @property
    def rtt_ns(self) -> int | None:
        """Smoothed, of the quickest live lane; None until measured."""
        return self._recovery.rtt_ns

    @property
    def flying_records(self) -> int:
        """Sent, asking for an answer, and neither answered nor lost."""
        return self._recovery.flying_records

    @property
    def unread_bytes(self) -> int:
        """Received and not consumed: what the peer makes us hold."""
        return self._inflow.held_bytes

    @property
    def open_streams(self) -> int:
        return len(self._table)

    # Making a record

    def _fill(self, draft: Draft, path: Path, now_ns: int) -> None:
        self._controls.fill(draft, path.lane, bound_only=path.only == "control")
        if path.lane in self._ways.asks and draft.put_frame(PING_FRAME):
            del self._ways.asks[path.lane]
        if path.only:
            return
        if self._table.allow_due and draft.room >= ONE_U32.size:
            draft.put_frame(ONE_U32.pack(MAX_STREAMS, self._table.allow()))
        if self._inflow.due:
            self._inflow.put_windows(draft, now_ns, self._recovery.rtt_guess_ns)
        if self._outflow.farewells_due:
            self._outflow.put_farewells(draft)
        if self._ping_due and draft.put_frame(PING_FRAME):
            self._ping_due = False
        self._outflow.put_streams(draft)

    def _last_record(self) -> bytes | None:
        if self.state is State.CLOSED:
            return None
        self.state = State.CLOSED
        return self._close_frame

    # Reading a record

    def _read(self, plaintext: bytes, events: list[Event]) -> tuple[bool, bool]:
        """Whether the record asks for an answer, and whether all of it could be kept."""
        view = memoryview(plaintext)
        at, end = 0, len(plaintext)
        asks, kept, answered = False, True, False
        while at < end:
            kind = plaintext[at]
            if kind == STREAM:
                start = at + STREAM_FRAME_BYTES
                if start > end:
                    raise RemoteError("bad_frame", "cut short")
                _, stream_id, offset, length = STREAM_FRAME.unpack_from(plaintext, at)
                at = start + (length & ~FIN_BIT)
                if at > end:
                    raise RemoteError("bad_frame", "cut short")
                if not self._on_stream(stream_id, offset, view[start:at], end, events, fin=length >= FIN_BIT):
                    kept = False
                asks = True
            elif kind == PADDING:
                break
            else:
                if kind == ACK and answered:
                    raise RemoteError(
                        "bad_ack", "two in one record"
                    )  # each may cost a walk over all that is out
                answered = answered or kind == ACK
                frame, at = decode_frame(plaintext, at)
                self._on_frame(frame, events)
                asks = asks or kind != ACK
        return asks, kept

    def _on_stream(
        self,
        stream_id: int,
        offset: int,
        piece: memoryview,
        record_bytes: int,
        events: list[Event],
        *,
        fin: bool,
    ) -> bool:
        stream = self._table.find(stream_id) or self._meet(stream_id, events)
        if stream is None:
            return True
        pieces = self._inflow.data(stream, offset, piece, fin=fin, record_bytes=record_bytes)
        if pieces is None:
            return False
        self._inflow.deliver(stream, pieces, events)
        return True

    def _on_frame(self, frame: Frame, events: list[Event]) -> None:
        match frame:
            case Ack():
                self._on_ack(frame)
            case MaxData():
                self._outflow.raise_limit(frame.bytes_max)
            case MaxStreamData() | Reset() | Stop():
                stream = self._table.find(frame.stream_id) or self._meet(frame.stream_id, events)
                if stream is not None:
                    self._on_stream_frame(stream, frame, events)
            case MaxStreams():
                for stream in self._table.permit(frame.streams_max):
                    self._outflow.wake(stream)
            case Ping():
                pass
            case Close():
                self.state = State.CLOSED
                events.append(Closed(frame.code, frame.reason))
            case Control():
                events.append(ControlReceived(frame.kind, frame.body))
            case _:
                assert_never(frame)

    def _on_stream_frame(
        self, stream: Stream, frame: MaxStreamData | Reset | Stop, events: list[Event]
    ) -> None:
        match frame:
            case MaxStreamData():
                self._outflow.raise_stream_limit(stream, frame.bytes_max)
            case Reset():
                self._inflow.reset(stream, frame.code, frame.final_size, events)
            case Stop():
                self._outflow.stopped(stream, frame.code, events)

    def _on_ack(self, ack: Ack) -> None:
        several = bool(self._ways.present)
        for record in self._recovery.acknowledged(ack, self._now_ns, several_ways=several):
            if record.answers_upto >= 0:
                self._receipts.forget(record.answers_upto)
            for piece in record.pieces:
                self._outflow.acknowledged(piece)
        if self._recovery.lost:
            self._send_again()

    def _meet(self, stream_id: int, events: list[Event]) -> Stream | None:
        opened = self._table.meet(stream_id, self._now_ns)
        events += [StreamOpened(stream.id) for stream in opened]
        return opened[-1] if opened else None

    # Losses

    def _send_again(self, gone: int | None = None) -> None:
        for record in self._recovery.take_lost():
            for piece in record.pieces:
                self.stats.bytes_again += self._outflow.lost(piece, record.contents)
            for frame, lane in record.frames:
                if lane is None or lane != gone:
                    self._frame_lost(frame, lane)

    def _frame_lost(self, frame: bytes, lane: int | None) -> None:
        kind = frame[0]
        if kind == MAX_DATA:
            self._inflow.data_due()
        elif kind == MAX_STREAM_DATA:
            self._inflow.window_due(MAX_STREAM_DATA_FRAME.unpack(frame)[1])
        elif kind == MAX_STREAMS:
            self._table.allow_due = True
        elif kind in (RESET, STOP):
            self._outflow.farewell_lost(frame)
        elif kind == CONTROL:
            self._controls.put(frame, lane)

    def _keepalive_ns(self) -> int | None:
        if self.limits.keepalive_ns is None or self._ping_due or (self.is_spare and not len(self._table)):
            return None
        return self._asked_ns + self.limits.keepalive_ns
