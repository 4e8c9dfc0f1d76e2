"""A rule of the node that is taken out, for as long as a run lasts, and who must notice: a run of the simulator's
oracles (`Mutant`), or, where no honest run shows it, a few nodes that somebody puts to the test (`Guarded`).
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sim.failing import Case
from sim.failing.run import run_case
from sim.faults import Plan
from sim.result import Result


@dataclass(frozen=True)
class Swap:
    """One name of a class or a module, and what stands there instead."""

    owner: object
    name: str
    instead: Any


@dataclass(frozen=True)
class Rule:
    name: str
    rule: str  # as it holds before it is taken out
    where: str
    swaps: tuple[Swap, ...]  # more than one where two places keep one rule, and each would do alone

    @contextmanager
    def active(self) -> Generator[None]:
        """Taken out, in this process, until the end of the block."""
        before = [(swap, vars(swap.owner)[swap.name]) for swap in self.swaps]
        for swap in self.swaps:
            setattr(swap.owner, swap.name, swap.instead)
        try:
            yield
        finally:
            for swap, genuine in before:
                setattr(swap.owner, swap.name, genuine)


@dataclass(frozen=True)
class Mutant(Rule):
    oracles: tuple[str, ...]  # one of these must break
    seed: int  # with which it does
    settings: dict[str, str]  # laid over the scenario
    plan: Plan = field(default_factory=Plan)
    scenario: str = "crash"
    needs_sectors: bool = False  # of the simulated disk: see `sim.disk.Disks`

    def case(self, seed: int | None = None) -> Case:
        return Case(self.scenario, self.seed if seed is None else seed, self.settings, self.plan)

    def run(self, case: Case) -> Result:
        """With the rule taken out. A `sim.failing.Run`, so that its failures can be replayed and shrunk."""
        with self.active():
            return run_case(case)

    def noticed(self, result: Result) -> bool:
        return any(broken.oracle in self.oracles for broken in result.broken)


@dataclass(frozen=True)
class Guarded(Rule):
    """Against bad input, or against a moment that a run meets too rarely."""

    complaints: Callable[[], list[str]]  # of a small story: sentences, none where the rule holds
