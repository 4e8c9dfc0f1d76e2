"""Calls over one connection: a request, messages both ways, an end, a refusal, or a cancellation.

    caller                               callee
      call() ── REQUEST, MESSAGE ───────► CallReceived
      send(), end() ── MESSAGE… FIN ────► MessagesReceived…, CallEnded
      MessagesReceived… ◄─ MESSAGE… ───── send()
      CallEnded ◄─ END, FIN ───────────── end()            or  CallRefused ◄─ REFUSED, FIN ── refuse()
      cancel() ── RESET, STOP ──────────► CallCancelled    and the other way round

A complete answer ends the whole call: what the caller still had to say is not read (STOP with code 0).

Back-pressure is the stream's window: bytes of a message count as consumed once the application `took` it. An
unfinished message at the head of a call is the exception. Its bytes are credited as they arrive, since it could be
longer than the window; one such message a call, and `unfinished_bytes_max` in all.
"""

from collections.abc import Sequence
from enum import Enum
from typing import assert_never

from protocols.envelope import TrafficClass
from protocols.errors import LocalError, RemoteError
from protocols.rpc.deadlines import Deadlines
from protocols.rpc.events import (
    CallCancelled,
    CallEnded,
    CallReceived,
    CallRefused,
    CallWritable,
    MessagesReceived,
    RpcEvent,
)
from protocols.rpc.frames import (
    END,
    END_FRAME,
    HEAD_BYTES,
    MESSAGE,
    REFUSED,
    REQUEST,
    MessageReader,
    Refusal,
    Request,
    decode_refusal,
    decode_request,
    message_head,
)
from protocols.rpc.limits import DEADLINE_MS_MAX, HEADS_KEPT_MAX, JOINED_BYTES_MAX, Code, RpcLimits
from protocols.stream import (
    Buffer,
    Closed,
    Connection,
    ControlReceived,
    Event,
    StreamData,
    StreamOpened,
    StreamReset,
    StreamStopped,
    StreamWritable,
)

MS = 1_000_000  # nanoseconds


class Hears(Enum):
    """What the peer's side of a call brings next."""

    REQUEST, BODY, MESSAGES, NOTHING = range(4)


class Call:
    __slots__ = (
        "ahead",
        "deadline_ns",
        "ended",
        "hears",
        "id",
        "ours",
        "owed",
        "reader",
        "request",
        "untaken",
    )

    def __init__(self, call_id: int, *, ours: bool) -> None:
        self.id = call_id
        self.ours = ours
        self.hears = Hears.MESSAGES if ours else Hears.REQUEST
        self.ended = False  # our side said its last
        self.request: Request | None = None  # until its body came
        self.deadline_ns: int | None = None
        self.reader = MessageReader()
        # Bytes: owed + ahead == untaken + reader.held_bytes
        self.owed = 0  # delivered and not yet credited to the peer
        self.ahead = 0  # credited before they were taken
        self.untaken = 0  # of whole messages that the application has not taken

    @property
    def announced(self) -> bool:
        """The application knows of it."""
        return self.hears not in (Hears.REQUEST, Hears.BODY)


class RpcSession:
    """All calls with one peer. The owner passes it every event of the connection but ControlReceived."""

    __slots__ = (
        "_ahead",
        "_calls",
        "_calls_in",
        "_connection",
        "_deadlines",
        "_heads_in",
        "_heads_out",
        "_limits",
        "calls_over_limit",
    )

    def __init__(self, connection: Connection, *, limits: RpcLimits | None = None) -> None:
        self._connection = connection
        self._limits = limits or RpcLimits()
        self._calls: dict[int, Call] = {}
        self._calls_in = 0
        self._ahead = 0  # bytes, all calls
        self._deadlines: Deadlines | None = None  # until a call has one
        self._heads_out: dict[Request, bytes] = {}
        self._heads_in: dict[bytes, Request] = {}
        self.calls_over_limit = 0

    @property
    def open_calls(self) -> int:
        return len(self._calls)

    def call(
        self,
        service: str,
        method: str,
        body: Buffer,
        *,
        deadline_ms: int,
        traffic: TrafficClass,
        end: bool,
        now_ns: int,
    ) -> int:
        """`deadline_ms` 0: none. `end`: the body is all we say. Raises RefusedError("busy") or ("too_long")."""
        deadline_ms = min(deadline_ms, DEADLINE_MS_MAX)
        head = self._request_head(Request(service, method, deadline_ms, traffic))
        message = message_head(len(body))
        call = Call(self._connection.open_stream(traffic=traffic), ours=True)
        self._calls[call.id] = call
        call.ended = end
        self._set_deadline(call, deadline_ms, now_ns)
        self._connection.send(call.id, [head + message, body], fin=end)
        return call.id

    def send(self, call_id: int, message: Buffer, *, end: bool = False) -> int:
        """Gives the bytes that wait; above the connection's `unsent_bytes_max` wait for CallWritable.

        Harmless on a call that is over. Raises RefusedError("too_long"), LocalError for one send too many.
        """
        return self._send(call_id, [message_head(len(message)), message], end=end)

    def send_many(self, call_id: int, messages: Sequence[bytes], *, end: bool = False) -> int:
        """As `send` for each, much cheaper for small ones."""
        chunks: list[Buffer] = []
        nbytes = 0
        for message in messages:
            nbytes += len(message)
            chunks += (message_head(len(message)), message)
        if nbytes < JOINED_BYTES_MAX * len(messages):
            chunks = [b"".join(chunks)]
        return self._send(call_id, chunks, end=end)

    def end(self, call_id: int) -> None:
        """Our side is complete: the request, or the whole answer and with it the call."""
        self._send(call_id, [], end=True)

    def refuse(self, call_id: int, code: str, sentence: str) -> None:
        """Instead of (the rest of) an answer."""
        call = self._calls.get(call_id)
        if call is None:
            return
        if call.ours:
            raise LocalError("only a request can be refused")
        self._connection.send(call_id, [Refusal(code, sentence).encode()], fin=True)
        self._connection.stop(call_id, Code.ANSWERED)
        self._forget(call)

    def cancel(self, call_id: int, code: int = Code.CANCELLED) -> None:
        """No event follows. Harmless on a call that is over."""
        call = self._calls.get(call_id)
        if call is not None:
            self._abort(call, code)

    def unsent_bytes(self, call_id: int) -> int:
        return self._connection.unsent_bytes(call_id)

    def took(self, call_id: int, *, messages: int, nbytes: int) -> None:
        """The application took so many messages of MessagesReceived, of so many bytes together."""
        call = self._calls.get(call_id)
        if call is None:
            return
        wire_bytes = nbytes + messages * HEAD_BYTES
        if wire_bytes > call.untaken:
            raise LocalError("took more than was received")
        call.untaken -= wire_bytes
        early = min(call.ahead, wire_bytes)
        call.ahead -= early
        self._ahead -= early
        self._credit(call, wire_bytes - early)
        if not call.untaken:
            self._credit_unfinished(call)

    def stream_event(self, event: Event, *, now_ns: int) -> list[RpcEvent]:
        """Raises RemoteError for a peer that breaks the rules: the session is then of no use."""
        match event:
            case StreamData():
                return self._on_data(event, now_ns)
            case StreamOpened():
                self._on_opened(event.stream_id)
                return []
            case StreamReset():
                return self._on_given_up(event.stream_id, event.code)
            case StreamStopped():
                return self._on_stopped(event.stream_id, event.code)
            case StreamWritable():
                return [CallWritable(event.stream_id)] if event.stream_id in self._calls else []
            case Closed():
                return self.abandon()
            case ControlReceived():
                return []
            case _:
                assert_never(event)

    def abandon(self) -> list[RpcEvent]:
        """The session is gone: every open call is over."""
        calls = [call.id for call in self._calls.values() if call.announced]
        self._calls.clear()
        self._calls_in = self._ahead = 0
        self._deadlines = None
        return [CallCancelled(call_id, Code.SESSION_GONE) for call_id in calls]

    def next_timeout(self) -> int | None:
        return None if self._deadlines is None else self._deadlines.next_ns(self._is_waited_for)

    def handle_timeout(self, now_ns: int) -> list[RpcEvent]:
        events: list[RpcEvent] = []
        due = [] if self._deadlines is None else self._deadlines.due(now_ns, self._is_waited_for)
        for call_id in due:
            self._abort(self._calls[call_id], Code.DEADLINE)
            events.append(CallCancelled(call_id, Code.DEADLINE))
        return events

    # Sending

    def _send(self, call_id: int, chunks: list[Buffer], *, end: bool) -> int:
        call = self._calls.get(call_id)
        if call is None:
            return 0
        if call.ended:
            raise LocalError("our side of the call has ended")
        if end and not call.ours:
            unsent = self._connection.send(call_id, [*chunks, END_FRAME], fin=True)
            self._connection.stop(call_id, Code.ANSWERED)
            self._forget(call)
            return unsent
        call.ended = end
        return self._connection.send(call_id, chunks, fin=end)

    def _request_head(self, request: Request) -> bytes:
        head = self._heads_out.get(request)
        if head is None:
            head = request.encode()
            if len(self._heads_out) >= HEADS_KEPT_MAX:
                self._heads_out.clear()
            self._heads_out[request] = head
        return head

    # Hearing

    def _on_opened(self, call_id: int) -> None:
        if self._calls_in >= self._limits.calls_in_max:
            self.calls_over_limit += 1
            self._connection.reset(call_id, Code.OVER_LIMIT)
            self._connection.stop(call_id, Code.OVER_LIMIT)
            return
        self._calls[call_id] = Call(call_id, ours=False)
        self._calls_in += 1

    def _on_data(self, event: StreamData, now_ns: int) -> list[RpcEvent]:
        call = self._calls.get(event.stream_id)
        nbytes = len(event.data)
        if call is None:  # it is over; this was on its way
            self._connection.consumed(event.stream_id, nbytes)
            return []
        call.owed += nbytes
        events: list[RpcEvent] = []
        for kind, bodies in call.reader.feed(event.data):
            if kind == MESSAGE:
                self._on_messages(call, bodies, events, now_ns)
            else:
                self._on_word(call, kind, bodies, events)
        if event.fin and call.id in self._calls:
            self._on_fin(call, events)
        if not call.untaken and call.id in self._calls:
            self._credit_unfinished(call)
            if self._ahead > self._limits.unfinished_bytes_max:
                self.calls_over_limit += 1
                self._abort(call, Code.OVER_LIMIT)
                if call.announced:
                    events.append(CallCancelled(call.id, Code.OVER_LIMIT))
        return events

    def _on_messages(self, call: Call, bodies: list[bytes], events: list[RpcEvent], now_ns: int) -> None:
        if call.hears is Hears.BODY:
            assert call.request is not None, "a body follows its request"
            request, call.request = call.request, None
            call.hears = Hears.MESSAGES
            self._set_deadline(call, request.deadline_ms, now_ns)
            body = bodies.pop(0)
            self._settle(call, HEAD_BYTES + len(body))
            events.append(
                CallReceived(
                    call.id, request.service, request.method, body, call.deadline_ns, request.traffic
                )
            )
        elif call.hears is not Hears.MESSAGES:
            raise RemoteError("bad_call", "a message where none belongs")
        if bodies:
            call.untaken += HEAD_BYTES * len(bodies) + sum(map(len, bodies))
            events.append(MessagesReceived(call.id, bodies))

    def _on_word(self, call: Call, kind: int, bodies: list[bytes], events: list[RpcEvent]) -> None:
        body = bodies[0]
        self._settle(call, HEAD_BYTES + len(body))
        if kind == REQUEST and call.hears is Hears.REQUEST and len(bodies) == 1:
            call.request = self._request(body)
            self._connection.set_traffic(call.id, call.request.traffic)
            call.hears = Hears.BODY
        elif kind in (END, REFUSED) and call.ours and call.hears is Hears.MESSAGES and len(bodies) == 1:
            call.hears = Hears.NOTHING
            if kind == END:
                events.append(CallEnded(call.id))
            else:
                refusal = decode_refusal(body)
                events.append(CallRefused(call.id, refusal.code, refusal.sentence))
            if not call.ended:
                self._connection.reset(call.id, Code.ANSWERED)
            self._forget(call)
        else:
            raise RemoteError("bad_call", f"type {kind} where it does not belong")

    def _on_fin(self, call: Call, events: list[RpcEvent]) -> None:
        if call.ours or call.hears is not Hears.MESSAGES or call.reader.held_bytes:
            raise RemoteError("bad_call", "cut short")
        call.hears = Hears.NOTHING
        events.append(CallEnded(call.id))

    def _on_given_up(self, call_id: int, code: int) -> list[RpcEvent]:
        call = self._calls.get(call_id)
        if call is None:
            return []
        if code == Code.ANSWERED:
            raise RemoteError("bad_call", "reset without a reason")
        self._abort(call, code)
        return [CallCancelled(call_id, code)] if call.announced else []

    def _on_stopped(self, call_id: int, code: int) -> list[RpcEvent]:
        call = self._calls.get(call_id)
        if call is not None and call.ours and code == Code.ANSWERED:
            return [CallWritable(call_id)]  # the answer is on its way; what we still send goes nowhere
        return self._on_given_up(call_id, code)

    def _request(self, body: bytes) -> Request:
        request = self._heads_in.get(body)
        if request is None:
            request = decode_request(body)
            if len(self._heads_in) >= HEADS_KEPT_MAX:
                self._heads_in.clear()
            self._heads_in[body] = request
        return request

    # Credit and time

    def _settle(self, call: Call, nbytes: int) -> None:
        """So many bytes, the oldest that are held, need no `took`."""
        early = min(call.ahead, nbytes)
        call.ahead -= early
        self._ahead -= early
        self._credit(call, nbytes - early)

    def _credit_unfinished(self, call: Call) -> None:
        call.ahead += call.owed
        self._ahead += call.owed
        self._credit(call, call.owed)

    def _credit(self, call: Call, nbytes: int) -> None:
        if nbytes:
            call.owed -= nbytes
            self._connection.consumed(call.id, nbytes)

    def _abort(self, call: Call, code: int) -> None:
        self._connection.reset(call.id, code)
        self._connection.stop(call.id, code)
        self._forget(call)

    def _forget(self, call: Call) -> None:
        del self._calls[call.id]
        self._calls_in -= not call.ours
        self._ahead -= call.ahead
        self._credit(call, call.owed)

    def _set_deadline(self, call: Call, deadline_ms: int, now_ns: int) -> None:
        if deadline_ms:
            call.deadline_ns = now_ns + deadline_ms * MS
            if self._deadlines is None:
                self._deadlines = Deadlines()
            self._deadlines.add(call.deadline_ns, call.id, len(self._calls), self._is_waited_for)

    def _is_waited_for(self, call_id: int) -> bool:
        return call_id in self._calls
