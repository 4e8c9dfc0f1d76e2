"""Requests for a newer sequence: what a node does whose ways to a destination are all infeasible (RFC 8966, 3.8.2).

A request goes towards its destination until somebody's word is new enough, at the latest to the destination itself,
which raises its sequence. Bounded in hops, in number, and in how often.
"""

from protocols.routing.frames import COST_SHIFT, SEQUENCE_SHIFT, U16, Request, is_newer
from protocols.routing.limits import COST_INFINITE
from protocols.routing.neighbours import Neighbour
from protocols.routing.teller import Teller
from protocols.routing.vector import Vector


class Asks:
    def __init__(self, vector: Vector, teller: Teller) -> None:
        self._vector, self._teller, self._limits = vector, teller, vector.limits
        self._retries: dict[bytes, tuple[int, int]] = {}  # ours: key -> (due, tries so far)
        self._first_ns: int | None = (
            None  # of the retries; told wrongly after one changed, until it is reckoned
        )
        self._moved = False
        self._recent: dict[bytes, int] = {}  # key ‖ sequence, passed on -> when
        self._bumped_ns: int | None = None

    def next_timeout(self) -> int | None:
        if self._moved:
            self._first_ns = min((due_ns for due_ns, _ in self._retries.values()), default=None)
            self._moved = False
        due_ns = self._first_ns
        if self._own_wanted():
            bump_ns = self._bump_ns()
            return bump_ns if due_ns is None else min(due_ns, bump_ns)
        return due_ns

    # -- ours -------------------------------------------------------------------------------------------------

    def notice(self) -> None:
        """After each thing that may have starved a destination."""
        starved, self._vector.starved = self._vector.starved, []
        for slot in starved:
            key = self._vector.table.keys[slot]
            if key is not None and key not in self._retries and not self._vector.table.is_reachable(slot):
                if len(self._retries) >= self._limits.requests_max:
                    self._drop_retry(next(iter(self._retries)))
                self._retries[key] = (self._vector.now_ns + self._limits.request_retry_ns, 1)
                self._moved = True
                self._ask(slot, key)

    def _ask(self, slot: int, key: bytes) -> None:
        vector = self._vector
        wanted = (vector.table.least[slot] >> 16) + 1 & U16
        vector.restless[slot] = wanted
        asked = [neighbour for _, neighbour in vector.table.successors(slot)]
        if not asked:
            by_cost = sorted(vector.neighbours.by_id.values(), key=lambda other: (other.cost, other.index))
            asked = by_cost[: self._limits.request_neighbours_max]
        request = (key, wanted, self._limits.request_hops_max)
        for neighbour in asked:
            self._queue(neighbour, request)

    def _queue(self, neighbour: Neighbour, request: Request) -> None:
        if len(neighbour.asks) >= self._limits.asks_max:
            neighbour.asks.pop(0)
        neighbour.asks.append(request)
        self._teller.hurry(neighbour)

    def _drop_retry(self, key: bytes) -> None:
        del self._retries[key]
        self._moved = True
        slot = self._vector.table.slots.get(key)
        if slot is not None:
            self._vector.restless.pop(slot, None)

    # -- theirs -----------------------------------------------------------------------------------------------

    def receive(self, neighbour: Neighbour, request: Request) -> None:
        key, wanted, hops_left = request
        vector, table = self._vector, self._vector.table
        if key == vector.key:
            if is_newer(wanted, vector.sequence):
                vector.raise_floor(wanted)
            else:
                neighbour.owes_own = True
                self._teller.hurry(neighbour)
            return
        slot = table.slots.get(key)
        if slot is None:
            return
        if table.is_reachable(slot):
            if not is_newer(wanted, table.told[slot] >> SEQUENCE_SHIFT):
                vector.answer(slot, neighbour)
                return
            vector.restless[slot] = wanted
            vector.reselect(slot)  # perhaps we only waited for an alternative
            if slot not in vector.restless:
                return
        if hops_left > 1 and self._is_new(key, wanted):
            self._pass_on(neighbour, slot, (key, wanted, hops_left - 1))

    def _is_new(self, key: bytes, wanted: int) -> bool:
        now_ns, recent = self._vector.now_ns, self._recent
        name = key + wanted.to_bytes(2, "big")
        last_ns = recent.pop(name, None)
        if last_ns is not None and now_ns - last_ns < self._limits.request_memory_ns:
            recent[name] = last_ns
            return False
        if len(recent) >= self._limits.requests_max:
            del recent[next(iter(recent))]
        recent[name] = now_ns
        return True

    def _pass_on(self, asker: Neighbour, slot: int, request: Request) -> None:
        """To the neighbour that seems nearest, and is not the one that asks."""
        nearest, least = None, COST_INFINITE
        for place, neighbour in self._vector.table.successors(slot):
            cost = self._vector.table.words[place] >> COST_SHIFT & U16
            if neighbour is not asker and cost < least:
                nearest, least = neighbour, cost
        if nearest is not None:
            self._queue(nearest, request)

    # -- time -------------------------------------------------------------------------------------------------

    def handle_timeout(self) -> None:
        vector, now_ns = self._vector, self._vector.now_ns
        due = self.next_timeout()
        if due is None or due > now_ns:
            return
        for key, (due_ns, tries) in list(self._retries.items()):
            if due_ns > now_ns:
                continue
            slot = vector.table.slots.get(key)
            if slot is None or vector.table.is_reachable(slot) or tries >= self._limits.request_tries:
                self._drop_retry(key)
            else:
                self._retries[key] = (now_ns + (self._limits.request_retry_ns << tries), tries + 1)
                self._moved = True
                self._ask(slot, key)
        if self._own_wanted() and self._bump_ns() <= now_ns:
            self.bump()

    def _own_wanted(self) -> bool:
        """Others wait for a sequence above ours, or remember one from before we were started."""
        return is_newer(self._vector.floor, self._vector.sequence)

    def _bump_ns(self) -> int:
        return self._vector.now_ns if self._bumped_ns is None else self._bumped_ns + self._limits.bump_ns

    def bump(self) -> None:
        """Raise our sequence, above all that was heard of it."""
        vector = self._vector
        vector.sequence = vector.floor if self._own_wanted() else vector.sequence + 1 & U16
        vector.floor = vector.sequence
        self._bumped_ns = vector.now_ns
        self._teller.tell_own()

    def sweep(self) -> None:
        """They are in the order of passing on."""
        recent, memory_ns = self._recent, self._limits.request_memory_ns
        while recent and self._vector.now_ns - next(iter(recent.values())) >= memory_ns:
            del recent[next(iter(recent))]
