"""What the directory owes without being asked, and when: sans-IO.

join      a lookup of our own place: we meet our neighbours on the ring, and they us
refresh   a lookup in a bucket where none went for an hour
publish   our record (and our wards') to the k nodes nearest to it, each hour or soon after it changed
check     does whoever was heard longest ago in a full bucket still live?
hand over a record to somebody who came nearer to it than we are
purge     what has expired
"""

from dataclasses import dataclass
from enum import Enum
from random import Random

from protocols.directory.kademlia.limits import DirectoryLimits
from protocols.timers import earliest


class Duty(Enum):
    JOIN = "join"
    REFRESH = "refresh"
    PUBLISH = "publish"
    CHECK = "check"
    HAND_OVER = "hand_over"
    PURGE = "purge"


@dataclass(slots=True)
class Timer:
    due_ns: int | None = None
    failures: int = 0
    running: bool = False


class Upkeep:
    """`take` the duties that are due, tell `done` of each; until then it is not due again."""

    def __init__(self, die: Random, limits: DirectoryLimits, *, now_ns: int) -> None:
        self._die, self._limits = die, limits
        self._timers = {duty: Timer() for duty in Duty}
        self._timers[Duty.PURGE].due_ns = now_ns + limits.purge_ns

    def soon(self, duty: Duty, *, now_ns: int) -> None:
        """Something changed. Several changes make one duty."""
        timer = self._timers[duty]
        due_ns = now_ns + self._die.randint(self._limits.soon_ns // 2, self._limits.soon_ns)
        timer.due_ns = earliest(timer.due_ns, due_ns)
        timer.failures = 0

    def take(self, *, now_ns: int) -> list[Duty]:
        taken: list[Duty] = []
        for duty, timer in self._timers.items():
            if timer.due_ns is not None and timer.due_ns <= now_ns and not timer.running:
                timer.running, timer.due_ns = True, None
                taken.append(duty)
        return taken

    def done(self, duty: Duty, *, well: bool, now_ns: int) -> None:
        """`well`: somebody answered. What failed is tried again, later and later."""
        timer = self._timers[duty]
        timer.running = False
        if well:
            timer.failures = 0
            next_ns = self._jitter(self._period_ns(duty))
        else:
            next_ns = self._jitter(min(self._limits.retry_ns << timer.failures, self._limits.publish_ns))
            timer.failures = min(timer.failures + 1, 16)
        if duty is not Duty.HAND_OVER:
            timer.due_ns = earliest(timer.due_ns, now_ns + next_ns)

    def next_timeout(self) -> int | None:
        return earliest(*(timer.due_ns for timer in self._timers.values() if not timer.running))

    def _period_ns(self, duty: Duty) -> int:
        limits = self._limits
        match duty:
            case Duty.JOIN | Duty.PUBLISH:
                return limits.publish_ns
            case Duty.REFRESH | Duty.CHECK:  # one bucket at a time
                return limits.purge_ns // 2
            case Duty.PURGE | Duty.HAND_OVER:
                return limits.purge_ns

    def _jitter(self, span_ns: int) -> int:
        """A tenth to either side, so that those who began together drift apart."""
        return self._die.randint(span_ns - span_ns // 10, span_ns + span_ns // 10)
