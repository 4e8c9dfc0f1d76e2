from typing import Any

import pytest

from protocols.errors import SettingsError
from sim.baselines import BASELINES, Graph, run_baseline
from sim.dice import Dice
from sim.models.air import LORA
from sim.models.movement import Contact, ContactTrace
from sim.scenario import load_scenario, scenario_names

PAIR = Graph.of(2, [(0, 1)])
TRACE = ContactTrace(2, 60, (Contact(100, 200, 0, 1), Contact(90_000, 90_100, 0, 1)))


def test_all_baselines_that_scenarios_name_are_there() -> None:
    named = {name for scenario in scenario_names() for name in load_scenario(scenario).baselines}
    assert named <= BASELINES.keys()


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_each_runs_on_its_world_says_what_it_is_and_gives_the_same_twice(name: str) -> None:
    world = PAIR if BASELINES[name].world == "graph" else TRACE
    first, second = (run_baseline(name, world, messages=3, loss=0.1, dice=Dice(1)) for _ in range(2))
    assert first == second
    assert first.name == name
    assert BASELINES[name].about
    assert 0 <= first.delivery <= 1
    assert "delivery" in first.metrics()


def test_an_unknown_baseline_is_refused_and_the_known_ones_are_listed() -> None:
    with pytest.raises(SettingsError, match=r"no baseline 'rumour'; there are flood, .*epidemic"):
        run_baseline("rumour", PAIR, messages=1, loss=0, dice=Dice(1))


def test_a_baseline_is_refused_on_a_world_that_is_not_its_own() -> None:
    with pytest.raises(SettingsError, match="'spray-4' needs a trace of contacts"):
        run_baseline("spray-4", PAIR, messages=1, loss=0, dice=Dice(1))
    with pytest.raises(SettingsError, match="'flood' needs a place"):
        run_baseline("flood", TRACE, messages=1, loss=0, dice=Dice(1))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"messages": 0}, "1 to 10,000, not 0"),
        ({"loss": 1.0}, "below 1, not 1"),
        ({"scan_duty": 1.5}, "from 0 to 1, not 1.5"),
        ({"air": LORA[12]}, "lora-sf12 takes 59 bytes, not 129"),
    ],
)
def test_impossible_numbers_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    asked: dict[str, Any] = {"messages": 1, "loss": 0.0, "dice": Dice(1)} | wrong
    with pytest.raises(SettingsError, match=sentence):
        run_baseline("flood", PAIR, **asked)


def test_a_graph_without_anybody_is_refused() -> None:
    with pytest.raises(SettingsError, match="2 nodes or more"):
        run_baseline("flood", Graph.of(1, []), messages=1, loss=0, dice=Dice(1))


def test_who_hears_nobody_wants_nothing() -> None:
    alone = Graph.of(2, [])
    for name in ("flood", "shortest-path", "sync-pull"):
        result = run_baseline(name, alone, messages=2, loss=0, dice=Dice(1))
        assert (result.wanted, result.delivery, result.tx_per_delivery) == (0, 1.0, None)
        assert result.latency_at_s(0.5) is None
