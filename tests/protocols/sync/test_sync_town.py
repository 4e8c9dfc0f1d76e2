"""Broadcasts in whole towns, by the models of the research behind docs/routing.md: everything measured, nothing drawn."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

NS_PER_S = 1_000_000_000
NewTown = Callable[..., Any]


def reach(near: list[list[int]], start: int) -> list[int]:
    found, row = {start: None}, [start]
    for node in row:
        for other in near[node]:
            if other not in found:
                found[other] = None
                row.append(other)
    return row


def latencies(town: Any, shouted: list[tuple[bytes, int, int]]) -> list[int]:
    return sorted(
        when_ns - began_ns
        for broadcast, source, began_ns in shouted
        for node, when_ns in town.heard[broadcast].items()
        if node != source
    )


def shout_all_over(town: Any, count: int, die: Random) -> list[tuple[bytes, int, int]]:
    shouted: list[tuple[bytes, int, int]] = []
    for _ in range(count):
        source = die.randrange(len(town.nodes))
        began_ns = town.now_ns
        shouted.append((town.shout(source), source, began_ns))
        town.run(die.randint(NS_PER_S // 2, 3 * NS_PER_S))
    town.run(30 * NS_PER_S)
    return shouted


def test_a_first_pass_reaches_nearly_all_of_most_rooms_for_far_less_than_a_flood(new_town: NewTown) -> None:
    wanted, heard, relays = 0, list[int](), 0
    for seed in range(1, 7):
        town = new_town(nodes=50, degree=8, seed=seed, syncs=False)
        town.connect_all()
        shouted = shout_all_over(town, 30, Random(seed))
        wanted += sum(len(reach(town.near, source)) - 1 for _, source, _ in shouted)
        heard += latencies(town, shouted)
        relays += town.relays
    assert len(heard) / wanted >= 0.93
    assert relays / len(heard) <= 0.75
    assert sorted(heard)[len(heard) // 2] <= NS_PER_S // 2


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_with_sync_everybody_has_heard_it_within_half_a_minute(new_town: NewTown, seed: int) -> None:
    town = new_town(nodes=50, degree=8, seed=seed)
    town.connect_all()
    shouted = shout_all_over(town, 30, Random(seed))
    wanted = sum(len(reach(town.near, source)) - 1 for _, source, _ in shouted)
    in_time = sum(span_ns <= 30 * NS_PER_S for span_ns in latencies(town, shouted))
    assert in_time / wanted >= 0.999
    assert town.given / wanted <= 0.05
    assert not town.suspicions


def test_a_room_that_has_nothing_new_hardly_talks(new_town: NewTown) -> None:
    town = new_town(nodes=50, degree=8)
    town.connect_all()
    town.shout(0)
    town.run(600 * NS_PER_S)
    before = town.control_bytes
    town.run(600 * NS_PER_S)
    links = sum(map(len, town.near))
    assert (town.control_bytes - before) / links / 600 < 1.0, "bytes a second, of each direction of a link"


def test_two_halves_of_a_city_that_meet_again_soon_have_all_that_the_other_has(new_town: NewTown) -> None:
    town = new_town(nodes=1_000, degree=8, seed=4)
    start = max((reach(town.near, node) for node in range(20)), key=len)
    order = reach(town.near, start[-1])
    half = dict.fromkeys(order[: len(order) // 2])

    def on_one_side(one: int, other: int) -> bool:
        return (one in half) == (other in half)

    town.connect_all(on_one_side)
    sides = [[node for node in order if (node in half) is side] for side in (True, False)]
    die = Random(4)
    missing: list[tuple[bytes, int]] = []
    for side, others in (sides, sides[::-1]):
        for _ in range(5):
            frame = town.make(die.choice(side))
            for node in side:
                town.nodes[node].recall(frame, now_ns=0)
            town.heard[frame[4:20]] = dict.fromkeys(side, 0)
            missing += [(frame[4:20], node) for node in others]
    town.run(40 * NS_PER_S)
    relays, given, met_ns = town.relays, town.given, town.now_ns
    assert relays == given == 0
    town.connect_all()
    town.run(30 * NS_PER_S)
    spans = sorted(town.heard[broadcast].get(node, 1 << 62) - met_ns for broadcast, node in missing)
    assert spans[int(0.95 * len(spans))] <= 5 * NS_PER_S
    assert spans[-1] <= 30 * NS_PER_S
    assert (town.relays + town.given) / len(missing) <= 1.3
    assert not town.suspicions


def test_an_emergency_is_there_sooner_than_news(new_town: NewTown) -> None:
    def slowest_ns(traffic: int) -> int:
        town = new_town(nodes=50, degree=8, loss=0.0)
        town.connect_all()
        town.shout(0, town.make(0, traffic=traffic))
        town.run(10 * NS_PER_S)
        (heard,) = town.heard.values()
        return max(heard.values())

    assert slowest_ns(3) * 5 < slowest_ns(0)


def test_the_same_seed_gives_the_same_town(new_town: NewTown) -> None:
    def story() -> object:
        town = new_town(nodes=30, degree=6, seed=7)
        town.connect_all()
        shout_all_over(town, 5, Random(7))
        return town.heard, town.relays, town.sends, town.control_bytes

    assert story() == story()
