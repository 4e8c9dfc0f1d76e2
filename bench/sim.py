"""`python -m bench.sim`: the simulator's speed and size beside simpy and a plain asyncio loop, in one run.

Every measurement is a process of its own, one at a time; rates are for seconds of processor time, which others on the
machine disturb less than the clock on the wall. simpy is left out, and said so, where it is not installed
(`pip install simpy`: 27 kB, no dependencies).
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LIMIT_S = 1_800
DRIVERS = ("timeline", "simloop", "asyncio", "simpy")
GOALS = {  # figure -> (at least?, how much)
    "driver": (True, 250_000.0),
    "core at 10,000": (True, 50_000.0),
    "KB per idle node": (False, 24.0),
    "lane B at 1,000": (True, 8_000.0),
    "suite": (False, 120.0),
}

Figures = dict[str, Any]


def measure(module: str, *words: object) -> Figures:
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{module}", *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else {"error": done.stderr.strip().splitlines()[-1:]}


def load() -> str:
    return f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def drivers(sizes: list[int], seconds: int) -> None:
    print(f"\nDrivers alone, {seconds} virtual seconds; {load()}\n")
    print("| driver | nodes | events/s | against the heap | peak MB | delivered | same as the heap |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for nodes in sizes:
        first: Figures = {}
        for name in DRIVERS:
            if name == "simpy" and importlib.util.find_spec("simpy") is None:
                print(f"| simpy | {nodes:,} | not installed: pip install simpy |")
                continue
            found = measure("sim_drivers", name, nodes, seconds)
            if "error" in found:
                print(f"| {name} | {nodes:,} | {found['error']} |")
                continue
            first = first or found
            told = ("received", "sent", "delivered", "checksum")
            same = "yes" if all(found[key] == first[key] for key in told) else "NO"
            ratio = found["events_per_s"] / first["events_per_s"]
            print(
                f"| {name} | {nodes:,} | {found['events_per_s']:,.0f}{goal(name, found)} | {ratio:.2f} "
                f"| {found['peak_mb']:.0f} | {found['delivered']:,} | {same} |",
                flush=True,
            )


def goal(name: str, found: Figures) -> str:
    return against("driver", found["events_per_s"]) if name == "timeline" else ""


def against(what: str, value: float) -> str:
    at_least, bound = GOALS[what]
    met = value >= bound if at_least else value <= bound
    return f" (goal {'≥' if at_least else '≤'} {bound:,.0f}: {'met' if met else 'NOT met'})"


def cores(sizes: list[int]) -> None:
    print(f"\nThe real core (lane A), two links for each node, letters 20 a minute; {load()}\n")
    print(
        "| nodes | events/s | letters/s | connecting, ms for each link | KB per idle node | KB per link | arrived |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for nodes in sizes:
        found = measure("sim_node", "core", nodes)
        if "error" in found:
            print(f"| {nodes:,} | {found['error']} |")
            continue
        rate, idle = found["traffic_events_per_s"], found["idle_kb_per_node"]
        connect_ms = found["connect_cpu_s"] / max(1, found["links"]) * 1_000
        print(
            f"| {nodes:,} | {rate:,}{against('core at 10,000', rate) if nodes == 10_000 else ''} | {found['letters_per_cpu_s']:,} "
            f"| {connect_ms:.1f} | {idle}{against('KB per idle node', idle)} | {found['kb_per_link']} "
            f"| {found['arrived']:,} of {found['letters']:,} |",
            flush=True,
        )


def daemons(sizes: list[int]) -> None:
    print(f"\nWhole daemons (lane B), two links for each node, letters 6 a minute; {load()}\n")
    print("| nodes | events/s | letters/s | starting, events/s | MB per node | arrived |")
    print("| --- | --- | --- | --- | --- | --- |")
    for nodes in sizes:
        found = measure("sim_node", "daemon", nodes)
        if "error" in found:
            print(f"| {nodes:,} | {found['error']} |")
            continue
        rate = found["traffic_events_per_s"]
        print(
            f"| {nodes:,} | {rate:,}{against('lane B at 1,000', rate) if nodes == 1_000 else ''} | {found['letters_per_cpu_s']:,} "
            f"| {found['connect_events_per_s']:,} | {found['mb_per_node']} "
            f"| {found['arrived']:,} of {found['letters']:,} |",
            flush=True,
        )


def suite(seeds: int) -> None:
    print(f"\nA pull request's seeds: 50 nodes, 120 virtual seconds, crashes and all; {load()}\n")
    found = measure("sim_node", "suite", seeds)
    if "error" in found:
        print(found["error"])
        return
    print(
        f"{found['cpu_s_per_seed']} s for each of {seeds} seeds at {found['events_per_s']:,} events/s, "
        f"{found['broken']} broken; 200 seeds on two cores would take {found['suite_s']} s{against('suite', found['suite_s'])}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.sim", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, for continuous integration; about a minute"
    )
    parser.add_argument("--only", default="drivers,core,daemon,suite", help="parts, separated by commas")
    options = parser.parse_args()
    parts = options.only.split(",")
    if "drivers" in parts:
        drivers([1_000] if options.quick else [1_000, 10_000], 60)
    if "core" in parts:
        cores([200] if options.quick else [1_000, 10_000])
    if "daemon" in parts:
        daemons([50] if options.quick else [100, 1_000])
    if "suite" in parts:
        suite(1 if options.quick else 5)


if __name__ == "__main__":
    main()
