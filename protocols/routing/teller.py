"""What neighbours are told, and how fast.

Each neighbour has a cursor through the table, nearest first: a refresh, or all that a new neighbour must hear. Changes
go before it: retractions, then nearer before farther. Both are paced by a token bucket that holds the link's budget.
A neighbour isn't told of what we reach through it (split horizon), nor of what is out of scope for it.
"""

from random import Random

from protocols.ids import NodeId
from protocols.routing.frames import (
    COST_SHIFT,
    ENTRY,
    HEADER,
    LANDMARK,
    NAMED,
    RADIUS_SHIFT,
    REQUEST,
    ROOM_MAX,
    U16,
    encode_body,
)
from protocols.routing.limits import COST_INFINITE, SUCCESSORS, S
from protocols.routing.neighbours import PASS_OVER, Neighbour
from protocols.routing.vector import RETRACTED, Vector

SLOT_BITS = 16  # a cursor is cost ‖ slot
URGENT_BYTES = 12 * ENTRY.size  # of tokens, before a body is made
CALM_BYTES = 25 * ENTRY.size


class Teller:
    def __init__(self, vector: Vector, die: Random, name: NodeId) -> None:
        self.transit = True  # do we tell of others at all?
        self.period_ns = vector.limits.period_min_ns
        self.refreshes = 0
        self.bytes_out = 0
        self._vector, self._die, self._limits, self._name = vector, die, vector.limits, name
        self._due_ns: int | None = None

    # -- when -------------------------------------------------------------------------------------------------

    def next_timeout(self) -> int | None:
        return self._due_ns

    def hurry(self, neighbour: Neighbour) -> None:
        """There is something to tell it: soon, so that more may come along."""
        if neighbour.due_ns is None:
            limits = self._limits
            slow = neighbour.rate < limits.slow_bytes_per_s
            wait_ns = self._die.randint(*(limits.trigger_slow_ns if slow else limits.trigger_ns))
            neighbour.due_ns = self._vector.now_ns + wait_ns
        if self._due_ns is None or neighbour.due_ns < self._due_ns:
            self._due_ns = neighbour.due_ns

    def notice(self) -> None:
        """After each thing that may have changed the table."""
        if self._vector.has_news:
            self._vector.has_news = False
            for neighbour in self._vector.neighbours.by_id.values():
                self.hurry(neighbour)

    def tell_own(self) -> None:
        """Everybody hears of ourselves soon."""
        for neighbour in self._vector.neighbours.by_id.values():
            neighbour.owes_own = True
            self.hurry(neighbour)

    def refresh(self) -> None:
        """Everybody hears everything; who is still listening to the last telling, hears that to its end."""
        self.refreshes += 1
        for neighbour in self._vector.neighbours.by_id.values():
            if neighbour.cursor == PASS_OVER:
                self.retell(neighbour)

    def retell(self, neighbour: Neighbour) -> None:
        neighbour.cursor, neighbour.owes_own = 0, True
        self.hurry(neighbour)

    def neighbour_down(self, neighbour: Neighbour) -> None:
        """Nobody waits for it any more."""
        table = self._vector.table
        for slot in [slot for slot, bits in table.changed.items() if bits & neighbour.bit]:
            table.unmark(slot, neighbour.bit)
        self._vector.news &= ~neighbour.bit

    def count_hearers(self) -> None:
        """After a neighbour came or went, or may be told of others from now on, or not any more."""
        self._vector.hearers = sum(
            neighbour.bit
            for neighbour in self._vector.neighbours.by_id.values()
            if self.transit and neighbour.transit
        )

    def disown(self, neighbour: Neighbour) -> None:
        """It is to forget what we told of others."""
        for slot in self._vector.table.slots.values():
            self._vector.answer(slot, neighbour)
        self.hurry(neighbour)

    def repeat(self, neighbour: Neighbour) -> None:
        """It believes the wrong thing of something: it hears everything, retractions too."""
        table = self._vector.table
        if self._vector.hearers & neighbour.bit:
            for slot in table.slots.values():
                if not table.is_reachable(slot):
                    self._vector.answer(slot, neighbour)
        self.retell(neighbour)

    # -- what -------------------------------------------------------------------------------------------------

    def outgoing(self) -> list[tuple[NodeId, bytes]]:
        now_ns = self._vector.now_ns
        if self._due_ns is None or self._due_ns > now_ns:
            return []
        bodies: list[tuple[NodeId, bytes]] = []
        due_ns: int | None = None
        for neighbour in self._vector.neighbours.by_id.values():
            if neighbour.due_ns is not None and neighbour.due_ns <= now_ns:
                self._serve(neighbour, bodies)
            if neighbour.due_ns is not None and (due_ns is None or neighbour.due_ns < due_ns):
                due_ns = neighbour.due_ns
        self._due_ns = due_ns
        return bodies

    def _serve(self, neighbour: Neighbour, bodies: list[tuple[NodeId, bytes]]) -> None:
        """As many bodies as the budget allows now."""
        now_ns, overhead = self._vector.now_ns, self._limits.body_overhead + HEADER.size
        neighbour.fill(now_ns, self._limits)
        neighbour.counter_out = (
            neighbour.counter_out + 1 & 0xFF
        )  # bodies of one time contradict each other nowhere
        while neighbour.tokens >= overhead + self._worth(neighbour):
            body = self._body(neighbour, min(ROOM_MAX, neighbour.tokens - overhead))
            if body is None:
                neighbour.due_ns = None
                return
            neighbour.tokens -= len(body) + self._limits.body_overhead
            self.bytes_out += len(body)
            bodies.append((neighbour.id, body))
        neighbour.due_ns = neighbour.full_ns(overhead + self._worth(neighbour), now_ns)

    def _worth(self, neighbour: Neighbour) -> int:
        """What must fit before a body is made: a refresh is in no hurry and comes in large ones."""
        is_urgent = self._vector.news & neighbour.bit or neighbour.asks or neighbour.owes_own
        return URGENT_BYTES if is_urgent else CALM_BYTES

    def _body(self, neighbour: Neighbour, room: int) -> bytes | None:
        parcel = Parcel(room)
        while neighbour.asks and parcel.room >= REQUEST.size:
            parcel.room -= REQUEST.size
            parcel.requests.append(neighbour.asks.pop(0))
        if neighbour.owes_own:
            self._pack_own(parcel)
            neighbour.owes_own = False
        self._pack_changes(neighbour, parcel)
        if neighbour.cursor != PASS_OVER:
            self._pack_telling(neighbour, parcel)
        if parcel.is_empty and not neighbour.retell:
            return None
        retell, neighbour.retell = neighbour.retell, False
        return encode_body(
            retell=retell,
            counter=neighbour.counter_out,
            period_s=self._period_s(neighbour),
            entries=parcel.entries,
            landmarks=parcel.landmarks,
            requests=parcel.requests,
        )

    def _period_s(self, neighbour: Neighbour) -> int:
        """Until we say the same again, at the latest; a slow link takes its time."""
        table = self._vector.table
        size = (table.near + table.landmarks) * ENTRY.size
        slow_s = int(size / (neighbour.rate * self._limits.refresh_share))
        return max(self.period_ns // S, slow_s) + 1

    def _pack_own(self, parcel: "Parcel") -> None:
        vector = self._vector
        if vector.landmark:
            parcel.add_landmark(self._name, vector.own_word())
        else:
            parcel.add(vector.key, vector.own_word())

    def _pack_changes(self, neighbour: Neighbour, parcel: "Parcel") -> None:
        table, bit = self._vector.table, neighbour.bit
        if not self._vector.news & bit:
            return
        slots = [slot for slot, bits in table.changed.items() if bits & bit]
        if len(slots) > 1:
            # A retraction has the highest cost there is and goes first, then the nearest.
            slots.sort(key=lambda slot: (table.cost(slot) + 1 & U16, slot))
        for slot in slots:
            if parcel.room < NAMED.size:
                return
            table.unmark(slot, bit)
            key = table.keys[slot]
            if key is None or not self._may_hear(neighbour, slot, key):
                continue
            word = table.told[slot]
            if not (self._in_scope(neighbour, word) and self.transit and neighbour.transit):
                word |= RETRACTED
            name = table.names[slot]
            if name is not None and word & LANDMARK and word & RETRACTED != RETRACTED:
                parcel.add_landmark(name, word)
            else:
                parcel.add(key, word)
        self._vector.news &= ~bit

    def _pack_telling(self, neighbour: Neighbour, parcel: "Parcel") -> None:
        if not (self.transit and neighbour.transit):
            neighbour.cursor = PASS_OVER
            return
        table, cursor, told = self._vector.table, neighbour.cursor, self._vector.table.told
        order = [(told[slot] >> COST_SHIFT & U16) << SLOT_BITS | slot for slot in table.slots.values()]
        ahead = sorted([place for place in order if place >= cursor] if cursor else order)
        named_turn = self.refreshes % self._limits.name_every
        for place in ahead:
            if parcel.room < NAMED.size:
                neighbour.cursor = place
                return
            slot = place & (1 << SLOT_BITS) - 1
            word, key = told[slot], table.keys[slot]
            if word & RETRACTED == RETRACTED:
                break  # the rest is retracted too
            if key is None or not self._may_hear(neighbour, slot, key) or not self._in_scope(neighbour, word):
                continue
            name = table.names[slot] if word & LANDMARK else None
            if name is not None and (neighbour.is_fresh or slot % self._limits.name_every == named_turn):
                parcel.add_landmark(name, word)
            else:
                parcel.add(key, word)
        neighbour.cursor, neighbour.is_fresh = PASS_OVER, False

    def _may_hear(self, neighbour: Neighbour, slot: int, key: bytes) -> bool:
        if key == neighbour.key:
            return False
        table = self._vector.table
        return table.who[slot * SUCCESSORS] != neighbour.index or not table.is_reachable(slot)

    def _in_scope(self, neighbour: Neighbour, word: int) -> bool:
        return (word >> COST_SHIFT & U16) + neighbour.cost <= word >> RADIUS_SHIFT & U16


class Parcel:
    """A body in the making."""

    __slots__ = ("entries", "landmarks", "requests", "room")

    def __init__(self, room: int) -> None:
        self.room = room
        self.entries: list[tuple[bytes, int]] = []
        self.landmarks: list[tuple[bytes, int]] = []
        self.requests: list[tuple[bytes, int, int]] = []

    @property
    def is_empty(self) -> bool:
        return not (self.entries or self.landmarks or self.requests)

    def add(self, key: bytes, word: int) -> None:
        self.entries.append((key, word))
        self.room -= ENTRY.size

    def add_landmark(self, node: bytes, word: int) -> None:
        self.landmarks.append((node, word))
        self.room -= NAMED.size


assert COST_INFINITE == U16
