import sys
from pathlib import Path

import pytest

from protocols.errors import RefusedError, SettingsError
from sim.failing import Case
from sim.failing.witness import Recorder, Request, witness_of
from sim.selfcheck import Verdict, first_difference, selfcheck, verdict_text
from sim.timeline import CHUNK, BudgetSpentError, Timeline

WORLD = """
import sys
from sim.faults.plan import Plan
from sim.result import Result, Samples
from sim.timeline import BudgetSpentError, Timeline

def result(case, timeline, metrics, ended="done"):
    return Result(
        scenario=case.scenario, seed=case.seed, lane="b", nodes=3, digest=timeline.digest(), events=timeline.events,
        virtual_s=1.0, wall_s=0.0, metrics=metrics, goals=[], oracles={}, broken=[], ended=ended, settings=case.settings,
        plan=Plan(), samples=Samples(), chunks=timeline.chunks,
    )

def go(case, timeline, label_of, metrics):
    timeline = Timeline() if timeline is None else timeline
    for number in range(25_000):
        timeline.at(number * 1_000, label_of(number), timeline.mark, number)
    try:
        timeline.run(10**9)
    except BudgetSpentError:
        return result(case, timeline, metrics, "budget")
    return result(case, timeline, metrics)

def honest(case, timeline=None):
    print("what a run prints is no answer")
    return go(case, timeline, lambda number: f"label{number % 7}", {"hosts": 1.0})

def by_hash(case, timeline=None):
    first = next(iter({f"n{number}" for number in range(64)}))
    at = int(case.settings["at"])
    return go(case, timeline, lambda number: f"wakes {first}" if number == at else "tick", {"hosts": 1.0})

def measured_by_hash(case, timeline=None):
    return go(case, timeline, lambda number: "tick", {"hosts": 1.0, "hash": float(hash("n1") % 1_000_003)})

def once(case, timeline=None):
    import os
    return go(case, timeline, lambda number: "tick" if timeline is not None or number else f"process {os.getpid()}", {"hosts": 1.0})

def breaks(case, timeline=None):
    print("I can't", file=sys.stderr)
    sys.exit(3)
"""


def check(folder: Path, function: str, **settings: str) -> Verdict:
    (folder / "selfcheck_world.py").write_text(WORLD)
    return selfcheck(Case("room", 7, settings), run=f"selfcheck_world:{function}", paths=[str(folder)])


def test_an_honest_run_is_the_same_in_every_process(tmp_path: Path) -> None:
    verdict = check(tmp_path, "honest")
    assert verdict.same
    assert [each.hash_seed for each in verdict.witnesses] == ["1", "2"]
    assert len(verdict.witnesses[0].chunks) == 2
    assert "the same in 2 processes; 25,000 events" in verdict_text(verdict)


@pytest.mark.parametrize(("at", "chunk"), [(9_999, 0), (10_000, 1), (24_999, 2)])
def test_the_first_event_that_hangs_on_a_hash_is_shown(tmp_path: Path, at: int, chunk: int) -> None:
    verdict = check(tmp_path, "by_hash", at=str(at))
    assert verdict.chunk == chunk
    assert verdict.difference is not None
    assert verdict.difference.one != verdict.difference.other
    assert verdict.difference.one.startswith(f"{at + 1:,} at ")
    assert "s: wakes n" in verdict.difference.one
    assert len(verdict.difference.before) == {0: 0, 10_000: 1}.get(
        at, 5
    )  # all there is of the chunk, or five lines
    text = verdict_text(verdict)
    assert "NOT the same" in text
    assert f"the first chunk that differs is {chunk}" in text
    assert verdict.difference.other in text


def test_what_only_was_measured_otherwise_is_named(tmp_path: Path) -> None:
    verdict = check(tmp_path, "measured_by_hash")
    assert not verdict.same
    assert verdict.chunk is None
    assert verdict_text(verdict).endswith("not what was measured: hash")


def test_a_difference_that_does_not_come_again_is_told_so(tmp_path: Path) -> None:
    verdict = check(tmp_path, "once")
    assert (verdict.chunk, verdict.difference) == (0, None)
    assert "not of the hash seed alone" in verdict_text(verdict)


def test_a_process_without_an_answer_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"ended with code 3: I can't"):
        check(tmp_path, "breaks")


def test_a_python_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="/no/such/python can't be started"):
        selfcheck(Case("room", 7), pythons=[sys.executable, "/no/such/python"], hash_seeds=["1"])


def test_the_first_difference_may_be_where_one_ends() -> None:
    assert first_difference(["a", "b"], ["a", "c"]) == 1
    assert first_difference(["a"], ["a", "c"]) == 1
    assert first_difference([], []) == 0


def test_a_recorder_has_the_same_digest_and_writes_one_chunk() -> None:
    plain, recorder = Timeline(), Recorder(1)
    for timeline in (plain, recorder):
        for number in range(3 * CHUNK):
            timeline.at(number, f"label{number % 3}", timeline.mark, number)
    plain.run(2 * CHUNK - 1)
    with pytest.raises(BudgetSpentError):
        recorder.run(3 * CHUNK)
    assert recorder.chunks == plain.chunks
    assert recorder.events == 2 * CHUNK
    assert recorder.lines[0] == f"mark {CHUNK - 1:x}"  # of the event before, into this chunk's digest
    assert recorder.lines[1] == f"{CHUNK + 1:,} at 0.000010000 s: label1"
    assert recorder.lines[-1].startswith(f"{2 * CHUNK:,} at ")
    assert len(recorder.lines) == 2 * CHUNK


def test_a_run_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match=r"there is no 'sim\.nothing:run'"):
        witness_of(Request(Case("room", 7), "sim.nothing:run"), "1")
