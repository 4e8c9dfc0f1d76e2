"""What a run gives: numbers for programs, samples for plots, and what is needed to run it again."""

from typing import Any, TypeAlias

import msgspec

from sim.faults.plan import Plan

Metrics: TypeAlias = dict[str, float]


class Point(msgspec.Struct, frozen=True):
    """A host at one moment."""

    host: str
    x: float
    y: float
    up: bool


class MapFrame(msgspec.Struct, frozen=True):
    at_s: float
    points: list[Point]
    links: list[tuple[str, str]]  # hosts that are joined


class Samples(msgspec.Struct):
    """For the report's plots. Empty where a scenario has nothing of the kind."""

    latency_s: list[float] = []  # of each delivered letter
    baseline_latency_s: dict[str, list[float]] = {}
    every_s: list[float] = []  # when each of the series below was read
    delivered: list[float] = []  # share of the letters offered so far
    letters: list[float] = []  # delivered so far
    frames: list[float] = []  # sent since the sample before
    up: list[float] = []  # hosts
    links: list[float] = []
    energy_mj: list[float] = []  # spent so far, all hosts
    map: list[MapFrame] = []
    phases: list[tuple[float, str]] = []  # when each began: warm, storm, calm
    plan_from_s: float = 0.0  # the times of the plan count from here
    trail: list[tuple[float, str, str]] = []  # the last notes: seconds, host, what


class Reached(msgspec.Struct, frozen=True):
    """One goal. `met` None: the metric was not to be had in this run."""

    metric: str
    goal: str  # "≥ 0.95"
    measured: float | None
    met: bool | None
    why: str = ""


class Broken(msgspec.Struct, frozen=True):
    oracle: str
    who: str
    what: str
    at_s: float


class Result(msgspec.Struct):
    scenario: str
    seed: int
    lane: str
    nodes: int
    digest: str
    events: int
    virtual_s: float
    wall_s: float
    metrics: Metrics
    goals: list[Reached]
    oracles: dict[str, str]  # name -> "held", or how it was broken
    broken: list[Broken]
    ended: str  # "done", "broken", "budget", "interrupted"
    settings: dict[str, str]  # what --set laid over the scenario
    plan: Plan
    samples: Samples
    chunks: list[str] = []  # digests each 10,000 events

    @property
    def failed(self) -> bool:
        return bool(self.broken)

    def as_json(self) -> dict[str, Any]:
        """For `--json`: without samples and chunks, which fill screens."""
        table = msgspec.to_builtins(self)
        del table["samples"], table["chunks"]
        return table
