"""A line of eight nodes on loopback, seven hops: ours beside Reticulum's, interleaved in one run.

`python bench/peer_line.py --reticulum VENV/bin/python`. A node of ours is a process with the whole driver and core on real
QUIC links: routing, relaying, sessions, streams, rpc; no disks, no control API. Ends and relays run the same code. The
far end comes up last, and the clock of "path known" starts when it is up. CPU is that of all eight processes.
"""

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random
from typing import Any

HERE = Path(__file__).parent
CHUNK = 65_536
MESSAGE_BYTES = 1_024
WARM = 50  # echoes that are not counted
LOOK_S = 0.002
START_S = 30.0
LIMIT_S = 180.0
NS_PER_S = 1_000_000_000


def percentile(values: list[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def tell(phase: str, **figures: float) -> None:
    print(json.dumps({"phase": phase, **figures}), flush=True)


# -- one node of ours -----------------------------------------------------------------------------------------


async def node(index: int, count: int, base: int, echoes: int, nbytes: int) -> None:
    from mesh_only import MeshOnly  # noqa: PLC0415 - the parent needs nothing of ours
    from peer_mesh import serve_call  # noqa: PLC0415

    from protocols.keys import Identity  # noqa: PLC0415

    identities = [Identity.from_seed(Random(place).randbytes(32)) for place in range(count)]
    own = MeshOnly(identities[index], os.environ.get("ENGINE"))
    own.driver.hub.register("bench", serve_call)
    await own.listen(f"quic://127.0.0.1:{base + index}")
    async with asyncio.TaskGroup() as crew:
        crew.create_task(own.driver.run())
        if index > 0:
            own.expect(identities[index - 1], f"quic://127.0.0.1:{base + index - 1}")
            if index < count - 1:
                await own.driver.until_connected(identities[index - 1].node_id)
        tell("ready", at_ns=time.monotonic_ns())
        if index > 0:
            await asyncio.Event().wait()
        far = identities[-1]
        own.facts.keys[far.node_id] = far.x25519_public
        own.driver.want(far.node_id)
        await measure(own, far.node_id, echoes, nbytes)
        os._exit(0)


async def measure(own: Any, far: Any, echoes: int, nbytes: int) -> None:
    from protocols.envelope import TrafficClass  # noqa: PLC0415

    while own.driver.mesh.relay.way_to(far, own.driver.now_ns()) is None:  # noqa: ASYNC110 - nothing tells who only looks
        await asyncio.sleep(LOOK_S)
    known_ns = time.monotonic_ns()
    await own.driver.until_connected(far)
    tell("path", known_ns=known_ns, connected_ns=time.monotonic_ns())
    call = await own.driver.hub.open(far, "bench", "echo", b"")
    answers: AsyncIterator[list[bytes]] = call.batches()
    message = os.urandom(MESSAGE_BYTES)
    took: list[float] = []
    for turn in range(WARM + echoes):
        if turn == WARM:
            tell("warm")
        began = time.perf_counter()
        await call.send(message)
        await anext(answers)
        took.append(time.perf_counter() - began)
    report_echoes(took[WARM:])
    chunk = os.urandom(CHUNK)
    began = time.perf_counter()
    call = await own.driver.hub.open(far, "bench", "sink", b"", traffic=TrafficClass.BULK)
    for _ in range(nbytes // CHUNK):
        await call.send(chunk)
    await call.end()
    answer = [message async for message in call.messages()]
    assert int.from_bytes(answer[0][8:], "big") == nbytes // CHUNK * CHUNK
    tell("bulk", MB_s=nbytes // CHUNK * CHUNK / 1e6 / (time.perf_counter() - began))


def report_echoes(took: list[float]) -> None:
    tell(
        "echo",
        p50_ms=percentile(took, 50) * 1e3,
        p99_ms=percentile(took, 99) * 1e3,
    )


# -- the line, from outside -----------------------------------------------------------------------------------


def cpu_s(pids: list[int]) -> float:
    """Of all of them together, so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def free_base(count: int, kind: int) -> int:
    """The first of so many ports in a row that are free now."""
    for base in range(20_000 + os.getpid() % 9_000, 60_000, count):
        probes = [socket.socket(socket.AF_INET, kind) for _ in range(count)]
        try:
            for place, probe in enumerate(probes):
                probe.bind(("127.0.0.1", base + place))
        except OSError:
            continue
        else:
            return base
        finally:
            for probe in probes:
                probe.close()
    raise SystemExit("no free ports")


def line(command: Callable[[int], list[str]], count: int, echoes: int, nbytes: int) -> dict[str, float]:
    """Start them from the near end to the far one; what the near end told, with CPU added."""
    environment = dict(os.environ, PYTHONPATH=str(HERE.parent))
    started: list[subprocess.Popen[str]] = []
    up_ns = 0

    def told(process: "subprocess.Popen[str]") -> dict[str, Any]:
        assert process.stdout is not None
        for text in process.stdout:
            if text.startswith('{"phase"'):
                return json.loads(text)
        raise SystemExit(f"a node ended early: {process.args}")

    try:
        for index in range(count):
            process = subprocess.Popen(
                command(index), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
            )
            started.append(process)
            up_ns = told(process)["at_ns"]
        pids = [process.pid for process in started]
        figures: dict[str, float] = {}
        before = 0.0
        while "MB_s" not in figures:
            heard = told(started[0])
            cpu, before = cpu_s(pids) - before, cpu_s(pids)
            match heard.pop("phase"):
                case "path":
                    figures["path_s"] = (heard["known_ns"] - up_ns) / NS_PER_S
                    figures["connected_s"] = (heard["connected_ns"] - up_ns) / NS_PER_S
                case "echo":
                    figures |= heard
                    figures["cpu_ms_per_echo"] = cpu * 1e3 / echoes
                case "bulk":
                    figures |= heard
                    figures["cpu_ms_per_MB"] = cpu * 1e3 / (nbytes / 1e6)
                case _:
                    pass
        return figures
    finally:
        for process in started:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python bench/peer_line.py", description=__doc__)
    parser.add_argument("--nodes", type=int, default=8)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--echoes", type=int, default=500)
    parser.add_argument("--bytes", type=int, default=8 << 20, help="of the bulk transfer")
    parser.add_argument("--reticulum", help="a Python that has `rns`; left out where it is not given")
    options = parser.parse_args()
    count, echoes, nbytes = options.nodes, options.echoes, options.bytes
    scripts = {"meshnode": (sys.executable, Path(__file__), socket.SOCK_DGRAM)}
    if options.reticulum:
        scripts["Reticulum"] = (options.reticulum, HERE / "peer_line_rns.py", socket.SOCK_STREAM)
    measured: dict[str, list[dict[str, float]]] = defaultdict(list)
    for run in range(options.runs):
        for name, (python, script, kind) in scripts.items():
            base = free_base(count, kind)

            def command(
                index: int, python: str = python, script: Path = script, base: int = base
            ) -> list[str]:
                return [python, str(script), "node", *map(str, (index, count, base, echoes, nbytes))]

            figures = line(command, count, echoes, nbytes)
            measured[name].append(figures)
            print(
                f"{run + 1} {name:10}", {key: round(value, 3) for key, value in figures.items()}, flush=True
            )
    print(f"\n{count - 1} hops, medians of {options.runs}")
    for name, runs in measured.items():
        medians = {key: round(statistics.median(each[key] for each in runs), 3) for key in runs[0]}
        print(f"{name:10} {medians}")


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "node":
        sys.path.insert(0, str(HERE))
        from meshnode.logs import configure_logs
        from meshnode.memory import keep_freed_memory

        keep_freed_memory()
        configure_logs("json", "info")  # as a daemon; unconfigured, structlog draws costly columns
        asyncio.run(node(*map(int, sys.argv[2:7])))
    else:
        main()
