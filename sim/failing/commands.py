"""`replay FILE` and `shrink FILE`, for the command line to print."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sim.failing.case import Run
from sim.failing.file import Failure, failure_of, read_failure, shrunk_path, write_failure
from sim.failing.pytest_text import pytest_text
from sim.failing.shrinker import RUNS_MAX, WALL_NS_MAX, Ended, Shrinker, Step
from sim.faults.plan import encode_plan
from sim.result import Result
from sim.scenario import Scenario, load_scenario


@dataclass(frozen=True, slots=True)
class Replay:
    failure: Failure
    result: Result

    @property
    def same_oracle(self) -> bool:
        return any(broken.oracle == self.failure.oracle for broken in self.result.broken)

    @property
    def same_time(self) -> bool:
        return any(
            (broken.oracle, broken.at_s) == (self.failure.oracle, self.failure.at_s)
            for broken in self.result.broken
        )

    @property
    def same_digest(self) -> bool:
        return self.result.digest == self.failure.digest

    @property
    def same(self) -> bool:
        return self.same_time and self.same_digest

    def sentence(self) -> str:
        failure, result = self.failure, self.result
        if self.same:
            return f"The same: {failure.oracle} breaks at {failure.at_s:.3f} s, digest {failure.digest}."
        if result.ended == "interrupted":
            return (
                f"Interrupted at {result.virtual_s:.3f} s of {failure.at_s:.3f} s, before it could be told."
            )
        if self.same_time:
            return f"{failure.oracle} breaks at the same time, but by another way: digest {result.digest}."
        if self.same_oracle:
            at_s = next(broken.at_s for broken in result.broken if broken.oracle == failure.oracle)
            return f"{failure.oracle} breaks, but at {at_s:.3f} s instead of {failure.at_s:.3f} s."
        if result.broken:
            first = result.broken[0]
            return f"{failure.oracle} holds, but {first.oracle} breaks at {first.at_s:.3f} s."
        return f"{failure.oracle} holds (ended: {result.ended}): mended, or not of the seed alone."


@dataclass(frozen=True, slots=True)
class Shrunk:
    failure: Failure
    path: Path
    runs: int  # of this call; an earlier one may have gone before
    ended: Ended

    @property
    def plan_json(self) -> str:
        return encode_plan(self.failure.plan).decode()

    @property
    def test(self) -> str:
        return pytest_text(self.failure)


def replay(path: Path, *, run: Run) -> Replay:
    """Raises SettingsError for a file that is none."""
    failure = read_failure(path)
    return Replay(failure, run(failure.case))


def _ignore(_step: Step) -> None:
    pass


def shrink(
    path: Path,
    *,
    run: Run,
    progress: Callable[[Step], None] = _ignore,
    scenario_of: Callable[[Failure], Scenario] = lambda failure: load_scenario(
        failure.scenario, failure.settings
    ),
    clock: Callable[[], int] = time.monotonic_ns,
    runs_max: int = RUNS_MAX,
    wall_ns_max: int = WALL_NS_MAX,
) -> Shrunk:
    """Writes the smallest so far after each step that helps, so that whoever is interrupted has it; called again, it
    goes on from there. Raises SettingsError, and RefusedError where the failure can't be reproduced.
    """
    target, start = shrunk_path(path), read_failure(path)
    if target != path and target.exists():
        before = read_failure(target)
        if (before.scenario, before.seed, before.oracle) == (start.scenario, start.seed, start.oracle):
            start = before
    shrinker = Shrinker(
        start.case,
        scenario_of(start),
        start.oracle,
        run,
        clock=clock,
        runs_max=runs_max,
        wall_ns_max=wall_ns_max,
        refused=start.refused,
        on_step=progress,
        on_smaller=lambda result: write_failure(target, _failure(result, start, shrinker)),
    )
    ended = shrinker.shrink()
    failure = start if shrinker.best is None else _failure(shrinker.best, start, shrinker)
    write_failure(target, failure)
    return Shrunk(failure, target, shrinker.runs, ended)


def _failure(result: Result, start: Failure, shrinker: Shrinker) -> Failure:
    """Of the oracle that is shrunk, which need not be the first that broke."""
    mine = [broken for broken in result.broken if broken.oracle == start.oracle]
    return failure_of(
        msgspec.structs.replace(result, broken=mine), commit=start.commit, refused=tuple(shrinker.refused)
    )
