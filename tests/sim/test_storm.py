import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.failing import Case
from sim.failing.summary import Summary
from sim.scenario import Goal
from sim.storm import Progress, Report, storm
from sim.timeline import SimulationError

WORLD = """
import os, signal, time
from sim.faults.plan import Plan
from sim.result import Broken, Result, Samples

def result(case, *broken, ended="done"):
    return Result(
        scenario=case.scenario, seed=case.seed, lane="b", nodes=3, digest=f"{case.seed:x}", events=case.seed, virtual_s=1.0,
        wall_s=0.0, metrics={"delivery": case.seed / 100}, goals=[], oracles={}, broken=list(broken), ended=ended,
        settings=case.settings, plan=Plan(), samples=Samples(trail=[(1.0, "n1", "boots")]),
    )

def calm(case):
    return result(case)

def each_fifth_breaks(case):
    return result(case, Broken("once", "n1", "twice", 12.5)) if case.seed % 5 == 4 else result(case)

def seven_kills(case):
    if case.seed == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return result(case)

def seven_raises(case):
    if case.seed == 7:
        raise ValueError("no such thing")
    return result(case)

def seven_hangs(case):
    while case.seed == 7:
        pass
    return result(case)

def all_kill(case):
    os._exit(3)

def the_even_spend_their_budget(case):
    return result(case, ended="done" if case.seed % 2 else "budget")
"""
CASE = Case("room", 0)


@pytest.fixture(autouse=True)
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "storm_world.py").write_text(WORLD)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])  # workers are told it


@pytest.mark.parametrize("jobs", [1, 2])
def test_seeds_are_told_in_their_order_whoever_runs_them(jobs: int) -> None:
    told: list[Summary] = []
    steps: list[Progress] = []
    seeds = [*range(100, 60, -1)]
    report = storm(
        CASE, seeds, jobs=jobs, run="storm_world:calm", on_summary=told.append, progress=steps.append
    )
    assert [each.seed for each in told] == seeds
    assert report.summaries == told
    assert (report.ended, report.failures) == ("done", [])
    assert [step.done for step in steps] == list(range(1, 41))
    assert steps[-1].left_s == 0


def test_a_failure_comes_with_its_file_and_its_screen() -> None:
    report = storm(CASE, range(10), jobs=2, run="storm_world:each_fifth_breaks", commit="16f635b", warm_s=10)
    first, second = report.failures
    assert (first.seed, second.seed) == (4, 9)
    assert report.by_oracle() == {"once": [4, 9]}
    assert first.failure is not None
    assert (first.failure.seed, first.failure.oracle, first.failure.commit) == (4, "once", "16f635b")
    assert first.screen.startswith("FAILED   room, seed 4: once")


def test_fail_fast_ends_with_the_first_seed_that_fails() -> None:
    report = storm(CASE, range(1_000), jobs=2, run="storm_world:each_fifth_breaks", fail_fast=True)
    assert report.ended == "failed"
    assert [each.seed for each in report.summaries] == [0, 1, 2, 3, 4]


def test_a_worker_that_dies_is_the_failure_of_its_seed_alone() -> None:
    report = storm(CASE, range(20), jobs=2, run="storm_world:seven_kills")
    assert [each.seed for each in report.summaries] == list(range(20))
    assert report.by_oracle() == {"crash": [7]}
    assert report.failures[0].crash == "its process ended, with code -9"


def test_a_run_that_raises_is_the_failure_of_its_seed_alone() -> None:
    report = storm(CASE, range(20), jobs=1, run="storm_world:seven_raises")
    assert report.by_oracle() == {"crash": [7]}
    assert report.failures[0].crash.endswith("ValueError: no such thing")


def test_a_worker_that_hangs_is_ended() -> None:
    report = storm(CASE, range(6, 9), jobs=1, run="storm_world:seven_hangs", hang_s=0.0)
    crash = next(each for each in report.summaries if each.seed == 7).crash
    assert crash == "no answer for 0 s; its process was ended, with code -9"
    assert len(report.summaries) == 3


def test_too_many_deaths_end_the_storm(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("sim.storm", "sim.failing.crew"):
        monkeypatch.setattr(f"{module}.DEATHS_MAX", 2)
    report = storm(CASE, range(50), jobs=1, run="storm_world:all_kill")
    assert report.ended == "deaths"
    assert [each.seed for each in report.failures] == [0, 1, 2]


def test_workers_that_do_not_start_are_an_error_and_not_a_failure_of_seeds() -> None:
    with pytest.raises(SimulationError, match="before its first seed"):
        storm(CASE, range(5), run="storm_world:nothing")


def test_an_interrupted_storm_gives_the_report_so_far() -> None:
    def press_ctrl_c(summary: Summary) -> None:
        if summary.seed == 3:
            raise KeyboardInterrupt

    report = storm(CASE, range(1_000), run="storm_world:calm", on_summary=press_ctrl_c)
    assert report.ended == "interrupted"
    assert [each.seed for each in report.summaries[:4]] == [0, 1, 2, 3]
    assert len(report.summaries) < 1_000


def test_no_seeds_are_no_failure() -> None:
    assert storm(CASE, [], jobs=2, run="storm_world:calm").ended == "done"


def test_runs_that_spent_their_budget_are_told_apart() -> None:
    report = storm(CASE, range(4), run="storm_world:the_even_spend_their_budget")
    assert [each.seed for each in report.unfinished] == [0, 2]
    assert report.failures == []


@pytest.mark.parametrize(
    ("goal", "worst"),
    [
        (Goal(metric="delivery", at_least=0.9), (0.1, 1)),
        (Goal(metric="delivery", at_most=0.9), (0.9, 9)),
        (Goal(metric="links", at_most=0.9), (None, None)),
    ],
)
def test_a_metric_has_a_median_and_a_worst_by_its_goal(
    goal: Goal, worst: tuple[float | None, int | None]
) -> None:
    report = Report(3, [Summary(seed=seed, metrics={"delivery": seed / 10}) for seed in (5, 9, 1)])
    (spread,) = report.spreads([goal])
    assert (spread.least, spread.median, spread.most) == (0.1, 0.5, 0.9)
    assert (spread.worst, spread.worst_seed) == worst


def test_the_report_for_programs_has_each_seed_but_no_screens(make: Callable[[], Report]) -> None:
    table = make().as_json()
    assert table["failures"] == [4]
    assert [each["seed"] for each in table["seeds"]] == [3, 4]
    assert all(each["failure"] is None and not each["screen"] for each in table["seeds"])


@pytest.fixture
def make() -> Callable[[], Report]:
    return lambda: storm(CASE, [3, 4], run="storm_world:each_fifth_breaks")
