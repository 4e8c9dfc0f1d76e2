"""The router: feeds what happens to its machines, and asks them where an envelope goes.

vector     the distance vector: table, neighbours, feasibility
teller     what neighbours are told, within the link's budget
asks       requests for a newer sequence
landmarks  who is one, which is ours, how far we are known
finder     locators: ours registered, others' looked up
crumbs     the way back of what was relayed

A refresh tells everything again under a new sequence of ours; its period grows while the neighbours stay the same, and
falls back when one comes or goes (in the manner of Trickle, RFC 6206).
"""

from collections.abc import Callable, Container
from random import Random

from protocols.errors import RemoteError
from protocols.ids import NodeId
from protocols.keys import Identity
from protocols.routing.asks import Asks
from protocols.routing.crumbs import Crumbs
from protocols.routing.events import Event, Found, Lost
from protocols.routing.finder import Finder
from protocols.routing.footprint import footprint
from protocols.routing.frames import COST_SHIFT, KEY_BYTES, U16, decode_body
from protocols.routing.landmarks import Landmarks
from protocols.routing.limits import COST_INFINITE, DEFAULT, SUCCESSORS, WIDTH_MAX, RoutingLimits, S
from protocols.routing.neighbours import Neighbour
from protocols.routing.reproaches import Reproaches
from protocols.routing.routed import decode_routed
from protocols.routing.teller import Teller
from protocols.routing.vector import RETRACTED, Vector
from protocols.routing.views import Destination, Hop, RoutingView
from protocols.timers import earliest

COUNTER_HALF = 0x80  # of the bodies' counter: serial arithmetic of 8 bits


class Router:
    """Feed it neighbours and bodies; drain `outgoing` and `outgoing_routed`; heed `next_timeout`; ask `next_hop`.

    `wall_ms`: Unix milliseconds. Our sequences start from it, so that they are new after a restart; where the clock
    was set back, others' memory of us puts that right in seconds.
    """

    def __init__(
        self, identity: Identity, *, die: Random, wall_ms: Callable[[], int], limits: RoutingLimits = DEFAULT
    ) -> None:
        me = identity.node_id
        self._shared = (identity, die, limits)
        self._die, self._limits, self._me = die, limits, me
        self._reproaches = Reproaches(limits)
        self._vector = Vector(me, limits, sequence=wall_ms() // 1_000 & U16, blame=self._reproaches.blame)
        self._teller = Teller(self._vector, die, me)
        self._asks = Asks(self._vector, self._teller)
        self._landmarks = Landmarks(me, self._vector, self._teller, die)
        self._finder = Finder(identity, self._landmarks, die=die, wall_ms=wall_ms, limits=limits)
        self._crumbs = Crumbs(limits)
        self._refresh_ns: int | None = None
        self._check_ns: int | None = None

    # -- settings ---------------------------------------------------------------------------------------------

    @property
    def transit(self) -> bool:
        """May we relay for others at all? Else we tell neighbours only of ourselves. A change is told at once."""
        return self._teller.transit

    @transit.setter
    def transit(self, allowed: bool) -> None:
        if allowed == self._teller.transit:
            return
        self._teller.transit = allowed
        self._teller.count_hearers()
        for neighbour in self._vector.neighbours.by_id.values():
            if allowed:
                self._teller.retell(neighbour)
            else:
                self._teller.disown(neighbour)

    @property
    def willing(self) -> bool:
        """May we become a landmark soon? Set by policy: on mains. Who is not waits eight times longer."""
        return self._landmarks.willing

    @willing.setter
    def willing(self, willing: bool) -> None:
        self._landmarks.willing = willing

    @property
    def dropped(self) -> dict[str, int]:
        """How often what was refused, by fixed words."""
        refused = self._vector.refused
        return {**self._reproaches.counts, "table_full": refused} if refused else self._reproaches.counts

    # -- neighbours -------------------------------------------------------------------------------------------

    def neighbour_up(
        self, peer: NodeId, *, cost: int, width: int, bytes_per_s: int, transit: bool, now_ns: int
    ) -> None:
        """A link with a session. `cost`: 16 = one good hop. `width`: class of the largest envelope it takes.

        `transit` False: tell this neighbour of ourselves only. Known already (it was started anew): hears all again.
        More than 250: counted in `dropped`, and not a neighbour for routing.
        """
        self._at(now_ns)
        neighbour = self._vector.neighbours.by_id.get(peer) or self._vector.neighbours.add(peer, now_ns)
        if neighbour is None:
            self._reproaches.count("too_many_neighbours")
            return
        neighbour.rate = max(1, int(bytes_per_s * self._limits.budget))
        neighbour.tokens = max(neighbour.rate * self._limits.burst_s, self._limits.burst_bytes_min)
        neighbour.transit, neighbour.counter_in, neighbour.is_fresh = transit, None, True
        self._vector.neighbour_changed(neighbour, *_sane(cost, width))
        self._teller.retell(neighbour)
        self._neighbours_moved()

    def neighbour_changed(self, peer: NodeId, *, cost: int, width: int, transit: bool, now_ns: int) -> None:
        """Cheap where nothing changed. Unknown peers are ignored."""
        neighbour = self._vector.neighbours.by_id.get(peer)
        if neighbour is None:
            return
        self._at(now_ns)
        if transit != neighbour.transit:
            neighbour.transit = transit
            self._teller.count_hearers()
            if transit:
                self._teller.retell(neighbour)
            else:
                self._teller.disown(neighbour)
        self._vector.neighbour_changed(neighbour, *_sane(cost, width))
        self._notice()

    def neighbour_down(self, peer: NodeId, *, now_ns: int) -> None:
        """What was lost by that is told by the next `handle_timeout`, due at once."""
        neighbour = self._vector.neighbours.by_id.get(peer)
        if neighbour is None:
            return
        self._at(now_ns)
        self._crumbs.neighbour_down(neighbour)
        self._reproaches.neighbour_down(peer)
        self._vector.neighbour_down(neighbour)
        self._neighbours_moved()
        self._teller.neighbour_down(neighbour)

    def _neighbours_moved(self) -> None:
        """Short periods again."""
        now_ns, least = self._vector.now_ns, self._limits.period_min_ns
        self._teller.count_hearers()
        self._teller.period_ns = least
        soon_ns = now_ns + self._die.randint(least // 2, least)
        self._refresh_ns = soon_ns if self._refresh_ns is None else min(self._refresh_ns, soon_ns)
        if self._check_ns is None:
            self._check_ns = now_ns + self._die.randint(1, self._limits.check_ns)
        self._notice()

    # -- control ----------------------------------------------------------------------------------------------

    def receive(self, peer: NodeId, body: bytes, *, now_ns: int) -> list[Event]:
        """A ROUTING body of a neighbour. Raises RemoteError("bad_routing", "unknown_version")."""
        neighbour = self._vector.neighbours.by_id.get(peer)
        if neighbour is None:
            self._reproaches.count("not_a_neighbour")
            return []
        self._at(now_ns)
        try:
            said = decode_body(body)
        except RemoteError as error:
            self._reproaches.count(error.reason)
            raise
        self._in_order(neighbour, said.counter)
        neighbour.period_s = min(max(1, said.period_s), self._limits.period_max_ns // S * 4)
        if said.retell and now_ns - neighbour.retold_ns >= self._limits.retell_ns:
            neighbour.retold_ns = now_ns
            self._teller.repeat(neighbour)
        self._vector.hear(neighbour, said.entries)
        for node, word in said.landmarks:
            self._vector.hear(neighbour, ((node[:KEY_BYTES], word),))
            self._vector.name(NodeId(node))
        for request in said.requests:
            self._asks.receive(neighbour, request)
        self._notice()
        return self._events()

    def _in_order(self, neighbour: Neighbour, counter: int) -> None:
        """What was overtaken may be told the wrong way round: then we ask to hear everything again."""
        before = neighbour.counter_in
        if before is not None and (counter - before) & 0xFF >= COUNTER_HALF:
            self._reproaches.count("overtaken")
            if self._vector.now_ns - neighbour.asked_ns >= self._limits.retell_ns:
                neighbour.asked_ns, neighbour.retell = self._vector.now_ns, True
                self._teller.hurry(neighbour)
        else:
            neighbour.counter_in = counter

    def outgoing(self, *, now_ns: int) -> list[tuple[NodeId, bytes]]:
        """ROUTING bodies for neighbours, at most 1,000 bytes each. Call after every other call; cheap where calm."""
        self._at(now_ns)
        return self._teller.outgoing()

    def receive_routed(self, source: NodeId, body: bytes, *, now_ns: int) -> list[Event]:
        """The payload of a ROUTE envelope addressed to us. Raises RemoteError."""
        self._at(now_ns)
        try:
            self._finder.receive(source, decode_routed(body))
        except RemoteError as error:
            self._reproaches.count(error.reason)
            raise
        return self._events()

    def outgoing_routed(self) -> list[tuple[NodeId, bytes]]:
        """(destination, payload) for ROUTE envelopes, at most 512 bytes each; ask `next_hop` for their way."""
        if not self._finder.outbox:
            return []
        outbox, self._finder.outbox = self._finder.outbox, []
        return outbox

    # -- time -------------------------------------------------------------------------------------------------

    def next_timeout(self) -> int | None:
        if self._vector.moved or self._finder.found_some or self._reproaches.waiting():
            return self._vector.now_ns
        return earliest(
            self._refresh_ns,
            self._check_ns,
            self._teller.next_timeout(),
            self._asks.next_timeout(),
            self._landmarks.next_timeout(),
            self._finder.next_timeout(),
        )

    def handle_timeout(self, *, now_ns: int) -> list[Event]:
        """May be called early; then it does nothing. Call `outgoing` after it."""
        self._at(now_ns)
        self._asks.handle_timeout()
        landmark_ns = self._landmarks.next_timeout()
        if landmark_ns is not None and landmark_ns <= now_ns:
            self._landmarks.check()
        if self._check_ns is not None and self._check_ns <= now_ns:
            self._check()
        if self._refresh_ns is not None and self._refresh_ns <= now_ns:
            self._refresh()
        self._finder.handle_timeout()
        self._notice()
        return self._events()

    def _check(self) -> None:
        now_ns = self._vector.now_ns
        self._vector.sweep()
        self._asks.sweep()
        self._crumbs.sweep(now_ns)
        self._landmarks.check()
        self._finder.check()
        self._check_ns = now_ns + max(self._limits.check_ns, self._teller.period_ns // 4)

    def _refresh(self) -> None:
        self._asks.bump()
        self._vector.adopt()
        self._teller.refresh()
        period_ns = self._teller.period_ns
        self._refresh_ns = self._vector.now_ns + self._die.randint(period_ns // 2, period_ns)
        self._teller.period_ns = min(2 * period_ns, self._limits.period_max_ns)

    def _at(self, now_ns: int) -> None:
        self._vector.at(now_ns)
        self._finder.now_ns = self._reproaches.now_ns = now_ns

    def _notice(self) -> None:
        self._asks.notice()
        self._teller.notice()

    def _events(self) -> list[Event]:
        events: list[Event] = [*self._reproaches.take()]
        if not (self._vector.moved or self._finder.found_some):
            return events
        self._vector.moved = self._finder.found_some = False
        for peer, wanted in self._finder.watched.items():
            if self.reachable(peer) != wanted.is_found:
                self._finder.set_found(wanted, is_found=not wanted.is_found)
                events.append(Found(peer) if wanted.is_found else Lost(peer))
        return events

    # -- data plane -------------------------------------------------------------------------------------------

    def next_hop(
        self,
        destination: NodeId,
        *,
        via: NodeId | None,
        avoid: Container[NodeId] = (),
        venture: bool = False,
        now_ns: int,
    ) -> Hop | None:
        """Where an envelope for `destination` goes; `via` is what it carries; `avoid`: e.g. whom it came from.

        `venture`: where nothing feasible is left, what is not will do. False words make honest ones infeasible; but
        such an envelope may circle, so the caller bounds that.

        By the table; else straight, to a neighbour; else towards the landmark it carries, or that we know for it;
        else back along the breadcrumbs.
        """
        key = destination[:KEY_BYTES]
        slot = self._vector.table.slots.get(key)
        if slot is not None and (hop := self._by_table(slot, via, avoid, venture=venture)) is not None:
            return hop  # it keeps its landmark: a relay farther on may have forgotten the destination
        neighbour = self._vector.neighbours.by_id.get(destination)
        if neighbour is not None and destination not in avoid:
            return Hop(destination, neighbour.width, None)
        landmark = via or self._finder.landmark_of(destination, now_ns)
        if landmark is not None and (slot := self._vector.table.slots.get(landmark[:KEY_BYTES])) is not None:
            hop = self._by_table(slot, landmark, avoid, venture=venture)
            if hop is not None:
                return hop
        index = self._crumbs.follow(key, now_ns)
        if index is not None:
            back = self._vector.neighbours.by_index[index]
            if back is not None and back.id not in avoid:
                return Hop(back.id, back.width, via)
        return None

    def _by_table(
        self, slot: int, via: NodeId | None, avoid: Container[NodeId], *, venture: bool
    ) -> Hop | None:
        table = self._vector.table
        told = table.told[slot]
        if told & RETRACTED == RETRACTED:
            return None
        best = self._vector.neighbours.by_index[table.who[slot * SUCCESSORS]]
        assert best is not None, "a neighbour that went left words behind"
        if best.id not in avoid:
            return Hop(best.id, told >> 8 & 0xFF, via)
        for place, other in table.successors(slot):
            word = table.words[place]
            if other.id not in avoid and self._vector.is_feasible(slot, other, word):
                return Hop(other.id, min(word >> 8 & 0xFF, other.width), via)
        return self._by_venture(slot, via, avoid) if venture else None

    def _by_venture(self, slot: int, via: NodeId | None, avoid: Container[NodeId]) -> Hop | None:
        """The cheapest of all that say they have a way."""
        ways = [
            (word >> COST_SHIFT & U16, place, Hop(other.id, min(word >> 8 & 0xFF, other.width), via))
            for place, other in self._vector.table.successors(slot)
            if other.id not in avoid
            and (word := self._vector.table.words[place]) >> COST_SHIFT & U16 < COST_INFINITE
        ]
        return min(ways)[2] if ways else None

    def passed(self, source: NodeId, neighbour: NodeId, *, now_ns: int) -> None:
        """An envelope of `source` came from that neighbour: answers may find back that way."""
        known = self._vector.neighbours.by_id.get(neighbour)
        if known is None:
            return
        slot = self._vector.table.slots.get(source[:KEY_BYTES])
        if slot is None or not self._vector.table.is_reachable(
            slot
        ):  # one that was retracted is remembered, too
            self._crumbs.drop(source, known, now_ns)

    def no_route(self, source: NodeId, destination: NodeId) -> None:
        """We had to drop an envelope: queue a hint to its source, rate-limited for each source."""
        if source != self._me:
            self._finder.no_route(source, destination)

    # -- who wants whom ---------------------------------------------------------------------------------------

    def watch(self, peer: NodeId, *, now_ns: int) -> None:
        """Tell Found and Lost of this peer, and look it up while there is no way to it. At most 1,024."""
        self._at(now_ns)
        self._finder.watch(peer)
        self._vector.moved = True

    def unwatch(self, peer: NodeId) -> None:
        self._finder.unwatch(peer)

    def reachable(self, peer: NodeId) -> bool:
        """Whether the table, a link or a landmark leads there. Breadcrumbs are too soft to count."""
        slots = self._vector.table.slots
        slot = slots.get(peer[:KEY_BYTES])
        if (
            slot is not None and self._vector.table.is_reachable(slot)
        ) or peer in self._vector.neighbours.by_id:
            return True
        landmark = self._finder.landmark_of(peer, self._vector.now_ns)
        if landmark is None:
            return False
        slot = slots.get(landmark[:KEY_BYTES])
        return slot is not None and self._vector.table.is_reachable(slot)

    # -- for people -------------------------------------------------------------------------------------------

    def describe(self) -> RoutingView:
        """Everything known. Costs milliseconds."""
        vector = self._vector
        slots = [slot for _, slot in vector.table.each() if vector.table.is_reachable(slot)]
        slots.sort(key=vector.table.cost)
        return RoutingView(
            destinations=tuple(self._destination(slot) for slot in slots),
            landmark=self._landmarks.ours,
            is_landmark=vector.landmark,
            radius=None if vector.radius == COST_INFINITE else vector.radius,
            sequence=vector.sequence,
            period_ns=self._teller.period_ns,
            locators=len(self._finder.keeper),
            located=len(self._finder.located),
            state_bytes=self.state_bytes(),
        )

    def _destination(self, slot: int) -> Destination:
        vector, table = self._vector, self._vector.table
        key = table.keys[slot]
        ways = [
            neighbour
            for place, neighbour in table.successors(slot)
            if vector.is_feasible(slot, neighbour, table.words[place])
        ]
        assert key is not None, "a free slot is not reachable"
        straight = next((way.id for way in ways if way.key == key), None)
        return Destination(
            prefix=key,
            node=table.names[slot] or straight,
            cost=table.cost(slot),
            width=table.told[slot] >> 8 & 0xFF,
            next_hop=ways[0].id,
            alternatives=tuple(way.id for way in ways[1:]),
            landmark=table.is_landmark(slot),
        )

    def state_bytes(self) -> int:
        """Memory that this router takes, without what it shares with others. Costs milliseconds."""
        return footprint(self, shared=self._shared)


def _sane(cost: int, width: int) -> tuple[int, int]:
    """A hop without a cost would break loop freedom."""
    return min(max(1, cost), COST_INFINITE), min(max(0, width), WIDTH_MAX)
