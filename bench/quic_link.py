"""How fast is a QUIC link, beside the same library driven bare?

    python bench/quic_link.py [--runs 3] [--mb 300] [--peers ../shared/bench/peers]

Two processes on loopback for each measurement, variants interleaved run by run. Every variant does the same:
bulk (64 KiB frames one way until the other end says that it has all), 1 KiB messages one way, 1 KiB echo on the
reliable lane; links also echo 1 KiB datagrams. CPU counts both ends. Wall-clock figures move with the machine's other
work; trust the ratios inside one run, and CPU per MB.
"""

import argparse
import asyncio
import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from transports.api import Link
from transports.quic import QuicTransport

FRAME = 65_536
SMALL = 1024
COUNT = struct.Struct("!cQ")
TICKS = os.sysconf("SC_CLK_TCK")
RAW: dict[str, dict[str, str]] = {
    "raw qh3": {"BATCH": "1", "DGRAM": "1452", "SNDRCV": "4000000", "WIN": "16777216"},
    "raw aioquic": {},
}
RAW_TASKS = {"bulk": "bulk", "messages": "pipelined", "echo": "rr"}


class Clock:
    def now_ns(self) -> int:
        return time.monotonic_ns()


class Server:
    """Counts what a command announced, or echoes."""

    def __init__(self) -> None:
        self.left = 0

    def link_received(self, link: Link, frames: list[bytes]) -> None:
        for frame in frames:
            if self.left:
                self.left -= len(frame)
                if self.left <= 0:
                    link.send([b"done"], reliable=True)
            elif len(frame) == COUNT.size and frame[:1] == b"B":
                self.left = COUNT.unpack(frame)[1]
            else:
                link.send([frame], reliable=frame[:1] != b"D")

    def link_writable(self, link: Link) -> None: ...

    def link_lost(self, link: Link, reason: str) -> None: ...


class Client:
    """Wakes whoever waits for an answer or for room."""

    def __init__(self) -> None:
        self.writable, self.answer = asyncio.Event(), asyncio.Event()

    def link_received(self, link: Link, frames: list[bytes]) -> None:
        self.answer.set()

    def link_writable(self, link: Link) -> None:
        self.writable.set()

    def link_lost(self, link: Link, reason: str) -> None:
        if reason != "transport_closed":
            raise SystemExit(f"link lost: {reason}")


async def serve(engine: str) -> None:
    transport = QuicTransport(Clock(), os.urandom, engine=engine)
    print(*await transport.listen("quic://127.0.0.1:0"), flush=True)
    async for link in transport.accept():
        link.attach(Server())


async def flood(link: Link, client: Client, frame: bytes, total: int, batch: int) -> None:
    client.answer.clear()
    link.send([COUNT.pack(b"B", total)], reliable=True)
    sent = 0
    while sent < total:
        frames = [frame] * min(batch, -(-(total - sent) // len(frame)))
        sent += len(frames) * len(frame)
        client.writable.clear()
        link.send(frames, reliable=True)
        if link.unsent_bytes > link.unsent_bytes_max:
            await client.writable.wait()
    await client.answer.wait()


async def echo(link: Link, client: Client, frame: bytes, count: int, *, reliable: bool) -> list[float]:
    times: list[float] = []
    for _ in range(count):
        began = time.perf_counter()
        client.answer.clear()
        link.send([frame], reliable=reliable)
        await client.answer.wait()
        times.append(time.perf_counter() - began)
    return times


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def drive(engine: str, address: str, pid: int, task: str, amount: int) -> dict[str, float]:
    transport = QuicTransport(Clock(), os.urandom, engine=engine)
    link = await transport.dial(address)
    client = Client()
    link.attach(client)
    await flood(link, client, bytes(FRAME), 4 << 20, 1)  # warm: MTU found, windows open
    await echo(link, client, b"E" + bytes(SMALL - 1), 50, reliable=True)
    cpu, began = cpu_s(os.getpid()) + cpu_s(pid), time.perf_counter()
    result: dict[str, float] = {}
    if task == "bulk":
        await flood(link, client, os.urandom(FRAME), amount, 1)
    elif task == "messages":
        await flood(link, client, os.urandom(SMALL), amount * SMALL, 32)
    else:
        letter = b"D" if task == "datagram echo" else b"E"
        times = await echo(link, client, letter + bytes(SMALL - 1), amount, reliable=letter == b"E")
        result["p50_us"] = statistics.median(times) * 1e6
    wall, used = time.perf_counter() - began, cpu_s(os.getpid()) + cpu_s(pid) - cpu
    if task == "bulk":
        result |= {"MB_s": amount / 1e6 / wall, "cpu_ms_per_MB": used * 1e3 / (amount / 1e6)}
    elif task == "messages":
        result |= {"msgs_s": amount / wall, "cpu_us_per_msg": used * 1e6 / amount}
    await transport.close()
    return result


def run_link(engine: str, task: str, amount: int) -> dict[str, Any]:
    me = [sys.executable, __file__]
    with subprocess.Popen([*me, "--serve", engine], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            out = subprocess.run(
                [*me, "--drive", engine, address, str(server.pid), task, str(amount)],
                capture_output=True, text=True, timeout=120, check=True,
            )  # fmt: skip
            return json.loads(out.stdout)
        finally:
            server.kill()


def run_raw(name: str, task: str, amount: int, peers: Path) -> dict[str, Any]:
    env = os.environ | RAW[name] | {"PEER_TMP": str(Path(tempfile.gettempdir()) / "quic-link-bench")}
    script = [sys.executable, str(peers / "peer.py"), name.split()[1]]
    port = str(20_000 + os.getpid() % 20_000)
    with subprocess.Popen([*script, "serve", port], stdout=subprocess.PIPE, env=env, cwd=peers) as server:
        try:
            assert server.stdout is not None
            server.stdout.readline()
            out = subprocess.run(
                [*script, RAW_TASKS[task], port, str(server.pid), str(amount)],
                capture_output=True, text=True, timeout=120, check=True, env=env, cwd=peers,
            )  # fmt: skip
            return json.loads(out.stdout.splitlines()[-1])
        finally:
            server.kill()


def show(rows: dict[tuple[str, str], list[dict[str, Any]]]) -> None:
    units = ("MB_s", "cpu_ms_per_MB", "msgs_s", "cpu_us_per_msg", "p50_us")
    for (task, name), results in rows.items():
        cells: list[str] = []
        for unit in units:
            values = [float(result[unit]) for result in results if unit in result]
            if values:
                cells.append(
                    f"{unit} {min(values):,.1f} / {statistics.median(values):,.1f} / {max(values):,.1f}"
                )
        print(f"{task:14} {name:12} " + "   ".join(cells))


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--mb", type=int, default=300, help="bulk over qh3; a tenth of it over aioquic")
    parser.add_argument(
        "--peers", type=Path, default=Path(__file__).resolve().parents[2] / "shared/bench/peers"
    )
    parser.add_argument("--tasks", default="bulk,messages,echo,datagram echo")
    parser.add_argument("--serve")
    parser.add_argument("--drive", nargs=5)
    options = parser.parse_args(arguments)
    if options.serve:
        asyncio.run(serve(options.serve))
    elif options.drive:
        engine, address, pid, task, amount = options.drive
        print(json.dumps(asyncio.run(drive(engine, address, int(pid), task, int(amount)))))
    else:
        compare(options)


def compare(options: argparse.Namespace) -> None:
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for _ in range(options.runs):
        for task in options.tasks.split(","):
            for name in ("link qh3", "raw qh3", "link aioquic", "raw aioquic"):
                engine = name.split()[1]
                scale = 1 if engine == "qh3" else 10
                amount = {"bulk": options.mb * 1_000_000 // scale, "messages": 60_000 // scale}.get(
                    task, 2000
                )
                if name.startswith("link"):
                    result = run_link(engine, task, amount)
                elif task in RAW_TASKS and (options.peers / "peer.py").exists():
                    result = run_raw(name, task, amount, options.peers)
                else:
                    continue
                rows.setdefault((task, name), []).append(result)
    print("min / median / max over", options.runs, "runs")
    show(rows)


if __name__ == "__main__":
    main(sys.argv[1:])
