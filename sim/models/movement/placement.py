"""Where those stand who don't walk, or where walks begin."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, pi, sqrt
from random import Random

from protocols.errors import SettingsError
from sim.models.movement.place import GRAIN, Area, Position, distance_m, on_grain

__all__ = ["Ground", "clusters", "lattice", "random_geometric", "scattered"]

COUNT_MAX = 1_000_000  # places; ten times what the simulator runs
GATE_CANDIDATES = 30  # of each side's nodes, nearest to the other side, where a bridge may end
BRIDGE_STEP = 0.9  # of the range, between two of a bridge: heard with some room to spare
HALVINGS = 60  # of the interval in which a side is looked for; then it is as exact as a float


@dataclass(frozen=True, slots=True)
class Ground:
    area: Area
    positions: tuple[Position, ...]
    homes: tuple[int | None, ...] = ()  # of clusters: each node's cluster; None: part of a bridge


def scattered(die: Random, area: Area, count: int) -> Ground:
    """Each anywhere, independently."""
    _check_count(count, least=0)
    return Ground(area, tuple(area.somewhere(die) for _ in range(count)))


def lattice(area: Area, count: int) -> Ground:
    """In rows from the origin, evenly, as near to squares as the number allows."""
    _check_count(count, least=0)
    columns = max(1, min(count, ceil(sqrt(count * area.width_m / area.height_m))))
    rows = max(1, ceil(count / columns))
    return Ground(
        area,
        tuple(
            Position(
                on_grain((index % columns + 0.5) * area.width_m / columns),
                on_grain((index // columns + 0.5) * area.height_m / rows),
            )
            for index in range(count)
        ),
    )


def random_geometric(die: Random, count: int, *, degree: float, range_m: float) -> Ground:
    """Scattered over a square just so large that a node hears `degree` others on average, those at the rim included."""
    _check_count(count, least=2)
    return scattered(die, _square(count, degree, range_m), count)


def clusters(die: Random, count: int, *, number: int, degree: float, range_m: float, gap_m: float) -> Ground:
    """Squares of scattered nodes in rows, too far apart to hear each other but over bridges.

    Between squares side by side, nodes stand in a line from one's nearest to the other's, so that each hears the
    next. They are taken from the clusters' own: a wider gap takes more. About links * gap / (0.9 * range) nodes are
    bridges, where `number` clusters in a square have about 2 * number - 2 * sqrt(number) links.
    """
    _check_count(count, least=2 * number)
    if number < 1 or gap_m <= range_m:
        raise SettingsError("clusters are 1 or more, with a gap above the range")
    side = _square(max(2, count // number), degree, range_m)
    columns = ceil(sqrt(number))
    pitch_m = side.width_m + on_grain(gap_m)
    positions: list[Position] = []
    homes: list[int | None] = []
    for index in range(count):
        home, place = index % number, side.somewhere(die)
        positions.append(
            Position(place.x_m + home % columns * pitch_m, place.y_m + home // columns * pitch_m)
        )
        homes.append(home)
    rows = ceil(number / columns)
    area = Area(columns * pitch_m - on_grain(gap_m), rows * pitch_m - on_grain(gap_m))
    _Bridges(positions, homes, range_m).build(number, columns)
    return Ground(area, tuple(positions), tuple(homes))


class _Bridges:
    """Moves the last nodes of clusters into lines between them; an end of a bridge stays where it is."""

    def __init__(self, positions: list[Position], homes: list[int | None], range_m: float) -> None:
        self._positions, self._homes = positions, homes
        self._step_m = range_m * BRIDGE_STEP
        self._spare = list(range(len(positions)))  # may still be moved; from its end
        self._ends: set[int] = set()

    def build(self, number: int, columns: int) -> None:
        members = [list(range(home, len(self._positions), number)) for home in range(number)]
        for home in range(number):
            for axis, other in ((0, home + 1), (1, home + columns)):
                if other < number and (axis or other % columns):
                    self._join(members[home], members[other], axis)

    def _join(self, ones: Sequence[int], others: Sequence[int], axis: int) -> None:
        one, other = self._gates(ones, others, axis)
        self._ends |= {one, other}
        start, end = self._positions[one], self._positions[other]
        steps = ceil(distance_m(start, end) / self._step_m)
        for step in range(1, steps):
            mover, share = self._take(), step / steps
            self._positions[mover] = Position(
                on_grain(start.x_m + (end.x_m - start.x_m) * share),
                on_grain(start.y_m + (end.y_m - start.y_m) * share),
            )
            self._homes[mover] = None

    def _gates(self, ones: Sequence[int], others: Sequence[int], axis: int) -> tuple[int, int]:
        """The nearest two among those that stand nearest to the gap."""
        places = self._positions
        near = sorted(self._at_home(ones), key=lambda node: (-places[node][axis], node))[:GATE_CANDIDATES]
        far = sorted(self._at_home(others), key=lambda node: (places[node][axis], node))[:GATE_CANDIDATES]
        pairs = [(distance_m(places[one], places[other]), one, other) for one in near for other in far]
        if not pairs:
            raise SettingsError("the bridges took all nodes of a cluster: a narrower gap or more nodes")
        _, one, other = min(pairs)
        return one, other

    def _at_home(self, members: Sequence[int]) -> list[int]:
        return [node for node in members if self._homes[node] is not None]

    def _take(self) -> int:
        while self._spare:
            node = self._spare.pop()
            if node not in self._ends:
                return node
        raise SettingsError("the bridges took all nodes of the clusters: a narrower gap or more nodes")


def _square(count: int, degree: float, range_m: float) -> Area:
    """Two places in a square of side 1 are within r <= 1 with probability pi r^2 - 8/3 r^3 + r^4 / 2."""
    wanted = degree / (count - 1)
    if not 0 < wanted <= 0.9 or not range_m > 0:
        raise SettingsError(
            f"{count} nodes hear above 0 and up to {0.9 * (count - 1):g} others on average, not {degree:g}"
        )
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        share = middle * middle * (pi + middle * (middle / 2 - 8 / 3))
        low, high = (middle, high) if share < wanted else (low, middle)
    side_m = range_m / high
    return Area(side_m + 1 / GRAIN, side_m + 1 / GRAIN)


def _check_count(count: int, *, least: int) -> None:
    if not least <= count <= COUNT_MAX:
        raise SettingsError(f"nodes are {least:,} to {COUNT_MAX:,}, not {count:,}")
