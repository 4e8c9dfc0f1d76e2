"""What has to be known to run something again."""

import hashlib
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from sim.faults.plan import Plan
from sim.result import Result


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    scenario: str
    seed: int
    settings: dict[str, str] = {}  # what --set lays over the scenario
    plan: Plan | None = None  # None: drawn from the seed

    @property
    def fingerprint(self) -> str:
        """The same for the same case in every process."""
        return hashlib.blake2b(msgspec.json.encode(self, order="sorted"), digest_size=8).hexdigest()


Run: TypeAlias = Callable[[Case], Result]


def case_of(result: Result) -> Case:
    """The same run again, with the plan that it had, drawn or not."""
    return Case(result.scenario, result.seed, dict(result.settings), result.plan)
