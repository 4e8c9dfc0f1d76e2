"""Where what neighbours said is kept: one slot for each destination, in columns of plain numbers.

An object for each destination and neighbour would cost ten times the memory. A slot has three places for successors:
which neighbour, its last word, when it was last heard. The first place is the one in use; places fill from the front.
`told` is the word that we tell others (their word with our cost), `least` the feasibility distance: sequence ‖ cost.
"""

from array import array
from collections.abc import Iterator

from protocols.ids import NodeId
from protocols.routing.frames import COST_SHIFT, LANDMARK, SEQUENCE_SHIFT, U16
from protocols.routing.limits import COST_INFINITE, SUCCESSORS
from protocols.routing.neighbours import Neighbour, Neighbours

NONE = 255  # no neighbour in this place
TICK_NS = 2_000_000_000  # of `heard`: 16 bits of it are 36 hours
EMPTY = bytes([NONE]) * SUCCESSORS


class Table:
    def __init__(self, neighbours: Neighbours) -> None:
        self._neighbours = neighbours
        self.slots: dict[bytes, int] = {}
        self.keys: list[bytes | None] = []
        self.names: list[NodeId | None] = []  # of landmarks
        self.changed: dict[int, int] = {}  # slot -> bits of the neighbours that must hear of it
        self.who = bytearray()
        self.words = array("Q")
        self.heard = array("H")
        self.told = array("Q")
        self.least = array("I")
        self.since = array("H")  # tick since when it is retracted
        self.near = self.landmarks = self.retracted = 0
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self.slots)

    def take_slot(self, key: bytes, word: int, tick: int) -> int:
        """A new destination, retracted so far."""
        blank = self._blank(word)
        if self._free:
            slot = self._free.pop()
            self.keys[slot], self.told[slot] = key, blank
            self.least[slot] = (word >> SEQUENCE_SHIFT) << 16 | COST_INFINITE
            self.since[slot] = tick
        else:
            slot = len(self.keys)
            self.keys.append(key)
            self.names.append(None)
            self.who += EMPTY
            self.words.extend((0,) * SUCCESSORS)
            self.heard.extend((0,) * SUCCESSORS)
            self.told.append(blank)
            self.least.append((word >> SEQUENCE_SHIFT) << 16 | COST_INFINITE)
            self.since.append(tick)
        self.slots[key] = slot
        self.retracted += 1
        return slot

    def _blank(self, word: int) -> int:
        """This word, unreachable."""
        return word | COST_INFINITE << COST_SHIFT

    def free_slot(self, slot: int) -> None:
        key = self.keys[slot]
        assert key is not None, "freed twice"
        assert not self.is_reachable(slot), "only what is retracted is forgotten"
        while self.who[slot * SUCCESSORS] != NONE:
            self.remove(slot, slot * SUCCESSORS)
        del self.slots[key]
        self.keys[slot] = self.names[slot] = None
        self.changed.pop(slot, None)
        self.retracted -= 1
        self._free.append(slot)

    def cost(self, slot: int) -> int:
        return self.told[slot] >> COST_SHIFT & U16

    def is_reachable(self, slot: int) -> bool:
        return self.told[slot] >> COST_SHIFT & U16 != COST_INFINITE

    def is_landmark(self, slot: int) -> bool:
        return bool(self.told[slot] & LANDMARK)

    def tell(self, slot: int, word: int, tick: int) -> None:
        """Set what we tell, and keep the counts; the feasibility distance is the vector's."""
        before = self.told[slot]
        self._count(before, -1)
        self._count(word, 1)
        if word >> COST_SHIFT & U16 == COST_INFINITE != before >> COST_SHIFT & U16:
            self.since[slot] = tick
        self.told[slot] = word

    def _count(self, word: int, by: int) -> None:
        if word >> COST_SHIFT & U16 == COST_INFINITE:
            self.retracted += by
        elif word & LANDMARK:
            self.landmarks += by
        else:
            self.near += by

    # -- successors -------------------------------------------------------------------------------------------

    def place_of(self, slot: int, index: int) -> int:
        """-1 where that neighbour has none."""
        start = slot * SUCCESSORS
        return self.who.find(index, start, start + SUCCESSORS)

    def put(self, slot: int, place: int, index: int, word: int, tick: int) -> None:
        """Write a place that is free or another's."""
        start = slot * SUCCESSORS
        if self.who[place] != index:
            self._count_sole(start, -1)
            self.who[place] = index
            self._count_sole(start, 1)
        self.words[place], self.heard[place] = word, tick

    def remove(self, slot: int, place: int) -> None:
        start = slot * SUCCESSORS
        self._count_sole(start, -1)
        last = start + SUCCESSORS - 1
        for i in range(place, last):
            self._copy(i + 1, i)
        self.who[last] = NONE
        self._count_sole(start, 1)

    def swap(self, place: int, other: int) -> None:
        who, words, heard = self.who, self.words, self.heard
        who[place], who[other] = who[other], who[place]
        words[place], words[other] = words[other], words[place]
        heard[place], heard[other] = heard[other], heard[place]

    def _copy(self, source: int, target: int) -> None:
        self.who[target], self.words[target] = self.who[source], self.words[source]
        self.heard[target] = self.heard[source]

    def _count_sole(self, start: int, by: int) -> None:
        if self.who[start] != NONE and self.who[start + 1] == NONE:
            neighbour = self._neighbours.by_index[self.who[start]]
            assert neighbour is not None, "a neighbour that went left words behind"
            neighbour.sole += by

    def successors(self, slot: int) -> Iterator[tuple[int, Neighbour]]:
        """(place, neighbour), the one in use first."""
        start = slot * SUCCESSORS
        for place in range(start, start + SUCCESSORS):
            if (index := self.who[place]) == NONE:
                return
            neighbour = self._neighbours.by_index[index]
            assert neighbour is not None, "a neighbour that went left words behind"
            yield place, neighbour

    def slots_of(self, index: int) -> list[int]:
        """All slots in which that neighbour is a successor."""
        found: list[int] = []
        at = self.who.find(index)
        while at >= 0:
            found.append(at // SUCCESSORS)
            at = self.who.find(index, at + 1)
        return found

    def unmark(self, slot: int, bit: int) -> None:
        if left := self.changed[slot] & ~bit:
            self.changed[slot] = left
        else:
            del self.changed[slot]

    def compact(self) -> None:
        """Give back what growing took in advance: a third of the memory."""
        slots: dict[bytes, int] = {}
        slots.update(self.slots)  # sized for what it holds, which growing is not
        self.slots, self.changed = slots, dict(self.changed)
        self.keys, self.names = list(self.keys), list(self.names)
        self.words, self.told = array("Q", self.words), array("Q", self.told)
        self.heard, self.since, self.least = (
            array("H", self.heard),
            array("H", self.since),
            array("I", self.least),
        )

    def each(self) -> Iterator[tuple[bytes, int]]:
        yield from self.slots.items()
