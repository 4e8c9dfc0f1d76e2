"""The distance vector: what neighbours say goes in, for each destination the best loop-free ways come out.

Loop freedom is Babel's (RFC 8966, section 3.5): a way is feasible where the neighbour's word has a newer sequence than
our feasibility distance, or the same and a lower cost; we add: or the same cost, and the neighbour's NodeId is below ours.
Our feasibility distance only ever gets better and is at least as good as anything that we told. So along any chain of
feasible ways the triple (sequence, cost, NodeId) strictly falls, whatever was lost, repeated or overtaken on the way:
no chain closes. That holds for the alternatives as well as for the best.

What only brings a newer sequence changes nothing at once: it is adopted at the next refresh, and if an alternative
would stop being feasible, one refresh later still.
"""

from collections.abc import Callable, Iterable

from protocols.ids import NodeId
from protocols.routing.frames import (
    COST_SHIFT,
    KEY_BYTES,
    LANDMARK,
    NO_SEQUENCE,
    RADIUS_SHIFT,
    SEQUENCE_SHIFT,
    U16,
    WIDTH_SHIFT,
    is_newer,
    make_word,
    word_is_good,
)
from protocols.routing.limits import COST_INFINITE, SUCCESSORS, WIDTH_MAX, RoutingLimits
from protocols.routing.neighbours import Neighbour, Neighbours
from protocols.routing.table import NONE, TICK_NS, Table

UNWANTED = 1 << 16  # above any cost
RETRACTED = COST_INFINITE << COST_SHIFT


class Vector:
    def __init__(
        self, me: NodeId, limits: RoutingLimits, *, sequence: int, blame: Callable[[NodeId, str], None]
    ) -> None:
        self.limits, self._blame = limits, blame
        self.key = me[:KEY_BYTES]
        self.neighbours = Neighbours(me, limits)
        self.table = Table(self.neighbours)
        self.now_ns = self.tick = 0
        self.sequence, self.radius, self.landmark = sequence, COST_INFINITE, False
        self.floor = sequence  # our sequence must get at least here
        self.restless: dict[int, int] = {}  # slot -> sequence that is wanted: adopted as soon as it comes
        self.starved: list[int] = []  # slots that lost their last way since somebody looked
        self.moved = False  # something became reachable, or stopped being so, since somebody looked
        self.hearers = 0  # bits of the neighbours that are told of others
        self.news = 0  # bits of the neighbours that have some in `changed`
        self.has_news = False  # and somebody should look
        self.refused = 0  # new destinations, since all slots were taken
        self.overflow_ns: int | None = None  # when a destination was last refused or pushed out
        self._edges = {False: COST_INFINITE, True: COST_INFINITE}  # landmark? -> from here on refused

    def at(self, now_ns: int) -> None:
        """The time, for everything that follows."""
        self.now_ns, self.tick = now_ns, now_ns // TICK_NS & U16

    def own_word(self) -> int:
        return make_word(self.sequence, 0, self.radius, WIDTH_MAX, LANDMARK if self.landmark else 0)

    def raise_floor(self, sequence: int) -> None:
        if is_newer(sequence, self.floor):
            self.floor = sequence

    def floor_above(self) -> None:
        """What we say of ourselves from now on is to be newer than what we said."""
        self.raise_floor(self.sequence + 1 & U16)

    # -- neighbours -------------------------------------------------------------------------------------------

    def neighbour_changed(self, neighbour: Neighbour, cost: int, width: int) -> None:
        if cost == neighbour.cost and width == neighbour.width:
            return
        neighbour.cost, neighbour.width = cost, width
        for slot in self.table.slots_of(neighbour.index):
            self.reselect(slot)

    def neighbour_down(self, neighbour: Neighbour) -> None:
        table = self.table
        for slot in table.slots_of(neighbour.index):
            place = table.place_of(slot, neighbour.index)
            table.remove(slot, place)
            if place == slot * SUCCESSORS:
                self.reselect(slot)
        self.neighbours.remove(neighbour)

    # -- what neighbours say ----------------------------------------------------------------------------------

    def hear(self, neighbour: Neighbour, entries: Iterable[tuple[bytes, int]]) -> None:
        """Hot: most of what is said was said before."""
        table, tick, restless, index = self.table, self.tick, self.restless, neighbour.index
        slots, who, words, heard = table.slots, table.who, table.words, table.heard
        for key, word in entries:
            slot = slots.get(key)
            if slot is None:
                self._news(neighbour, key, None, word)
                continue
            place = slot * SUCCESSORS
            if who[place] != index:
                place += 1
                if who[place] != index:
                    place += 1
                    if who[place] != index:
                        self._news(neighbour, key, slot, word)
                        continue
            difference = word ^ words[place]
            if not difference:
                heard[place] = tick
            elif difference & NO_SEQUENCE or slot in restless:
                self._news(neighbour, key, slot, word)
            elif (word - words[place]) >> SEQUENCE_SHIFT & 0x8000:
                self._blame(neighbour.id, "stale_entry")
            else:
                words[place], heard[place] = word, tick

    def name(self, node: NodeId) -> None:
        """The whole NodeId of a landmark, after its word was heard."""
        slot = self.table.slots.get(node[:KEY_BYTES])
        if slot is not None:
            self.table.names[slot] = node

    def _news(self, neighbour: Neighbour, key: bytes, slot: int | None, word: int) -> None:
        cost = word >> COST_SHIFT & U16
        if fault := self._fault(neighbour, key, word, cost):
            self._blame(neighbour.id, fault)
            return
        if key == self.key:
            if is_newer(word >> SEQUENCE_SHIFT, self.sequence):
                self.raise_floor((word >> SEQUENCE_SHIFT) + 1 & U16)
            return
        total = cost + neighbour.cost
        gone = total >= COST_INFINITE or total > word >> RADIUS_SHIFT & U16
        table = self.table
        if slot is None:
            if gone or not self._make_room(neighbour, total, bool(word & LANDMARK)) or not self._has_slot():
                return
            slot = table.take_slot(key, word, self.tick)
        place = table.place_of(slot, neighbour.index)
        if place >= 0:
            if is_newer(table.words[place] >> SEQUENCE_SHIFT, word >> SEQUENCE_SHIFT):
                self._blame(neighbour.id, "stale_entry")  # repeated late, or played again
                return
            if gone:
                table.remove(slot, place)
            else:
                table.put(slot, place, neighbour.index, word, self.tick)
        elif gone or (place := self._place_for(slot, neighbour, word)) < 0:
            return
        else:
            table.put(slot, place, neighbour.index, word, self.tick)
        self.reselect(slot)

    def _fault(self, neighbour: Neighbour, key: bytes, word: int, cost: int) -> str | None:
        if not word_is_good(word):
            return "bad_entry"
        if cost == 0 and key != neighbour.key:
            return "false_origin"
        if key == neighbour.key and cost not in {0, COST_INFINITE}:
            return "false_self"
        return None

    def _place_for(self, slot: int, neighbour: Neighbour, word: int) -> int:
        """A free place, or that of the worst if this one is better; -1."""
        table, start = self.table, slot * SUCCESSORS
        free = table.who.find(NONE, start, start + SUCCESSORS)
        if free >= 0:
            return free
        words, who, by_index = table.words, table.who, self.neighbours.by_index
        total = (word >> COST_SHIFT & U16) + neighbour.cost
        for place in range(start + 1, start + SUCCESSORS):
            other = by_index[who[place]]
            if other is not None and total <= (words[place] >> COST_SHIFT & U16) + other.cost:
                break
        else:
            return -1  # most often: farther than all that are kept
        worst, worst_rank = -1, self._rank(slot, neighbour, word)
        for place, other in table.successors(slot):
            rank = self._rank(slot, other, words[place])
            if place != start and rank > worst_rank:
                worst, worst_rank = place, rank
        return worst

    def _rank(self, slot: int, neighbour: Neighbour, word: int) -> tuple[bool, int]:
        return not self.is_feasible(slot, neighbour, word), (word >> COST_SHIFT & U16) + neighbour.cost

    # -- choosing ---------------------------------------------------------------------------------------------

    def is_feasible(self, slot: int, neighbour: Neighbour, word: int) -> bool:
        least = self.table.least[slot]
        ahead = (word >> SEQUENCE_SHIFT) - (least >> 16) & U16
        if ahead:
            return ahead < 0x8000
        cost, most = word >> COST_SHIFT & U16, least & U16
        return cost < most or (cost == most and neighbour.lower)

    def reselect(self, slot: int) -> None:  # noqa: C901, PLR0912 - hot: feasibility is reckoned in line
        """Choose the best way, and what is told of it."""
        table, by_index = self.table, self.neighbours.by_index
        who, words, least = table.who, table.words, table.least[slot]
        start = slot * SUCCESSORS
        best, best_cost, best_rank, width = -1, COST_INFINITE, UNWANTED + COST_INFINITE, 0
        wanted = self.restless.get(slot)
        for place in range(start, start + SUCCESSORS):
            neighbour = by_index[who[place]] if who[place] != NONE else None
            if neighbour is None:
                break
            word = words[place]
            cost = word >> COST_SHIFT & U16
            total = cost + neighbour.cost
            rank = total if place != start else total - self.limits.hysteresis
            if wanted is not None and is_newer(wanted, word >> SEQUENCE_SHIFT):
                rank += UNWANTED  # somebody is starving for a newer one: that comes before the cost
            if rank >= best_rank or total > word >> RADIUS_SHIFT & U16 or total >= COST_INFINITE:
                continue
            ahead = (word >> SEQUENCE_SHIFT) - (least >> 16) & U16  # is_feasible, in line
            if ahead == 0:
                if cost > least & U16 or (cost == least & U16 and not neighbour.lower):
                    continue
            elif ahead >= 0x8000:
                continue
            best, best_cost, best_rank, width = place, total, rank, neighbour.width
        before = table.told[slot]
        was_reachable = before & RETRACTED != RETRACTED
        if best < 0:
            if was_reachable:
                self._retract(slot)
            if was_reachable or who[start] != NONE:
                self.starved.append(slot)
            return
        keeps_place = was_reachable and not (before ^ words[best]) & LANDMARK
        chosen = by_index[who[best]]
        assert chosen is not None, "a neighbour that went left words behind"
        if not keeps_place and not self._make_room(chosen, best_cost, bool(words[best] & LANDMARK)):
            if was_reachable:
                self._push_out(slot)
            return
        if best != start:
            table.swap(start, best)
        word = words[start]
        width = min(word >> WIDTH_SHIFT & 0xFF, width)
        sequence = self._sequence_to_tell(slot, word)
        told = make_word(sequence, best_cost, word >> RADIUS_SHIFT & U16, width, word & LANDMARK)
        self._tell(slot, told, before)

    def _sequence_to_tell(self, slot: int, word: int) -> int:
        """That of the best way; one behind while an alternative would be lost by going on."""
        table, newest, known = self.table, word >> SEQUENCE_SHIFT, self.table.least[slot] >> 16
        if (newest - known & U16) != 1 or slot in self.restless or not table.is_reachable(slot):
            return newest
        for place, neighbour in table.successors(slot):
            other = table.words[place]
            if other >> SEQUENCE_SHIFT == known and self.is_feasible(slot, neighbour, other):
                return known
        return newest

    def _tell(self, slot: int, told: int, before: int) -> None:
        table = self.table
        sequence, cost = told >> SEQUENCE_SHIFT, told >> COST_SHIFT & U16
        least = table.least[slot]
        if is_newer(sequence, least >> 16) or (sequence == least >> 16 and cost < least & U16):
            table.least[slot] = sequence << 16 | cost
        if told == before:
            return
        table.tell(slot, told, self.tick)
        was = before >> COST_SHIFT & U16
        wanted = self.restless.get(slot)
        answered = wanted is not None and not is_newer(wanted, sequence)
        if answered:
            del self.restless[slot]
        if was == COST_INFINITE:
            self.moved = True
        if (
            answered
            or (told ^ before) & (0xFF << WIDTH_SHIFT | LANDMARK)
            or abs(cost - was) >= self.limits.notable
            or abs((told >> RADIUS_SHIFT & U16) - (before >> RADIUS_SHIFT & U16)) >= self.limits.notable
        ):
            self.spread(slot)

    def spread(self, slot: int) -> None:
        """All neighbours hear of it soon."""
        self.has_news = True
        self.news |= self.hearers
        if self.hearers:
            self.table.changed[slot] = self.hearers

    def answer(self, slot: int, neighbour: Neighbour) -> None:
        """This neighbour hears of it soon."""
        self.has_news = True
        self.news |= neighbour.bit
        self.table.changed[slot] = self.table.changed.get(slot, 0) | neighbour.bit

    def _retract(self, slot: int) -> None:
        self.moved = True
        self.table.tell(slot, self.table.told[slot] | RETRACTED, self.tick)
        self.spread(slot)

    # -- room -------------------------------------------------------------------------------------------------

    def _make_room(self, neighbour: Neighbour, total: int, landmark: bool) -> bool:  # noqa: FBT001 - which table
        """Whether a destination of this cost may come in from that neighbour.

        When the table is full the farthest goes for it. A neighbour that alone offers more than its share competes
        with what it offers itself only: so who invents destinations gets half of the table at most, and a bridge to
        a large part may fill all that nobody else needs.
        """
        table, limits = self.table, self.limits
        if (table.landmarks if landmark else table.near) < (
            limits.landmarks_max if landmark else limits.near_max
        ):
            return True
        self.overflow_ns = self.now_ns
        if total >= self._edges[landmark]:
            return False
        greedy = len(self.neighbours.by_id) > 1 and neighbour.sole > limits.share * limits.near_max
        slot = self._farthest(landmark, of=neighbour.index if greedy else None)
        if not greedy and slot is not None:
            self._edges[landmark] = table.cost(slot)
        if slot is None or total >= table.cost(slot):
            if greedy:
                self._blame(neighbour.id, "table_share")
            return False
        self._push_out(slot)
        return True

    def _farthest(self, landmark: bool, of: int | None = None) -> int | None:  # noqa: FBT001 - which table
        """`of`: among what that neighbour alone offers."""
        table = self.table
        slots = [
            slot
            for slot in table.slots.values()
            if table.is_landmark(slot) == landmark and table.is_reachable(slot)
        ]
        if of is not None:
            who = table.who
            slots = [s for s in slots if who[s * SUCCESSORS] == of and who[s * SUCCESSORS + 1] == NONE]
        return max(slots, key=lambda slot: (table.cost(slot), slot), default=None)

    def _push_out(self, slot: int) -> None:
        table = self.table
        while table.who[slot * SUCCESSORS] != NONE:
            table.remove(slot, slot * SUCCESSORS)
        self._retract(slot)

    def _has_slot(self) -> bool:
        """Whether there is one for a new destination; one that was retracted long ago may be forgotten for it.

        Never one that a neighbour may still believe in: without our feasibility distance a circle could close.
        """
        table, limits = self.table, self.limits
        if len(table) < limits.near_max + limits.landmarks_max + limits.spare_max:
            return True
        settled = limits.settle_ns // TICK_NS
        idle = [
            slot
            for slot in table.slots.values()
            if not table.is_reachable(slot)
            and slot not in table.changed
            and self.tick - table.since[slot] & U16 > settled
        ]
        if not idle:
            self.refused += 1
            return False
        self._forget(max(idle, key=lambda slot: self.tick - table.since[slot] & U16))
        return True

    def _forget(self, slot: int) -> None:
        self.restless.pop(slot, None)
        self.table.free_slot(slot)

    # -- time -------------------------------------------------------------------------------------------------

    def sweep(self) -> None:
        """Drop words that were not said again, and what was retracted long ago."""
        table = self.table
        self._edges = {False: COST_INFINITE, True: COST_INFINITE}
        hold = self.limits.hold_ns // TICK_NS
        silence = [
            1 + int(neighbour.period_s * 1_000_000_000 * self.limits.silence_periods) // TICK_NS
            if neighbour
            else 0
            for neighbour in self.neighbours.by_index
        ]
        for slot in list(table.slots.values()):
            start = slot * SUCCESSORS
            lost = False
            for place in range(start + SUCCESSORS - 1, start - 1, -1):
                if (index := table.who[place]) != NONE and self.tick - table.heard[place] & U16 > silence[
                    index
                ]:
                    table.remove(slot, place)
                    lost = lost or place == start
            if lost:
                self.reselect(slot)
            if (
                not (table.is_reachable(slot) or slot in table.changed)
                and self.tick - table.since[slot] & U16 > hold
            ):
                self._forget(slot)

        table.compact()

    def adopt(self) -> None:
        """Take up the newest sequences; part of a refresh."""
        for slot in list(self.table.slots.values()):
            self.reselect(slot)
