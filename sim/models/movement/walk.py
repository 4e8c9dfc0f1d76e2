"""How one mover is asked where it is, and the legs that a walk is made of."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from random import Random
from typing import NamedTuple, Protocol

from protocols.errors import SettingsError
from sim.models.movement.place import Position, distance_m
from sim.timeline import NS_PER_S

__all__ = ["Gait", "Leg", "Mover", "Still", "Walk"]

SPEED_M_S_MIN = 0.01  # below it a leg over a large area outlasts every run
SPEED_M_S_MAX = 100.0  # a fast train
PAUSE_S_MAX = 86_400.0  # one day


class Mover(Protocol):
    """Asked at times that never go back; how often it is asked changes nothing of where it goes."""

    def at(self, now_ns: int) -> Position: ...

    def next_change_ns(self, now_ns: int) -> int | None:
        """When its present leg ends, after `now_ns`: until then it stands, or walks straight on at one speed.

        None: never.
        """
        ...


@dataclass(frozen=True, slots=True)
class Still:
    position: Position

    def at(self, now_ns: int) -> Position:  # noqa: ARG002 - the protocol's: a mover is asked with the time
        return self.position

    def next_change_ns(self, now_ns: int) -> int | None:  # noqa: ARG002 - as above
        return None


class Leg(NamedTuple):
    """Straight on at one speed, or, where both ends are the same, a pause."""

    start_ns: int
    end_ns: int  # above start_ns
    start: Position
    end: Position


class Walk:
    """A mover along legs that follow on each other without a gap; they are made as they are needed, without end."""

    __slots__ = ("_dx_m", "_dy_m", "_leg", "_legs")

    def __init__(self, legs: Iterator[Leg]) -> None:
        self._legs = legs
        self._take(next(legs))

    def at(self, now_ns: int) -> Position:
        if now_ns >= self._leg.end_ns:
            self._go_on(now_ns)
        start_ns, end_ns, (x_m, y_m), _ = self._leg
        assert now_ns >= start_ns, "a mover is asked for the past"
        share = (now_ns - start_ns) / (end_ns - start_ns)
        return Position(x_m + self._dx_m * share, y_m + self._dy_m * share)

    def next_change_ns(self, now_ns: int) -> int | None:
        if now_ns >= self._leg.end_ns:
            self._go_on(now_ns)
        return self._leg.end_ns

    def _go_on(self, now_ns: int) -> None:
        for leg in self._legs:
            if leg.end_ns > now_ns:
                self._take(leg)
                return

    def _take(self, leg: Leg) -> None:
        self._leg = leg
        self._dx_m = leg.end.x_m - leg.start.x_m
        self._dy_m = leg.end.y_m - leg.start.y_m


@dataclass(frozen=True, slots=True)
class Gait:
    """How somebody walks. A speed and a pause are drawn anew for each leg."""

    speed_m_s: tuple[float, float] = (0.5, 1.5)  # strolling to brisk walking
    pause_s: tuple[float, float] = (0.0, 120.0)  # guess: a shop window, a chat

    def __post_init__(self) -> None:
        low, high = self.speed_m_s
        if not SPEED_M_S_MIN <= low <= high <= SPEED_M_S_MAX:
            raise SettingsError(
                f"speed_m_s is a range within {SPEED_M_S_MIN:g} to {SPEED_M_S_MAX:g}, not {low:g} to {high:g}"
            )
        low, high = self.pause_s
        if not 0 <= low <= high <= PAUSE_S_MAX:
            raise SettingsError(f"pause_s is a range within 0 to {PAUSE_S_MAX:g}, not {low:g} to {high:g}")

    def pause_ns(self, die: Random) -> int:
        return int(die.uniform(*self.pause_s) * NS_PER_S)

    def walk_ns(self, die: Random, start: Position, end: Position) -> int:
        """Rounded up, so that the speed drawn is never exceeded."""
        return ceil(distance_m(start, end) * NS_PER_S / die.uniform(*self.speed_m_s))
