"""Whole runs, in both lanes."""

import json

import msgspec
import pytest
from click.testing import CliRunner

from sim.cli import main
from sim.faults import Plan
from sim.result import Result
from sim.runner import run_scenario
from sim.scenario import load_scenario

CONTRACT = [
    "scenario",
    "seed",
    "nodes",
    "digest",
    "events",
    "virtual_s",
    "wall_s",
    "metrics",
    "goals",
    "oracles",
]


def run(name: str, seed: int = 1, **overlay: str) -> Result:
    return run_scenario(name, load_scenario(name, overlay), seed, settings=overlay)


@pytest.mark.parametrize(
    ("name", "overlay"),
    [
        ("crash", {}),
        ("village", {"nodes": "8"}),
        ("determinism", {"nodes": "8"}),
        ("churn", {"nodes": "8", "storm_s": "30", "calm_s": "40"}),
        ("battery", {"nodes": "6", "storm_s": "120", "calm_s": "30", "traffic.letters_per_host_min": "2.0"}),
        ("hostile", {"nodes": "20", "storm_s": "20", "calm_s": "80"}),
        ("split", {"nodes": "20", "storm_s": "40", "baselines": "[]"}),
        ("city", {"nodes": "30", "storm_s": "20", "baselines": "[]"}),
        ("carriers", {"nodes": "8", "storm_s": "43200", "acquaintances.degree": "2"}),
    ],
)
def test_a_small_one_of_each_kind_runs_to_its_end_and_breaks_nothing(
    name: str, overlay: dict[str, str]
) -> None:
    result = run_scenario(name, load_scenario(name, overlay), 1, settings=overlay)
    assert result.broken == []
    assert result.ended == "done"
    assert result.metrics["letters_accepted"] > 0
    assert set(result.oracles.values()) == {"held"}


@pytest.mark.parametrize("lane", ['"a"', '"b"'])
def test_the_same_seed_is_the_same_run_and_another_seed_another(lane: str) -> None:
    digests = [run("crash", seed, lane=lane).digest for seed in (5, 5, 6)]
    assert digests[0] == digests[1] != digests[2]


def test_a_plan_that_is_handed_in_is_the_one_that_happens() -> None:
    result = run_scenario("crash", load_scenario("crash"), 1, plan=Plan())
    assert result.plan == Plan()
    assert "crashes" not in result.metrics


def test_a_run_that_spends_its_budget_ends_with_a_report() -> None:
    result = run("crash", events_max="1000")
    assert result.ended == "budget"
    assert result.virtual_s < 60
    assert result.metrics["boots"] == 8


def test_a_run_that_takes_too_long_ends_with_a_report() -> None:
    assert run("crash", wall_s_max="0.000001").ended == "budget"


def test_an_interrupted_run_gives_the_report_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sim.faults.Faults.heal", interrupt)
    result = run("crash")
    assert result.ended == "interrupted"
    assert result.virtual_s == pytest.approx(40)
    assert result.metrics["letters_offered"] > 0


def test_what_a_node_raises_at_a_frame_is_a_breach_and_what_the_simulator_raises_is_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("one by none")

    with monkeypatch.context() as node:
        node.setattr("meshnode.mesh.mesh.decode_envelope", fail)
        result = run("crash", nodes="2")
    assert [broken.oracle for broken in result.broken] == ["alive"]
    assert "one by none (meshnode.mesh.mesh" in result.broken[0].what
    monkeypatch.setattr("sim.faults.Faults.heal", fail)
    with pytest.raises(ZeroDivisionError):
        run("crash", nodes="2")


def sim(*args: str) -> tuple[int, str]:
    ran = CliRunner().invoke(main, args)
    return ran.exit_code, ran.output


def test_the_command_gives_json_with_the_promised_keys_first() -> None:
    code, said = sim("run", "crash", "--seed", "3", "--nodes", "3", "--json")
    table = json.loads(said)
    assert code == 0
    assert list(table)[: len(CONTRACT)] == CONTRACT
    assert (table["scenario"], table["seed"], table["nodes"]) == ("crash", 3, 3)


def test_the_command_gives_a_table_for_people() -> None:
    code, said = sim("run", "crash", "--nodes", "3")
    assert code == 0
    assert "delivery" in said
    assert "again: python -m sim run crash --seed 1" in said


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("run", "moon"), "moon"),
        (("run", "crash", "--set", "storm.hail=1"), "hail"),
        (("run", "crash", "--set", "nonsense"), "key=value"),
        (("run", "crash", "--nodes", "5000"), "at most 1,000"),
        (("run", "crash", "--set", "baselines=['magic']"), "magic"),
        (("storm", "moon", "--seeds", "2"), "moon"),
        (("selfcheck", "moon"), "moon"),
    ],
)
def test_what_cannot_be_run_is_refused_with_a_sentence(args: tuple[str, ...], sentence: str) -> None:
    code, said = sim(*args)
    assert code == 2
    assert sentence in said


def test_the_list_names_every_scenario_with_what_it_is_about() -> None:
    code, said = sim("list", "--json")
    assert code == 0
    assert {row["scenario"] for row in json.loads(said)} >= {"room", "village", "crash"}
    assert "A room" in sim("list")[1]


def test_results_survive_the_way_through_json() -> None:
    result = run("crash", nodes="3")
    assert msgspec.json.decode(msgspec.json.encode(result), type=Result) == result
