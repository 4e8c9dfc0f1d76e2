"""Who hears whom: by distance, and what changes from one look to the next."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from protocols.errors import SettingsError
from sim.models.movement.place import Position
from sim.models.movement.walk import Mover

__all__ = ["ContactChange", "ContactWatch", "contact_changes", "contacts"]

# Cells are a hair wider than the range: two places that are two cells apart are then out of range in floats as well.
CELL_PER_RANGE = 1 + 2**-20

NOWHERE = Position(float("nan"), float("nan"))  # unequal to every place, itself included

Cell = tuple[int, int]


@dataclass(frozen=True, slots=True, order=True)
class ContactChange:
    """From now on `a` and `b` hear each other, or no longer do. In order: of one moment, partings come first."""

    at_ns: int
    up: bool
    a: int  # below b
    b: int


def contacts(positions: Sequence[Position], range_m: float) -> list[tuple[int, int]]:
    """All pairs (a, b), a < b, at most `range_m` apart, sorted. In time linear to places and pairs."""
    cell_m, reach = _cell_m(range_m), range_m * range_m
    cells: dict[Cell, list[tuple[int, float, float]]] = {}
    for index, (x_m, y_m) in enumerate(positions):
        cell = (int(x_m // cell_m), int(y_m // cell_m))
        members = cells.get(cell)
        if members is None:
            cells[cell] = [(index, x_m, y_m)]
        else:
            members.append((index, x_m, y_m))
    pairs: list[tuple[int, int]] = []
    for (column, row), members in cells.items():
        others = members.copy()
        for near in ((column + 1, row - 1), (column + 1, row), (column + 1, row + 1), (column, row + 1)):
            others += cells.get(near, ())
        for skip, (one, x_m, y_m) in enumerate(members, 1):
            for other, other_x_m, other_y_m in others[skip:]:
                dx_m, dy_m = x_m - other_x_m, y_m - other_y_m
                if dx_m * dx_m + dy_m * dy_m <= reach:
                    pairs.append((one, other) if one < other else (other, one))
    pairs.sort()
    return pairs


class ContactWatch:
    """Looks again and again at the same crowd. A look costs by how many have moved, not by how many there are.

    Whoever comes and goes between two looks is missed: look more often than range / fastest speed.
    """

    def __init__(self, range_m: float) -> None:
        self._reach = range_m * range_m
        self._cell_m = _cell_m(range_m)
        self._positions: list[Position] = []
        self._cells: dict[Cell, dict[int, None]] = {}
        self._places: list[Cell | None] = []  # the cell of each
        self._near: list[set[int]] = []

    def update(self, now_ns: int, positions: Sequence[Position]) -> list[ContactChange]:
        """In order. The first look tells all who hear each other; the crowd's number never changes."""
        if not self._positions:
            self._positions = [NOWHERE] * len(positions)
            self._places = [None] * len(positions)
            self._near = [set() for _ in positions]
        assert len(positions) == len(self._positions), "somebody joined or left between two looks"
        moved = [index for index, place in enumerate(positions) if place != self._positions[index]]
        for index in moved:
            self._settle(index, positions[index])
        changes: list[ContactChange] = []
        for index in moved:
            now, before = self._around(index), self._near[index]
            if now == before:
                continue
            for other in now ^ before:  # sorted below
                up = other in now
                if up:
                    self._near[other].add(index)
                else:
                    self._near[other].discard(index)
                changes.append(ContactChange(now_ns, up, min(index, other), max(index, other)))
            self._near[index] = now
        changes.sort()
        return changes

    def neighbours(self, index: int) -> list[int]:
        """At the last look, sorted."""
        return sorted(self._near[index])

    def _settle(self, index: int, position: Position) -> None:
        self._positions[index] = position
        cell = (int(position.x_m // self._cell_m), int(position.y_m // self._cell_m))
        old = self._places[index]
        if cell != old:
            if old is not None:
                members = self._cells[old]
                del members[index]
                if not members:
                    del self._cells[old]
            self._cells.setdefault(cell, {})[index] = None
            self._places[index] = cell

    def _around(self, index: int) -> set[int]:
        place = self._places[index]
        assert place is not None, "only who has been settled is looked around"
        (column, row), (x_m, y_m) = place, self._positions[index]
        positions, cells, reach = self._positions, self._cells, self._reach
        found: set[int] = set()
        for near_column in (column - 1, column, column + 1):
            for near_row in (row - 1, row, row + 1):
                for other in cells.get((near_column, near_row), ()):
                    other_x_m, other_y_m = positions[other]
                    dx_m, dy_m = x_m - other_x_m, y_m - other_y_m
                    if dx_m * dx_m + dy_m * dy_m <= reach:
                        found.add(other)
        found.discard(index)
        return found


def contact_changes(
    movers: Sequence[Mover], range_m: float, *, every_ns: int, until_ns: int, start_ns: int = 0
) -> Iterator[ContactChange]:
    """What a watch sees that looks at `start_ns` and then every `every_ns`, up to and including `until_ns`."""
    assert every_ns > 0, "looks must be apart in time"
    watch = ContactWatch(range_m)
    for now_ns in range(start_ns, until_ns + 1, every_ns):
        yield from watch.update(now_ns, [mover.at(now_ns) for mover in movers])


def _cell_m(range_m: float) -> float:
    if not 0 < range_m < float("inf"):
        raise SettingsError(f"range_m is above zero, not {range_m:g}")
    return range_m * CELL_PER_RANGE
