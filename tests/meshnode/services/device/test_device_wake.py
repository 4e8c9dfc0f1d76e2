"""A sleep is what a rest shows that took too long, on either clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshnode.services.device import rest, watch_device
from meshnode.services.device.wake import LOOKS, SLEPT_NS_MIN, Instant, overslept_ns
from policies.device import DeviceState

SECOND_NS = 1_000_000_000
HOUR_NS = 3_600 * SECOND_NS
REST_NS = 10 * SECOND_NS
LOOK_NS = REST_NS // LOOKS


class Laptop:
    """Its clocks, and what happens to them during each look: (monotonic, wall), beyond the time that was asked."""

    def __init__(self, *nights: tuple[int, int]) -> None:
        self._nights = iter(nights)
        self._now_ns, self._wall_ns = 0, HOUR_NS
        self.looks = 0

    def now_ns(self) -> int:
        return self._now_ns

    def wall_ns(self) -> int:
        return self._wall_ns

    async def sleep_ns(self, span_ns: int) -> None:
        self.looks += 1
        more_ns, more_wall_ns = next(self._nights, (0, 0))
        self._now_ns += span_ns + more_ns
        self._wall_ns += span_ns + more_wall_ns


async def rested(laptop: Laptop) -> bool:
    return await rest(REST_NS, laptop, laptop.sleep_ns)


async def test_an_undisturbed_rest_takes_its_time_and_is_no_sleep() -> None:
    laptop = Laptop()
    assert not await rested(laptop)
    assert (laptop.looks, laptop.now_ns()) == (LOOKS, REST_NS)


@pytest.mark.parametrize(
    "night",
    [(0, 8 * HOUR_NS), (HOUR_NS, HOUR_NS), (HOUR_NS, -HOUR_NS)],
    ids=["suspended", "stopped", "stopped while the clock was set back"],
)
async def test_a_sleep_is_noticed_at_the_next_look(night: tuple[int, int]) -> None:
    laptop = Laptop((0, 0), night)
    assert await rested(laptop)
    assert laptop.looks == 2


@pytest.mark.parametrize(
    "night",
    [(0, -8 * HOUR_NS), (0, SECOND_NS), (SECOND_NS, SECOND_NS)],
    ids=["set back", "set by a second", "busy for a second"],
)
async def test_what_a_clock_and_a_busy_machine_do_by_day_is_no_sleep(night: tuple[int, int]) -> None:
    assert not await rested(Laptop(night))


async def test_many_small_delays_make_no_sleep() -> None:
    delay_ns = SLEPT_NS_MIN - 1
    assert not await rested(Laptop(*[(delay_ns, delay_ns)] * LOOKS))


@given(st.integers(0, HOUR_NS), st.integers(-HOUR_NS, HOUR_NS), st.integers(0, HOUR_NS))
def test_no_clock_oversleeps_less_than_nothing_or_more_than_it_went(
    went_ns: int, wall_went_ns: int, asked_ns: int
) -> None:
    found = overslept_ns(Instant(5, 7), Instant(5 + went_ns, 7 + wall_went_ns), asked_ns=asked_ns)
    assert 0 <= found <= max(went_ns, wall_went_ns)
    assert overslept_ns(Instant(0, 0), Instant(asked_ns, asked_ns), asked_ns=asked_ns) == 0


async def test_whoever_slept_is_told_so_once_though_nothing_looks_different() -> None:
    slept = iter((False, True, False, False))
    readings = iter((*[DeviceState()] * 4, DeviceState(metered=True)))

    async def read() -> DeviceState:
        return next(readings)

    async def sleeps(_: int) -> bool:
        return next(slept)

    watch = watch_device(read, sleeps)
    told = [await anext(watch) for _ in range(3)]
    assert [(change.woke, change.network_changed, change.device.metered) for change in told] == [
        (False, False, None),
        (True, False, None),
        (False, False, True),
    ]
