"""The node's own store code on a simulated disk: small files, full and read-only disks, damage, determinism."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from protocols.errors import StoreError
from sim.disk import Disks, SimStorage
from sim.loop import run_in_loop
from sim.timeline import Timeline

SEEDS = range(100)


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    return run_in_loop(Timeline(), work())


@pytest.fixture
def storage(disks: Disks) -> SimStorage:
    return disks.storage("alice", Random("latency"))


# -- small files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kill", [False, True])
def test_a_small_file_is_the_old_one_or_the_new_one_whenever_the_crash_comes(
    storage: SimStorage, *, kill: bool
) -> None:
    old = b""
    for seed in SEEDS:
        new, die = f"{seed} ".encode() * 300, Random(seed)
        if not old:
            storage.write_file("seed", new)
        else:
            storage.platter.cut(lambda new=new: storage.write_file("seed", new), die)
        storage.kill(die) if kill else storage.crash(die)
        storage.power_on()
        found = storage.read_file("seed", bytes_max=10_000)
        assert found in {old, new}, f"replay with {seed=}"
        assert not old or found
        old = found or b""


def test_a_small_file_on_a_disk_that_lies_may_be_torn(disks: Disks) -> None:
    new = b"new" * 300

    def found(seed: int) -> bytes | None:
        storage = disks.storage("alice", Random(seed))
        storage.write_file("seed", b"old")
        storage.platter.syncs = False
        storage.write_file("seed", new)
        storage.crash(Random(seed))
        storage.power_on()
        return storage.read_file("seed", bytes_max=10_000)

    assert any(each not in {b"old", new} for each in map(found, SEEDS))


# -- refusals -----------------------------------------------------------------------------------------------------


def test_a_full_disk_refuses_with_a_sentence_and_loses_nothing(
    storage: SimStorage, schema: tuple[str, ...]
) -> None:
    insert = "INSERT INTO notes (number, part, body) VALUES (?, 0, ?)"

    async def life() -> None:
        database = await storage.open_database("notes", schema)
        storage.platter.bytes_max = storage.platter.bytes_used() + 150_000
        kept = 0

        async def write_for_ever() -> None:
            nonlocal kept
            while True:
                row = (kept, bytes(9_000))
                await database.write(lambda c, row=row: c.execute(insert, row).rowcount)
                kept += 1

        with pytest.raises(StoreError, match="disk is full; free some space"):
            await write_for_ever()
        with pytest.raises(StoreError, match="disk is full"):
            storage.write_file("seed", bytes(200_000))
        assert "disk is full" in storage.health()["notes"]
        storage.platter.bytes_max = None
        await database.write(lambda c: c.execute(insert, (-1, b"x")).rowcount)
        await storage.close()
        database = await storage.open_database("notes", schema)
        assert storage.health() == {"notes": "ok"}
        found = await database.read(lambda c: c.execute("SELECT count(*) FROM notes").fetchone()[0])
        assert found == kept + 1 > 5

    run(life)


def test_a_read_only_disk_refuses_with_a_sentence_and_loses_nothing(
    storage: SimStorage, schema: tuple[str, ...]
) -> None:
    async def life() -> None:
        storage.write_file("seed", b"kept")
        database = await storage.open_database("notes", schema)
        await database.write(lambda c: c.execute("INSERT INTO notes VALUES (NULL, 1, 1, 'kept')").rowcount)
        storage.platter.read_only = True
        with pytest.raises(StoreError):
            await database.write(lambda c: c.execute("DELETE FROM notes").rowcount)
        with pytest.raises(StoreError, match="read-only"):
            storage.write_file("seed", b"new")
        storage.kill(Random(1))
        storage.power_on()
        database = await storage.open_database("notes", schema)
        with pytest.raises(StoreError, match="read-only"):
            await database.write(lambda c: c.execute("DELETE FROM notes").rowcount)
        await storage.close()
        storage.platter.read_only = False
        database = await storage.open_database("notes", schema)
        assert await database.read(lambda c: c.execute("SELECT body FROM notes").fetchall()) == [("kept",)]
        assert storage.read_file("seed", bytes_max=10) == b"kept"

    run(life)


def test_while_the_power_is_off_everything_is_refused(storage: SimStorage, schema: tuple[str, ...]) -> None:
    async def life() -> None:
        database = await storage.open_database("notes", schema)
        storage.write_file("seed", b"kept")
        storage.crash(Random(1))
        digest = storage.platter.digest()
        with pytest.raises(StoreError, match="closed"):
            await database.write(lambda _: None)
        with pytest.raises(StoreError, match="closed"):
            await database.read(lambda _: None)
        with pytest.raises(StoreError, match="power is off"):
            storage.write_file("seed", b"late")
        with pytest.raises(StoreError, match="power is off"):
            storage.read_file("seed", bytes_max=10)
        with pytest.raises(StoreError, match="power is off"):
            await storage.open_database("notes", schema)
        await storage.close()
        assert storage.platter.digest() == digest
        storage.power_on()
        await storage.open_database("notes", schema)

    run(life)


# -- opening ------------------------------------------------------------------------------------------------------


def test_a_database_that_was_closed_well_is_there_after_the_next_crash(
    storage: SimStorage, schema: tuple[str, ...]
) -> None:
    async def life() -> None:
        database = await storage.open_database("notes", schema)
        await database.write(lambda c: c.execute("INSERT INTO notes VALUES (NULL, 1, 1, 'kept')").rowcount)
        await storage.close()
        storage.crash(Random(1))
        storage.power_on()
        database = await storage.open_database("notes", schema)
        assert await database.read(lambda c: c.execute("SELECT body FROM notes").fetchall()) == [("kept",)]
        assert storage.health() == {"notes": "ok"}

    run(life)


def test_a_crash_while_a_newer_version_migrates_leaves_every_row(
    disks: Disks, schema: tuple[str, ...]
) -> None:
    newer = (*schema, "ALTER TABLE notes ADD COLUMN a", "CREATE TABLE more AS SELECT * FROM notes")

    async def life(seed: int) -> int:
        storage, die = disks.storage("alice", Random(1), latency_ns=(9, 9)), Random(seed)
        database = await storage.open_database("notes", schema)
        for number in range(20):
            await database.write(
                lambda c, n=number: c.execute("INSERT INTO notes VALUES (NULL, ?, 1, 'x')", (n,)).rowcount
            )
        await storage.close()
        opening = asyncio.ensure_future(storage.open_database("notes", newer))
        await asyncio.sleep(0)
        storage.crash(die)
        storage.power_on()
        database = await storage.open_database("notes", newer)
        assert opening.cancelled()
        assert storage.health() == {"notes": "ok"}
        return await database.read(lambda c: c.execute("SELECT count(*) FROM notes").fetchone()[0])

    for seed in range(30):
        assert run_in_loop(Timeline(), life(seed)) == 20, f"replay with {seed=}"


def test_disks_are_made_of_sectors_where_sqlite_can_be_reached() -> None:
    with Disks() as disks, Disks("commits") as others:
        assert disks.kind == disks.storage("alice", Random(1)).kind == "sectors"
        assert others.kind == "commits"


def test_disks_that_were_thrown_away_refuse_and_their_namesakes_are_empty(
    disks: Disks, storage: SimStorage, schema: tuple[str, ...]
) -> None:
    async def life() -> None:
        database = await storage.open_database("notes", schema)
        disks.throw_away()
        with pytest.raises(StoreError, match="closed"):
            await database.read(lambda _: None)
        with pytest.raises(StoreError, match="power is off"):
            storage.write_file("seed", b"x")
        assert disks.storage("alice", Random(1)).platter.files == {}

    run(life)


def test_a_bug_inside_the_file_system_reaches_python_and_not_c(
    schema: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("on purpose")

    async def life() -> None:
        with Disks("sectors") as disks:
            storage = disks.storage("alice", Random(1))
            database = await storage.open_database("notes", schema)
            monkeypatch.setattr("sim.disk.platter.Platter.write", broken)
            with pytest.raises(Exception, match="on purpose"):
                await database.write(
                    lambda c: c.execute("INSERT INTO notes VALUES (NULL, 1, 1, 'x')").rowcount
                )
            monkeypatch.undo()

    run(life)


# -- determinism --------------------------------------------------------------------------------------------------

A_RUN = """
import asyncio, sys
from random import Random
from sim.disk import Disks
from sim.loop import run_in_loop
from sim.timeline import Timeline

async def main(kind):
    with Disks(kind) as disks:
        storages = [disks.storage(name, Random(name), latency_ns=(0, 3_000_000)) for name in ("alice", "bob")]
        for life in range(4):
            bases = [await each.open_database("notes", ("CREATE TABLE notes (id INTEGER PRIMARY KEY, body BLOB)",))
                     for each in storages]
            add = lambda c: c.execute("INSERT INTO notes (body) VALUES (zeroblob(700))").rowcount
            for _ in range(30):
                writes = [asyncio.ensure_future(base.write(add)) for base in bases for _ in range(3)]
                await asyncio.sleep(0.002)
            for each in storages:
                each.write_file("seed", b"%d" % life)
                each.crash(Random(f"{each.name}/{life}"))
                each.power_on()
        print(*(each.platter.digest() for each in storages), asyncio.get_running_loop().timeline.digest())

run_in_loop(Timeline(), main(sys.argv[1]))
"""


def test_the_same_run_leaves_the_same_bytes_in_every_process(kind: str) -> None:
    def digests(hash_seed: str) -> bytes:
        return subprocess.run(
            [sys.executable, "-c", A_RUN, kind],
            env=os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(__file__).parents[3])},
            capture_output=True,
            check=True,
        ).stdout

    assert digests("1") == digests("2") != b""
