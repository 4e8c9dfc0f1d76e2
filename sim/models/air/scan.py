"""When a radio listens, and how long it takes until two that come into range see each other."""

from dataclasses import dataclass
from random import Random

from protocols.errors import SettingsError
from sim.timeline import NS_PER_MS, NS_PER_US

__all__ = ["ALWAYS", "ASLEEP", "SCAN_EVERY_NS", "Beacon", "Windows", "sees_after_ns"]

SCAN_EVERY_NS = 4_096 * NS_PER_MS  # Android's "balanced" scan listens 1,024 ms of each 4,096
BEACONS_MAX = 100_000  # that are looked at until somebody counts as unseen; at Android's pace seven hours


@dataclass(frozen=True, slots=True)
class Windows:
    """Listens `on_ns` of each `every_ns`; the first window begins at `phase_ns`."""

    on_ns: int
    every_ns: int
    phase_ns: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.on_ns <= self.every_ns or self.every_ns < 1:
            raise SettingsError(f"a radio can't listen {self.on_ns} of each {self.every_ns} ns")

    @classmethod
    def of_duty(cls, duty: float, die: Random, *, every_ns: int = SCAN_EVERY_NS) -> "Windows":
        """A share of the time, from a phase of its own."""
        return cls(round(duty * every_ns), every_ns, die.randrange(every_ns))

    @property
    def duty(self) -> float:
        return self.on_ns / self.every_ns

    def cover(self, start_ns: int, end_ns: int) -> bool:
        """It listens all that time."""
        if self.on_ns == self.every_ns:
            return True
        return (start_ns - self.phase_ns) % self.every_ns + end_ns - start_ns <= self.on_ns


ALWAYS = Windows(1, 1)
ASLEEP = Windows(0, 1)


@dataclass(frozen=True, slots=True)
class Beacon:
    """How a host shows itself."""

    interval_ns: int = 250 * NS_PER_MS  # Android's "balanced" advertising
    jitter_ns: int = (
        10 * NS_PER_MS
    )  # drawn anew each time, so that two never stay in step (Bluetooth's advDelay)
    airtime_ns: int = 376 * NS_PER_US  # 31 bytes with what is around them


def sees_after_ns(
    windows: Windows, beacon: Beacon | None, die: Random, *, now_ns: int, loss: float = 0.0
) -> int | None:
    """How long after they came into range at `now_ns` who listens in `windows` first hears who sends `beacon`.

    None: never, as far as it matters. Ask once for each of the two; the die gives the sender's phase too.
    """
    if beacon is None or (windows.duty < 1 and windows.on_ns < beacon.airtime_ns):
        return None
    at_ns = now_ns + die.randrange(beacon.interval_ns)
    for _ in range(BEACONS_MAX):
        if windows.cover(at_ns, at_ns + beacon.airtime_ns) and (not loss or die.random() >= loss):
            return at_ns + beacon.airtime_ns - now_ns
        at_ns += beacon.interval_ns
        if beacon.jitter_ns:
            at_ns += die.randrange(beacon.jitter_ns)
    return None
