"""Random waypoint: pause, draw a place and a speed, walk there, again.

Known of this model: people are more often near the middle than at the rim, and the first minutes, when all are still
spread evenly, are unlike the later ones. Let a scenario run some minutes before it measures.
"""

from collections.abc import Callable, Iterator
from random import Random

from sim.models.movement.place import Area, Position
from sim.models.movement.walk import Gait, Leg, Walk

__all__ = ["random_waypoint", "waypoint_legs"]

STROLL = Gait()


def random_waypoint(
    die: Random, area: Area, *, gait: Gait = STROLL, start: Position | None = None, start_ns: int = 0
) -> Walk:
    """Begins with a pause at `start` (drawn if not given)."""
    first = area.somewhere(die) if start is None else start
    return Walk(waypoint_legs(die, area.somewhere, gait, first, start_ns))


def waypoint_legs(
    die: Random, somewhere: Callable[[Random], Position], gait: Gait, start: Position, start_ns: int
) -> Iterator[Leg]:
    here, now_ns = start, start_ns
    while True:
        if pause_ns := gait.pause_ns(die):
            yield Leg(now_ns, now_ns + pause_ns, here, here)
            now_ns += pause_ns
        there = somewhere(die)
        if walk_ns := gait.walk_ns(die, here, there):
            yield Leg(now_ns, now_ns + walk_ns, here, there)
            now_ns += walk_ns
        here = there
