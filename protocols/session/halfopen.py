"""Handshakes that others began: until message 3 they are strangers, and here they find their bounds.

One route can fill only its own share. When the whole table is full, the route that holds the most gives up its
oldest, so a flood over many routes still does not push out the single handshake of a quiet one.
"""

from collections.abc import Hashable
from dataclasses import dataclass

from protocols.noise import Handshake
from protocols.session.deadlines import Deadlines
from protocols.session.frames import HandshakeFrame
from protocols.session.limits import SessionLimits
from protocols.session.outbox import Way


@dataclass(slots=True)
class HalfOpen:
    """We answered step 1 and wait for step 3."""

    index: bytes
    question: Hashable  # tells a repeated step 1 from a new one
    way: Way
    noise: Handshake
    answer: HandshakeFrame  # step 2


class HalfOpenTable:
    def __init__(self, limits: SessionLimits) -> None:
        self._limits = limits
        self._by_route: dict[int, dict[bytes, HalfOpen]] = {}
        self._by_index: dict[bytes, HalfOpen] = {}
        self._by_question: dict[Hashable, HalfOpen] = {}
        self._deadlines: Deadlines[bytes] = Deadlines()

    def __len__(self) -> int:
        return len(self._by_index)

    def __contains__(self, index: bytes) -> bool:
        return index in self._by_index

    def get(self, index: bytes) -> HalfOpen | None:
        return self._by_index.get(index)

    def asked(self, question: Hashable) -> HalfOpen | None:
        return self._by_question.get(question)

    def add(self, entry: HalfOpen, *, now_ns: int) -> bool:
        """Always takes the new one; True where an older one had to go."""
        mates = self._by_route.get(entry.way.route, {})
        crowded = len(mates) >= self._limits.half_open_per_route_max
        full = len(self) >= self._limits.half_open_max
        if crowded:
            self.drop(next(iter(mates)))
        elif full:
            busiest = max(self._by_route.values(), key=len)
            self.drop(next(iter(busiest)))
        self._by_route.setdefault(entry.way.route, {})[entry.index] = entry
        self._by_index[entry.index] = entry
        self._by_question[entry.question] = entry
        self._deadlines.set(entry.index, now_ns + self._limits.half_open_ns)
        return crowded or full

    def drop(self, index: bytes) -> None:
        entry = self._by_index.pop(index)
        del self._by_question[entry.question]
        self._deadlines.drop(index)
        mates = self._by_route[entry.way.route]
        del mates[index]
        if not mates:
            del self._by_route[entry.way.route]

    def route_lost(self, route: int) -> None:
        for index in [index for index, entry in self._by_route.get(route, {}).items() if entry.way.local]:
            self.drop(index)

    def next_timeout(self) -> int | None:
        return self._deadlines.first()

    def expire(self, now_ns: int) -> int:
        """How many waited for step 3 in vain."""
        due = self._deadlines.take(now_ns)
        for index in due:
            self.drop(index)
        return len(due)
