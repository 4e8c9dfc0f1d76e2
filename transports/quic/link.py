"""One QUIC connection as a Link.

             connect or first datagram
                      │
                 HANDSHAKING ──── timeout, refusal ──▶ CLOSED
                      │ handshake done
                    OPEN ── close, silence, a broken rule ──▶ CLOSED

Everything happens in turns of the event loop: the endpoint feeds all that a wake-up brought, then `settle` hands
the whole batch to the observer and transmits once. `send` only appends; the transmit follows in the same turn when
the observer is being called, else in the next one. Calls to the observer never nest.
"""

import asyncio
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Protocol

from protocols.errors import RemoteError
from transports.addresses import HostPort, format_address
from transports.api import LinkError, LinkObserver, LinkStats, LinkTraits
from transports.quic.certificate import binding_of
from transports.quic.engine import Engine, EngineError, Flight, NetworkAddress
from transports.quic.frames import LANE_OPENER, FrameReader
from transports.quic.limits import DATAGRAM_OVERHEAD_BYTES, QuicLimits
from transports.quic.outbox import Outbox

CLOSE_WORD_CHARS_MAX = 64  # goes into one CONNECTION_CLOSE frame
CLOSE_CODE = 0


class State(Enum):
    HANDSHAKING, OPEN, CLOSED = range(3)


class LinkHost(Protocol):
    """The endpoint, as its links see it."""

    def send(self, flight: Flight, *, adapts: bool) -> None: ...

    def route(self, connection_id: bytes, link: "QuicLink") -> None: ...

    def unroute(self, connection_id: bytes) -> None: ...

    def opened(self, link: "QuicLink") -> None: ...

    def ended(self, link: "QuicLink", reason: str, farewell: Flight) -> None: ...


class QuicLink:
    """`listener_binding` is the hash of our own certificate where the other end opened the link, else None."""

    def __init__(
        self,
        engine: Engine,
        host: LinkHost,
        *,
        now_ns: Callable[[], int],
        limits: QuicLimits,
        listener_binding: bytes | None,
    ) -> None:
        self.state = State.HANDSHAKING
        self.dialled = listener_binding is None
        self.binding = listener_binding or b""
        self.ids: dict[bytes, None] = {engine.host_id: None}  # an ordered set
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()  # open, or LinkError
        self._loop = asyncio.get_running_loop()
        self._engine, self._host, self._now_ns, self._limits = engine, host, now_ns, limits
        self._reader = FrameReader()
        self._stats = LinkStats()
        self._observer: LinkObserver | None = None
        self._attached = False  # the observer has been given what came before it
        self._early: list[bytes] = []
        self._early_bytes = 0
        self._lost: str | None = None
        self._outbox = Outbox(engine, limits, lane_open=self.dialled)
        self._scheduled: asyncio.Handle | None = None
        self._settling = False
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_s = 0.0  # when it rings, on the clock of `now_ns`
        self._began_ns = self._heard_ns = now_ns()  # began: the handshake, then the open link
        self._asked = False  # something that has to be answered is on its way out
        self._unanswered_ns: int | None = None  # since when
        self._probing = False  # less patience with the silence
        self._traits = LinkTraits(
            "quic", engine.datagram_bytes - DATAGRAM_OVERHEAD_BYTES, has_reliable_lane=True
        )

    # What the floors above see

    @property
    def traits(self) -> LinkTraits:
        return self._traits

    @property
    def stats(self) -> LinkStats:
        rtt_s = self._engine.rtt_s
        self._stats.rtt_ns = None if rtt_s is None else int(rtt_s * 1e9)
        if self._outbox.datagrams_dropped:
            self._stats.dropped["datagram_queue_full"] = self._outbox.datagrams_dropped
        return self._stats

    @property
    def remote(self) -> NetworkAddress | None:
        return self._engine.remote

    @property
    def address(self) -> str:
        remote = self._engine.remote
        return "quic://unknown:0" if remote is None else address_text(remote)

    @property
    def unsent_bytes(self) -> int:
        return self._outbox.unsent

    @property
    def unsent_bytes_max(self) -> int:
        return self._limits.unsent_bytes_max

    def attach(self, observer: LinkObserver) -> None:
        assert self._observer is None, "a link has one owner for life"
        self._observer = observer
        self._loop.call_soon(self._hand_over)

    def send(self, frames: Sequence[bytes], *, reliable: bool = False) -> None:
        if self.state is State.CLOSED:
            return
        assert self.state is State.OPEN, "nobody has this link before it is open"
        try:
            if reliable:
                self._outbox.add_frames(frames)
            else:
                self._outbox.add_datagrams(frames, self._traits.datagram_bytes_max)
        except EngineError as fault:
            self.abandon(fault.reason)
            return
        self._asked = True
        if not self._settling:
            self._transmit_soon()

    async def close(self, reason: str = "closed") -> None:
        self.end(reason)

    # What the endpoint drives

    def connect(self, remote: NetworkAddress) -> None:
        self._engine.connect(remote, self._now_ns() / 1e9)
        self._transmit()

    def receive(self, data: bytes, segment_bytes: int, remote: NetworkAddress) -> None:
        """Feed the engine; whatever follows from it waits for `settle`."""
        now_ns = self._now_ns()
        self._engine.receive(data, segment_bytes, remote, now_ns / 1e9)
        self._heard_ns = now_ns
        self._unanswered_ns = None
        self._probing = False
        self._asked = self._outbox.unsent > 0
        self._stats.bytes_in += len(data)
        self._stats.datagrams_in += -(-len(data) // segment_bytes)

    def settle(self) -> None:
        """Act on all that was fed."""
        if self.state is State.CLOSED:
            return
        self._settling = True
        dialling = self.dialled and self.state is State.HANDSHAKING
        size = self._engine.datagram_bytes - DATAGRAM_OVERHEAD_BYTES
        if size != self._traits.datagram_bytes_max:
            self._traits = LinkTraits("quic", size, has_reliable_lane=True)
        try:
            delivered = self._take_events()
        except EngineError as fault:
            self.abandon(fault.reason)
            return
        finally:
            self._settling = False
        if (delivered and not self._asked) or (dialling and self.state is State.OPEN):
            # Whoever was woken by it may speak within this turn: let the acknowledgement, or the last flight of the
            # handshake, ride along.
            self._transmit_soon()
        else:
            self._transmit()

    def probe(self) -> None:
        """Something speaks against this link: ask for a sign of life, and soon. Again, while it is asked, is harmless."""
        if self.state is State.OPEN and not self._probing:
            self._probing = True
            self._ping()

    def end(self, reason: str) -> None:
        """Send what can leave at once, say farewell and let go. Twice is harmless."""
        if self.state is State.CLOSED:
            return
        self._transmit()
        try:
            self._engine.close(CLOSE_CODE, reason[:CLOSE_WORD_CHARS_MAX])
            farewell = self._engine.flight(self._now_ns() / 1e9)
        except EngineError:
            farewell = []
        self._finish(reason, farewell)

    def abandon(self, reason: str) -> None:
        """Let go without a word: the engine is broken, or the other end deserves none. Twice is harmless."""
        if self.state is not State.CLOSED:
            self._finish(reason, [])

    def heed(self, limits: QuicLimits) -> None:
        """From now on these: for what the transport may change while a link lives."""
        self._limits = limits
        self._set_alarm(self._now_ns())  # it may have to ring earlier

    # Receiving

    def _take_events(self) -> bool:
        """True when the observer was called."""
        inbox = self._engine.drain()
        for connection_id in inbox.ids_issued:
            self.ids[connection_id] = None
            self._host.route(connection_id, self)
        for connection_id in inbox.ids_retired:
            self.ids.pop(connection_id, None)
            self._host.unroute(connection_id)
        if inbox.handshake_done and not self._open():
            return False
        frames = inbox.datagrams
        if inbox.stream:
            try:
                frames = (
                    self._reader.feed(inbox.stream) + frames
                )  # a handshake goes there; datagrams may need it
            except RemoteError as error:
                self.end(error.reason)
                return False
            self._outbox.lane_opened()
        if frames:
            self._deliver(frames)
        if self.state is not State.CLOSED:  # the observer may have closed us
            if inbox.ended is not None:
                self._finish("silent" if "idle" in inbox.ended.lower() else "peer_closed", [])
            elif inbox.stream_ended:
                self.end("lane_ended")
        return bool(frames)

    def _open(self) -> bool:
        if self.dialled:
            der = self._engine.peer_certificate()
            if der is None:
                self.end("no_certificate")
                return False
            self.binding = binding_of(der)
            self._engine.send_stream(LANE_OPENER)
        self.state = State.OPEN
        self._began_ns = self._now_ns()
        if not self.done.done():
            self.done.set_result(None)
        self._host.opened(self)
        return self.state is State.OPEN

    def _deliver(self, frames: list[bytes]) -> None:
        if self._attached:
            assert self._observer is not None
            self._observer.link_received(self, frames)
            return
        self._early += frames
        self._early_bytes += sum(map(len, frames))
        if self._early_bytes > self._limits.early_bytes_max:
            self._early.clear()
            self.end("nobody_listens")

    def _hand_over(self) -> None:
        assert self._observer is not None
        self._attached = True
        self._set_alarm(self._now_ns())  # from now on it is kept alive
        early, self._early = self._early, []
        if early:
            self._observer.link_received(self, early)
        if self._lost is not None:
            self._observer.link_lost(self, self._lost)

    # Sending

    def _transmit_soon(self) -> None:
        if self._scheduled is None and self.state is not State.CLOSED:
            self._scheduled = self._loop.call_soon(self._scheduled_transmit)

    def _scheduled_transmit(self) -> None:
        self._scheduled = None
        self._transmit()

    def _transmit(self) -> None:
        if self.state is State.CLOSED:
            return
        now_ns = self._now_ns()
        try:
            self._outbox.before_flight()
            flight = self._engine.flight(now_ns / 1e9)
            has_room_again = self._outbox.after_flight()
        except EngineError as fault:
            self.abandon(fault.reason)
            return
        if flight:
            self._host.send(flight, adapts=self._engine.adapts)
            self._stats.datagrams_out += len(flight)
            self._stats.bytes_out += sum(len(data) for data, _ in flight)
            if self._asked and self._unanswered_ns is None:
                self._unanswered_ns = now_ns
        self._set_alarm(now_ns)
        if has_room_again and self._attached:
            assert self._observer is not None
            self._observer.link_writable(self)

    # Time

    def _set_alarm(self, now_ns: int) -> None:
        """One timer for all; one that rings too early is cheaper than one that is moved at every packet."""
        if self.state is State.CLOSED:
            return
        due_s = self._care_due_s()
        engine_s = self._engine.timer()
        if engine_s is not None and engine_s < due_s:
            due_s = engine_s
        if self._alarm is not None:
            if self._alarm_s <= due_s:
                return
            self._alarm.cancel()
        self._alarm_s = due_s
        self._alarm = self._loop.call_later(max(0.0, due_s - now_ns / 1e9), self._ring)

    def _care_due_s(self) -> float:
        """When we have to look after the link ourselves."""
        if self.state is State.HANDSHAKING:
            return self._began_ns / 1e9 + self._limits.handshake_s
        if self._unanswered_ns is not None:
            return self._unanswered_ns / 1e9 + (
                self._limits.probe_s if self._probing else self._limits.answer_s
            )
        if not self._attached:  # however lively the other end is
            return self._began_ns / 1e9 + self._limits.idle_s
        return self._heard_ns / 1e9 + self._limits.keep_alive_s

    def _ring(self) -> None:
        self._alarm = None
        now_ns = self._now_ns()
        now_s = now_ns / 1e9
        engine_s = self._engine.timer()
        engine_due = engine_s is not None and engine_s <= now_s
        care_due = self._care_due_s() <= now_s
        if not engine_due and not care_due:
            self._set_alarm(now_ns)  # what it was set for came to pass, and something else is next
            return
        if engine_due:
            try:
                self._engine.handle_timer(now_s)
            except EngineError as fault:
                self.abandon(fault.reason)
                return
        if care_due:
            self._take_care()
        self.settle()

    def _take_care(self) -> None:
        if self.state is State.HANDSHAKING:
            self.end("handshake_timeout")
        elif self._unanswered_ns is not None:
            self.end("silent")
        elif not self._attached:
            self.end("nobody_listens")
        else:
            self._ping()

    def _ping(self) -> None:
        self._engine.ping()
        if self._unanswered_ns is None:  # counted from now, even where the engine has no room to send it yet
            self._unanswered_ns = self._now_ns()
        self._transmit()

    # The end

    def _finish(self, reason: str, farewell: Flight) -> None:
        self.state = State.CLOSED
        self._lost = reason
        for handle in (self._alarm, self._scheduled):
            if handle is not None:
                handle.cancel()
        self._alarm = self._scheduled = None
        self._outbox.clear()
        if farewell:
            self._host.send(farewell, adapts=False)
        self._host.ended(self, reason, farewell)
        if not self.done.done():
            self.done.set_exception(LinkError(reason))
            self.done.exception()  # a stranger's link has nobody who waits for it
        if self._attached:
            assert self._observer is not None
            self._loop.call_soon(self._observer.link_lost, self, reason)


def address_text(remote: NetworkAddress) -> str:
    zone = str(remote[3]) if len(remote) == 4 and remote[3] else ""
    return format_address(HostPort(remote[0], remote[1], zone))
