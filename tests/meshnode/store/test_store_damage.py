"""Damaged files: noticed, set aside, recovered from what remains, said aloud."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from meshnode.store import DiskStorage
from meshnode.store.recovery import DAMAGED_KEPT_MAX
from meshnode.world import Database
from protocols.errors import StoreError

if TYPE_CHECKING:
    from conftest import Notes, Place

PAGE_BYTES = 4_096
NOTES = "CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL UNIQUE)"
PLAIN = "CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL)"
KEYED = "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID"
HIDDEN = "CREATE TABLE notes (id BLOB PRIMARY KEY, body TEXT NOT NULL)"
MORE = "ALTER TABLE notes ADD COLUMN read INTEGER NOT NULL DEFAULT 7"
ROWS = 2_000


def body(number: int) -> str:
    return f"<{number:05}>" + "x" * 200


Fill = Callable[..., Awaitable[Path]]


@pytest.fixture
def filled(disk: Place, tmp_path: Path) -> Fill:
    """A database of many pages, closed well."""

    async def fill(*migrations: str) -> Path:
        database = await disk.open(*migrations)
        await database.write(
            lambda connection: (
                connection.executemany(
                    "INSERT INTO notes (id, body) VALUES (?, ?)",
                    [(number, body(number)) for number in range(1, ROWS + 1)],
                ).rowcount
            )
        )
        await disk.storage.close()
        return tmp_path / "data" / "notes.db"

    return fill


def spoil(path: Path, *numbers: int) -> list[int]:
    """Overwrite the pages on which these rows stand; gives all rows that stood there."""
    data = bytearray(path.read_bytes())
    gone: list[int] = []
    for number in numbers:
        # the table comes before the indices of a body, hence the first place
        at = data.index(f"<{number:05}>x".encode()) // PAGE_BYTES * PAGE_BYTES
        page = data[at : at + PAGE_BYTES]
        gone += [int(found) for found in re.findall(rb"<(\d{5})>x", page)]
        data[at : at + PAGE_BYTES] = b"\x5a" * PAGE_BYTES
    path.write_bytes(data)
    return gone


async def numbers_in(database: Database) -> list[int]:
    bodies = await database.read(
        lambda connection: connection.execute("SELECT body FROM notes ORDER BY id").fetchall()
    )
    return [int(text[1:6]) for (text,) in bodies]


async def test_all_rows_but_those_on_the_damaged_pages_are_recovered(disk: Place, filled: Fill) -> None:
    path = await filled(PLAIN)
    gone = spoil(path, 300, 900, 901, 1_500)
    database = await disk.reopen(PLAIN)
    assert await numbers_in(database) == sorted(set(range(1, ROWS + 1)) - set(gone))
    said = disk.storage.health()["notes"]
    assert f"recovered {ROWS - len(set(gone))} rows" in said
    assert "1 of its tables only in part" in said
    assert path.with_name("notes.db.damaged-1").exists()
    assert "notes.db.damaged-1" in said


async def test_damage_at_the_very_beginning_and_end_is_stepped_over(disk: Place, filled: Fill) -> None:
    path = await filled(PLAIN)
    gone = spoil(path, 1, ROWS)
    database = await disk.reopen(PLAIN)
    assert await numbers_in(database) == sorted(set(range(1, ROWS + 1)) - set(gone))


async def test_a_table_without_numbers_is_read_from_both_ends(disk: Place, filled: Fill) -> None:
    path = await filled(KEYED)
    gone = spoil(path, 1_000)
    database = await disk.reopen(KEYED)
    assert await numbers_in(database) == sorted(set(range(1, ROWS + 1)) - set(gone))


async def test_rows_keep_their_hidden_numbers_too(disk: Place, filled: Fill) -> None:
    path = await filled(HIDDEN)
    spoil(path, 1_000)
    database = await disk.reopen(HIDDEN)
    wrong = await database.read(
        lambda connection: connection.execute("SELECT count(*) FROM notes WHERE _rowid_ != id").fetchone()
    )
    assert wrong == (0,)


async def test_a_number_that_was_given_is_never_given_again(disk: Place, filled: Fill) -> None:
    path = await filled(PLAIN)
    spoil(path, ROWS)  # the last rows are lost
    database = await disk.reopen(PLAIN)
    new = await database.write(
        lambda connection: connection.execute("INSERT INTO notes (body) VALUES ('new')").lastrowid
    )
    assert new == ROWS + 1


async def test_a_damaged_index_costs_no_row(disk: Place, filled: Fill) -> None:
    path = await filled(NOTES)
    data = path.read_bytes()
    at = data.rindex(b"<01000>x") // PAGE_BYTES * PAGE_BYTES  # in the index of bodies, not in the table
    assert at != data.index(b"<01000>x") // PAGE_BYTES * PAGE_BYTES
    path.write_bytes(data[:at] + bytes(PAGE_BYTES) + data[at + PAGE_BYTES :])
    database = await disk.reopen(NOTES)
    assert await numbers_in(database) == list(range(1, ROWS + 1))
    assert f"recovered {ROWS} rows;" in disk.storage.health()["notes"]


async def test_a_file_that_was_cut_short_gives_what_is_left(disk: Place, filled: Fill) -> None:
    path = await filled(PLAIN)
    os.truncate(path, path.stat().st_size // 2)
    found = await numbers_in(await disk.reopen(PLAIN))
    assert len(found) > ROWS // 3
    assert found == sorted(found)
    assert f"recovered {len(found)} rows" in disk.storage.health()["notes"]


@pytest.mark.parametrize("garbage", [b"", b"not a database at all" * 400, bytes(8_192)])
async def test_a_file_that_is_no_database_is_set_aside(
    disk: Place, filled: Fill, garbage: bytes, notes: type[Notes]
) -> None:
    path = await filled(NOTES)
    path.write_bytes(garbage)
    database = await disk.reopen(NOTES)
    assert await database.read(notes.all) == []
    assert path.with_name("notes.db.damaged-1").read_bytes() == garbage
    assert "was damaged: recovered 0 rows" in disk.storage.health()["notes"]


async def test_a_garbled_header_is_noticed_though_the_file_was_closed_well(
    disk: Place, filled: Fill, notes: type[Notes]
) -> None:
    path = await filled(NOTES)
    seen = path.stat()
    data = path.read_bytes()
    path.write_bytes(b"garbage!" * 13 + data[104:])
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    database = await disk.reopen(NOTES)
    assert await database.read(notes.all) == []
    await database.write(notes.add("goes on"))


async def test_a_journal_without_its_database_is_set_aside_too(
    disk: Place, filled: Fill, notes: type[Notes]
) -> None:
    path = await filled(NOTES)
    path.rename(path.with_name("notes.db-wal"))
    database = await disk.reopen(NOTES)
    assert await database.read(notes.all) == []
    assert path.with_name("notes.db.damaged-1-wal").exists()
    assert "damaged" in disk.storage.health()["notes"]


async def test_a_damaged_file_of_an_older_version_is_recovered_and_then_brought_up(
    disk: Place, filled: Fill
) -> None:
    path = await filled(PLAIN)
    gone = spoil(path, 1_000)
    database = await disk.reopen(PLAIN, MORE)
    assert await numbers_in(database) == sorted(set(range(1, ROWS + 1)) - set(gone))
    assert await database.read(
        lambda connection: connection.execute("SELECT DISTINCT read FROM notes").fetchall()
    ) == [(7,)]


async def test_a_damaged_file_of_a_newer_version_is_refused_and_left_where_it_is(
    disk: Place, filled: Fill
) -> None:
    path = await filled(PLAIN, MORE)
    os.truncate(path, path.stat().st_size // 2)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="newer version"):
        await disk.reopen(PLAIN)
    assert path.read_bytes() == before


async def test_text_that_is_no_text_does_not_stop_the_recovery(disk: Place, filled: Fill) -> None:
    path = await filled(PLAIN)
    gone = spoil(path, 1_000)
    path.write_bytes(path.read_bytes().replace(b"<00700>x", b"<00700>\xff"))
    found = await numbers_in(await disk.reopen(PLAIN))
    assert 700 in found
    assert len(found) == ROWS - len(gone)


async def test_a_recovered_store_is_sound_at_the_next_start(disk: Place, filled: Fill) -> None:
    spoil(await filled(PLAIN), 1_000)
    before = await numbers_in(await disk.reopen(PLAIN))
    assert await numbers_in(await disk.reopen(PLAIN)) == before
    assert disk.storage.health() == {"notes": "ok"}


async def test_only_the_newest_damaged_files_are_kept(disk: Place, filled: Fill) -> None:
    path = await filled(PLAIN)
    for _ in range(DAMAGED_KEPT_MAX + 2):
        path.write_bytes(b"garbage" * 1_000)
        await disk.reopen(PLAIN)
    await disk.storage.close()
    kept = sorted(each.name for each in path.parent.glob("notes.db.damaged-*"))
    assert kept == ["notes.db.damaged-3", "notes.db.damaged-4", "notes.db.damaged-5"]


# -- a crash in the middle of recovering -------------------------------------------------------------------------


async def test_a_crash_while_copying_starts_the_recovery_over(disk: Place, filled: Fill) -> None:
    path = await filled(PLAIN)
    gone = spoil(path, 1_000)
    path.with_name("notes.db.fresh").write_bytes(b"half of a copy")
    assert len(await numbers_in(await disk.reopen(PLAIN))) == ROWS - len(set(gone))
    assert not path.with_name("notes.db.fresh").exists()


@pytest.mark.parametrize("set_aside", [False, True])
async def test_a_crash_while_renaming_is_finished_at_the_next_start(
    disk: Place, filled: Fill, *, set_aside: bool
) -> None:
    path = await filled(PLAIN)
    shutil.copy(path, path.with_name("notes.db.recovered"))
    spoil(path, 1_000)
    if set_aside:
        path.rename(path.with_name("notes.db.damaged-1"))
    assert await numbers_in(await disk.reopen(PLAIN)) == list(range(1, ROWS + 1))
    assert "recovered what could be read" in disk.storage.health()["notes"]


async def test_a_disk_that_is_full_while_recovering_leaves_the_damaged_file_in_its_place(
    disk: Place, filled: Fill
) -> None:
    path = await filled(PLAIN)
    spoil(path, 1_000)
    damaged = path.read_bytes()
    full = "PRAGMA max_page_count=20; " + PLAIN  # each connection starts anew, so it binds this one alone
    with pytest.raises(StoreError, match="disk is full"):
        await disk.reopen(full)
    assert path.read_bytes() == damaged
    assert len(await numbers_in(await disk.reopen(PLAIN))) > ROWS // 2


# -- damage that shows while running ------------------------------------------------------------------------------


async def test_damage_that_shows_while_running_is_told_and_mended_at_the_next_start(
    disk: Place, filled: Fill
) -> None:
    path = await filled(PLAIN)
    seen = path.stat()
    gone = spoil(path, 1_000)
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))  # the start sees a file that was closed well
    database = await disk.reopen(PLAIN)
    assert disk.storage.health() == {"notes": "ok"}
    with pytest.raises(StoreError, match="restart the node to recover"):
        await numbers_in(database)
    assert "restart the node" in disk.storage.health()["notes"]
    database = await disk.reopen(PLAIN)
    assert len(await numbers_in(database)) == ROWS - len(set(gone))


async def test_damage_that_a_write_meets_is_told_to_all_of_its_batch(
    disk: Place, filled: Fill, notes: type[Notes]
) -> None:
    path = await filled(PLAIN)
    seen = path.stat()
    spoil(path, 1_000)
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    database = await disk.reopen(PLAIN)

    def touch_all(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE notes SET body = body || '!'")

    outcomes = await notes.together(database, notes.add("innocent"), touch_all)
    assert [isinstance(outcome, StoreError) for outcome in outcomes] == [True, True]
    assert "damaged" in disk.storage.health()["notes"]
    await database.write(notes.add("to a sound page"))
    assert "damaged" in disk.storage.health()["notes"]  # which stays so until the next start


async def test_a_file_that_was_changed_after_it_was_closed_well_is_looked_at_thoroughly(
    disk: Place, filled: Fill
) -> None:
    path = await filled(PLAIN)
    spoil(path, 1_000)
    await disk.reopen(PLAIN)
    assert "damaged" in disk.storage.health()["notes"]


async def test_two_stores_of_one_directory_recover_apart(tmp_path: Path, notes: type[Notes]) -> None:
    storage = DiskStorage(tmp_path)
    (tmp_path / "one.db").write_bytes(b"garbage" * 1_000)
    await storage.open_database("one", (NOTES,))
    await storage.open_database("two", (NOTES,))
    assert "damaged" in storage.health()["one"]
    assert storage.health()["two"] == "ok"
    await storage.close()
