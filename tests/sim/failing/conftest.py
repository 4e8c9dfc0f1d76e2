"""A world without a simulator: a run is a pure function of its case."""

from collections.abc import Callable

import pytest

from sim.failing import Case
from sim.faults.plan import Crash, Plan
from sim.result import Broken, Result, Samples
from sim.scenario import Scenario, Storm, Traffic

MakeResult = Callable[..., Result]


@pytest.fixture
def scenario() -> Scenario:
    return Scenario(
        about="a test",
        nodes=20,
        warm_s=10,
        storm_s=60,
        calm_s=30,
        traffic=Traffic(letters_per_host_min=8.0),
        storm=Storm(),
    )


@pytest.fixture
def make_result() -> MakeResult:
    def make(
        case: Case | None = None,
        *broken: Broken,
        trail: list[tuple[float, str, str]] | None = None,
        ended: str | None = None,
    ) -> Result:
        case = case or Case("room", 7, {}, Plan((Crash(at_ms=2_000, host="n3", down_ms=9_000),)))
        return Result(
            scenario=case.scenario,
            seed=case.seed,
            lane="b",
            nodes=int(case.settings.get("nodes", "20")),
            digest=case.fingerprint,
            events=12_345,
            virtual_s=100.0,
            wall_s=0.5,
            metrics={"delivery": 0.5},
            goals=[],
            oracles={},
            broken=list(broken),
            ended=ended or ("broken" if broken else "done"),
            settings=dict(case.settings),
            plan=case.plan or Plan(),
            samples=Samples(trail=trail or []),
        )

    return make
