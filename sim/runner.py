"""One run: warm up, a storm with traffic, then a calm in which what was promised must come."""

import asyncio
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field

from sim.builder import settle
from sim.compared import baselines_of, check_baselines
from sim.disk import Disks
from sim.faults import Faults, Plan, draw_plan
from sim.loop import run_in_loop
from sim.measures import Meter, goals_reached, metrics_of, ratios_of
from sim.oracles import Oracles
from sim.power import Power
from sim.result import Broken, Result
from sim.scenario import Scenario
from sim.timeline import NS_PER_S, BudgetSpentError, Timeline
from sim.traffic import place_traffic
from sim.village import BreachError, Lane

NODE_PACKAGES = frozenset({"meshnode", "transports", "protocols", "policies"})
WALL_LOOK_NS = NS_PER_S  # of virtual time, between two looks at the real clock


@dataclass
class Run:
    """`start` places all that will happen on the timeline; `result` may be asked at any time after it."""

    name: str
    scenario: Scenario
    seed: int
    plan: Plan | None = None  # None: drawn from the seed
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    timeline: Timeline = field(default_factory=Timeline)
    ended: str = "done"

    def __post_init__(self) -> None:
        self.timeline.limit(self.scenario.events_max)
        self.disks = Disks()
        self._began_s = time.perf_counter()

    @property
    def end_ns(self) -> int:
        scenario = self.scenario
        return int((scenario.warm_s + scenario.storm_s + scenario.calm_s) * NS_PER_S)

    def start(self) -> None:
        scenario, timeline = self.scenario, self.timeline
        settlement = self.settlement = settle(scenario, self.seed, timeline, self.disks)
        check_baselines(settlement, scenario)
        village = self.village = settlement.village
        if self.plan is None:
            self.plan = draw_plan(
                scenario,
                list(village.hosts),
                village.dice,
                places=settlement.crowd.places_at_start(),
                friends=lambda name: [each.name for each in village.hosts[name].acquaintances],
            )
        storm_ns = int(scenario.warm_s * NS_PER_S)
        calm_ns = storm_ns + int(scenario.storm_s * NS_PER_S)
        self.faults = Faults(village, self.plan, start_ns=storm_ns)
        self.oracles = Oracles(village, scenario.oracles, self.faults)
        self.power = Power(village)
        self.meter = Meter(settlement, self.end_ns)
        settlement.start()
        self.faults.place()
        self.oracles.start()
        self.power.start()
        self.meter.start()
        place_traffic(village, scenario, storm_ns, calm_ns)
        timeline.at(calm_ns, "calm", self.faults.heal)
        timeline.after(WALL_LOOK_NS, "wall", self._look_at_wall)

    def go(self) -> Result:
        """To the end, or to what ends it before. Raises what is the simulator's own fault, and nothing of the node's."""
        try:
            if self.scenario.lane == Lane.CORE.value:
                self.start()
                self.timeline.run(self.end_ns)
                self.oracles.finish()
            else:
                run_in_loop(self.timeline, self._live(), at_end=self.disks.close)
        except BreachError:
            self.ended = "broken"
        except BudgetSpentError:
            self.ended = "budget"
        except KeyboardInterrupt:
            self.ended = "interrupted"
        except Exception as error:
            if (place := _place_in_node(error)) is None:
                raise
            self.ended = "broken"
            self.village.stop_at_breach = False
            self.village.broke("alive", "somebody", f"{type(error).__name__}: {error} ({place})")
        finally:
            self.disks.close()
        return self.result()

    async def _live(self) -> None:
        self.start()
        over = asyncio.get_running_loop().create_future()
        self.timeline.at(self.end_ns, "end", over.set_result, None)
        try:
            await over
            await self.oracles.ask()
            self.oracles.finish()  # while the nodes still run
        finally:  # nodes whose disk goes in the middle of their end are not to blame
            self.village.excuse = lambda _host, _error: True

    def result(self) -> Result:
        scenario, village = self.scenario, self.village
        if village.breaches and self.ended == "done":
            self.ended = "broken"  # in the calm, at the very end
        plan = self.plan or Plan()
        wall_s = time.perf_counter() - self._began_s
        samples = self.meter.samples
        calm_s = scenario.warm_s + scenario.storm_s
        samples.plan_from_s = scenario.warm_s
        metrics = metrics_of(self.settlement, self.meter, self.power, plan)
        samples.phases = [(0.0, "warm"), (scenario.warm_s, "storm"), (calm_s, "calm")]
        for baseline in baselines_of(self.settlement, scenario):
            metrics |= {f"{baseline.name}:{name}": value for name, value in baseline.metrics().items()}
            samples.baseline_latency_s[baseline.name] = list(baseline.latency_s)
        metrics |= ratios_of(metrics)
        samples.trail = [(note.when_ns / NS_PER_S, note.who, note.text) for note in self.timeline.trail]
        virtual_s = self.timeline.now_ns / NS_PER_S
        speed = {"speed": virtual_s / wall_s}  # no metric: it is not the seed's alone
        return Result(
            scenario=self.name,
            seed=self.seed,
            lane=scenario.lane,
            nodes=scenario.nodes,
            digest=self.timeline.digest(),
            events=self.timeline.events,
            virtual_s=virtual_s,
            wall_s=round(wall_s, 3),
            metrics=metrics,
            goals=goals_reached(scenario.goals, {**metrics, **speed}),
            oracles=self.oracles.verdicts(),
            broken=[
                Broken(breach.oracle, breach.who, breach.what, breach.when_ns / NS_PER_S)
                for breach in village.breaches
            ],
            ended=self.ended,
            settings=dict(self.settings),
            plan=plan,
            samples=samples,
            chunks=list(self.timeline.chunks),
        )

    def _look_at_wall(self) -> None:
        if time.perf_counter() - self._began_s > self.scenario.wall_s_max:
            self.timeline.stop(BudgetSpentError(f"{self.scenario.wall_s_max:g} seconds of real time"))
        self.timeline.after(WALL_LOOK_NS, "wall", self._look_at_wall)


def _place_in_node(error: Exception) -> str | None:
    """Where the node raised what nobody caught; None where it was the simulator."""
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        module = str(frame.f_globals.get("__name__"))
        package = module.partition(".")[0]
        if package in NODE_PACKAGES:
            return f"{module}, line {line}"
        if package == __package__:
            return None
    return None


def run_scenario(
    name: str,
    scenario: Scenario,
    seed: int,
    *,
    plan: Plan | None = None,
    settings: Mapping[str, str] | None = None,
) -> Result:
    """`settings`: what was laid over the scenario, for whoever runs it again. Raises SettingsError at the start."""
    return Run(name, scenario, seed, plan, dict(settings or {})).go()
