from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshnode.world import Clock
from protocols.errors import SettingsError
from sim.models.clock import DRIFT_PPM_MAX, EPOCH_NS, SimClock

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS

drifts = st.one_of(st.integers(-300, 300), st.integers(-DRIFT_PPM_MAX, DRIFT_PPM_MAX))
spans = st.integers(0, 30 * DAY_NS)
happenings = st.sampled_from(["boot", "suspend", "resume", "drift", "step", "back", "set"])


class TrueTime:
    def __init__(self, now_ns: int = 0) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns


def happen(clock: SimClock, what: str, amount: int) -> None:
    actions: dict[str, Callable[[], None]] = {
        "boot": clock.boot,
        "suspend": clock.suspend,
        "resume": clock.resume,
        "drift": lambda: clock.drift(amount % DRIFT_PPM_MAX),
        "step": lambda: clock.step(amount),
        "back": lambda: clock.step(-amount),
        "set": lambda: clock.set_wall(amount),
    }
    actions[what]()


def test_it_is_a_clock_of_the_world() -> None:
    clock: Clock = SimClock(TrueTime())
    assert (clock.now_ns(), clock.wall_ns()) == (0, EPOCH_NS)


def test_a_right_clock_shows_the_true_time_since_its_boot() -> None:
    true = TrueTime(5 * SECOND_NS)
    clock = SimClock(true)
    true.now_ns += 7
    assert clock.now_ns() == 7
    assert clock.wall_ns() == EPOCH_NS + 5 * SECOND_NS + 7


@pytest.mark.parametrize(("drift_ppm", "gained_ns"), [(50, 4_320_000_000), (-200, -17_280_000_000), (0, 0)])
def test_drift_is_exact_over_a_day(drift_ppm: int, gained_ns: int) -> None:
    true = TrueTime()
    clock = SimClock(true, drift_ppm=drift_ppm)
    true.now_ns = DAY_NS
    assert clock.now_ns() == DAY_NS + gained_ns
    assert clock.wall_ns() == EPOCH_NS + DAY_NS + gained_ns


def test_a_wall_clock_kept_right_by_others_does_not_drift_with_the_machine() -> None:
    true = TrueTime()
    clock = SimClock(true, drift_ppm=100, wall_drift_ppm=0, wall_offset_ns=-300 * SECOND_NS)
    true.now_ns = DAY_NS
    assert clock.wall_ns() == EPOCH_NS + DAY_NS - 300 * SECOND_NS


@given(drift_ppm=drifts, times=st.lists(spans, max_size=30).map(sorted))
def test_how_often_it_is_read_changes_nothing(drift_ppm: int, times: list[int]) -> None:
    true = TrueTime()
    clock = SimClock(true, drift_ppm=drift_ppm)
    for true.now_ns in times:
        assert clock.now_ns() == true.now_ns + true.now_ns * drift_ppm // 1_000_000


@given(
    drift_ppm=drifts,
    story=st.lists(st.tuples(st.integers(0, DAY_NS), happenings, st.integers(0, 10 * DAY_NS)), max_size=30),
)
def test_the_monotonic_clock_never_goes_back_but_at_a_boot(
    drift_ppm: int, story: list[tuple[int, str, int]]
) -> None:
    true = TrueTime()
    clock = SimClock(true, drift_ppm=drift_ppm)
    last_ns = 0
    for span_ns, what, amount in story:
        true.now_ns += span_ns
        assert clock.now_ns() >= last_ns
        last_ns = clock.now_ns()
        happen(clock, what, amount)
        assert clock.now_ns() == (0 if what == "boot" else last_ns)
        assert clock.wall_ns() >= 0
        last_ns = clock.now_ns()


@given(
    drift_ppm=drifts,
    story=st.lists(st.tuples(st.integers(0, DAY_NS), happenings, st.integers(0, DAY_NS)), max_size=10),
    ahead_ns=st.integers(1, DAY_NS),
)
def test_the_true_time_for_a_local_one_is_the_first_that_shows_it(
    drift_ppm: int, story: list[tuple[int, str, int]], ahead_ns: int
) -> None:
    true = TrueTime()
    clock = SimClock(true, drift_ppm=drift_ppm)
    for span_ns, what, amount in story:
        true.now_ns += span_ns
        happen(clock, what, amount)
    clock.resume()
    local_ns = clock.now_ns() + ahead_ns
    due_ns = clock.true_for(local_ns)
    assert due_ns is not None
    true.now_ns = due_ns
    assert clock.now_ns() >= local_ns
    true.now_ns = due_ns - 1
    assert clock.now_ns() < local_ns


def test_what_a_clock_already_showed_needs_no_waiting() -> None:
    true = TrueTime()
    clock = SimClock(true)
    true.now_ns = 10
    clock.suspend()
    true.now_ns = 20
    clock.resume()
    assert clock.true_for(9) == 20
    assert clock.true_for(10) == 20
    assert clock.true_for(11) == 21


def test_a_suspended_machine_counts_no_time_but_its_wall_clock_does() -> None:
    true = TrueTime()
    clock = SimClock(true)
    true.now_ns = 10
    clock.suspend()
    clock.suspend()
    true.now_ns = 1_000
    assert clock.now_ns() == 10
    assert clock.wall_ns() == EPOCH_NS + 1_000
    assert clock.true_for(11) is None
    clock.resume()
    clock.resume()
    true.now_ns = 1_005
    assert clock.now_ns() == 15


def test_each_boot_counts_from_zero_and_the_wall_clock_goes_on() -> None:
    true = TrueTime()
    clock = SimClock(true)
    clock.suspend()
    true.now_ns = 100
    clock.boot()
    true.now_ns = 130
    assert clock.now_ns() == 30
    assert clock.wall_ns() == EPOCH_NS + 130


def test_a_machine_without_a_clock_battery_boots_in_1970_each_time() -> None:
    true = TrueTime(50)
    clock = SimClock(true, keeps_wall=False)
    true.now_ns = 57
    assert clock.wall_ns() == 7
    clock.set_wall(EPOCH_NS)
    true.now_ns = 60
    assert clock.wall_ns() == EPOCH_NS + 3
    clock.boot()
    assert clock.wall_ns() == 0


def test_steps_move_the_wall_clock_alone_and_not_below_1970() -> None:
    true = TrueTime()
    clock = SimClock(true)
    true.now_ns = 10
    clock.step(3_600 * SECOND_NS)
    assert clock.wall_ns() == EPOCH_NS + 10 + 3_600 * SECOND_NS
    clock.step(-100 * EPOCH_NS)
    assert clock.wall_ns() == 0
    assert clock.now_ns() == 10


def test_a_change_of_drift_holds_from_then_on() -> None:
    true = TrueTime()
    clock = SimClock(true, drift_ppm=100)
    true.now_ns = 1_000_000
    clock.drift(-100, wall_drift_ppm=0)
    true.now_ns = 3_000_000
    assert clock.now_ns() == 1_000_100 + 1_999_800
    assert clock.wall_ns() == EPOCH_NS + 1_000_100 + 2_000_000


@pytest.mark.parametrize("drift_ppm", [DRIFT_PPM_MAX + 1, -DRIFT_PPM_MAX - 1])
def test_a_drift_beyond_the_limit_is_refused(drift_ppm: int) -> None:
    with pytest.raises(SettingsError, match="drift"):
        SimClock(TrueTime(), drift_ppm=drift_ppm)
