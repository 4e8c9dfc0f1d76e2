"""Routed envelopes: ours on their way out, others' on their way through, and what keeps the ways known.

The router says which neighbour is next; the transport manager which of its links; a radio's frames stay in custody
until the next hop has them. Nothing here opens what it passes on.
"""

from collections import Counter
from collections.abc import Callable, Container
from typing import TypeAlias

from meshnode.mesh.custody import TRIES_MAX, Custody, Kept
from meshnode.mesh.events import SendOn
from meshnode.mesh.evidence import Evidence
from meshnode.mesh.fair import FairQueue
from meshnode.mesh.links import LinkState, LinkTable
from meshnode.mesh.relaying import Relaying
from meshnode.mesh.seen import Seen
from meshnode.mesh.transport_manager import TransportManager
from policies.relay import Refuse
from policies.routing import SHUNNED_COST, HopView, has_moved, hop_cost
from protocols.envelope import (
    CLASS_BITS,
    ROUTED_HEADER_BYTES,
    VIA_BYTES,
    Envelope,
    Kind,
    TrafficClass,
    decode_envelope,
    header_bytes,
    relayed,
    via_of,
)
from protocols.ids import MESSAGE_ID_BYTES, UNKNOWN_NODE, NodeId
from protocols.routing import Event as RoutingEvent
from protocols.routing import Hop, Router
from protocols.session import SessionLimits
from protocols.timers import earliest
from transports.api import LinkTraits

Batches: TypeAlias = dict[tuple[int, bool], list[bytes]]  # (link, on its reliable lane?) -> frames

ANSWERED = frozenset((Kind.HANDSHAKE, Kind.RECORD))  # soon something comes back the other way
ROUTING, SYNC = 2, 3  # docs/wire.md, section 5: kinds of a CONTROL frame
LOOK_NS = 5_000_000_000  # between two looks at what the hops cost: about as long as a round trip's average remembers
HOPS = SessionLimits().hops  # of a fresh envelope of the router's own
RADIO_WIDTH = 12  # 4 KiB: on a radio of 20 kB/s nobody else should wait for longer than 0.2 s
WIDE = 16  # 64 KiB: whatever an envelope may hold
RADIO_BYTES_PER_S = 20_000  # of Bluetooth LE, measured by others; docs/routing.md
NETWORK_BYTES_PER_S = 1_000_000  # of a home's uplink: what is told to neighbours may cost 2 % of it
NS_PER_MS = 1_000_000
HANDSHAKE_PATIENCE_NS = 400_000_000  # then its repetition goes another way; the first comes after 500 ms
RECORD_PATIENCE_NS = (
    1_000_000_000  # above most round trips over several hops; changing the way too soon only reorders
)
STRAIGHT_HOPS = 64  # left: from then on only what is free of loops; half of what a fresh envelope has
TRIED_ENOUGH = 2  # neighbours; from then on a handshake's repetitions go over two at once


class Relay:
    def __init__(
        self,
        me: NodeId,
        router: Router,
        *,
        links: LinkTable,
        manager: TransportManager,
        is_contact: Callable[[NodeId], bool],
        counts: Counter[str],
        entropy: Callable[[int], bytes],
    ) -> None:
        self.router = router
        self.evidence = Evidence(me, is_contact=is_contact)
        self.relaying = Relaying(is_contact=is_contact)
        self._me, self._entropy = me, entropy
        self._links, self._manager, self._counts = links, manager, counts
        self._custody = Custody()
        self._seen = Seen()  # on network links; a radio's may come again, by another way, where one was lost
        self._batches: Batches = {}
        self._queues: dict[NodeId, FairQueue] = {}  # of neighbours whose links are full
        self._costs: dict[NodeId, int] = {}  # as the router was last told
        self._look_ns: int | None = None
        self.is_due = False  # `flight` may have something
        self._moved = True  # `next_timeout` may be another, or the router or custody have words

    # -- neighbours -------------------------------------------------------------------------------------------

    def neighbour_up(self, peer: NodeId, now_ns: int) -> None:
        """Its first link is bound."""
        traits = self._links.of(peer)[0].up.traits()
        cost = self._costs[peer] = self._cost(peer, now_ns)
        self.router.neighbour_up(
            peer,
            cost=cost,
            width=_width(traits),
            bytes_per_s=RADIO_BYTES_PER_S if traits.is_radio else NETWORK_BYTES_PER_S,
            transit=self._may_pass(peer, now_ns),
            now_ns=now_ns,
        )
        self._look_ns = self._look_ns or now_ns + LOOK_NS

    def neighbour_down(self, peer: NodeId, now_ns: int) -> None:
        """Its last link is gone."""
        del self._costs[peer]
        self.router.neighbour_down(peer, now_ns=now_ns)
        self.evidence.gone(peer)
        self._custody.lost(peer, now_ns)
        self._moved = True
        if (queue := self._queues.pop(peer, None)) is not None:
            for waiting in queue.drain():
                self._pass(decode_envelope(waiting.frame), waiting.frame, waiting.neighbour, now_ns)
        if not self._costs:
            self._look_ns = None

    def _look(self, now_ns: int) -> None:
        for peer, before in self._costs.items():
            cost = self._cost(peer, now_ns)
            if has_moved(before, cost):
                self._costs[peer] = cost
                width, transit = _width(self._links.of(peer)[0].up.traits()), self._may_pass(peer, now_ns)
                self.router.neighbour_changed(peer, cost=cost, width=width, transit=transit, now_ns=now_ns)
        self._look_ns = now_ns + LOOK_NS if self._costs else None

    def _cost(self, peer: NodeId, now_ns: int) -> int:
        """Over its best link, and by its conduct."""
        silent, standing = self._custody.is_silent(peer), self.evidence.standing(peer, now_ns)
        trips_ns = [link.up.stats.rtt_ns for link in self._links.of(peer)]
        return min(
            hop_cost(
                HopView(
                    None if trip_ns is None else trip_ns / NS_PER_MS,
                    cost_factor=standing.cost_factor,
                    silent=silent,
                    shunned=standing.place == "none",
                )
            )
            for trip_ns in trips_ns
        )

    def _may_pass(self, peer: NodeId, now_ns: int) -> bool:
        """Whether this neighbour is told of ways through us."""
        return self.relaying.transit and self.evidence.standing(peer, now_ns).place != "none"

    # -- envelopes --------------------------------------------------------------------------------------------

    def way_to(self, peer: NodeId, now_ns: int) -> Hop | None:
        return self._own_hop(peer, RECORD_PATIENCE_NS, now_ns)

    def _own_hop(self, peer: NodeId, patience_ns: int, now_ns: int) -> Hop | None:
        return self._next_hop(self._me, peer, None, None, patience_ns, now_ns)

    def _next_hop(
        self,
        source: NodeId,
        destination: NodeId,
        via: NodeId | None,
        came_from: NodeId | None,
        patience_ns: int | None,
        now_ns: int,
        *,
        venture: bool = True,
    ) -> Hop | None:
        """Not back. Where answers came from a moment ago, for so the other direction proved that way; else through
        somebody who was not silent on this flow, if there is any.
        """
        back = () if came_from is None else (came_from,)
        hop = self.router.next_hop(destination, via=via, avoid=back, now_ns=now_ns)
        if hop is None:
            return None
        hold_to, avoid = self.evidence.choice(source, destination, patience_ns, now_ns)
        if hold_to == hop.neighbour:
            return hop
        if venture and hold_to is not None and self._may_hold_to(hold_to, destination, came_from):
            return Hop(hold_to, min(hop.width, RADIO_WIDTH), hop.via)  # how wide that way is nobody told
        if hop.neighbour not in avoid:
            return hop
        shunned = (*back, *avoid)
        other = self.router.next_hop(destination, via=via, avoid=shunned, venture=venture, now_ns=now_ns)
        if other is None and source == self._me:
            other = self._somebody_else(shunned, via)
        if other is None:
            self.evidence.tried_all(source, destination, avoid[-1])
            other = self.router.next_hop(destination, via=via, avoid=(*back, avoid[-1]), now_ns=now_ns)
        return other or hop

    def _somebody_else(self, shunned: Container[NodeId], via: NodeId | None) -> Hop | None:
        """Our table may hold nothing but false words: any other neighbour has one of its own."""
        for peer, cost in self._costs.items():
            if cost < SHUNNED_COST and peer not in shunned:
                return Hop(peer, RADIO_WIDTH, via)
        return None

    def _may_hold_to(self, neighbour: NodeId, destination: NodeId, came_from: NodeId | None) -> bool:
        """While it is there and has its place; and never past the destination itself."""
        cost = self._costs.get(neighbour, SHUNNED_COST)
        return cost < SHUNNED_COST and neighbour != came_from and destination not in self._costs

    def send(self, frame: bytes, destination: NodeId, traffic: int, now_ns: int) -> bool:
        """One of ours. False where no way is known."""
        self.is_due = True
        shakes = frame[1] == Kind.HANDSHAKE
        hop = self._own_hop(destination, HANDSHAKE_PATIENCE_NS if shakes else RECORD_PATIENCE_NS, now_ns)
        if hop is None:
            self._counts["no_route"] += 1
            return False
        if shakes and self.evidence.tried(self._me, destination) >= TRIED_ENOUGH:
            other = self.router.next_hop(destination, via=None, avoid=(hop.neighbour,), now_ns=now_ns)
            if other is not None:
                self._send_over(other, frame, destination, traffic, now_ns)
        self._send_over(hop, frame, destination, traffic, now_ns)
        return True

    def _send_over(self, hop: Hop, frame: bytes, destination: NodeId, traffic: int, now_ns: int) -> None:
        if hop.via is not None:
            frame = relayed(frame, hops_left=frame[3], via=hop.via)
        if frame[1] in ANSWERED:
            self.evidence.forwarded(hop.neighbour, self._me, destination, now_ns)
        self._put(hop.neighbour, frame, self._me, destination, self._me, traffic, now_ns)

    def is_congested(self, neighbour: NodeId) -> bool:
        """What goes there waits already: make no more records for it until a link of its is writable."""
        return neighbour in self._queues

    def arrived(self, envelope: Envelope, link: LinkState, now_ns: int) -> bool:
        """A routed envelope over a bound link. False where it came before."""
        assert link.peer is not None, "who is not bound sends nothing routed"
        if link.up.traits().is_radio:
            self._moved = True
            is_new = self._custody.arrived(link.peer, envelope.id)
        else:
            first = self._seen.before(envelope.id, link.peer)
            is_new = first is None
            if first == link.peer:
                self.evidence.suspicious(link.peer, "replay")
        if not is_new:
            self._counts["duplicate"] += 1
            link.tally.duplicates += 1
            return False
        self.evidence.passed(envelope.source, envelope.destination, link.peer, now_ns)
        self.router.passed(envelope.source, link.peer, now_ns=now_ns)
        return True

    def pass_on(self, envelope: Envelope, frame: bytes, neighbour: NodeId, now_ns: int) -> None:
        """Another's, from this neighbour, for somebody else."""
        if envelope.source == self._me:
            self._drop("came_back", neighbour)
            return
        if envelope.hops_left == 1:
            self._drop("hops_spent", neighbour)
            return
        self.evidence.frames(neighbour, 1, len(frame), now_ns)
        decision = self.relaying.decide(
            neighbour,
            envelope.source,
            envelope.destination,
            traffic=envelope.traffic,
            nbytes=len(frame),
            place=self.evidence.standing(neighbour, now_ns).place,
            energy=self._manager.energy.level,
            now_ns=now_ns,
        )
        if isinstance(decision, Refuse):
            self._drop(decision.reason, neighbour)
            if decision.reason == "too_much_of_neighbour":
                self.evidence.refused(neighbour, 1, now_ns)
            return
        self._pass(envelope, frame, neighbour, now_ns)

    def _pass(self, envelope: Envelope, frame: bytes, neighbour: NodeId, now_ns: int) -> None:
        via = None if envelope.via == UNKNOWN_NODE else envelope.via
        patience_ns = HANDSHAKE_PATIENCE_NS if envelope.kind == Kind.HANDSHAKE else None
        hop = self._next_hop(
            envelope.source,
            envelope.destination,
            via,
            neighbour,
            patience_ns,
            now_ns,
            venture=envelope.hops_left > STRAIGHT_HOPS,
        )
        if hop is None:
            self._drop("no_route", neighbour)
            self._moved = True
            self.router.no_route(envelope.source, envelope.destination)
            return
        self._counts["relayed"] += 1
        tally = self._links.tallies.of(neighbour)
        tally.relayed_frames += 1
        tally.relayed_bytes += len(frame)
        if envelope.kind in ANSWERED:
            self.evidence.forwarded(hop.neighbour, envelope.source, envelope.destination, now_ns)
        onward = relayed(frame, hops_left=envelope.hops_left - 1, via=hop.via or UNKNOWN_NODE)
        self._put(
            hop.neighbour,
            onward,
            envelope.source,
            envelope.destination,
            neighbour,
            envelope.traffic,
            now_ns,
        )

    def _put(
        self,
        neighbour: NodeId,
        frame: bytes,
        source: NodeId,
        destination: NodeId,
        came_from: NodeId,
        traffic: int,
        now_ns: int,
    ) -> None:
        if neighbour in self._queues:
            self._wait(neighbour, frame, source, came_from, traffic, now_ns)
            return
        link = self._manager.choose(neighbour, self._links.of(neighbour), traffic, now_ns=now_ns)
        if link is None:
            self._counts["held_back"] += 1
            return
        traits = link.up.traits()
        reliable = traits.has_reliable_lane and (
            traits.is_radio
            or traffic in (TrafficClass.BULK, TrafficClass.BACKGROUND)
            or len(frame) > traits.datagram_bytes_max
        )
        if not reliable and len(frame) > traits.datagram_bytes_max:
            self._counts["too_wide"] += 1
            return
        batch = self._batches.setdefault((link.id, reliable), [])
        if reliable and link.up.backlog() + sum(map(len, batch)) >= link.up.backlog_max:
            self._wait(neighbour, frame, source, came_from, traffic, now_ns)
            return
        batch.append(frame)
        self._counts["routed_out"] += 1
        if traits.is_radio:
            envelope_id = frame[4 : 4 + MESSAGE_ID_BYTES]
            self._custody.sent(envelope_id, frame, destination, neighbour, came_from, now_ns)
            self._moved = True

    def hand(self, neighbour: NodeId, frame: bytes, now_ns: int) -> None:
        """A broadcast, for this neighbour: lost ones are sync's to find."""
        traffic = frame[2] & CLASS_BITS
        link = self._manager.choose(neighbour, self._links.of(neighbour), traffic, now_ns=now_ns)
        if link is None:
            self._counts["held_back"] += 1
            return
        self.is_due = True
        traits = link.up.traits()
        reliable = len(frame) > traits.datagram_bytes_max
        if reliable and not traits.has_reliable_lane:
            self._counts["too_wide"] += 1
            return
        if reliable and link.up.backlog() >= link.up.backlog_max:
            self._counts["congested"] += 1
            return
        self._batches.setdefault((link.id, reliable), []).append(frame)

    def _wait(
        self, neighbour: NodeId, frame: bytes, source: NodeId, came_from: NodeId, traffic: int, now_ns: int
    ) -> None:
        queue = self._queues.setdefault(neighbour, FairQueue())
        for gone in queue.put(came_from, traffic, frame, source=source):
            self._counts["congested"] += 1
            if gone.neighbour != self._me:
                self.evidence.refused(gone.neighbour, 1, now_ns)

    def _drop(self, reason: str, neighbour: NodeId) -> None:
        self._counts[reason] += 1
        self._links.tallies.of(neighbour).dropped[reason] += 1

    def cost_of(self, neighbour: NodeId) -> int:
        """Of the hop to it, as the router was last told; 0 where it is none."""
        return self._costs.get(neighbour, 0)

    def queued(self, neighbour: NodeId) -> tuple[int, int]:
        """(frames, bytes) that wait for its links."""
        queue = self._queues.get(neighbour)
        return (0, 0) if queue is None else (queue.frames, queue.nbytes)

    def writable(self, link: LinkState, now_ns: int) -> bool:
        """Its backlog fell. True where something of ours may wait for that."""
        assert link.peer is not None, "nothing is relayed over a link that is not bound"
        queue = self._queues.pop(link.peer, None)
        if queue is None:
            return False
        self.is_due = True
        for waiting in queue.take(max(0, link.up.backlog_max - link.up.backlog())):
            envelope = decode_envelope(waiting.frame)
            self._put(
                link.peer,
                waiting.frame,
                envelope.source,
                envelope.destination,
                waiting.neighbour,
                waiting.traffic,
                now_ns,
            )
        if len(queue):
            self._queues[link.peer] = queue
        return link.peer not in self._queues

    def hop_answered(self, neighbour: NodeId, envelope: Envelope, now_ns: int) -> None:
        """Raises RemoteError."""
        self._moved = True
        self._custody.answered(neighbour, envelope.payload, now_ns)
        self.evidence.hop_ack(neighbour, now_ns, came=True)

    # -- what the router itself says --------------------------------------------------------------------------

    def routed_control(self, envelope: Envelope, now_ns: int) -> list[RoutingEvent]:
        """Raises RemoteError."""
        self._moved = True
        return self.router.receive_routed(envelope.source, bytes(envelope.payload), now_ns=now_ns)

    def flight(self, now_ns: int) -> list[SendOn]:
        """All that waits to leave, one batch for each lane of each link."""
        self.is_due = False
        if self._moved:
            self._put_own(now_ns)
        if not self._batches:
            return []
        batches, self._batches = self._batches, {}
        for (link_id, _), frames in batches.items():
            if (link := self._links.get(link_id)) is not None:
                link.tally.sent(frames)
        return [SendOn(link, frames, reliable) for (link, reliable), frames in batches.items() if frames]

    def _put_own(self, now_ns: int) -> None:
        """What the router says from afar, and what radios wait to hear."""
        for destination, body in self.router.outgoing_routed():
            header = header_bytes(
                Kind.ROUTE,
                TrafficClass.INTERACTIVE,
                HOPS,
                self._entropy(MESSAGE_ID_BYTES),
                self._me,
                destination,
                local=False,
            )
            self.send(header + body, destination, TrafficClass.INTERACTIVE, now_ns)
        for neighbour, ack in self._custody.acks():
            self._put_ack(neighbour, ack)

    def _put_ack(self, neighbour: NodeId, frame: bytes) -> None:
        link = next((link for link in self._links.of(neighbour) if link.up.traits().is_radio), None)
        if link is not None:
            self._batches.setdefault((link.id, link.up.traits().has_reliable_lane), []).append(frame)

    # -- time -------------------------------------------------------------------------------------------------

    def next_timeout(self) -> int | None:
        return earliest(self.router.next_timeout(), self._custody.next_timeout(), self._look_ns)

    def take_moved(self) -> bool:
        """Whether `next_timeout` has to be asked anew, since the last call: for what is merely passed on, no."""
        moved, self._moved = self._moved, False
        return moved

    def handle_timeout(self, now_ns: int) -> list[RoutingEvent]:
        self.is_due = self._moved = True
        for envelope_id, kept in self._custody.take_due(now_ns):
            if any(link.up.backlog() > 0 for link in self._links.of(kept.neighbour)):
                self._custody.put_off(envelope_id, kept, now_ns)
                continue
            self._custody.missed(kept)
            self.evidence.hop_ack(kept.neighbour, now_ns, came=False)
            if kept.tries >= TRIES_MAX:
                self._counts["not_answered"] += 1
                self._custody.dropped(envelope_id)
                continue
            via = via_of(kept.frame)
            hop = self._another_hop(kept, via, now_ns)
            if hop is None:
                self._counts["no_route"] += 1
                self._custody.dropped(envelope_id)
                continue
            self._counts["sent_again"] += 1
            frame = relayed(kept.frame, hops_left=kept.frame[3], via=hop.via or UNKNOWN_NODE)
            source = NodeId(frame[20:52])
            self._put(
                hop.neighbour, frame, source, kept.destination, kept.came_from, frame[2] & CLASS_BITS, now_ns
            )
        if self._look_ns is not None and self._look_ns <= now_ns:
            self._look(now_ns)
        due_ns = self.router.next_timeout()
        return self.router.handle_timeout(now_ns=now_ns) if due_ns is not None and due_ns <= now_ns else []

    def _another_hop(self, kept: Kept, via: NodeId | None, now_ns: int) -> Hop | None:
        """By somebody who was not tried; where there is nobody else, by the best again, and never back."""
        back = (kept.came_from,)
        other = self.router.next_hop(kept.destination, via=via, avoid=(*kept.tried, *back), now_ns=now_ns)
        return other or self.router.next_hop(kept.destination, via=via, avoid=back, now_ns=now_ns)


def _width(traits: LinkTraits) -> int:
    """The class of the largest payload that a link takes at once: 2 to that power, in bytes."""
    if traits.has_reliable_lane:
        return RADIO_WIDTH if traits.is_radio else WIDE
    return max(0, (traits.datagram_bytes_max - ROUTED_HEADER_BYTES - VIA_BYTES).bit_length() - 1)
