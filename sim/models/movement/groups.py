"""People who go together: a leader nobody sees walks by waypoints, the members mill about around it.

The leader's area is smaller by the group's width, and a member's place within the group counts from the group's
corner, so their sum never leaves the area.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from protocols.errors import SettingsError
from sim.models.movement.place import GRAIN, Area, Position
from sim.models.movement.walk import Gait, Mover, Walk
from sim.models.movement.waypoint import random_waypoint, waypoint_legs

__all__ = ["Companion", "group"]

RADIUS_M_MIN = 1.0
MILLING = Gait(speed_m_s=(0.1, 0.5), pause_s=(0.0, 60.0))  # guess: shifting from one talk to the next
STROLL = Gait()


@dataclass(frozen=True, slots=True)
class Companion:
    """Its speed is at most the leader's and its own together.

    Companions share their leader: all of one group are asked at times that never go back among them.
    """

    leader: Walk
    own: Walk

    def at(self, now_ns: int) -> Position:
        (x_m, y_m), (own_x_m, own_y_m) = self.leader.at(now_ns), self.own.at(now_ns)
        return Position(x_m + own_x_m, y_m + own_y_m)

    def next_change_ns(self, now_ns: int) -> int | None:
        changes = (self.leader.next_change_ns(now_ns), self.own.next_change_ns(now_ns))
        return min(each for each in changes if each is not None)


def group(
    leader_die: Random,
    member_dice: Sequence[Random],
    area: Area,
    *,
    radius_m: float = 10.0,
    gait: Gait = STROLL,
    start_ns: int = 0,
) -> list[Mover]:
    """One member for each of `member_dice`, never farther than twice `radius_m` from each other."""
    narrow_m = min(area.width_m, area.height_m)
    if not RADIUS_M_MIN <= radius_m <= (narrow_m - 1) / 2:
        raise SettingsError(
            f"radius_m is {RADIUS_M_MIN:g} to just below half the area, {narrow_m:g} m, not {radius_m:g}"
        )
    reach = int(radius_m * GRAIN)
    inner = Area(area.width_m - 2 * reach / GRAIN, area.height_m - 2 * reach / GRAIN)
    leader = random_waypoint(leader_die, inner, gait=gait, start_ns=start_ns)

    def beside(die: Random) -> Position:
        while True:  # four of five draws fall into the circle
            east, north = die.randrange(2 * reach + 1), die.randrange(2 * reach + 1)
            if (east - reach) ** 2 + (north - reach) ** 2 <= reach**2:
                return Position(east / GRAIN, north / GRAIN)

    return [
        Companion(leader, Walk(waypoint_legs(die, beside, MILLING, beside(die), start_ns)))
        for die in member_dice
    ]
