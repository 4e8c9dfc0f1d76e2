"""`python -m bench`: our node beside what a user would run instead, interleaved in one run; prints the ratios.

The other peers are scripts of their own (`--peers DIR`); those that are missing, or whose library is not installed,
are left out and said so. Compare ratios inside one run only: wall-clock figures of a shared machine move by a factor
of three between runs.
"""

import argparse
import importlib.util
import json
import os
import socket
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LIMIT_S = {"bulk": 120, "pipelined": 90, "rr": 90, "connect": 90, "conns": 120}
COUNTS = {"bulk": 300_000_000, "pipelined": 60_000, "rr": 4_000, "connect": 30, "conns": 60}
OURS = {"meshnode": ("", 1.0), "meshnode on aioquic": ("aioquic", 0.2)}
RIVALS = ("qh3 own", "aioquic", "rns", "zenoh quic")

Measured = dict[str, float]


def one_of_ours(engine: str, scale: float, task: str) -> dict[str, Any]:
    count = int(COUNTS[task] * (scale if task in {"bulk", "pipelined", "rr"} else 1))
    environment = dict(os.environ, PYTHONPATH=str(HERE.parent))
    if engine:
        environment["ENGINE"] = engine
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = str(HERE / "peer_mesh.py")
    server = subprocess.Popen(
        [sys.executable, script, "serve", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # its log
        env=environment,
    )
    try:
        assert server.stdout is not None
        if not server.stdout.readline().startswith(b"READY"):
            return {"error": "the server did not start"}
        client = subprocess.run(
            [sys.executable, script, task, str(port), str(server.pid), str(count)],
            capture_output=True,
            text=True,
            env=environment,
            timeout=LIMIT_S[task],
            check=False,
        )
        lines = [line for line in client.stdout.splitlines() if line.startswith("{")]
        return json.loads(lines[-1]) if lines else {"error": client.stderr[-600:]}
    except subprocess.TimeoutExpired:
        return {"error": f"not done in {LIMIT_S[task]} s"}
    finally:
        server.kill()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()


def rivals_in(folder: Path) -> dict[str, Callable[[str], dict[str, Any]]]:
    """Rival name -> run one task. Empty where the scripts are missing."""
    if not (folder / "run.py").exists():
        print(f"no peers at {folder}: only our own figures follow")
        return {}
    spec = importlib.util.spec_from_file_location("rival_run", folder / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def runner(name: str) -> Callable[[str], dict[str, Any]]:
        return lambda task: module.one(name, task)

    return {name: runner(name) for name in RIVALS if name in module.VARIANTS}


ROWS: tuple[tuple[str, str, str, str, str, bool], ...] = (
    # what, task, figure, ours, against, whether higher is better
    ("bulk against Reticulum", "bulk", "MB_s", "meshnode", "rns", True),
    ("bulk against raw qh3", "bulk", "MB_s", "meshnode", "qh3 own", True),
    ("bulk against zenoh over QUIC", "bulk", "MB_s", "meshnode", "zenoh quic", True),
    ("bulk on aioquic against stock aioquic", "bulk", "MB_s", "meshnode on aioquic", "aioquic", True),
    ("1 KiB messages against Reticulum", "pipelined", "msgs_s", "meshnode", "rns", True),
    ("1 KiB messages against raw qh3", "pipelined", "msgs_s", "meshnode", "qh3 own", True),
    ("1 KiB echo p50 against raw qh3", "rr", "p50_us", "meshnode", "qh3 own", False),
    ("1 KiB echo p50 against zenoh over QUIC", "rr", "p50_us", "meshnode", "zenoh quic", False),
    (
        "connect + identity + first message against raw qh3",
        "connect",
        "first_echo_ms_p50",
        "meshnode",
        "qh3 own",
        False,
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tasks", default=",".join(COUNTS))
    parser.add_argument("--peers", type=Path, default=HERE.parent.parent / "shared" / "bench" / "peers")
    parser.add_argument("--only", default="", help="names of peers, separated by commas; all where empty")
    parser.add_argument("--out", type=Path, help="also append each figure to this file, as JSON lines")
    options = parser.parse_args()
    contestants: dict[str, Callable[[str], dict[str, Any]]] = {
        name: partial(one_of_ours, engine, scale) for name, (engine, scale) in OURS.items()
    }
    contestants |= rivals_in(options.peers)
    wanted = [name for name in contestants if not options.only or name in options.only.split(",")]
    figures: dict[tuple[str, str], list[Measured]] = defaultdict(list)
    for run in range(options.runs):
        for task in options.tasks.split(","):
            for name in wanted:
                measured = contestants[name](task)
                shown = {
                    key: round(value, 2) if isinstance(value, float) else value
                    for key, value in measured.items()
                }
                print(f"{run + 1}/{options.runs} {task:9} {name:20} {shown}", flush=True)
                if options.out is not None:
                    with options.out.open("a") as sheet:
                        sheet.write(json.dumps({"peer": name, "task": task, "run": run, **measured}) + "\n")
                if "error" not in measured:
                    figures[name, task].append(measured)
    report(figures)


def report(figures: dict[tuple[str, str], list[Measured]]) -> None:
    def median(name: str, task: str, figure: str) -> float | None:
        values = [each[figure] for each in figures.get((name, task), []) if figure in each]
        return statistics.median(values) if values else None

    print("\n| peer | task | medians |\n| --- | --- | --- |")
    for (name, task), runs in figures.items():
        cells = ", ".join(f"{key} {statistics.median(run[key] for run in runs):.4g}" for key in runs[0])
        print(f"| {name} | {task} | {cells} |")
    print("\n| what | ratio |\n| --- | --- |")
    for what, task, figure, ours, against, higher in ROWS:
        mine, theirs = median(ours, task, figure), median(against, task, figure)
        if mine and theirs:
            note = "higher is better" if higher else "lower is better"
            print(f"| {what} | {mine / theirs:.2f} x ({note}) |")


if __name__ == "__main__":
    main()
