from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import SettingsError
from sim.models.movement import (
    Area,
    Gait,
    Mover,
    Position,
    Still,
    Streets,
    distance_m,
    group,
    random_waypoint,
    street_walk,
)
from sim.timeline import NS_PER_S

HOUR_NS = 3_600 * NS_PER_S
HAIR_M = 1e-6  # what floats may add to a distance
TOWN = Streets(4, 3, block_m=50)
FIELD = Area(200, 150)

MAKERS: dict[
    str, tuple[Callable[[str], Mover], Area, float]
] = {  # how to make one, where it stays, its top speed
    "waypoint": (lambda seed: random_waypoint(Random(seed), FIELD), FIELD, 1.5),
    "streets": (lambda seed: street_walk(Random(seed), TOWN), TOWN.area, 1.5),
    "group": (
        lambda seed: group(Random(seed), [Random(f"{seed}/member")], FIELD, radius_m=7)[0],
        FIELD,
        2.0,
    ),
    "still": (lambda seed: Still(FIELD.somewhere(Random(seed))), FIELD, 0.0),
}

kinds = st.sampled_from(sorted(MAKERS))
seeds = st.integers(0, 10_000).map(str)
times = st.lists(st.integers(0, 4 * HOUR_NS), min_size=2, max_size=40).map(sorted)
sides = st.floats(1, 1_000_000)


@given(kind=kinds, seed=seeds, times=times)
def test_nobody_leaves_the_area(kind: str, seed: str, times: list[int]) -> None:
    make, area, _ = MAKERS[kind]
    mover = make(seed)
    assert all(area.holds(mover.at(now_ns)) for now_ns in times)


@given(width_m=sides, height_m=sides, seed=seeds, times=times)
def test_nobody_leaves_an_area_of_any_size_not_by_the_last_bit(
    width_m: float, height_m: float, seed: str, times: list[int]
) -> None:
    area = Area(width_m, height_m)
    gait = Gait(speed_m_s=(50, 100), pause_s=(0, 1))
    mover = random_waypoint(Random(seed), area, gait=gait)
    assert area.width_m <= width_m
    assert all(area.holds(mover.at(now_ns)) for now_ns in times)


@given(kind=kinds, seed=seeds, times=times)
def test_nobody_is_faster_than_the_gait_allows(kind: str, seed: str, times: list[int]) -> None:
    make, _, top_m_s = MAKERS[kind]
    mover = make(seed)
    places = [mover.at(now_ns) for now_ns in times]
    for i in range(len(times) - 1):
        walked_m = distance_m(places[i], places[i + 1])
        assert walked_m <= top_m_s * (times[i + 1] - times[i]) / NS_PER_S + HAIR_M


@given(kind=kinds, seed=seeds, times=times, more=times)
def test_the_same_die_gives_the_same_path_however_often_it_is_asked(
    kind: str, seed: str, times: list[int], more: list[int]
) -> None:
    make, _, _ = MAKERS[kind]
    seldom, often = make(seed), make(seed)
    path = {now_ns: often.at(now_ns) for now_ns in sorted(times + more)}
    assert [seldom.at(now_ns) for now_ns in times] == [path[now_ns] for now_ns in times]


@given(kind=kinds, seed=seeds, now_ns=st.integers(0, HOUR_NS), share=st.floats(0, 1))
def test_until_its_next_change_a_mover_goes_straight_on_at_one_speed(
    kind: str, seed: str, now_ns: int, share: float
) -> None:
    make, _, _ = MAKERS[kind]
    mover = make(seed)
    change_ns = mover.next_change_ns(now_ns)
    if change_ns is None:
        assert mover.at(now_ns) == mover.at(now_ns + HOUR_NS)
        return
    assert change_ns > now_ns
    between_ns = now_ns + int((change_ns - now_ns) * share)
    start, between, end = mover.at(now_ns), mover.at(between_ns), mover.at(change_ns)
    done = (between_ns - now_ns) / (change_ns - now_ns)
    on_line = Position(start.x_m + (end.x_m - start.x_m) * done, start.y_m + (end.y_m - start.y_m) * done)
    assert distance_m(between, on_line) <= HAIR_M


@given(seed=seeds, times=times)
def test_who_walks_the_streets_is_always_on_one(seed: str, times: list[int]) -> None:
    mover = street_walk(Random(seed), TOWN)
    assert all(
        place.x_m % TOWN.block_m == 0 or place.y_m % TOWN.block_m == 0
        for place in (mover.at(now_ns) for now_ns in times)
    )


def test_streets_are_walked_in_all_directions_and_to_every_corner() -> None:
    mover = street_walk(Random(3), TOWN)
    crossings: set[Position] = set()
    now_ns = 0
    for _ in range(2_000):
        change_ns = mover.next_change_ns(now_ns)
        assert change_ns is not None
        now_ns = change_ns
        crossings.add(mover.at(now_ns))
    assert len(crossings) == 5 * 4


def test_a_town_of_one_block_is_walked_round() -> None:
    town = Streets(1, 1)
    mover = street_walk(Random(0), town)
    assert all(town.area.holds(mover.at(minute * 60 * NS_PER_S)) for minute in range(500))


@given(seed=seeds, times=times)
def test_a_group_stays_together(seed: str, times: list[int]) -> None:
    members = group(Random(seed), [Random(f"{seed}/{n}") for n in range(4)], FIELD, radius_m=10)
    for now_ns in times:
        places = [member.at(now_ns) for member in members]
        assert all(distance_m(one, other) <= 20 + HAIR_M for one in places for other in places)


def test_a_group_goes_somewhere() -> None:
    (member,) = group(Random(1), [Random(2)], FIELD)
    places = [member.at(minute * 60 * NS_PER_S) for minute in range(200)]
    assert max(distance_m(places[0], place) for place in places) > 60


def test_a_walk_begins_where_and_when_it_is_told() -> None:
    start = Position(10, 20)
    mover = random_waypoint(Random(1), FIELD, start=start, start_ns=5 * NS_PER_S)
    assert mover.at(5 * NS_PER_S) == start


def test_asking_for_the_past_is_a_bug_that_is_told() -> None:
    mover = random_waypoint(Random(1), FIELD)
    mover.at(HOUR_NS)
    with pytest.raises(AssertionError, match="the past"):
        mover.at(0)


def test_leaving_one_mover_out_leaves_the_others_as_they_were() -> None:
    def crowd(size: int) -> list[Position]:
        movers = [random_waypoint(Random(f"7/walk/{n}"), FIELD) for n in range(size)]
        return [mover.at(HOUR_NS) for mover in movers]

    assert crowd(5) == crowd(6)[:5]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Area(0, 10),
        lambda: Area(10, float("nan")),
        lambda: Area(float("inf"), 10),
        lambda: Gait(speed_m_s=(0, 1)),
        lambda: Gait(speed_m_s=(2, 1)),
        lambda: Gait(pause_s=(-1, 1)),
        lambda: Gait(pause_s=(0, float("inf"))),
        lambda: Streets(0, 1),
        lambda: Streets(1, 1_001),
        lambda: Streets(1, 1, block_m=0.5),
        lambda: group(Random(1), [Random(2)], Area(10, 50), radius_m=5),
        lambda: group(Random(1), [Random(2)], FIELD, radius_m=0),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(SettingsError):
        make()
