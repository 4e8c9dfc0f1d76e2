"""All of a case that shrinking may change."""

from dataclasses import dataclass

import msgspec

from sim.failing.case import Case
from sim.faults.plan import Fault, Plan
from sim.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Shape:
    nodes: int
    storm_s: float
    calm_s: float
    letters: float  # per host and minute
    broadcasts: int
    faults: tuple[Fault, ...]

    def laid_over(self, case: Case, first: "Shape") -> Case:
        """`case` has `first`'s shape; what is the same in both is not said again."""
        settings = dict(case.settings)
        for key, mine, theirs in (
            ("nodes", self.nodes, first.nodes),
            ("storm_s", self.storm_s, first.storm_s),
            ("calm_s", self.calm_s, first.calm_s),
            ("traffic.letters_per_host_min", self.letters, first.letters),
            ("traffic.broadcasts", self.broadcasts, first.broadcasts),
        ):
            if mine != theirs:
                settings[key] = f"{mine:.10g}"
        return msgspec.structs.replace(case, settings=settings, plan=Plan(self.faults))


def shape_of(scenario: Scenario, plan: Plan) -> Shape:
    traffic = scenario.traffic
    return Shape(
        scenario.nodes,
        scenario.storm_s,
        scenario.calm_s,
        traffic.letters_per_host_min,
        traffic.broadcasts,
        plan.faults,
    )
