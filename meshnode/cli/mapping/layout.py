"""Where nodes stand on the picture: on rings around us, one ring for each hop, linked ones close to each other.

Angles begin with a radial tree: each node gets a wedge as wide as what hangs below it. Then, ring by ring and a few
times over, nodes move towards those they are linked to, and neighbours on a ring push each other apart until their
labels fit. Left to itself that draws a crowd together; so it only says who stands next to whom. In that order the tree
is laid out again, and from there nodes move a little. Nothing here is random: one graph, one picture.
"""

from dataclasses import dataclass
from math import atan2, cos, pi, sin

from meshnode.cli.mapping.graph import Graph

RING_GAP = 112.0  # pixels between rings: a label of fourteen letters and some air
NODE_PX = 26.0  # that a label needs along a ring at the sides, where lines of text lie below each other
LABEL_PX = 66.0  # more at the top and the bottom, where they lie beside each other
SWEEPS = 24
PUSHES = 60  # of a ring, in each sweep
PUSH_LEAST = 1e-4  # radians: less is not seen
PARENT_PULL = 2.0  # of the link that a node hangs on, against any other
STAY_PULL = 1.6  # of its place in the tree, against all its links together
RINGS_MAX = 12  # farther ones share the last


@dataclass(frozen=True, slots=True)
class Spotted:
    x: float
    y: float
    angle: float
    ring: int


@dataclass(frozen=True, slots=True)
class Layout:
    spots: dict[str, Spotted]
    radii: tuple[float, ...]  # of the rings; the first is 0


def lay_out(graph: Graph) -> Layout:
    parents = graph.parents()
    ring_of = {key: min(spot.hops, RINGS_MAX) for key, spot in graph.spots.items()}
    ring_of[graph.me] = 0
    rings: list[list[str]] = [[] for _ in range(max(ring_of.values()) + 1)]
    for key, ring in ring_of.items():
        rings[ring].append(key)
    radii = _radii(rings)
    pulls = _pulls(graph, parents)
    names = sorted(graph.spots, key=lambda key: (graph.spots[key].label, key))
    angles = _wedges(graph.me, parents, {key: place / len(names) for place, key in enumerate(names)})
    _settle(angles, {}, pulls, rings, radii)
    stay = _wedges(graph.me, parents, {key: angle % (2 * pi) for key, angle in angles.items()})
    angles = dict(stay)
    _settle(angles, stay, pulls, rings, radii)
    spots = {
        key: Spotted(radii[ring] * cos(angles[key]), radii[ring] * sin(angles[key]), angles[key], ring)
        for key, ring in ring_of.items()
    }
    return Layout(spots, radii)


def _radii(rings: list[list[str]]) -> tuple[float, ...]:
    radii = [0.0]
    for keys in rings[1:]:
        needed = len(keys) * (NODE_PX + LABEL_PX * 2 / pi) / (2 * pi)
        radii.append(max(radii[-1] + RING_GAP, needed))
    return tuple(radii)


def _settle(
    angles: dict[str, float],
    stay: dict[str, float],
    pulls: dict[str, list[tuple[str, float]]],
    rings: list[list[str]],
    radii: tuple[float, ...],
) -> None:
    """In place. `stay`: where each one would rather be."""
    for _ in range(SWEEPS):
        for ring, radius in zip(rings[1:], radii[1:], strict=True):
            targets = {key: _mean(key, angles, pulls[key], stay.get(key)) for key in ring}
            ring.sort(key=lambda key, to=targets: (to[key] % (2 * pi), key))
            _spread(ring, targets, radius)
            angles.update(targets)


def _wedges(me: str, parents: dict[str, str], order: dict[str, float]) -> dict[str, float]:
    """The middle of each node's wedge; what hangs below one node goes round in this order."""
    children: dict[str, list[str]] = {key: [] for key in parents}
    for key, parent in parents.items():
        if parent:
            children[parent].append(key)
    for parent, below in children.items():
        below.sort(key=lambda key, at=order[parent]: ((order[key] - at + pi) % (2 * pi), key))
    walk = [me]
    for key in walk:  # it grows meanwhile
        walk += children[key]
    weights: dict[str, float] = {}
    for key in reversed(walk):
        weights[key] = max(1.0, sum(weights[child] for child in children[key]))
    angles, starts = {me: 0.0}, {me: (-pi, 2 * pi)}
    for key in walk:
        start, width = starts[key]
        for child in children[key]:
            share = width * weights[child] / weights[key]
            starts[child] = (start, share)
            angles[child] = start + share / 2
            start += share
    return angles


def _pulls(graph: Graph, parents: dict[str, str]) -> dict[str, list[tuple[str, float]]]:
    """Who pulls at each node, and how strongly. We ourselves stand in the middle and pull nowhere."""
    pulls: dict[str, list[tuple[str, float]]] = {key: [] for key in graph.spots}
    for edge in graph.edges.values():
        for key, other in ((edge.a, edge.b), (edge.b, edge.a)):
            if graph.me not in {other, key}:
                pulls[key].append((other, PARENT_PULL if parents[key] == other else 1.0))
    return pulls


def _mean(key: str, angles: dict[str, float], pulls: list[tuple[str, float]], stay: float | None) -> float:
    """Of its own angle, of those that pull at it, and of where it would rather be; on the circle."""
    x, y = cos(angles[key]), sin(angles[key])
    for other, weight in pulls:
        x += weight * cos(angles[other])
        y += weight * sin(angles[other])
    if stay is not None:
        weight = STAY_PULL * (1.0 + sum(pull for _, pull in pulls))
        x += weight * cos(stay)
        y += weight * sin(stay)
    return atan2(y, x) if abs(x) + abs(y) > 1e-9 else angles[key]


def _spread(ring: list[str], angles: dict[str, float], radius: float) -> None:
    """Neighbours on the ring push each other apart, in place, until their labels fit or patience ends.

    The ring is cut at its widest gap. One that is full is shared out evenly.
    """
    if len(ring) < 2:
        return
    around = [angles[key] % (2 * pi) for key in ring]  # ascending: the ring is sorted
    gaps = [
        (after - before) % (2 * pi) for before, after in zip(around, [*around[1:], around[0]], strict=True)
    ]
    cut = max(range(len(gaps)), key=gaps.__getitem__) + 1
    keys = ring[cut:] + ring[:cut]
    line = around[cut:] + [angle + 2 * pi for angle in around[:cut]]
    for _ in range(PUSHES):
        moved = 0.0
        for place in range(len(line) - 1):
            middle = (line[place] + line[place + 1]) / 2
            lack = _needed(middle, radius) - (line[place + 1] - line[place])
            if lack > PUSH_LEAST:
                line[place] -= lack / 2
                line[place + 1] += lack / 2
                moved = max(moved, lack)
        if moved <= PUSH_LEAST:
            break
    if line[-1] - line[0] + _needed(line[0], radius) > 2 * pi:
        line = [line[0] + place * 2 * pi / len(line) for place in range(len(line))]
    angles.update(zip(keys, line, strict=True))


def _needed(angle: float, radius: float) -> float:
    return (NODE_PX + LABEL_PX * abs(sin(angle))) / radius
