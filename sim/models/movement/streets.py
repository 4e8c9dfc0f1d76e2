"""A town of equal blocks. People keep to the streets and choose at each crossing: straight on or a turn.

Straight on is as likely as both turns together; nobody turns back. At the edge of the town the choice is among what
is left. At some crossings somebody pauses.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from protocols.errors import SettingsError
from sim.models.movement.place import GRAIN, Area, Position
from sim.models.movement.walk import Gait, Leg, Walk

__all__ = ["Streets", "street_walk"]

BLOCKS_MAX = 1_000  # to a side
BLOCK_M_MIN, BLOCK_M_MAX = 1.0, 1_000.0
PAUSE_SHARE = 0.1  # of the crossings; guess
EAST, NORTH, WEST, SOUTH = (1, 0), (0, 1), (-1, 0), (0, -1)
AHEAD_AND_TURNS = {
    EAST: (EAST, EAST, NORTH, SOUTH),
    WEST: (WEST, WEST, SOUTH, NORTH),
    NORTH: (NORTH, NORTH, WEST, EAST),
    SOUTH: (SOUTH, SOUTH, EAST, WEST),
}


@dataclass(frozen=True, slots=True)
class Streets:
    blocks_east: int
    blocks_north: int
    block_m: float = 100.0  # between two crossings, rounded down to the grain

    def __post_init__(self) -> None:
        for name, blocks in (("blocks_east", self.blocks_east), ("blocks_north", self.blocks_north)):
            if not 1 <= blocks <= BLOCKS_MAX:
                raise SettingsError(f"{name} is 1 to {BLOCKS_MAX}, not {blocks}")
        if not BLOCK_M_MIN <= self.block_m <= BLOCK_M_MAX:
            raise SettingsError(f"block_m is {BLOCK_M_MIN:g} to {BLOCK_M_MAX:g}, not {self.block_m:g}")

    @property
    def block_grains(self) -> int:
        return int(self.block_m * GRAIN)

    @property
    def area(self) -> Area:
        corner = self.crossing(self.blocks_east, self.blocks_north)
        return Area(corner.x_m, corner.y_m)

    def crossing(self, east: int, north: int) -> Position:
        return Position(east * self.block_grains / GRAIN, north * self.block_grains / GRAIN)

    def has(self, east: int, north: int) -> bool:
        return 0 <= east <= self.blocks_east and 0 <= north <= self.blocks_north


def street_walk(die: Random, streets: Streets, *, gait: Gait | None = None, start_ns: int = 0) -> Walk:
    """Begins somewhere on a street, walking."""
    return Walk(_street_legs(die, streets, Gait() if gait is None else gait, start_ns))


def _street_legs(die: Random, streets: Streets, gait: Gait, now_ns: int) -> Iterator[Leg]:
    here, heading, (east, north) = _start(die, streets)
    while True:
        there = streets.crossing(east, north)
        if walk_ns := gait.walk_ns(die, here, there):
            yield Leg(now_ns, now_ns + walk_ns, here, there)
            now_ns += walk_ns
        here = there
        if die.random() < PAUSE_SHARE and (pause_ns := gait.pause_ns(die)):
            yield Leg(now_ns, now_ns + pause_ns, here, here)
            now_ns += pause_ns
        ways = [way for way in AHEAD_AND_TURNS[heading] if streets.has(east + way[0], north + way[1])]
        heading = die.choice(ways)
        east, north = east + heading[0], north + heading[1]


def _start(die: Random, streets: Streets) -> tuple[Position, tuple[int, int], tuple[int, int]]:
    """A place between two crossings, the heading, and the crossing ahead."""
    east, north = die.randrange(streets.blocks_east + 1), die.randrange(streets.blocks_north + 1)
    ways = [way for way in AHEAD_AND_TURNS if streets.has(east + way[0], north + way[1])]
    heading = die.choice(ways)
    gone = die.randrange(streets.block_grains)
    here = Position(
        (east * streets.block_grains + heading[0] * gone) / GRAIN,
        (north * streets.block_grains + heading[1] * gone) / GRAIN,
    )
    return here, heading, (east + heading[0], north + heading[1])
