"""Was this machine asleep? Told by a rest that took much longer than asked.

A suspend stops the monotonic clock and with it all timers: nothing in the program notices, and links that died
meanwhile look alive. The wall clock goes on. Where only this process stood still (a stopped container, a paused virtual
machine), the monotonic clock goes on as well. A wall clock that is set forward looks the same, and does no harm: whoever
hears of a sleep only asks again what it believed to know.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from meshnode.world import Clock

LOOKS = 5  # at the clocks in one rest: 2 s apart on mains, 12 s on a low battery; each costs microseconds
SLEPT_NS_MIN = 5_000_000_000  # shorter ones kill no link; a busy machine and a step of NTP stay below; guess


@dataclass(frozen=True, slots=True)
class Instant:
    """The same one, on both clocks."""

    now_ns: int
    wall_ns: int


def overslept_ns(before: Instant, after: Instant, *, asked_ns: int) -> int:
    """How much longer than asked it took, on the clock that went further."""
    return max(0, after.now_ns - before.now_ns - asked_ns, after.wall_ns - before.wall_ns - asked_ns)


async def rest(span_ns: int, clock: Clock, sleep_ns: Callable[[int], Awaitable[None]]) -> bool:
    """Returns when the time is over, or True as soon as the machine turns out to have slept."""
    look_ns = -(-span_ns // LOOKS)
    before = Instant(clock.now_ns(), clock.wall_ns())
    for _ in range(LOOKS):
        await sleep_ns(look_ns)
        after = Instant(clock.now_ns(), clock.wall_ns())
        if overslept_ns(before, after, asked_ns=look_ns) >= SLEPT_NS_MIN:
            return True
        before = after
    return False
