"""The research note's tables: 10 % loss, no collisions. Bands are what some seeds of some messages can differ by."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sim.baselines import BaselineResult, Graph, run_baseline
from sim.dice import Dice
from sim.models.air import BLE_EXTENDED, IDEAL, LORA, AirKind
from sim.models.movement import ContactTrace, import_contacts

MakeGraph = Callable[[int, float, int], Graph]
TRACES = Path(__file__).parents[4] / "shared" / "data" / "mobility"
SEEDS = {50: 12, 200: 12, 1_000: 4}
MESSAGES = {50: 40, 200: 15, 1_000: 10}


def pooled(results: list[BaselineResult]) -> tuple[float, float, float]:
    """Delivery, transmissions and link writes for each delivery, over all of them."""
    delivered = sum(each.delivered for each in results)
    return (
        delivered / sum(each.wanted for each in results),
        sum(each.transmissions for each in results) / delivered,
        sum(each.link_writes for each in results) / delivered,
    )


@pytest.mark.parametrize(
    ("name", "nodes", "delivery", "tx", "links"),
    [
        ("flood", 50, 0.974, 1.0, 6.5),
        ("flood", 200, 0.996, 1.0, 7.1),
        ("flood", 1_000, 0.999, 1.0, 7.6),
        ("flood-ttl7", 50, 0.935, 0.95, 6.1),
        ("flood-ttl7", 200, 0.447, 0.81, 6.1),
        ("flood-ttl7", 1_000, 0.142, 0.8, 6.2),
        ("cancel-first-ttl7", 50, 0.565, 0.44, 2.8),
        ("cancel-first-ttl7", 200, 0.232, 0.38, 2.8),
        ("cancel-first-ttl7", 1_000, 0.055, 0.37, 2.8),
        ("cancel-first", 50, 0.68, 0.52, 3.2),
        ("cancel-first", 200, 0.68, 0.48, 3.2),
        ("three-copies", 50, 0.883, 0.70, 4.2),
        ("three-copies", 200, 0.937, 0.66, 4.3),
        ("three-copies", 1_000, 0.971, 0.64, 4.4),
        ("gossip-0.7", 50, 0.76, 0.74, 4.9),
        ("gossip-0.7", 200, 0.78, 0.73, 5.3),
    ],
)
def test_broadcasts_reach_as_many_as_was_measured(
    name: str, nodes: int, delivery: float, tx: float, links: float, scatter: MakeGraph
) -> None:
    results = [
        run_baseline(name, scatter(nodes, 8, seed), messages=MESSAGES[nodes], loss=0.1, dice=Dice(seed))
        for seed in range(SEEDS[nodes])
    ]
    assert pooled(results) == (
        pytest.approx(delivery, abs=0.1),
        pytest.approx(tx, rel=0.15),
        pytest.approx(links, rel=0.15),
    )


@pytest.mark.parametrize(("nodes", "sends"), [(50, 4.2), (200, 9.4), (1_000, 16.6)])
def test_a_known_path_delivers_all_for_few_sends(nodes: int, sends: float, scatter: MakeGraph) -> None:
    results = [
        run_baseline("shortest-path", scatter(nodes, 8, seed), messages=100, loss=0.1, dice=Dice(seed))
        for seed in range(SEEDS[nodes])
    ]
    delivery, tx, _ = pooled(results)
    assert delivery > 0.99
    assert tx == pytest.approx(sends, rel=0.2)


@pytest.mark.parametrize(("nodes", "slow_s"), [(200, 20.0), (1_000, 40.0)])
def test_healing_by_flooding_anew_is_faster_and_cheaper_than_by_asking_alone(
    nodes: int, slow_s: float, scatter: MakeGraph
) -> None:
    graph = scatter(nodes, 10, 1)
    pull = run_baseline("sync-pull", graph, messages=50, loss=0.1, dice=Dice(1))
    flood = run_baseline("sync-reflood", graph, messages=50, loss=0.1, dice=Dice(1))
    assert pull.delivery == flood.delivery == 1.0
    assert pull.healed_t95_s is not None
    assert flood.healed_t95_s is not None
    assert flood.healed_t100_s is not None
    assert pull.healed_t95_s > slow_s
    assert flood.healed_t95_s < 6
    assert flood.healed_t100_s < pull.healed_t95_s
    assert pull.tx_per_delivery == pytest.approx(4.4, rel=0.15)
    assert flood.tx_per_delivery == pytest.approx(1.05, rel=0.1)


def test_a_path_that_loses_a_hop_four_times_loses_the_letter() -> None:
    result = run_baseline("shortest-path", Graph.of(2, [(0, 1)]), messages=2_000, loss=0.5, dice=Dice(1))
    assert result.delivery == pytest.approx(1 - 0.5**4, abs=0.02)
    assert result.tx_per_delivery == pytest.approx(2.0, rel=0.05)


# -- the air --------------------------------------------------------------------------------------------------


def test_collisions_and_a_slow_radio_cost_a_flood_its_speed(scatter: MakeGraph) -> None:
    def flood(air: AirKind) -> list[BaselineResult]:
        return [
            run_baseline(
                "flood", scatter(200, 8, seed), messages=20, loss=0.1, dice=Dice(seed), air=air, over_s=20
            )
            for seed in range(4)
        ]

    ideal, ble, lora = flood(IDEAL), flood(BLE_EXTENDED), flood(LORA[7])
    assert all("collided" not in each.air for each in ideal)
    assert pooled(ideal)[0] > 0.95
    assert pooled(ble)[0] > 0.95  # frames of a millisecond in waits of a hundred: few meet
    slow, fast = lora[0].latency_at_s(0.95), ble[0].latency_at_s(0.95)
    assert slow is not None
    assert fast is not None
    assert slow > 10 * fast
    assert ble[0].air["collided"] > 0


def test_lora_that_neither_listens_first_nor_rests_collides_more_and_reaches_fewer(
    scatter: MakeGraph,
) -> None:
    rude = replace(LORA[7], backoff_ns=None, duty_ppm=1_000_000)
    graph = scatter(50, 8, 1)
    polite, loud = (
        run_baseline("flood", graph, messages=20, loss=0.1, dice=Dice(1), air=air, over_s=120)
        for air in (LORA[7], rude)
    )
    assert loud.delivery < polite.delivery - 0.05
    assert loud.air["collided"] > 2 * polite.air["collided"]


def test_who_listens_a_third_of_the_time_ends_a_flood(scatter: MakeGraph) -> None:
    graph = scatter(200, 8, 1)
    awake, drowsy = (
        run_baseline("flood", graph, messages=10, loss=0.1, dice=Dice(1), air=IDEAL, scan_duty=duty)
        for duty in (1.0, 1 / 3)
    )
    assert awake.delivery > 0.9
    assert drowsy.delivery < 0.5


# -- carried --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "delivery", "tx"),
    [
        ("direct", 0.26, 1.0),
        ("spray-4", 0.52, 5.1),
        ("spray-8", 0.60, 7.4),
        ("prophet", 0.65, 13.4),
        ("epidemic", 0.66, 21.4),
    ],
)
def test_letters_on_the_city_trace_arrive_as_was_measured(name: str, delivery: float, tx: float) -> None:
    file = TRACES / "haggle-city-students-36.csv"
    if not file.exists():
        pytest.skip("the trace is not part of the repository")
    trace, _ = import_contacts(file.read_bytes(), scan_s=120)
    results = [run_baseline(name, trace, messages=400, loss=0, dice=Dice(seed)) for seed in range(2)]
    found, sends, _ = pooled(results)
    assert found == pytest.approx(delivery, abs=0.06)
    assert sends == pytest.approx(tx, rel=0.25)


def test_no_rule_delivers_more_than_epidemic_and_each_is_cheaper(
    meetings: Callable[..., ContactTrace],
) -> None:
    die = Dice("meetings").die("rows")
    rows: list[tuple[int, int, int, int]] = []
    for _ in range(3_000):
        one, other = sorted(die.sample(range(20), 2))
        start_s = die.randrange(4 * 86_400)
        rows.append((start_s, start_s + die.randrange(300), one, other))
    trace = meetings(20, *rows)
    found = {
        name: run_baseline(name, trace, messages=200, loss=0, dice=Dice(1), lifetime_s=20_000)
        for name in ("direct", "spray-4", "spray-8", "prophet", "epidemic")
    }
    most = found["epidemic"]
    assert all(each.delivery <= most.delivery for each in found.values())
    assert all(each.transmissions < most.transmissions for name, each in found.items() if name != "epidemic")
    assert found["direct"].delivery < found["spray-4"].delivery < found["spray-8"].delivery
    assert found["direct"].tx_per_delivery == 1.0
