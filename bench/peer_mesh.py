"""Our node as a peer of the shared benchmark: `peer_mesh.py serve PORT | TASK PORT SERVER_PID COUNT`.

Everything that a message between two nodes passes is there (rpc, streams, session, envelope, link) except disks.
Speaks the same little protocol as the other peers (`common.py` of the shared scripts, named by PEER_COMMON): the
answers are counted by the receiver, so nothing unsent or unread is counted as done. ENGINE picks the QUIC library.
"""

import asyncio
import json
import os
import resource
import struct
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Self

from mesh_only import MeshOnly

from meshnode.logs import configure_logs
from meshnode.memory import keep_freed_memory
from meshnode.rpc import Call
from protocols.envelope import TrafficClass
from protocols.ids import NodeId
from protocols.keys import Identity

SEEDS = {"server": bytes([1]) * 32, "client": bytes([2]) * 32}
CHUNK = 65_536
COUNT = struct.Struct(">Q")
ENGINE = os.environ.get("ENGINE")
TICK = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def rss_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def percentile(values: list[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


class Span:
    """Wall and CPU time of both processes over one phase."""

    def __init__(self, server_pid: int) -> None:
        self.pid = server_pid
        self.wall = self.cpu = 0.0

    def __enter__(self) -> Self:
        self._cpu = cpu_s(os.getpid()) + cpu_s(self.pid)
        self._began = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall = time.perf_counter() - self._began
        self.cpu = cpu_s(os.getpid()) + cpu_s(self.pid) - self._cpu


async def sink(call: Call) -> bytes:
    """Count what comes; the answer is how many bytes and messages."""
    messages = nbytes = 0
    async for batch in call.batches():
        messages += len(batch)
        nbytes += sum(map(len, batch))
    return COUNT.pack(messages) + COUNT.pack(nbytes)


async def echo(call: Call) -> None:
    async for batch in call.batches():
        await call.send_many(batch)


async def once(call: Call) -> bytes:
    return call.body


async def serve_call(call: Call) -> bytes | None:
    return await {"sink": sink, "echo": echo, "once": once}[call.method](call)


def node(role: str) -> MeshOnly:
    return MeshOnly(Identity.from_seed(SEEDS[role]), ENGINE)


async def serve(port: int) -> None:
    server = node("server")
    server.driver.hub.register("bench", serve_call)
    await server.listen(f"quic://127.0.0.1:{port}")
    async with asyncio.TaskGroup() as crew:
        crew.create_task(server.driver.run())
        print("READY", flush=True)
        await asyncio.Event().wait()


SERVER = Identity.from_seed(SEEDS["server"])


async def connected(client: MeshOnly, port: int) -> NodeId:
    client.expect(SERVER, f"quic://127.0.0.1:{port}")
    await client.driver.until_connected(SERVER.node_id)
    return SERVER.node_id


async def bulk(client: MeshOnly, port: int, pid: int, total: int) -> dict[str, float]:
    peer = await connected(client, port)
    chunk = os.urandom(CHUNK)

    async def push(count: int) -> None:
        call = await client.driver.hub.open(peer, "bench", "sink", b"", traffic=TrafficClass.BULK)
        for _ in range(count):
            await call.send(chunk)
        await call.end()
        answer = [message async for message in call.messages()]
        assert COUNT.unpack_from(answer[0], 8)[0] == count * CHUNK

    await push(min(total // 20, 4 << 20) // CHUNK)
    count = total // CHUNK
    with Span(pid) as span:
        await push(count)
    mb = count * CHUNK / 1e6
    return {"MB": mb, "MB_s": mb / span.wall, "cpu_ms_per_MB": span.cpu * 1e3 / mb}


async def pipelined(client: MeshOnly, port: int, pid: int, count: int, size: int = 1024) -> dict[str, float]:
    peer = await connected(client, port)
    message = os.urandom(size)
    call = await client.driver.hub.open(peer, "bench", "sink", b"", traffic=TrafficClass.BULK)
    with Span(pid) as span:
        for _ in range(count):
            await call.send(message)
        await call.end()
        answer = [message async for message in call.messages()]
    assert COUNT.unpack_from(answer[0])[0] == count, "messages were lost"
    return {"msgs_s": count / span.wall, "cpu_us_per_msg": span.cpu * 1e6 / count}


async def rr(client: MeshOnly, port: int, pid: int, count: int, size: int = 1024) -> dict[str, float]:
    peer = await connected(client, port)
    message = os.urandom(size)
    call = await client.driver.hub.open(peer, "bench", "echo", b"")
    answers: AsyncIterator[list[bytes]] = call.batches()
    took: list[float] = []

    async def turn() -> None:
        began = time.perf_counter()
        await call.send(message)
        await anext(answers)
        took.append(time.perf_counter() - began)

    for _ in range(50):
        await turn()
    took.clear()
    with Span(pid) as span:
        for _ in range(count):
            await turn()
    return {
        "rr_s": count / span.wall,
        "p50_us": percentile(took, 50) * 1e6,
        "p99_us": percentile(took, 99) * 1e6,
        "cpu_us_per_rr": span.cpu * 1e6 / count,
    }


async def connect(_: MeshOnly, port: int, pid: int, count: int) -> dict[str, float]:
    """Set-up with mutual identity, alone and with the first 64-byte echo on it; a fresh node each time."""
    up: list[float] = []
    first: list[float] = []
    with Span(pid) as span:
        for index in range(count):
            seed = Random(index).randbytes(32)
            client = MeshOnly(Identity.from_seed(seed), ENGINE)
            await client.listen(
                "quic://127.0.0.1:0"
            )  # as a daemon does at its start: the certificate is made then
            runner = asyncio.create_task(client.driver.run())
            began = time.perf_counter()
            peer = await connected(client, port)
            up.append(time.perf_counter() - began)
            await client.driver.hub.call(peer, "bench", "once", bytes(64))
            first.append(time.perf_counter() - began)
            runner.cancel()
            await asyncio.wait([runner])
            await client.driver.close()
    return {
        "connect_ms_p50": percentile(up, 50) * 1e3,
        "first_echo_ms_p50": percentile(first, 50) * 1e3,
        "cpu_ms_per_conn": span.cpu * 1e3 / count,
    }


async def conns(_: MeshOnly, port: int, pid: int, count: int) -> dict[str, float]:
    """The server's memory idle and per held connection (each used once)."""
    idle = rss_kib(pid)
    after: list[int] = []
    held: list[tuple[MeshOnly, asyncio.Task[None]]] = []
    for index in range(count):
        client = MeshOnly(Identity.from_seed(Random(index).randbytes(32)), ENGINE)
        held.append((client, asyncio.create_task(client.driver.run())))
        peer = await connected(client, port)
        await client.driver.hub.call(peer, "bench", "once", bytes(64))
        after.append(rss_kib(pid))
    began = cpu_s(pid)
    await asyncio.sleep(10)
    busy = (cpu_s(pid) - began) / 10
    return {
        "rss_idle_MiB": idle / 1024,
        "rss_KiB_per_conn_server": (after[-1] - after[9]) / (count - 10),
        "idle_cpu_percent": busy * 100,
    }


TASKS = {"bulk": bulk, "pipelined": pipelined, "rr": rr, "connect": connect, "conns": conns}


async def main() -> None:
    task, port = sys.argv[1], int(sys.argv[2])
    if task == "serve":
        await serve(port)
        return
    pid, count = int(sys.argv[3]), int(sys.argv[4])
    client = node("client")
    async with asyncio.TaskGroup() as crew:
        crew.create_task(client.driver.run())
        print(json.dumps(await TASKS[task](client, port, pid, count)), flush=True)
        os._exit(0)


if __name__ == "__main__":
    keep_freed_memory()
    configure_logs("json", "info")  # as a daemon; unconfigured, structlog draws costly columns
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(main())
