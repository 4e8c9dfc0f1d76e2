"""Where something can be: metres on a flat rectangle.

All places that people walk to lie on a grain of 1/1024 m. Sums and differences of such numbers are exact in a float,
and rounding keeps order, so whatever lies between two of them never leaves the area, not by the last bit.
No sine and no logarithm is used for a place: they come from the machine's C library, and two machines may differ in
their last bit; the four operations and the square root never do.
"""

from dataclasses import dataclass
from math import floor, sqrt
from random import Random
from typing import NamedTuple

from protocols.errors import SettingsError

__all__ = ["Area", "Position", "distance_m", "on_grain"]

GRAIN = 1_024  # to the metre
AREA_SIDE_M_MIN = 1.0
AREA_SIDE_M_MAX = 1_000_000.0  # a large country; in grains still far below what a float counts exactly


class Position(NamedTuple):
    x_m: float
    y_m: float


@dataclass(frozen=True, slots=True)
class Area:
    """From (0, 0) to (width_m, height_m), edges included; sides are rounded down to the grain."""

    width_m: float
    height_m: float

    def __post_init__(self) -> None:
        for name in ("width_m", "height_m"):
            side_m: float = getattr(self, name)
            if not AREA_SIDE_M_MIN <= side_m <= AREA_SIDE_M_MAX:
                raise SettingsError(
                    f"{name} of an area is {AREA_SIDE_M_MIN:g} to {AREA_SIDE_M_MAX:g}, not {side_m:g}"
                )
            object.__setattr__(self, name, on_grain(side_m))

    def somewhere(self, die: Random) -> Position:
        """Each place as likely as any other."""
        return Position(
            die.randrange(int(self.width_m * GRAIN) + 1) / GRAIN,
            die.randrange(int(self.height_m * GRAIN) + 1) / GRAIN,
        )

    def holds(self, position: Position) -> bool:
        return 0 <= position.x_m <= self.width_m and 0 <= position.y_m <= self.height_m


def on_grain(length_m: float) -> float:
    """Rounded down."""
    return floor(length_m * GRAIN) / GRAIN


def distance_m(one: Position, other: Position) -> float:
    x_m, y_m = one.x_m - other.x_m, one.y_m - other.y_m
    return sqrt(x_m * x_m + y_m * y_m)
