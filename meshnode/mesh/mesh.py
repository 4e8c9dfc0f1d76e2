"""The core itself: links come and go, handshakes run on them, channels send over whichever link the policy picks."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import assert_never

from meshnode.mesh.channel import AWAY_NS, Channel
from meshnode.mesh.channels import ChannelTable
from meshnode.mesh.dialer import Dialer
from meshnode.mesh.events import (
    BroadcastHeard,
    ChannelClosed,
    CloseLink,
    DeviceChanged,
    DialFailed,
    Effect,
    LinkDown,
    LinkReceived,
    LinkUp,
    LinkWritable,
    MeshEvent,
    NetworkChanged,
    Noticed,
    PeerConnected,
    PeerDisconnected,
    RpcHappened,
    SendOn,
)
from meshnode.mesh.facts import NobodyKnown, PeerFacts
from meshnode.mesh.far import FarPeers
from meshnode.mesh.links import BIND_NS, RUBBISH_MAX, UNBOUND_NS, LinkState, LinkTable
from meshnode.mesh.paths import lanes_of
from meshnode.mesh.pump import Pump
from meshnode.mesh.relay import ROUTING, SYNC, Relay
from meshnode.mesh.transport_manager import TransportManager
from protocols.envelope import LOCAL_FLAG, Envelope, Kind, TrafficClass, decode_envelope
from protocols.errors import LinkError, RemoteError
from protocols.ids import NodeId, short_id
from protocols.keys import Identity
from protocols.noise import Kem
from protocols.routing import Event as RoutingEvent
from protocols.routing import Found, Lost, Router, Suspicious
from protocols.session import (
    NO_ROUTE,
    Dropped,
    HandshakeFailed,
    HandshakeId,
    LinkBinding,
    PeerForgot,
    RecordOpened,
    Session,
    SessionEnded,
    SessionEstablished,
    SessionReplaced,
    SessionTable,
)
from protocols.session import Event as SessionEvent
from protocols.stream import Closed, ControlReceived
from protocols.stream import Event as StreamEvent
from protocols.sync import Commons
from protocols.sync import Suspicious as SyncSuspicious
from protocols.timers import earliest

FAR_ADDRESS = "mesh://"  # where a peer is that we reach over others
CROSSED_NS = 5_000_000_000  # two links that were dialled from both ends within this time crossed
BIND = 1  # docs/wire.md, section 5: kind of a CONTROL frame
BIND_FIRST = bytes([10, BIND])  # how a record begins whose first frame is CONTROL with BIND
PARTED, PROTOCOL_BROKEN = 0, 1  # codes of our CLOSE


class Mesh:
    """One node's core. `handle` what happened, execute the effects, call `handle_timeout` when `next_timeout` says.

    Calls on a channel's `rpc` are made directly; afterwards `flush` sends what they queued. It is owed after each
    `RpcHappened` too, once whoever heard of it had a chance to answer: acknowledgements ride with the answers.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        own_record: Callable[[], bytes],
        own_addresses: Callable[[], frozenset[str]],
        answer_strangers: bool,
        boot: bytes,
        kem: Kem | None,
        entropy: Callable[[int], bytes],
        dice: Callable[[str], Random],
        wall_ms: Callable[[], int],
    ) -> None:
        self.me = identity.node_id
        self.counts: Counter[str] = Counter()  # what was dropped and why; keys are fixed words
        self.links = LinkTable()
        self.dialer = Dialer(dice("dialer"), own_addresses=own_addresses)
        self.manager = TransportManager()
        self.facts: PeerFacts = NobodyKnown()  # the peers service takes its place before the first link
        self.far = FarPeers(dice("far"))
        self.relay = Relay(
            self.me,
            Router(identity, die=dice("routing"), wall_ms=wall_ms),
            links=self.links,
            manager=self.manager,
            is_contact=self._is_contact,
            counts=self.counts,
            entropy=entropy,
        )
        self.commons = Commons(
            self.me,
            flood_die=dice("flood"),
            sync_die=dice("sync"),
            wall_ms=wall_ms,
            suite=identity.suite,
        )
        self._entropy, self._kem = entropy, kem
        self._sessions = SessionTable(
            identity,
            own_record=own_record,
            boot=boot,
            kem=kem,
            entropy=entropy,
            answer_strangers=answer_strangers,
            is_blocked=self._is_blocked,
            remember_hybrid=self._seen_hybrid,
        )
        self._pumps = Pump(self._sessions, self.links, self.manager, self.relay)
        self._channels = ChannelTable()
        self._touched: dict[int, Channel] = {}  # by the channel's id
        self._effects: list[Effect] = []
        self._rare_moved = True  # a timer of sessions, links, dialler or routing may have
        self._rare_due_ns: int | None = None

    # -- what happened ----------------------------------------------------------------------------------------

    def handle(self, event: MeshEvent, *, now_ns: int) -> list[Effect]:
        match event:
            case LinkReceived():
                self._on_received(event, now_ns)
                if RpcHappened in map(type, self._effects):
                    return self._take_effects()  # whoever hears of it may answer at once: one record for both
                return self.flush(now_ns=now_ns)
            case LinkWritable():
                self._on_writable(event, now_ns)
                return self.flush(now_ns=now_ns)
            case LinkUp():
                self._on_link_up(event, now_ns)
            case LinkDown():
                self._on_link_down(event, now_ns)
            case DialFailed():
                self.dialer.finished(event.target, now_ns=now_ns, failed=event.reason)
            case DeviceChanged():
                self.manager.device_changed(event.device)
                self.dialer.at_once_max = self.manager.energy.allowance.dials_at_once_max
                self._wake_neighbours()
            case NetworkChanged():
                self.dialer.hurry_all(now_ns=now_ns)
            case _:
                assert_never(event)
        self._rare_moved = True
        return self.flush(now_ns=now_ns)

    def flush(self, *, now_ns: int) -> list[Effect]:
        """Send what channels and handshakes have ready; open what is due to be dialled; give all that is wanted."""
        handshakes = self._sessions.outgoing()
        if handshakes:  # before all else: the peer waits for them, while we note who it is
            self._rare_moved = True
            self._effects[:0] = [
                send
                for route, peer, frame in handshakes
                if (send := self._handshake_send(route, peer, frame, now_ns))
            ]
        if self._rare_moved:
            for peer, body in self.relay.router.outgoing(now_ns=now_ns):
                self._say(peer, ROUTING, body)
            for peer, body in self.commons.bodies():
                self._say(peer, SYNC, body)
            for peer, frame in self.commons.outgoing(now_ns=now_ns):
                self.relay.hand(peer, frame, now_ns)
        while self._touched:
            _, channel = self._touched.popitem()
            self._pump(channel, now_ns)
        if self._rare_moved:
            self._effects += self.dialer.dials(now_ns=now_ns)
        if self.relay.is_due:
            self._effects += self.relay.flight(now_ns)
            if self.relay.take_moved():
                self._rare_moved = True
        return self._take_effects()

    def _say(self, peer: NodeId, kind: int, body: bytes) -> None:
        """To a neighbour, inside the session that we share."""
        channel = self._channels.get(self._sessions.preferred(peer))
        if channel is not None:
            channel.connection.send_control(kind, body)
            self.links.tallies.of(peer).control_bytes_out += len(body)
            self._touched[channel.id] = channel

    def next_timeout(self) -> int | None:
        """Cheap: asked after every batch of records, which move no timer but their channel's."""
        return earliest(self._channels.next_timeout(), self._rare_timeout())

    def _rare_timeout(self) -> int | None:
        if self._rare_moved:
            self._rare_due_ns = earliest(
                self._sessions.next_timeout(),
                self.links.next_timeout(),
                self.dialer.next_timeout(),
                self.relay.next_timeout(),
                self.commons.next_timeout(),
                self.far.next_timeout(),
            )
            self._rare_moved = False
        return self._rare_due_ns

    def handle_timeout(self, *, now_ns: int) -> list[Effect]:
        rare_ns = self._rare_timeout()
        if rare_ns is not None and rare_ns <= now_ns:
            self._rare_moved = True
            for event in self._sessions.handle_timeout(now_ns=now_ns):
                self._on_session_event(event, None, now_ns)
            for link in self.links.overdue(now_ns=now_ns):
                self._on_overdue(link, now_ns)
            self._on_routing(self.relay.handle_timeout(now_ns), now_ns)
            self._on_suspicious(self.commons.handle_timeout(now_ns=now_ns))
            for peer in self.far.take_due(now_ns=now_ns):
                self._go_far(peer, now_ns)
        while (channel := self._channels.take_due(now_ns=now_ns)) is not None:
            self._on_channel_timer(channel, now_ns)
        return self.flush(now_ns=now_ns)

    def _take_effects(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects

    @property
    def session_drops(self) -> Mapping[str, int]:
        """Reason -> count of bytes that changed nothing, below the counts of the core."""
        return self._sessions.dropped

    # -- what the floors above ask ----------------------------------------------------------------------------

    def channel(self, peer: NodeId) -> Channel | None:
        """Where a new call to this peer goes; None while there is no way to it, or no session."""
        session = self._sessions.preferred(peer)
        return self._channels.get(session) if self.links.of(peer) or self.far.is_present(peer) else None

    def present(self) -> list[NodeId]:
        """Peers with a session that have a link, then those that are reached over others."""
        return self.links.neighbours() + self.far.present()

    def touch(self, channel: Channel) -> None:
        """Its rpc was used: the next `flush` sends."""
        if not channel.closed:
            self._touched[channel.id] = channel

    def want(self, peer: NodeId, *, now_ns: int) -> None:
        """Keep trying to reach this peer."""
        if peer == self.me or self.facts.is_blocked(peer):
            return
        self.dialer.want(peer, self.facts.addresses(peer), keep=True, now_ns=now_ns)
        if self.links.of(peer):
            self.dialer.held(peer)
            return
        self.dialer.hurry(peer, now_ns=now_ns)
        self._rare_moved = True
        if self.far.want(peer):
            self.relay.router.watch(peer, now_ns=now_ns)
            if self.relay.router.reachable(peer):
                self.far.way_found(peer, now_ns=now_ns)

    def expect(
        self, key: NodeId | str, addresses: list[str], *, keep: bool, now_ns: int, after_ns: int = 0
    ) -> None:
        """Call these addresses: of a peer that was seen there, or of whoever answers (the key is then an address)."""
        self._rare_moved = True
        self.dialer.want(key, addresses, keep=keep, now_ns=now_ns, after_ns=after_ns)

    def shout(self, frame: bytes, *, now_ns: int) -> None:
        """A broadcast of ours, to everybody around."""
        self._rare_moved = True
        self.commons.shout(frame, now_ns=now_ns)

    def recall(self, frames: Sequence[bytes], *, now_ns: int) -> None:
        """Broadcasts from the disk, for neighbours that missed them."""
        self._rare_moved = True
        for frame in frames:
            try:
                self.commons.recall(frame, now_ns=now_ns)
            except RemoteError as error:
                self.counts[f"recalled_{error.reason}"] += 1

    def part(self, peer: NodeId, reason: str, *, now_ns: int) -> None:
        """Let go of a peer: blocked, revoked or removed by the owner."""
        self._rare_moved = True
        self.dialer.drop(peer)
        for channel in self._channels.of(peer):
            self._say_good_bye(
                channel, PARTED, "parted", now_ns
            )  # neutral: nobody learns that they are blocked
            self._close_channel(channel, reason, now_ns)
        for link in list(self.links.of(peer)):
            self._turn_away(link, reason, now_ns)
        self.relay.router.unwatch(peer)
        if self.far.drop(peer):
            self._effects.append(PeerDisconnected(peer, reason))

    def _is_blocked(self, peer: NodeId) -> bool:
        return self.facts.is_blocked(peer)

    def _is_contact(self, peer: NodeId) -> bool:
        return self.facts.is_contact(peer)

    def _seen_hybrid(self, peer: NodeId) -> bool:
        return self.facts.seen_hybrid(peer)

    # -- links ------------------------------------------------------------------------------------------------

    def _on_link_up(self, up: LinkUp, now_ns: int) -> None:
        if up.target is not None and not up.beside:
            self.dialer.finished(up.target, now_ns=now_ns, failed=None)
        link = self.links.add(up, now_ns=now_ns)
        if link is None:
            self.counts["links_full"] += 1
            self._effects.append(CloseLink(up.link, "full"))
            return
        if not up.dialled:
            return  # whoever dialled speaks first
        expected = up.target if isinstance(up.target, bytes) else None
        session = self._sessions.preferred(expected) if expected is not None else None
        channel = self._channels.get(session)
        if channel is not None:
            link.binding = LinkBinding(up.binding, entropy=self._entropy)
            link.due_ns = now_ns + BIND_NS
            channel.connection.send_control(BIND, link.binding.start(), lane=link.paths.control.lane)
            self._touched[channel.id] = channel
        else:
            self._shake_hands(link, expected, now_ns)

    def _shake_hands(self, link: LinkState, expected: NodeId | None, now_ns: int) -> None:
        try:
            link.handshake = self._connect(expected, link, now_ns)
        except LinkError as error:
            self._turn_away(link, str(error), now_ns)

    def _connect(self, peer: NodeId | None, link: LinkState | None, now_ns: int) -> HandshakeId:
        """With whoever is at the other end of the link; without one over others. Raises LinkError."""
        return self._sessions.connect(
            peer=peer,
            x25519=None if peer is None else self.facts.x25519(peer),
            hybrid=self._kem is not None and (peer is None or self.facts.hybrid(peer)),
            route=NO_ROUTE if link is None else link.id,
            local=link is not None,
            binding=b"" if link is None else link.up.binding,
            now_ns=now_ns,
        )

    def _on_overdue(self, link: LinkState, now_ns: int) -> None:
        """Nobody proved who is there. A peer that forgot our session may be shy of strangers and say nothing: where
        BIND was not answered, shake hands instead, once.
        """
        expected = link.up.target
        if link.binding is not None and link.up.dialled and isinstance(expected, bytes):
            link.binding, link.due_ns = None, now_ns + UNBOUND_NS
            self._shake_hands(link, expected, now_ns)
        else:
            self._turn_away(link, "not_bound_in_time", now_ns)

    def _on_link_down(self, event: LinkDown, now_ns: int) -> None:
        link = self.links.remove(event.link)
        if link is None:
            return
        self._sessions.route_lost(link.id)
        if link.peer is None:
            if link.up.target is not None:
                self.dialer.rejected(link.up.target, now_ns=now_ns, reason=event.reason)
            return
        self.manager.links_changed(link.peer)
        for channel in self._channels.of(link.peer):
            for lane in lanes_of(link.id):
                channel.connection.lane_lost(lane, now_ns=now_ns)
            self._touched[channel.id] = channel
        if not self.links.of(link.peer):
            self._on_neighbour_gone(link.peer, event.reason, now_ns)
            self.dialer.lost(link.peer, now_ns=now_ns)

    def _on_neighbour_gone(self, peer: NodeId, reason: str, now_ns: int) -> None:
        """Its last link is. Where others lead to it, its session carries on over them, and nobody is told."""
        self._forget_neighbour(peer, now_ns)
        session = self._sessions.preferred(peer)
        self.relay.router.unwatch(peer)  # what it had found was the link
        self.relay.router.watch(peer, now_ns=now_ns)
        if session is not None and self.relay.router.reachable(peer):
            self.far.arrived(peer)
            self._mark_away(peer, None)
        else:
            self._mark_away(peer, now_ns)
            self._effects.append(PeerDisconnected(peer, reason))

    def _forget_neighbour(self, peer: NodeId, now_ns: int) -> None:
        self.relay.neighbour_down(peer, now_ns)
        self.commons.neighbour_down(peer, now_ns=now_ns)

    def _mark_away(self, peer: NodeId, since_ns: int | None) -> None:
        for channel in self._channels.of(peer):
            channel.away_since_ns = since_ns
            self._touched[channel.id] = channel

    def _wake_neighbours(self) -> None:
        """What the policy held back may go now."""
        for peer in self.links.neighbours():
            self._touch_all(peer)

    def _touch_all(self, peer: NodeId) -> None:
        for channel in self._channels.of(peer):
            self._touched[channel.id] = channel

    def _turn_away(self, link: LinkState, reason: str, now_ns: int) -> None:
        self._rare_moved = True
        self._effects.append(CloseLink(link.id, reason))
        self._on_link_down(LinkDown(link.id, reason), now_ns)

    def _on_writable(self, event: LinkWritable, now_ns: int) -> None:
        link = self.links.get(event.link)
        if link is None or link.peer is None:
            return
        self._touch_all(link.peer)
        if self.relay.writable(link, now_ns):
            for peer in self.far.present():
                self._touch_all(peer)

    def _bind(self, link: LinkState, session: Session, now_ns: int) -> None:
        self._rare_moved = True
        peer = session.peer
        only = not self.links.of(peer)
        self.links.bind(link, peer)
        self.manager.links_changed(peer)
        self.dialer.met(link.up.target, peer, link.up.address, now_ns=now_ns)
        self._mark_away(peer, None)
        if only:
            self.relay.neighbour_up(peer, now_ns)
            self.commons.neighbour_up(peer, now_ns=now_ns)
        was_far = self.far.drop(peer)
        up = link.up
        self._welcome(session, up.address, dialled=up.dialled, first=only and not was_far)
        if not only:
            self._thin_out(peer, link, now_ns)

    def _welcome(self, session: Session, address: str, *, dialled: bool, first: bool) -> None:
        self._effects.append(
            PeerConnected(
                session.peer,
                session.record,
                session.record_bytes,
                session.hybrid,
                address,
                dialled=dialled,
                first=first,
            )
        )

    def _thin_out(self, peer: NodeId, newest: LinkState, now_ns: int) -> None:
        """One link per transport is enough. Both ends choose the same one; the end that dialled the other closes it.

        Of two that crossed (each end dialled one) the one of the lower NodeId stays; else the newest, since the
        older may be dead without anybody having noticed.
        """
        transport = newest.up.traits().transport
        for older in [link for link in self.links.of(peer) if link is not newest]:
            if older.up.traits().transport != transport:
                continue
            crossed = older.up.dialled != newest.up.dialled and now_ns - older.since_ns < CROSSED_NS
            lower_dialled = newest.up.dialled == (self.me < peer)
            doomed = older if not crossed or lower_dialled else newest
            if doomed.up.dialled:
                self._turn_away(doomed, "duplicate", now_ns)

    # -- frames -----------------------------------------------------------------------------------------------

    def _on_received(self, event: LinkReceived, now_ns: int) -> None:
        link = self.links.get(event.link)
        if link is None:
            return
        link.tally.received(event.frames)
        for frame in event.frames:
            try:
                envelope = decode_envelope(frame)
            except RemoteError as error:
                self._rubbish(link, error.reason, now_ns)
                continue
            if (envelope.local and envelope.kind != Kind.HOP_ACK) or self._on_routed(
                envelope, frame, link, now_ns
            ):
                for happened in self._sessions.receive(
                    envelope, route=link.id, binding=link.up.binding, now_ns=now_ns
                ):
                    self._on_session_event(happened, link, now_ns)
            if self.links.get(event.link) is None:
                return  # turned away meanwhile

    def _on_routed(self, envelope: Envelope, frame: bytes, link: LinkState, now_ns: int) -> bool:
        """True where it is for one of our sessions."""
        if link.peer is None:
            self._rubbish(link, "before_binding", now_ns)
            return False
        self.relay.is_due = True
        try:
            if envelope.kind == Kind.HOP_ACK:
                self.relay.hop_answered(link.peer, envelope, now_ns)
            elif envelope.kind == Kind.BROADCAST:
                self._on_broadcast(envelope, frame, link.peer, now_ns)
            elif not self.relay.arrived(envelope, link, now_ns):
                pass
            elif envelope.destination != self.me:
                self.relay.pass_on(envelope, frame, link.peer, now_ns)
            else:
                self.counts["routed_in"] += 1
                if envelope.kind != Kind.ROUTE:
                    return True
                self._rare_moved = True
                self._on_routing(self.relay.routed_control(envelope, now_ns), now_ns)
        except RemoteError as error:
            self._rubbish(link, error.reason, now_ns)
        return False

    def _rubbish(self, link: LinkState, reason: str, now_ns: int) -> None:
        self.counts[reason] += 1
        link.tally.dropped[reason] += 1
        link.rubbish += 1
        if link.rubbish > RUBBISH_MAX:
            self._turn_away(link, "rubbish", now_ns)

    def _on_broadcast(self, envelope: Envelope, frame: bytes, neighbour: NodeId, now_ns: int) -> None:
        """Raises RemoteError."""
        self._rare_moved = True
        broadcast = self.commons.receive(neighbour, envelope, frame, now_ns=now_ns)
        if broadcast is not None:
            self._effects.append(BroadcastHeard(broadcast, frame))

    def _handshake_send(self, route: int, peer: NodeId, frame: bytes, now_ns: int) -> SendOn | None:
        if not frame[2] & LOCAL_FLAG:
            self.relay.send(frame, peer, TrafficClass.INTERACTIVE, now_ns)
            return None
        link = self.links.get(route)
        if link is None:
            self.counts["no_route"] += 1
            return None
        traits = link.up.traits()
        reliable = traits.has_reliable_lane
        if not reliable and len(frame) > traits.datagram_bytes_max:
            self.counts["handshake_too_long"] += 1
            return None
        return SendOn(route, [frame], reliable)

    # -- sessions ---------------------------------------------------------------------------------------------

    def _on_session_event(  # noqa: C901 - one flat table of all that a session table may tell
        self, event: SessionEvent, link: LinkState | None, now_ns: int
    ) -> None:
        match event:
            case RecordOpened():
                self._on_record(event, link, now_ns)
                return
            case SessionEstablished():
                self._on_established(event, link, now_ns)
            case SessionReplaced():
                if (channel := self._channels.get(event.old)) is not None:
                    self._forget_channel(channel, "peer_restarted")
            case SessionEnded():
                if (channel := self._channels.get(event.session)) is not None:
                    self._forget_channel(channel, event.reason)
            case HandshakeFailed():
                self._on_handshake_failed(event, now_ns)
            case PeerForgot():
                self._on_forgotten(event.session, link, now_ns)
            case Dropped():
                if (
                    link is not None and link.peer is None
                ):  # a neighbour's late and doubled records are no rubbish
                    self._rubbish(link, "before_binding", now_ns)
            case _:
                assert_never(event)
        self._rare_moved = True

    def _on_established(self, event: SessionEstablished, link: LinkState | None, now_ns: int) -> None:
        session = event.session
        if any(old.session.boot != session.boot for old in self._channels.of(session.peer)):
            self._on_restart(session.peer, link, now_ns)
        contact = self.facts.is_contact(session.peer)
        channel = self._channels.make(session, contact=contact, now_ns=now_ns)
        self._prefer_one(session.peer)
        self._effects.append(
            Noticed("session_established", {"peer": short_id(session.peer), "hybrid": session.hybrid})
        )
        if event.bound and link is not None and link.peer is None:
            self._bind(link, session, now_ns)
        elif not self.links.of(session.peer):
            self._arrive_far(session, now_ns)
        self._touched[channel.id] = channel
        if (oldest := self._channels.one_too_many()) is not None:
            self._close_channel(oldest, "too_many_sessions", now_ns)

    def _on_handshake_failed(self, event: HandshakeFailed, now_ns: int) -> None:
        self.counts[f"handshake_{event.reason}"] += 1
        failed = self.links.by_handshake(event.handshake)
        if failed is not None:
            self._turn_away(failed, event.reason, now_ns)
        elif event.peer is not None and not self.links.of(event.peer):
            self.far.failed(event.peer, now_ns=now_ns)

    def _on_forgotten(self, session: Session, link: LinkState | None, now_ns: int) -> None:
        """An unproved hint that the peer lost this session: shake hands again where the hint came from. Not for one
        that another has taken the place of: of two handshakes that crossed, the peer may never have finished one.
        """
        peer = session.peer
        current = session is self._sessions.preferred(peer)
        if link is None:
            return
        if link.peer is None or (link.peer == peer and current):
            link.binding = None
            self._shake_hands(link, peer, now_ns)
        elif link.peer != peer and current and not self.links.of(peer) and not self.far.is_under_way(peer):
            self._shake_far(peer, now_ns)

    def _on_restart(self, peer: NodeId, link: LinkState | None, now_ns: int) -> None:
        """The peer's boot changed: its old sessions are over, and its old links lead nowhere."""
        for channel in self._channels.of(peer):
            self._close_channel(channel, "peer_restarted", now_ns)
        for old in list(self.links.of(peer)):
            if old is not link:
                self._turn_away(old, "peer_restarted", now_ns)
        if link is not None and link.peer == peer:
            self.links.unbind(link)
            self._forget_neighbour(peer, now_ns)
            self._effects.append(PeerDisconnected(peer, "peer_restarted"))

    def _on_record(self, event: RecordOpened, link: LinkState | None, now_ns: int) -> None:
        channel = self._channels.get(event.session)
        if channel is None:
            return
        if link is not None and link.peer is None and event.plaintext[:2] != BIND_FIRST:
            self.counts["not_bound_yet"] += 1  # its sender counts it as lost and sends it again
            return
        reliable = event.local and link is not None and len(event.plaintext) > link.paths.datagram_bytes_max
        try:
            for happened in channel.connection.receive(
                event.counter,
                event.plaintext,
                reliable=reliable,
                now_ns=now_ns,
                way=link.id if link is not None and event.local else None,
            ):
                if isinstance(happened, ControlReceived):
                    if link is not None and event.local:
                        self._on_control(happened, link, channel, now_ns)
                elif not self._on_stream_event(channel, happened, now_ns):
                    return
        except RemoteError as error:
            self.counts[error.reason] += 1
            self._say_good_bye(channel, PROTOCOL_BROKEN, error.reason, now_ns)
            self._close_channel(channel, error.reason, now_ns)
            return
        self._touched[channel.id] = channel

    def _on_control(self, control: ControlReceived, link: LinkState, channel: Channel, now_ns: int) -> None:
        if control.kind == BIND:
            self._on_bind(link, channel, control.body, now_ns)
        elif link.peer != channel.peer:
            self.counts["control_before_binding"] += 1
        else:
            self._rare_moved = True
            try:
                if control.kind == ROUTING:
                    told = self.relay.router.receive(channel.peer, control.body, now_ns=now_ns)
                    self._on_routing(told, now_ns)
                elif control.kind == SYNC:
                    self._on_suspicious(self.commons.receive_sync(channel.peer, control.body, now_ns=now_ns))
            except RemoteError as error:
                self.counts[error.reason] += 1
                self.relay.evidence.suspicious(channel.peer, error.reason)

    def _on_stream_event(self, channel: Channel, event: StreamEvent, now_ns: int) -> bool:
        """False once the channel is over."""
        if isinstance(event, Closed):
            self._close_channel(channel, event.reason or "closed_by_peer", now_ns)
            return False
        for call_event in channel.rpc.stream_event(event, now_ns=now_ns):
            self._effects.append(RpcHappened(channel, call_event))
        return True

    def _on_bind(self, link: LinkState, channel: Channel, body: bytes, now_ns: int) -> None:
        """docs/wire.md, section 6."""
        if link.peer is not None:
            return  # said twice: the link is bound already
        link.binding = link.binding or LinkBinding(link.up.binding, entropy=self._entropy)
        try:
            answer = link.binding.receive(body)
        except RemoteError as error:
            self.counts[error.reason] += 1
            self._turn_away(link, error.reason, now_ns)
            return
        bound = link.binding.bound
        if answer is not None:
            channel.connection.send_control(BIND, answer, lane=link.paths.control.lane)
        if bound:
            self._bind(link, channel.session, now_ns)

    # -- peers over others ------------------------------------------------------------------------------------

    def _on_routing(self, events: list[RoutingEvent], now_ns: int) -> None:
        for event in events:
            match event:
                case Found():
                    if not self.links.of(event.peer):
                        self.far.way_found(event.peer, now_ns=now_ns)
                case Lost():
                    if not self.links.of(event.peer) and self.far.left(event.peer):
                        self._mark_away(event.peer, now_ns)
                        self._effects.append(PeerDisconnected(event.peer, "no_way"))
                case Suspicious():
                    self._on_suspicious([event])
                case _:
                    assert_never(event)

    def _on_suspicious(self, events: Sequence[Suspicious | SyncSuspicious]) -> None:
        for event in events:
            self.counts[event.reason] += 1
            self.relay.evidence.suspicious(event.peer, event.reason)

    def _go_far(self, peer: NodeId, now_ns: int) -> None:
        """No direct link came of it in time."""
        session = self._sessions.preferred(peer)
        if self.links.of(peer) or not self.relay.router.reachable(peer):
            return
        if session is not None and self._channels.get(session) is not None:
            self._arrive_far(session, now_ns)
        else:
            self._shake_far(peer, now_ns)

    def _shake_far(self, peer: NodeId, now_ns: int) -> None:
        try:
            handshake = self._connect(peer, None, now_ns)
        except LinkError:
            self.far.failed(peer, now_ns=now_ns)
        else:
            self.far.shaking(peer, handshake)
        self._rare_moved = True

    def _arrive_far(self, session: Session, now_ns: int) -> None:
        """A session with a peer that has no link: present while others lead to it."""
        self.relay.router.watch(session.peer, now_ns=now_ns)
        self._mark_away(session.peer, None)
        if self.far.arrived(session.peer):
            self._welcome(session, FAR_ADDRESS, dialled=False, first=True)

    # -- channels ---------------------------------------------------------------------------------------------

    def _pump(self, channel: Channel, now_ns: int) -> None:
        self._effects += self._pumps.flight(channel, now_ns=now_ns)
        for event in channel.connection.take_events():
            self._on_stream_event(channel, event, now_ns)
        self._channels.arm(channel)

    def _on_channel_timer(self, channel: Channel, now_ns: int) -> None:
        if channel.away_since_ns is not None and channel.away_since_ns + AWAY_NS <= now_ns:
            self._close_channel(channel, "away_too_long", now_ns)
            return
        connection, rpc = channel.connection, channel.rpc
        if (due_ns := connection.next_timeout()) is not None and due_ns <= now_ns:
            for event in connection.handle_timeout(now_ns=now_ns):
                if not self._on_stream_event(channel, event, now_ns):
                    return
        if (due_ns := rpc.next_timeout()) is not None and due_ns <= now_ns:
            self._effects += [RpcHappened(channel, event) for event in rpc.handle_timeout(now_ns=now_ns)]
        self._touched[channel.id] = channel

    def _say_good_bye(self, channel: Channel, code: int, word: str, now_ns: int) -> None:
        """Tell the peer, where a link still can, before the session's keys go."""
        channel.connection.close(code, word)
        self._pump(channel, now_ns)

    def _close_channel(self, channel: Channel, reason: str, now_ns: int) -> None:
        """We end it; `_forget_channel` is what follows where the session ended by itself."""
        self._sessions.close(channel.session, now_ns=now_ns)
        self._forget_channel(channel, reason)

    def _forget_channel(self, channel: Channel, reason: str) -> None:
        if self._channels.remove(channel):
            self._touched.pop(channel.id, None)
            self._effects.append(ChannelClosed(channel.id, channel.peer, reason))
            self._prefer_one(channel.peer)
            if not self._channels.of(channel.peer) and self.far.left(channel.peer):
                self._effects.append(PeerDisconnected(channel.peer, reason))

    def _prefer_one(self, peer: NodeId) -> None:
        """A session that another has taken the place of ends once it is silent; so nothing may keep it alive."""
        preferred = self._sessions.preferred(peer)
        for channel in self._channels.of(peer):
            channel.connection.is_spare = channel.session is not preferred or not self.links.of(peer)
            self._touched[channel.id] = channel
