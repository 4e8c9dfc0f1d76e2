"""From a run that fails to the smallest that fails the same way.

    cut off what comes after the failure
        -> fewer nodes, less traffic, fewer faults, until none of these helps any more
        -> milder faults -> rounder times -> fewer faults, once more

A step is kept if the same oracle breaks, in the same phase: what breaks in the calm must break in a calm of the same
length, else "not delivered in time" would shrink to a run that has no time. All is decided from the case alone, in
a fixed order; only the end of the wall time is not.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal, TypeAlias

from protocols.errors import RefusedError, SettingsError
from sim.failing.case import Case, Run
from sim.failing.ddmin import shortest
from sim.failing.mild import among, milder, rounder
from sim.failing.shape import Shape, shape_of
from sim.faults.plan import Fault
from sim.result import Broken, Result
from sim.scenario import Scenario
from sim.timeline import NS_PER_S

RUNS_MAX = 200
WALL_NS_MAX = 60 * NS_PER_S
LETTERS_MIN = 0.01  # per host and minute; less is none
ONE_BY_ONE_MAX = 8  # nodes, up to which one is left out at a time
MS_PER_S = 1_000

Ended: TypeAlias = Literal["done", "runs", "wall", "interrupted"]
Stage: TypeAlias = Literal["again", "end", "nodes", "traffic", "faults", "milder", "rounder"]


@dataclass(frozen=True, slots=True)
class Step:
    """One run of the shrinker."""

    runs: int
    stage: Stage
    kept: bool
    shape: Shape  # the smallest so far


class _EndError(Exception):
    def __init__(self, ended: Ended) -> None:
        super().__init__(ended)
        self.ended: Ended = ended


def _ignore(_what: object) -> None:
    pass


class Shrinker:
    def __init__(
        self,
        case: Case,
        scenario: Scenario,
        oracle: str,
        run: Run,
        *,
        clock: Callable[[], int],
        runs_max: int = RUNS_MAX,
        wall_ns_max: int = WALL_NS_MAX,
        refused: Iterable[str] = (),
        on_step: Callable[[Step], None] = _ignore,
        on_smaller: Callable[[Result], None] = _ignore,
    ) -> None:
        """`case` has its plan, and `scenario` its settings. `refused`: of a shrinker that was interrupted."""
        assert case.plan is not None, "a case to shrink knows its plan"
        self.refused = dict.fromkeys(refused)
        self.runs = 0
        self.best: Result | None = None
        self.shape = self._first = shape_of(scenario, case.plan)
        self._case, self._warm_s, self._oracle, self._run = case, scenario.warm_s, oracle, run
        self._clock, self._runs_max, self._until_ns = clock, runs_max, clock() + wall_ns_max
        self._on_step, self._on_smaller = on_step, on_smaller
        self._in_storm: bool | None = None  # None: not known before the first run
        self._at_s = 0.0
        self._stage: Stage = "again"

    def shrink(self) -> Ended:
        """`best` and `shape` are then as small as they get, or as time allowed. Once. Raises RefusedError where the
        case itself does not fail.
        """
        try:
            self._go()
        except _EndError as end:
            return end.ended
        except KeyboardInterrupt:
            return "interrupted"
        return "done"

    def _go(self) -> None:
        if not self._try(self.shape):
            sentence = f"{self._oracle} does not break in this run: there is nothing to shrink"
            raise RefusedError("not_reproduced", sentence)
        self._cut_end()
        before = None
        while before != self.shape:
            before = self.shape
            self._fewer_nodes()
            self._less_traffic()
            self._fewer_faults()
            self._cut_end()
        self._change_each("milder", milder)
        self._change_each("rounder", rounder)
        self._round_storm()
        self._fewer_faults()

    # -- the stages -------------------------------------------------------------------------------------------

    def _cut_end(self) -> None:
        self._stage = "end"
        if self._in_storm:
            right_after_s = ceil((self._at_s - self._warm_s) * MS_PER_S + 1) / MS_PER_S
            self._try(self._until(min(self.shape.storm_s, max(0.0, right_after_s)), calm_s=0.0))
        else:
            self._first_of(
                self._until(round(self.shape.storm_s * share, 3), self.shape.calm_s)
                for share in (0, 1 / 4, 1 / 2, 3 / 4)
            )

    def _until(self, storm_s: float, calm_s: float) -> Shape:
        faults = tuple(fault for fault in self.shape.faults if fault.at_ms <= storm_s * MS_PER_S)
        return replace(self.shape, storm_s=storm_s, calm_s=calm_s, faults=faults)

    def _fewer_nodes(self) -> None:
        self._stage = "nodes"
        while self._first_of(self._with_nodes(nodes) for nodes in _fewer(self.shape.nodes)):
            pass

    def _with_nodes(self, nodes: int) -> Shape:
        hosts = {f"n{index}" for index in range(nodes)}  # as the builder names them
        return replace(self.shape, nodes=nodes, faults=among(self.shape.faults, hosts))

    def _less_traffic(self) -> None:
        self._stage = "traffic"
        while self._first_of(replace(self.shape, letters=letters) for letters in _less(self.shape.letters)):
            pass
        while self.shape.broadcasts and self._first_of(
            replace(self.shape, broadcasts=broadcasts)
            for broadcasts in dict.fromkeys((0, self.shape.broadcasts // 2))
        ):
            pass

    def _fewer_faults(self) -> None:
        self._stage = "faults"
        shortest(self.shape.faults, lambda faults: self._try(replace(self.shape, faults=faults)))

    def _change_each(self, stage: Stage, offers: Callable[[Fault], Iterator[Fault]]) -> None:
        self._stage = stage
        for index in range(len(self.shape.faults)):
            while self._first_of(
                self._with_fault(index, fault) for fault in offers(self.shape.faults[index])
            ):
                pass

    def _with_fault(self, index: int, fault: Fault) -> Shape:
        faults = self.shape.faults
        return replace(self.shape, faults=(*faults[:index], fault, *faults[index + 1 :]))

    def _round_storm(self) -> None:
        self._stage = "rounder"
        storm_s = self.shape.storm_s
        longer = (float(ceil(storm_s / unit) * unit) for unit in (10, 1))
        self._first_of(replace(self.shape, storm_s=each) for each in longer if each <= self._first.storm_s)

    # -- one step ---------------------------------------------------------------------------------------------

    def _first_of(self, shapes: Iterable[Shape]) -> bool:
        return any(self._try(shape) for shape in shapes)

    def _try(self, shape: Shape) -> bool:
        """Whether it fails too; if so it is the smallest now."""
        if self.best is not None and shape == self.shape:
            return True
        case = shape.laid_over(self._case, self._first)
        fingerprint = case.fingerprint
        if fingerprint in self.refused:
            return False
        if self.runs >= self._runs_max:
            raise _EndError("runs")
        if self._clock() >= self._until_ns:
            raise _EndError("wall")
        self.runs += 1
        result = self._result_of(case)
        breach = None if result is None else self._same(result, shape)
        if result is None or breach is None:
            self.refused[fingerprint] = None
        else:
            self.best, self.shape, self._at_s = result, shape, breach.at_s
            self._on_smaller(result)
        self._on_step(Step(self.runs, self._stage, breach is not None, self.shape))
        return breach is not None

    def _result_of(self, case: Case) -> Result | None:
        try:
            result = self._run(case)
        except SettingsError:
            return None  # there is no such scenario: too few nodes for what it wants, say
        if result.ended == "interrupted":
            raise KeyboardInterrupt
        return result

    def _same(self, result: Result, shape: Shape) -> Broken | None:
        for broken in result.broken:
            if broken.oracle == self._oracle:
                in_storm = broken.at_s < self._warm_s + shape.storm_s
                if self._in_storm is None:
                    self._in_storm = in_storm
                if in_storm == self._in_storm:
                    return broken
        return None


def _fewer(nodes: int) -> list[int]:
    one_less = nodes - 1 if nodes <= ONE_BY_ONE_MAX else 0
    return [each for each in dict.fromkeys((nodes // 2, nodes * 3 // 4, one_less)) if 1 <= each < nodes]


def _less(letters: float) -> tuple[float, ...]:
    if not letters:
        return ()
    half = round(letters / 2, 3)
    return (0.0, half) if LETTERS_MIN <= half < letters else (0.0,)
