"""All ways of one medium: those that a link uses or on which a fault lies. Made anew, one is as it ought to be just now."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sim.models.way import Tamper, Trouble, Troubled, Way
from sim.models.wire import SimLink


@dataclass(eq=False, slots=True)
class Barrier:
    """No frame passes from `these` to all the others, nor back unless `one_way`."""

    these: dict[str, None]
    one_way: bool

    def crosses(self, sender: str, receiver: str) -> bool:
        from_within, to_within = sender in self.these, receiver in self.these
        return from_within != to_within and (from_within or not self.one_way)


class Ways:
    def __init__(self, hears: Callable[[str, str], bool]) -> None:
        """`hears(receiver, sender)`: by nature and place, whatever faults say."""
        self._hears = hears
        self.air = Troubled()  # what troubles all of them
        self._ways: dict[str, dict[str, Way]] = {}  # sender -> receiver; both directions or neither
        self._barriers: dict[Barrier, None] = {}
        self._tampers: dict[tuple[str, str], tuple[Tamper, ...]] = {}  # receiver "": all

    def is_open(self, sender: str, receiver: str) -> bool:
        """A frame would pass."""
        way = self._ways.get(sender, {}).get(receiver)
        return way.open if way is not None else not self._causes(sender, receiver)

    def passes(self, one: str, other: str) -> bool:
        """In both directions."""
        return self.is_open(one, other) and self.is_open(other, one)

    def get(self, sender: str, receiver: str) -> Way:
        ways = self._ways.get(sender)
        if ways is None or receiver not in ways:
            for one, other in ((sender, receiver), (receiver, sender)):
                way = self._ways.setdefault(one, {})[other] = Way(one, other, self.air)
                way.shut_by = self._causes(one, other)
                way.tampers = self._tampers_of(one, other)
        return self._ways[sender][receiver]

    def both(self, one: str, other: str) -> Sequence[Way]:
        """Those that there are."""
        there = self._ways.get(one, {}).get(other)
        return () if there is None else (there, self._ways[other][one])

    def tidy(self, one: str, other: str) -> None:
        """Nothing is kept of a pair that has no link and no fault."""
        ways = self.both(one, other)
        if ways and all(way.idle for way in ways):
            for way in ways:
                row = self._ways[way.sender]
                row.pop(way.receiver, None)
                if not row:
                    self._ways.pop(way.sender)

    def __len__(self) -> int:
        return sum(map(len, self._ways.values()))

    def joined(self) -> list[tuple[str, str]]:
        """Pairs with a link between them, each once."""
        return [
            (one, other)
            for one, row in self._ways.items()
            for other, way in row.items()
            if one < other and way.links
        ]

    def links_from(self, name: str) -> list[SimLink]:
        """The ends at this host, of all its processes."""
        return [link for way in self._ways.get(name, {}).values() for link in way.links]

    # -- faults -----------------------------------------------------------------------------------------------

    def bar(self, these: Iterable[str], *, one_way: bool) -> Barrier:
        barrier = Barrier(dict.fromkeys(these), one_way)
        self._barriers[barrier] = None
        for way in self._crossing(barrier):
            way.shut()
        return barrier

    def lift(self, barrier: Barrier) -> bool:
        """False where it was lifted already."""
        if self._barriers.pop(barrier, 0) is not None:
            return False
        for way in self._crossing(barrier):
            way.reopen()
        return True

    def hinder(self, trouble: Trouble, sender: str = "", receiver: str = "") -> None:
        """On one way; on all, where none is named. Troubles add up."""
        (self.get(sender, receiver) if sender else self.air).hinder(trouble)

    def ease(self, trouble: Trouble, sender: str = "", receiver: str = "") -> None:
        """One such less."""
        (self.get(sender, receiver) if sender else self.air).ease(trouble)
        if sender:
            self.tidy(sender, receiver)

    def tamper(self, tamper: Tamper, sender: str, receiver: str = "") -> None:
        """With all that the sender sends, or with what one receiver gets of it; now and on links to come."""
        self._tampers[sender, receiver] = (*self._tampers.get((sender, receiver), ()), tamper)
        self._tell_tampers(sender)

    def untamper(self, tamper: Tamper, sender: str, receiver: str = "") -> None:
        kept = tuple(each for each in self._tampers.pop((sender, receiver), ()) if each is not tamper)
        if kept:
            self._tampers[sender, receiver] = kept
        self._tell_tampers(sender)

    def _tell_tampers(self, sender: str) -> None:
        for way in self._ways.get(sender, {}).values():
            way.tampers = self._tampers_of(way.sender, way.receiver)

    def _tampers_of(self, sender: str, receiver: str) -> tuple[Tamper, ...]:
        return self._tampers.get((sender, ""), ()) + self._tampers.get((sender, receiver), ())

    def _causes(self, sender: str, receiver: str) -> int:
        """Why nothing passes; 0: it does."""
        barred = sum(1 for barrier in self._barriers if barrier.crosses(sender, receiver))
        return barred + (sender != receiver and not self._hears(receiver, sender))

    def _crossing(self, barrier: Barrier) -> list[Way]:
        found: list[Way] = []
        for name in barrier.these:
            for other in self._ways.get(name, ()):
                if other not in barrier.these:
                    found += [
                        way for way in self.both(name, other) if barrier.crosses(way.sender, way.receiver)
                    ]
        return found
