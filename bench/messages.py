"""What a kept promise costs: `python -m bench.messages [--directory DIR] [--messages N] [--lone N]`.

Two whole nodes as processes of their own on one disk, paired by an invite over QUIC on loopback, and asked as any
program asks them, by `meshnode.client`:

- in batches: a few callers send many messages with each request; from the first request until the last message is
  delivered;
- one by one: many callers send a message with each request, measured in the same way;
- from the outbox: as many that were queued while the receiver was off; from its return until the last is delivered;
- alone: one caller, one message at a time, `send` with wait="delivered".

A message counts when it is on both disks (SQLite FULL) and its sender's node knows it; afterwards the receiver's list
is read and compared. Beside it: what one commit costs on this disk, and one question that does nothing at all.
Budget: 1,000 messages/s one by one, 3,000 in batches, and alone a p50 within two commits and 5 ms.
"""

import argparse
import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Self

import psutil

from meshnode.client import MeshClient, batches
from meshnode.control.shapes import Outgoing
from meshnode.store import DiskStorage

CLIENTS = 7  # of four connections each; the control API takes 64, and those just closed count for a moment
LANES = 4
BATCH_CALLERS = 2  # one batch is stored while the next is on its way
COMMITS = 300
QUESTIONS = 4_000
TEXT = "x" * 100
OUTBOX_TEST_MAX = 9_000  # messages; the outbox of one peer holds some more
READY_S, DELIVERED_S, STOP_S = 20.0, 120.0, 5.0
BUDGET_PER_S, BUDGET_BATCHES_PER_S, BUDGET_LONE_MS = 1_000, 3_000, 5.0


class Daemon:
    """One node, as `meshnode run` starts it."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.client = MeshClient(data_dir)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        arguments = ["--data-dir", str(self.data_dir), "--listen", "quic://127.0.0.1:0", "--no-mdns"]
        with (self.data_dir.parent / f"{self.data_dir.name}.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *[sys.executable, "-m", "meshnode.cli.daemon", "run", "--log-level", "warning", *arguments],
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        async with asyncio.timeout(READY_S):
            line = await self._process.stdout.readline()
        if not line.startswith(b"ready "):
            raise SystemExit(f"{self.data_dir.name} did not start; see {log.name}")

    async def stop(self) -> None:
        await self.client.close()
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    def cpu_s(self) -> float:
        assert self._process is not None
        times = psutil.Process(self._process.pid).cpu_times()
        return times.user + times.system


class Pair:
    """Two daemons that know each other."""

    def __init__(self, directory: Path) -> None:
        self.alice, self.bob = (Daemon(directory / name) for name in ("alice", "bob"))
        self.bob_id = ""

    async def __aenter__(self) -> Self:
        await asyncio.gather(self.alice.start(), self.bob.start())
        invite = await self.alice.client.create_invite()
        alice_id = (await self.bob.client.add_peer(invite.invite, name="alice")).node_id
        assert alice_id == (await self.alice.client.identity()).node_id
        self.bob_id = (await self.bob.client.identity()).node_id
        await self.bob.client.send(alice_id, "hello", wait="delivered", timeout_s=DELIVERED_S)
        await self.last("hello back")
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(self.alice.stop(), self.bob.stop())

    async def last(self, text: str) -> None:
        """The messages of one peer keep their order: when this one is delivered, all before it are."""
        sent = await self.alice.client.send(self.bob_id, text, wait="delivered", timeout_s=DELIVERED_S)
        if sent.state != "delivered":
            raise SystemExit(f"the last message is still {sent.state} after {DELIVERED_S:g} s")

    async def received(self) -> list[str]:
        """Every text that Bob's store holds."""
        texts: list[str] = []
        since = ""
        while page := await self.bob.client.messages(since=since, limit=1_000):
            texts += [message.text for message in page if message.direction == "in"]
            since = page[-1].message_id
        return texts


async def commit_ms(directory: Path) -> float:
    """p50 of a lone write of our own store on this disk."""
    storage = DiskStorage(directory / "probe")
    database = await storage.open_database("probe", ("CREATE TABLE rows (body BLOB NOT NULL)",))
    took: list[float] = []

    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO rows VALUES (?)", (TEXT.encode(),))

    for _ in range(COMMITS):
        begun = time.perf_counter()
        await database.write(work)
        took.append(time.perf_counter() - begun)
    await storage.close()
    return statistics.median(took) * 1e3


@asynccontextmanager
async def clients(data_dir: Path) -> AsyncGenerator[list[MeshClient]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(MeshClient(data_dir)) for _ in range(CLIENTS)]


async def many(data_dir: Path, count: int, ask: Callable[[MeshClient, int], Awaitable[object]]) -> float:
    """Ask so often, as fast as CLIENTS times LANES callers can. Gives the seconds."""
    numbers = iter(range(count))

    async def lane(client: MeshClient) -> None:
        for number in numbers:
            await ask(client, number)

    async with clients(data_dir) as all_clients:
        begun = time.perf_counter()
        await asyncio.gather(*(lane(client) for client in all_clients for _ in range(LANES)))
        return time.perf_counter() - begun


async def send_in_batches(pair: Pair, count: int, mark: str) -> float:
    """Gives the seconds until all are stored."""
    letters = (Outgoing(to=pair.bob_id, text=f"{mark} {number} {TEXT}") for number in range(count))
    waiting = batches(letters)

    async def caller(client: MeshClient) -> None:
        for batch in waiting:
            results = await client.send_many(batch)
            assert all(each.sent is not None for each in results), results

    async with MeshClient(pair.alice.data_dir) as client:
        begun = time.perf_counter()
        await asyncio.gather(*(caller(client) for _ in range(BATCH_CALLERS)))
        return time.perf_counter() - begun


async def send_one_by_one(pair: Pair, count: int, mark: str) -> float:
    async def ask(client: MeshClient, number: int) -> None:
        await client.send(pair.bob_id, f"{mark} {number} {TEXT}")

    return await many(pair.alice.data_dir, count, ask)


async def check(pair: Pair, count: int, mark: str) -> None:
    got = [text for text in await pair.received() if text.startswith(mark)]
    if not len(got) == len(set(got)) == count:
        raise SystemExit(f"FAILED: {len(got)} arrived, {len(set(got))} of them different, for {count} sent")
    print(f"  all {count:,} arrived, once each", flush=True)


async def through_the_api(
    pair: Pair, count: int, how: str, send: Callable[[Pair, int, str], Awaitable[float]]
) -> float:
    before, cpu = time.perf_counter(), (pair.alice.cpu_s(), pair.bob.cpu_s(), time.process_time())
    stored_s = await send(pair, count, how)
    await pair.last("over")
    spent = time.perf_counter() - before
    used = (pair.alice.cpu_s() - cpu[0], pair.bob.cpu_s() - cpu[1], time.process_time() - cpu[2])
    each = " / ".join(f"{seconds / count * 1e6:.0f}" for seconds in used)
    print(
        f"through the control API {how}: {count / spent:,.0f} messages/s ({count / stored_s:,.0f} stored/s)"
    )
    print(f"  CPU us a message: sender / receiver / caller {each}")
    await check(pair, count, how)
    return count / spent


async def from_the_outbox(pair: Pair, count: int) -> float:
    """The rate between the first and the last, since the receiver's start is none of it."""
    await pair.bob.stop()
    await send_one_by_one(pair, count, "outbox")
    cpu = pair.alice.cpu_s()
    starting = asyncio.create_task(pair.bob.start())
    begun, seen = 0.0, count
    async with asyncio.timeout(DELIVERED_S):
        while left := (await pair.alice.client.status()).queued:
            if not begun and left < count:
                begun, seen = time.perf_counter(), left
            await asyncio.sleep(0.005)
    spent = time.perf_counter() - begun
    await starting
    print(f"from the outbox, {seen:,} of {count:,}: {seen / spent:,.0f} messages/s")
    used = (pair.alice.cpu_s() - cpu, pair.bob.cpu_s())
    print(
        f"  CPU us a message: sender / receiver with its start {' / '.join(f'{each / count * 1e6:.0f}' for each in used)}"
    )
    await check(pair, count, "outbox")
    return seen / spent


async def alone(pair: Pair, count: int) -> tuple[float, float]:
    """p50 and p99 in ms."""
    took: list[float] = []
    for number in range(count):
        begun = time.perf_counter()
        sent = await pair.alice.client.send(pair.bob_id, f"alone {number}", wait="delivered")
        took.append((time.perf_counter() - begun) * 1e3)
        assert sent.state == "delivered", f"number {number} is {sent.state} after {took[-1]:.0f} ms"
    slices = statistics.quantiles(took, n=100)
    return slices[49], slices[98]


async def run(directory: Path, messages: int, lone: int) -> bool:
    commit = await commit_ms(directory)
    print(f"one commit of this disk: p50 {commit:.2f} ms")
    async with Pair(directory) as pair:
        cpu = pair.alice.cpu_s()
        spent = await many(pair.alice.data_dir, QUESTIONS, lambda client, _: client.identity())
        cpu_us = (pair.alice.cpu_s() - cpu) / QUESTIONS * 1e6
        print(f"a question that does nothing: {QUESTIONS / spent:,.0f}/s, CPU us {cpu_us:.0f}", flush=True)
        p50, p99 = await alone(pair, lone)
        limit = 2 * commit + BUDGET_LONE_MS
        print(f"alone: delivered p50 {p50:.2f} ms, p99 {p99:.2f} ms; budget {limit:.2f} ms", flush=True)
        in_batches = await through_the_api(pair, messages, "in batches", send_in_batches)
        one_by_one = await through_the_api(pair, messages, "one by one", send_one_by_one)
        await from_the_outbox(pair, min(messages, OUTBOX_TEST_MAX))
        p50_again, _ = await alone(pair, lone)
        commit_again = await commit_ms(directory)
        print(f"alone again: p50 {p50_again:.2f} ms; one commit {commit_again:.2f} ms")
    kept = one_by_one >= BUDGET_PER_S and in_batches >= BUDGET_BATCHES_PER_S and p50 <= limit
    print(f"budget {'kept' if kept else 'MISSED'}")
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.messages", description=__doc__)
    parser.add_argument(
        "--directory", type=Path, help="on the disk to measure; the system's temporary one otherwise"
    )
    parser.add_argument("--messages", type=int, default=9_000)
    parser.add_argument("--lone", type=int, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        kept = asyncio.run(run(Path(directory), options.messages, options.lone))
    raise SystemExit(not kept)


if __name__ == "__main__":
    main()
