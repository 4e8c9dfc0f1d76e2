from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import SettingsError
from sim.models.movement import (
    Area,
    ContactChange,
    ContactWatch,
    Position,
    Still,
    contact_changes,
    contacts,
    random_waypoint,
)
from sim.timeline import NS_PER_S

coordinates = st.one_of(st.floats(-500, 500), st.integers(-20, 20).map(lambda n: n * 10.0))
places = st.builds(Position, coordinates, coordinates)
crowds = st.lists(places, max_size=40)
ranges_m = st.one_of(st.floats(0.5, 300), st.just(10.0))


def by_hand(positions: list[Position], range_m: float) -> list[tuple[int, int]]:
    return [
        (a, b)
        for a, one in enumerate(positions)
        for b, other in enumerate(positions)
        if a < b and (one.x_m - other.x_m) ** 2 + (one.y_m - other.y_m) ** 2 <= range_m**2
    ]


@given(positions=crowds, range_m=ranges_m)
def test_cells_find_the_same_pairs_as_looking_at_all(positions: list[Position], range_m: float) -> None:
    assert contacts(positions, range_m) == by_hand(positions, range_m)


def test_who_stands_at_the_very_range_is_heard() -> None:
    assert contacts([Position(0, 0), Position(0, 30), Position(30.0001, 0)], 30) == [(0, 1)]


@given(
    looks=st.integers(1, 12).flatmap(
        lambda n: st.lists(st.lists(places, min_size=n, max_size=n), min_size=1, max_size=5)
    ),
    range_m=ranges_m,
)
def test_changes_from_look_to_look_add_up_to_who_hears_whom(
    looks: list[list[Position]], range_m: float
) -> None:
    watch = ContactWatch(range_m)
    heard: set[tuple[int, int]] = set()
    for now_ns, positions in enumerate(looks):
        changes = watch.update(now_ns, positions)
        assert changes == sorted(changes)
        for change in changes:
            assert change.at_ns == now_ns
            pair = (change.a, change.b)
            assert (pair in heard) != change.up, "a change changes something"
            heard ^= {pair}
        assert sorted(heard) == by_hand(positions, range_m)
    assert [(a, b) for a in range(len(looks[0])) for b in watch.neighbours(a) if a < b] == sorted(heard)


def test_a_look_at_a_crowd_that_stands_tells_nothing() -> None:
    watch = ContactWatch(30)
    crowd = [Position(0, 0), Position(10, 0)]
    assert watch.update(0, crowd) == [ContactChange(0, up=True, a=0, b=1)]
    assert watch.update(1, crowd) == []


def test_partings_come_before_meetings_of_the_same_moment() -> None:
    watch = ContactWatch(10)
    watch.update(0, [Position(0, 0), Position(5, 0), Position(50, 0)])
    assert watch.update(1, [Position(45, 0), Position(5, 0), Position(50, 0)]) == [
        ContactChange(1, up=False, a=0, b=1),
        ContactChange(1, up=True, a=0, b=2),
    ]


def test_nobody_joins_a_crowd_between_two_looks() -> None:
    watch = ContactWatch(10)
    watch.update(0, [Position(0, 0)])
    with pytest.raises(AssertionError, match="joined or left"):
        watch.update(1, [Position(0, 0), Position(1, 1)])


def test_nobody_at_all_hears_nobody() -> None:
    assert contacts([], 10) == []
    assert ContactWatch(10).update(0, []) == []


def walkers() -> list[ContactChange]:
    area = Area(80, 80)
    movers = [random_waypoint(Random(f"walk/{n}"), area) for n in range(12)]
    return list(
        contact_changes(
            [*movers, Still(Position(40, 40))], 20, every_ns=2 * NS_PER_S, until_ns=600 * NS_PER_S
        )
    )


def test_walkers_meet_and_part_in_order_and_the_same_each_time() -> None:
    changes = walkers()
    assert changes == sorted(changes)
    assert changes[0].at_ns == 0
    assert sum(change.up for change in changes) > 50
    assert {change.at_ns % (2 * NS_PER_S) for change in changes} == {0}
    assert walkers() == changes


@pytest.mark.parametrize("range_m", [0, -1, float("nan"), float("inf")])
def test_a_range_is_above_zero(range_m: float) -> None:
    with pytest.raises(SettingsError, match="range_m"):
        contacts([], range_m)
    with pytest.raises(SettingsError, match="range_m"):
        ContactWatch(range_m)
