"""What durability costs: `python -m bench.store [--directory DIR] [--memory] [--load-us N] [--switch-us N]`.

Commits and writes a second with 1, 16 and 256 callers, each of whom writes again once its last write is on disk; the
p50 and p99 of one write; and the same disk's bare fsync beside it, as that is what a lone write can't beat. `--load-us`
keeps the event loop busy between turns, as bulk traffic does, so that the writer's thread must fight for the
interpreter; `--switch-us` sets how long it waits before it may insist (sys.setswitchinterval).
Budget: 3,000 writes/s with 256 callers, and a lone write within two fsyncs and half a millisecond.
"""

import argparse
import asyncio
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from meshnode.store import DiskStorage, MemoryStorage, SqliteDatabase

CALLERS = (1, 16, 256)
BODY_BYTES = 200
BLOCK_BYTES = 4_096
FSYNCS = 200
MIGRATIONS = ("CREATE TABLE messages (id BLOB PRIMARY KEY, peer BLOB NOT NULL, body BLOB NOT NULL)",)


def one_message() -> Callable[[sqlite3.Connection], int]:
    row = (os.urandom(16), bytes(32), os.urandom(BODY_BYTES))
    return lambda connection: connection.execute("INSERT INTO messages VALUES (?, ?, ?)", row).rowcount


def fsync_ms(directory: Path) -> float:
    """p50 of appending one block and syncing it."""
    took: list[float] = []
    with (directory / "probe").open("wb", buffering=0) as file:
        for _ in range(FSYNCS):
            begun = time.perf_counter()
            file.write(bytes(BLOCK_BYTES))
            os.fsync(file.fileno())
            took.append(time.perf_counter() - begun)
    return statistics.median(took) * 1e3


async def burn(load_us: int) -> None:
    while True:
        until = time.perf_counter() + load_us / 1e6
        while time.perf_counter() < until:
            pass
        await asyncio.sleep(0)


async def measure(database: SqliteDatabase, callers: int, writes: int) -> str:
    took: list[float] = []

    async def caller() -> None:
        for _ in range(max(1, writes // callers)):
            work = one_message()
            begun = time.perf_counter()
            await database.write(work)
            took.append(time.perf_counter() - begun)

    commits, begun, used = database.commits, time.perf_counter(), time.process_time()
    await asyncio.gather(*(caller() for _ in range(callers)))
    spent, cpu = time.perf_counter() - begun, time.process_time() - used
    commits = database.commits - commits
    slices = statistics.quantiles(took, n=100)
    return (
        f"| {callers} | {len(took) / spent:,.0f} | {commits / spent:,.0f} | {len(took) / commits:.1f} "
        f"| {slices[49] * 1e3:.2f} | {slices[98] * 1e3:.2f} | {cpu / len(took) * 1e6:.0f} |"
    )


async def run(directory: Path, writes: int, load_us: int, *, memory: bool) -> None:
    storage = MemoryStorage() if memory else DiskStorage(directory)
    if not memory:
        print(f"one fsync of this disk: p50 {fsync_ms(directory):.2f} ms")
    database = await storage.open_database("bench", MIGRATIONS)
    load = asyncio.create_task(burn(load_us)) if load_us else None
    print("| callers | writes/s | commits/s | writes a commit | p50 ms | p99 ms | CPU us a write |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for callers in CALLERS:
        print(await measure(database, callers, writes if callers > 1 else max(100, writes // 20)), flush=True)
    if load is not None:
        load.cancel()
    await storage.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.store", description=__doc__)
    parser.add_argument(
        "--directory", type=Path, help="on the disk to measure; the system's temporary one otherwise"
    )
    parser.add_argument("--writes", type=int, default=20_000)
    parser.add_argument("--memory", action="store_true", help="the store of the simulator instead")
    parser.add_argument("--load-us", type=int, default=0)
    parser.add_argument("--switch-us", type=int, default=round(sys.getswitchinterval() * 1e6))
    options = parser.parse_args()
    sys.setswitchinterval(options.switch_us / 1e6)
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        asyncio.run(run(Path(directory), options.writes, options.load_us, memory=options.memory))


if __name__ == "__main__":
    main()
