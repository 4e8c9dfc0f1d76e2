"""What only a real directory can show: modes, atomic files, refusals of the system, threads."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from meshnode.store import DiskStorage
from meshnode.store.connection import set_up
from protocols.errors import StoreError

if TYPE_CHECKING:
    from conftest import Notes, Place

NOTES = "CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL UNIQUE)"
NOBODY = 65_534


def modes(directory: Path) -> dict[str, int]:
    return {each.name: each.stat().st_mode & 0o777 for each in directory.iterdir()}


async def test_everything_stays_in_the_directory_and_is_the_owners_alone(
    disk: Place, notes: type[Notes], tmp_path: Path
) -> None:
    database = await disk.open()
    await database.write(notes.add("secret"))
    disk.storage.write_file("seed", b"secret")
    directory = tmp_path / "data"
    assert directory.stat().st_mode & 0o777 == 0o700
    assert modes(directory) == dict.fromkeys(["notes.db", "notes.db-wal", "notes.db-shm", "seed"], 0o600)
    await disk.storage.close()
    assert modes(directory) == dict.fromkeys(["notes.db", "notes.db.clean", "seed"], 0o600)


async def test_large_sorts_leave_no_file_outside_the_directory(disk: Place, notes: type[Notes]) -> None:
    database = await disk.open()
    assert await database.read(lambda connection: connection.execute("PRAGMA temp_store").fetchone()) == (2,)


async def test_a_commit_is_synced_before_it_is_acknowledged(disk: Place) -> None:
    database = await disk.open()
    assert await database.write(
        lambda connection: [
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
        ]
    ) == ["wal", 2]


async def test_a_read_sees_one_moment_whatever_is_written_meanwhile(disk: Place, notes: type[Notes]) -> None:
    database = await disk.open()
    await database.write(notes.add("before"))
    has_begun, may_end = threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> tuple[list[str], list[str]]:
        first = notes.all(connection)
        has_begun.set()
        may_end.wait()
        return first, notes.all(connection)

    reading = asyncio.ensure_future(database.read(slow))
    await asyncio.to_thread(has_begun.wait)
    await database.write(notes.add("meanwhile"))  # a reader does not hold the writer up
    may_end.set()
    assert await reading == (["before"], ["before"])
    assert await database.read(notes.all) == ["before", "meanwhile"]


async def test_what_is_not_committed_yet_is_not_seen(disk: Place, notes: type[Notes]) -> None:
    database = await disk.open()
    has_begun, may_end = threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> None:
        notes.add("not yet")(connection)
        has_begun.set()
        may_end.wait()

    writing = asyncio.ensure_future(database.write(slow))
    await asyncio.to_thread(has_begun.wait)
    assert await database.read(notes.all) == []
    may_end.set()
    await writing
    assert await database.read(notes.all) == ["not yet"]


async def test_a_caller_that_gives_up_during_the_commit_leaves_it_standing(
    disk: Place, notes: type[Notes]
) -> None:
    database = await disk.open()
    has_begun, may_end = threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> None:
        has_begun.set()
        may_end.wait()
        notes.add("stands")(connection)

    writing = asyncio.ensure_future(database.write(slow))
    await asyncio.to_thread(has_begun.wait)
    writing.cancel()
    may_end.set()
    await database.write(notes.add("later"))
    assert await database.read(notes.all) == ["stands", "later"]


async def test_more_reads_than_may_wait_are_refused(
    disk: Place, notes: type[Notes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meshnode.store.database.READS_MAX", 1)
    database = await disk.open()
    one, two = await asyncio.gather(
        database.read(notes.all), database.read(notes.all), return_exceptions=True
    )
    assert one == []
    assert isinstance(two, StoreError)


async def test_closing_waits_for_the_reads_that_run(disk: Place, notes: type[Notes]) -> None:
    database = await disk.open()
    has_begun, may_end = threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> list[str]:
        has_begun.set()
        may_end.wait()
        return notes.all(connection)

    reading = asyncio.ensure_future(database.read(slow))
    await asyncio.to_thread(has_begun.wait)
    closing_it = asyncio.ensure_future(disk.storage.close())
    await asyncio.sleep(0)
    may_end.set()
    await closing_it
    assert await reading == []


async def test_the_journal_of_a_process_that_died_is_read(
    disk: Place, notes: type[Notes], tmp_path: Path
) -> None:
    await (await disk.open()).write(notes.add("only in the journal"))
    copy = tmp_path / "after the crash"
    shutil.copytree(tmp_path / "data", copy)  # with -wal, and without the mark of a good end
    storage = DiskStorage(copy)
    assert await (await storage.open_database("notes", (NOTES,))).read(notes.all) == ["only in the journal"]
    assert storage.health() == {"notes": "ok"}
    await storage.close()


async def test_the_journal_does_not_grow_without_end(disk: Place, notes: type[Notes], tmp_path: Path) -> None:
    database = await disk.open()
    for number in range(40):
        await database.write(notes.add(f"{number}" + "x" * 1_000_000))
    assert (tmp_path / "data" / "notes.db-wal").stat().st_size < 16 * 1024 * 1024


async def test_a_file_that_another_program_holds_is_said_so(
    disk: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notes: type[Notes]
) -> None:
    monkeypatch.setattr("meshnode.store.files.BUSY_S", 0)
    database = await disk.open()
    with closing(sqlite3.connect(tmp_path / "data" / "notes.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another program holds the file"):
            await database.write(notes.add("one"))
        other.execute("ROLLBACK")
    await database.write(notes.add("two"))
    assert await database.read(notes.all) == ["two"]


def test_a_place_that_cant_hold_a_write_ahead_log_is_refused() -> None:
    nameless = sqlite3.connect("")  # which never has one, like a file on a network share
    with (
        closing(nameless),
        pytest.raises(StoreError, match="write-ahead log; choose a data directory on a local disk"),
    ):
        set_up(nameless, "notes.db")


# -- small files --------------------------------------------------------------------------------------------------


def test_what_a_crash_left_of_a_file_is_written_over(disk: Place, tmp_path: Path) -> None:
    disk.storage.write_file("seed", b"old")
    draft = tmp_path / "data" / ".seed.new"
    draft.write_bytes(b"half")
    draft.chmod(0o644)
    assert disk.storage.read_file("seed", bytes_max=10) == b"old"
    disk.storage.write_file("seed", b"new")
    assert disk.storage.read_file("seed", bytes_max=10) == b"new"
    assert modes(tmp_path / "data") == {"seed": 0o600}


def test_a_file_that_cant_be_replaced_stays_and_nothing_is_left_beside_it(
    disk: Place, tmp_path: Path
) -> None:
    (tmp_path / "data" / "seed").mkdir(parents=True)
    with pytest.raises(StoreError, match="seed"):
        disk.storage.write_file("seed", b"new")
    with pytest.raises(StoreError, match="seed"):
        disk.storage.read_file("seed", bytes_max=10)
    assert [each.name for each in (tmp_path / "data").iterdir()] == ["seed"]


async def test_a_data_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"")
    storage = DiskStorage(tmp_path / "data")
    with pytest.raises(StoreError, match="data"):
        storage.write_file("seed", b"x")
    with pytest.raises(StoreError, match="data"):
        await storage.open_database("notes", (NOTES,))


# -- read-only and full disks -------------------------------------------------------------------------------------


@pytest.fixture
def ours() -> Iterator[Path]:
    """A directory of somebody whom its modes bind: root is nobody for as long as the test lasts."""
    directory = Path(tempfile.mkdtemp())
    if root := os.geteuid() == 0:
        os.chown(directory, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    yield directory
    if root:
        os.seteuid(0)
    directory.chmod(0o700)
    shutil.rmtree(directory)


def allow(directory: Path, mode: int) -> None:
    directory.chmod(mode)


async def test_a_read_only_directory_is_refused_with_a_sentence(ours: Path, notes: type[Notes]) -> None:
    storage = DiskStorage(ours)
    await (await storage.open_database("notes", (NOTES,))).write(notes.add("kept"))
    await storage.close()
    storage.write_file("seed", b"kept")
    allow(ours, 0o500)
    with pytest.raises(StoreError, match=r"permissions of the data directory|read-only"):
        await storage.open_database("notes", (NOTES,))
    with pytest.raises(StoreError, match="permissions of the data directory"):
        storage.write_file("seed", b"new")
    assert storage.read_file("seed", bytes_max=10) == b"kept"
    allow(ours, 0o700)
    assert await (await storage.open_database("notes", (NOTES,))).read(notes.all) == ["kept"]
    await storage.close()


async def test_a_directory_that_becomes_read_only_does_not_disturb_the_end(
    ours: Path, notes: type[Notes]
) -> None:
    storage = DiskStorage(ours)
    await (await storage.open_database("notes", (NOTES,))).write(notes.add("kept"))
    allow(ours, 0o500)
    await storage.close()
    assert not (ours / "notes.db.clean").exists()


async def test_a_file_that_became_read_only_refuses_writes(disk: Place, notes: type[Notes]) -> None:
    database = await disk.open()
    await database.write(notes.add("kept"))
    await database.write(lambda connection: connection.execute("PRAGMA query_only=ON").fetchone())
    with pytest.raises(StoreError, match="read-only; make it writable"):
        await database.write(notes.add("refused"))
    assert await database.read(notes.all) == ["kept"]


ON_A_FULL_DISK = """
import asyncio, sys
from pathlib import Path
from meshnode.store import DiskStorage
from protocols.errors import StoreError

async def main(directory):
    storage = DiskStorage(directory)
    database = await storage.open_database("notes", ("CREATE TABLE notes (body TEXT)",))
    add = lambda connection: connection.execute("INSERT INTO notes VALUES (?)", ("x" * 10_000,)).rowcount
    kept = 0
    try:
        while True:
            kept += await database.write(add)
    except StoreError as error:
        print(error)
    try:
        storage.write_file("state", bytes(2_000_000))
    except StoreError as error:
        print(error)
    (directory / "ballast").unlink()
    kept += await database.write(add)
    storage.write_file("state", b"small")
    await storage.close()
    database = await storage.open_database("notes", ("CREATE TABLE notes (body TEXT)",))
    found = (await database.read(lambda c: c.execute("SELECT count(*) FROM notes").fetchone()))[0]
    print("kept", kept == found, found > 10)
    await storage.close()

asyncio.run(main(Path(sys.argv[1])))
"""


def test_a_disk_that_is_full_for_real_loses_nothing_and_works_again_when_there_is_space(
    tmp_path: Path,
) -> None:
    script = tmp_path / "script.py"
    script.write_text(ON_A_FULL_DISK)
    mount = f"mount -t tmpfs -o size=2m none {tmp_path}/m && head -c 1000000 /dev/zero > {tmp_path}/m/ballast"
    (tmp_path / "m").mkdir()
    if (
        shutil.which("unshare") is None
        or subprocess.run(["unshare", "-rm", "sh", "-c", mount], check=False, capture_output=True).returncode
    ):
        pytest.skip("no mount namespaces here")
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", f"{mount} && exec {sys.executable} {script} {tmp_path}/m"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    first, second, last = done.stdout.splitlines()
    assert "disk is full" in first
    assert "disk is full" in second
    assert last == "kept True True"
