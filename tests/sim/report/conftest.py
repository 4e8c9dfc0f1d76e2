"""Results as runs give them, without a run."""

from collections.abc import Callable
from typing import Any

import pytest

from sim.faults.plan import Crash, Cut, Plan, Weather
from sim.result import MapFrame, Point, Reached, Result, Samples


def samples_of_a_minute() -> Samples:
    return Samples(
        latency_s=[0.02 * each for each in range(1, 200)],
        baseline_latency_s={"flood": [0.1, 0.4, 2.0]},
        every_s=[float(each) for each in range(1, 61)],
        delivered=[each / 60 for each in range(1, 61)],
        letters=[float(each) for each in range(60)],
        frames=[100.0] * 60,
        up=[3.0] * 60,
        links=[2.0] * 60,
        energy_mj=[10.0 * each for each in range(60)],
        map=[
            MapFrame(
                float(each),
                [Point("n0", 0.0, 0.0, up=True), Point("n1", 10.0, 4.0, up=each % 2 == 0)],
                [("n0", "n1")],
            )
            for each in range(4)
        ],
        phases=[(0.0, "warm"), (10.0, "storm"), (50.0, "calm")],
        plan_from_s=10.0,
        trail=[(1.5, "n0", "writes letter 0 to n1")],
    )


@pytest.fixture
def result_of() -> Callable[..., Result]:
    """A result in which all is well, but for what is named."""

    def make(**changes: Any) -> Result:
        usual: dict[str, Any] = {
            "scenario": "room",
            "seed": 7,
            "lane": "b",
            "nodes": 3,
            "digest": "3f2a9c0d4477a1b2c3d4e5f607182930",
            "events": 184_201,
            "virtual_s": 60.0,
            "wall_s": 2.5,
            "metrics": {"delivery": 0.98, "latency_p50_s": 0.412, "frames_sent": 6_000.0},
            "goals": [Reached("delivery", "≥ 0.95", 0.98, met=True)],
            "oracles": {"alive": "held"},
            "broken": [],
            "ended": "done",
            "settings": {},
            "plan": Plan(
                (
                    Crash(at_ms=1_000, host="n1", down_ms=5_000, power=True),
                    Cut(at_ms=2_000, these=("n0",), for_ms=4_000, media=("ble",)),
                    Weather(at_ms=20_000, for_ms=3_000, loss=0.25),
                )
            ),
            "samples": samples_of_a_minute(),
        }
        return Result(**(usual | changes))

    return make
