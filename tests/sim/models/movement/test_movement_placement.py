from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import SettingsError
from sim.models.movement import (
    Area,
    clusters,
    contacts,
    distance_m,
    lattice,
    random_geometric,
    scattered,
)

FIELD = Area(300, 200)


def reached_from(start: int, pairs: list[tuple[int, int]]) -> set[int]:
    near: dict[int, list[int]] = {}
    for a, b in pairs:
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    found, waiting = {start}, [start]
    while waiting:
        for other in near.get(waiting.pop(), ()):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


@given(count=st.integers(0, 300))
def test_a_lattice_holds_any_number_each_on_a_place_of_its_own(count: int) -> None:
    ground = lattice(FIELD, count)
    assert len(set(ground.positions)) == count
    assert all(FIELD.holds(place) for place in ground.positions)


def test_a_lattice_is_even() -> None:
    ground = lattice(Area(300, 200), 6)
    assert ground.positions == ((50, 50), (150, 50), (250, 50), (50, 150), (150, 150), (250, 150))


def test_the_scattered_are_within_the_area_and_everywhere_in_it() -> None:
    places = scattered(Random(1), FIELD, 400).positions
    assert all(FIELD.holds(place) for place in places)
    quarters = {(place.x_m > 150, place.y_m > 100) for place in places}
    assert len(quarters) == 4


@pytest.mark.parametrize(("count", "degree"), [(2, 0.5), (20, 8), (20, 15), (200, 4), (200, 8), (1_000, 14)])
def test_the_mean_degree_is_the_one_asked_for_whatever_the_number(count: int, degree: float) -> None:
    heard = 0
    runs = 30_000 // count
    for seed in range(runs):
        ground = random_geometric(Random(f"{count}/{degree}/{seed}"), count, degree=degree, range_m=30)
        heard += 2 * len(contacts(ground.positions, 30))
    assert heard / runs / count == pytest.approx(degree, rel=0.04)


@given(seed=st.integers(0, 1_000), number=st.integers(1, 12))
def test_clusters_hear_each_other_over_bridges_only(seed: int, number: int) -> None:
    range_m, count = 30.0, number * 40
    ground = clusters(Random(seed), count, number=number, degree=8, range_m=range_m, gap_m=45)
    assert len(ground.positions) == count
    assert all(ground.area.holds(place) for place in ground.positions)
    for a, b in contacts(ground.positions, range_m):
        homes = ground.homes[a], ground.homes[b]
        assert homes[0] == homes[1] or None in homes
    assert (None in ground.homes) == (number > 1)


@given(seed=st.integers(0, 1_000))
def test_whole_clusters_make_one_mesh(seed: int) -> None:
    """At degree 30 a cluster is in one piece, so all is in one piece if the bridges hold."""
    ground = clusters(Random(seed), 540, number=6, degree=30, range_m=30, gap_m=80)
    assert len(reached_from(0, contacts(ground.positions, 30))) == 540


def test_without_their_bridges_clusters_are_as_many_pieces() -> None:
    ground = clusters(Random(1), 540, number=6, degree=30, range_m=30, gap_m=80)
    at_home = [node for node in range(540) if ground.homes[node] is not None]
    pairs = contacts([ground.positions[node] for node in at_home], 30)
    pieces = {min(reached_from(start, pairs)) for start in range(len(at_home))}
    assert len(pieces) == 6


def test_the_next_in_a_bridge_is_heard_with_room_to_spare() -> None:
    ground = clusters(Random(2), 200, number=2, degree=20, range_m=30, gap_m=200)
    bridge = sorted(place for place, home in zip(ground.positions, ground.homes, strict=True) if home is None)
    assert len(bridge) >= 6
    assert all(distance_m(bridge[i], bridge[i + 1]) <= 27.1 for i in range(len(bridge) - 1))


@pytest.mark.parametrize(
    "make",
    [
        lambda: scattered(Random(1), FIELD, -1),
        lambda: scattered(Random(1), FIELD, 1_000_001),
        lambda: lattice(FIELD, -1),
        lambda: random_geometric(Random(1), 1, degree=1, range_m=30),
        lambda: random_geometric(Random(1), 5, degree=4, range_m=30),
        lambda: random_geometric(Random(1), 5, degree=0, range_m=30),
        lambda: random_geometric(Random(1), 5, degree=2, range_m=0),
        lambda: clusters(Random(1), 5, number=3, degree=1, range_m=30, gap_m=40),
        lambda: clusters(Random(1), 50, number=0, degree=1, range_m=30, gap_m=40),
        lambda: clusters(Random(1), 50, number=2, degree=1, range_m=30, gap_m=30),
        lambda: clusters(Random(1), 20, number=2, degree=4, range_m=30, gap_m=5_000),
        lambda: clusters(Random(1), 24, number=6, degree=2, range_m=30, gap_m=150),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(SettingsError):
        make()
