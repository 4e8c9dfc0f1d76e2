"""What the real node costs in the simulator. Each prints one line of JSON.

python -m bench.sim_node core NODES       bare cores on the heap: idle memory, links, letters
python -m bench.sim_node daemon NODES     whole daemons on the loop of virtual time
python -m bench.sim_node suite SEEDS      a pull request's seeds: 50 nodes, 120 virtual seconds each, with faults
"""

import argparse
import asyncio
import gc
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from sim.builder import Settlement, settle
from sim.disk import Disks
from sim.loop import run_in_loop
from sim.runner import run_scenario
from sim.scenario import Scenario, load_scenario, parse_scenario
from sim.timeline import NS_PER_S, Timeline
from sim.traffic import place_traffic

SEED = 7
SILENT = 50  # only what is critical is logged
CONNECT_S = 10
TRAFFIC_S = {"core": 20, "daemon": 20}
AFTER_S = 10  # for the answers
SUITE = "determinism"  # 50 nodes, 120 virtual seconds, every kind of fault
Figures = dict[str, Any]

WORLD = """
about = "bench"
lane = "{lane}"
nodes = {nodes}
[[media]]
kind = "ip"
[acquaintances]
kind = "ring"
degree = {degree}
[traffic]
letters_per_host_min = {letters}
"""


def world(lane: str, nodes: int, *, degree: int, letters: float) -> Scenario:
    return parse_scenario(WORLD.format(lane=lane, nodes=nodes, degree=degree, letters=letters), "bench")


def resident_kb() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


class Lap:
    """Processor time and events from here on."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline, self._events, self._begun_s = timeline, timeline.events, time.process_time()

    def end(self, name: str) -> Figures:
        took_s = time.process_time() - self._begun_s
        events = self._timeline.events - self._events
        return {
            f"{name}_events": events,
            f"{name}_cpu_s": round(took_s, 2),
            f"{name}_events_per_s": round(events / took_s),
        }


def letters_of(settlement: Settlement, traffic: Figures) -> Figures:
    letters = list(settlement.village.journal)
    arrived = sum(1 for each in letters if each.arrivals)
    return {
        "letters": len(letters),
        "arrived": arrived,
        "letters_per_cpu_s": round(arrived / traffic["traffic_cpu_s"]),
        "digest": settlement.village.timeline.digest(),
    }


def core(nodes: int) -> Figures:
    """Four acquaintances each: two links for each node, as each has two ends."""
    lonely = Timeline()
    before_kb = resident_kb()
    alone = settle(world("a", nodes, degree=0, letters=0), SEED, lonely, Disks())
    alone.start()
    lonely.run(CONNECT_S * NS_PER_S)
    figures: Figures = {"idle_kb_per_node": round((resident_kb() - before_kb) / nodes, 1)}
    del alone, lonely
    scenario = world("a", nodes, degree=4, letters=20)
    timeline = Timeline()
    settlement = settle(scenario, SEED, timeline, Disks())
    booted_kb = resident_kb()
    lap = Lap(timeline)
    settlement.start()
    timeline.run(CONNECT_S * NS_PER_S)
    figures |= lap.end("connect")
    links = settlement.village.links()
    figures |= {"links": links, "kb_per_link": round((resident_kb() - booted_kb) / max(1, links), 1)}
    end_ns = timeline.now_ns + TRAFFIC_S["core"] * NS_PER_S
    place_traffic(settlement.village, scenario, timeline.now_ns, end_ns)
    lap = Lap(timeline)
    timeline.run(end_ns + AFTER_S * NS_PER_S)
    figures |= lap.end("traffic")
    return figures | letters_of(settlement, figures)


def daemon(nodes: int) -> Figures:
    timeline = Timeline()
    return run_in_loop(timeline, _daemons(timeline, nodes))


async def _daemons(timeline: Timeline, nodes: int) -> Figures:
    scenario = world("b", nodes, degree=4, letters=6)
    before_kb = resident_kb()
    settlement = settle(scenario, SEED, timeline, Disks())
    lap = Lap(timeline)
    settlement.start()
    await asyncio.sleep(CONNECT_S)
    figures = lap.end("connect") | {"links": settlement.village.links()}
    figures["mb_per_node"] = round((resident_kb() - before_kb) / 1024 / nodes, 2)
    end_ns = timeline.now_ns + TRAFFIC_S["daemon"] * NS_PER_S
    place_traffic(settlement.village, scenario, timeline.now_ns, end_ns)
    lap = Lap(timeline)
    await asyncio.sleep(TRAFFIC_S["daemon"] + AFTER_S)
    figures |= lap.end("traffic")
    return figures | letters_of(settlement, figures)


def suite(seeds: int) -> Figures:
    scenario = load_scenario(SUITE)
    began_s, events, broken = time.process_time(), 0, 0
    for seed in range(seeds):
        result = run_scenario(SUITE, scenario, seed)
        events += result.events
        broken += result.failed
    took_s = time.process_time() - began_s
    return {
        "seeds": seeds,
        "broken": broken,
        "cpu_s_per_seed": round(took_s / seeds, 2),
        "suite_s": round(took_s / seeds * 200 / 2),
        "events_per_s": round(events / took_s),
    }


TASKS: dict[str, Callable[[int], Figures]] = {"core": core, "daemon": daemon, "suite": suite}


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(SILENT))
    parser = argparse.ArgumentParser(prog="python -m bench.sim_node", description=__doc__)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("count", type=int)
    options = parser.parse_args()
    print(json.dumps(TASKS[options.task](options.count)))


if __name__ == "__main__":
    main()
