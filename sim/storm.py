"""Many seeds on several processes, each seed for itself.

Workers are handed a few seeds at a time; what they send back is told in the order of the seeds. A worker that dies
takes the seed it was at with it, which is told as that seed's failure; another takes its place and the rest of its
seeds.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median_low
from typing import Any, Literal, TypeAlias

import msgspec

from sim.failing.case import Case
from sim.failing.crew import DEATHS_MAX, Crew, Order
from sim.failing.named import RUN_CASE
from sim.failing.summary import Summary
from sim.scenario import Goal

SEEDS_MAX = 1_000_000  # their summaries are kept: some 2 KB each
JOBS_MAX = 256
HANG_S = 7_200.0  # for one seed: twice what a scenario gives a run by itself

Ended: TypeAlias = Literal["done", "failed", "deaths", "interrupted"]


@dataclass(frozen=True, slots=True)
class Progress:
    done: int
    total: int
    failures: int
    rate_per_s: float
    left_s: float | None  # None: not known yet


@dataclass(frozen=True, slots=True)
class Spread:
    """One metric over all seeds that have it."""

    metric: str
    least: float
    median: float
    most: float
    worst: float | None  # by the scenario's goal; None: there is none, and either end may be it
    worst_seed: int | None


@dataclass
class Report:
    total: int  # seeds that were asked for
    summaries: list[Summary] = field(
        default_factory=list[Summary]
    )  # of those that ran, in the order asked for
    ended: Ended = "done"
    wall_s: float = 0.0

    @property
    def failures(self) -> list[Summary]:
        return [each for each in self.summaries if each.failed]

    @property
    def unfinished(self) -> list[Summary]:
        """Runs that spent their budget: neither held nor broken."""
        return [each for each in self.summaries if each.ended == "budget"]

    def by_oracle(self) -> dict[str, list[int]]:
        """Seeds that broke each; those whose process or simulator crashed under "crash"."""
        broke: dict[str, list[int]] = {}
        for each in self.failures:
            broke.setdefault(each.oracle or "crash", []).append(each.seed)
        return dict(sorted(broke.items()))

    def spreads(self, goals: Sequence[Goal] = ()) -> list[Spread]:
        names = dict.fromkeys(name for each in self.summaries for name in each.metrics)
        return [_spread(name, self.summaries, goals) for name in names]

    def as_json(self, goals: Sequence[Goal] = ()) -> dict[str, Any]:
        """Without the failures' plans and screens, which have files of their own."""
        bare = [msgspec.structs.replace(each, failure=None, screen="") for each in self.summaries]
        return {
            "total": self.total,
            "ended": self.ended,
            "wall_s": round(self.wall_s, 3),
            "failures": [each.seed for each in self.failures],
            "unfinished": [each.seed for each in self.unfinished],
            "metrics": msgspec.to_builtins(self.spreads(goals)),
            "seeds": msgspec.to_builtins(bare),
        }


def _spread(name: str, summaries: Sequence[Summary], goals: Sequence[Goal]) -> Spread:
    ranked = sorted((each.metrics[name], each.seed) for each in summaries if name in each.metrics)
    values = [value for value, _ in ranked]
    worst: tuple[float, int] | None = None
    for goal in goals:
        if goal.metric == name:
            worst = ranked[0] if goal.at_least is not None else ranked[-1]
    value, seed = (None, None) if worst is None else worst
    return Spread(name, values[0], median_low(values), values[-1], value, seed)


def _ignore(_what: object) -> None:
    pass


def storm(
    case: Case,
    seeds: Sequence[int],
    *,
    jobs: int = 1,
    run: str = RUN_CASE,
    commit: str = "",
    warm_s: float = 0.0,
    fail_fast: bool = False,
    hang_s: float = HANG_S,
    on_summary: Callable[[Summary], None] = _ignore,
    progress: Callable[[Progress], None] = _ignore,
    clock: Callable[[], float] = time.perf_counter,
) -> Report:
    """Runs `case` with each of these seeds. `fail_fast`: no seed behind the first that fails is told. Ctrl-C gives
    the report so far. Raises SimulationError where workers do not even start.
    """
    assert len(seeds) <= SEEDS_MAX, "summaries of more would fill the memory"
    assert jobs >= 1, "somebody must do it"
    crew = Crew(Order(run, case, commit, warm_s), min(jobs, JOBS_MAX, len(seeds)), hang_s, clock)
    report = Report(len(seeds))
    teller = _Teller(report, on_summary, fail_fast=fail_fast)
    began_s = clock()
    try:
        for place, summary in crew.run(seeds):
            if fail_fast and summary.failed:
                crew.forget_after(place)
            teller.hear(place, summary)
            progress(teller.progress(clock() - began_s))
            if report.ended == "failed":
                break
        if crew.deaths > DEATHS_MAX:
            report.ended = "deaths"
    except KeyboardInterrupt:
        report.ended = "interrupted"
    finally:
        crew.dismiss()
    teller.finish()
    report.wall_s = clock() - began_s
    return report


class _Teller:
    """Brings summaries into the order in which their seeds were asked for."""

    def __init__(self, report: Report, on_summary: Callable[[Summary], None], *, fail_fast: bool) -> None:
        self._report, self._on_summary, self._fail_fast = report, on_summary, fail_fast
        self._early: dict[int, Summary] = {}  # by place; some seed before them is still under way
        self._done = self._failures = 0

    def hear(self, place: int, summary: Summary) -> None:
        self._done += 1
        self._failures += summary.failed
        self._early[place] = summary
        told = self._report.summaries
        while (next_one := self._early.pop(len(told), None)) is not None and self._report.ended != "failed":
            self._tell(next_one)

    def finish(self) -> None:
        """Tells also those that have a gap before them, but behind the failure that ended a storm nothing."""
        if self._report.ended != "failed":
            for place in sorted(self._early):
                self._tell(self._early[place])
        self._early.clear()

    def _tell(self, summary: Summary) -> None:
        self._report.summaries.append(summary)
        if self._fail_fast and summary.failed:
            self._report.ended = "failed"
        self._on_summary(summary)

    def progress(self, took_s: float) -> Progress:
        done, total = self._done, self._report.total
        rate = done / took_s if took_s > 0 else 0.0
        return Progress(done, total, self._failures, rate, (total - done) / rate if rate else None)
