from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from protocols.errors import RefusedError, SettingsError
from sim.failing import Case, Run, Shrunk, case_of, failure_of, read_failure, replay, shrink, write_failure
from sim.failing.commands import Replay
from sim.failing.mild import hosts_of
from sim.faults.plan import Crash, Plan
from sim.result import Broken, Result
from sim.scenario import Scenario

MakeResult = Callable[..., Result]

BROKEN = Broken("once", "n3", "arrived twice", 12.5)


@pytest.fixture
def run(make_result: MakeResult) -> Callable[[Case], Result]:
    def judge(case: Case) -> Result:
        hit = {host for fault in (case.plan or Plan()).faults for host in hosts_of(fault)}
        return make_result(case, BROKEN) if "n3" in hit else make_result(case)

    return judge


@pytest.fixture
def path(tmp_path: Path, make_result: MakeResult) -> Path:
    plan = Plan(tuple(Crash(at_ms=100 * number, host=f"n{number}", down_ms=5_000) for number in range(10)))
    path = tmp_path / "room-7.failure.json"
    write_failure(path, failure_of(make_result(Case("room", 7, {}, plan), BROKEN), commit="16f635b"))
    return path


def test_a_replay_runs_exactly_that(path: Path, run: Run) -> None:
    again = replay(path, run=run)
    assert again.same
    assert case_of(again.result) == again.failure.case
    assert again.sentence().startswith("The same: once breaks at 12.500 s")


@pytest.mark.parametrize(
    ("broken", "digest", "ended", "sentence"),
    [
        (BROKEN, "other", "broken", "same time, but by another way"),
        (Broken("once", "n3", "arrived twice", 13.0), "other", "broken", "at 13.000 s instead of 12.500 s"),
        (Broken("alive", "n3", "ended", 3.0), "other", "broken", "once holds, but alive breaks at 3.000 s"),
        (None, "other", "done", "once holds"),
        (None, "other", "interrupted", "Interrupted"),
    ],
)
def test_a_replay_says_what_is_not_the_same(
    path: Path, make_result: MakeResult, broken: Broken | None, digest: str, ended: str, sentence: str
) -> None:
    failure = read_failure(path)
    result = make_result(failure.case, *([broken] if broken else []), ended=ended)
    result.digest = digest
    again = Replay(failure, result)
    assert not again.same
    assert sentence in again.sentence()


def test_shrinking_writes_a_small_failure_and_a_test_that_is_ready(
    path: Path, run: Run, scenario: Scenario
) -> None:
    steps: list[object] = []
    small = shrink(path, run=run, scenario_of=lambda _: scenario, clock=lambda: 0, progress=steps.append)
    assert small.ended == "done"
    assert len(steps) == small.runs
    assert small.path.name == "room-7.shrunk.failure.json"
    assert read_failure(small.path) == small.failure
    assert small.failure.plan == Plan((Crash(at_ms=300, host="n3", down_ms=100),))
    assert small.failure.commit == "16f635b"
    assert msgspec.json.decode(small.plan_json, type=Plan) == small.failure.plan
    assert replay(small.path, run=run).same
    assert "Crash(" in small.test
    names: dict[str, object] = {}
    exec(
        compile(
            small.test.split("\ndef ")[0].replace("from sim.failing.run import run_case\n", ""), "t", "exec"
        ),
        names,
    )
    assert names["PLAN"] == small.failure.plan
    assert names["SETTINGS"] == small.failure.settings
    compile(small.test, "t", "exec")


def test_a_second_call_goes_on_where_the_first_was_ended(path: Path, run: Run, scenario: Scenario) -> None:
    def more(runs_max: int) -> Shrunk:
        return shrink(path, run=run, scenario_of=lambda _: scenario, clock=lambda: 0, runs_max=runs_max)

    whole = more(200)
    whole.path.unlink()
    first = more(6)
    assert first.ended == "runs"
    second = more(200)
    assert second.failure.plan == whole.failure.plan
    assert second.ended == "done"
    assert second.runs < whole.runs


def test_what_was_interrupted_before_its_first_run_is_as_it_was(path: Path, scenario: Scenario) -> None:
    def stopped(_case: Case) -> Result:
        raise KeyboardInterrupt

    small = shrink(path, run=stopped, scenario_of=lambda _: scenario, clock=lambda: 0)
    assert (small.ended, small.failure) == ("interrupted", read_failure(path))


def test_a_shrunk_file_of_another_failure_is_not_gone_on_from(
    path: Path, run: Run, scenario: Scenario, make_result: MakeResult
) -> None:
    other = failure_of(make_result(None, Broken("alive", "n1", "ended", 1.0)))
    write_failure(path.with_name("room-7.shrunk.failure.json"), other)
    small = shrink(path, run=run, scenario_of=lambda _: scenario, clock=lambda: 0)
    assert small.failure.oracle == "once"


def test_what_does_not_fail_is_not_shrunk(path: Path, make_result: MakeResult, scenario: Scenario) -> None:
    with pytest.raises(RefusedError, match="does not break"):
        shrink(path, run=make_result, scenario_of=lambda _: scenario, clock=lambda: 0)
    assert not path.with_name("room-7.shrunk.failure.json").exists()


def test_a_file_that_is_none_is_refused(tmp_path: Path, run: Run) -> None:
    (tmp_path / "a").write_bytes(b"no")
    with pytest.raises(SettingsError, match="no failure file"):
        replay(tmp_path / "a", run=run)
