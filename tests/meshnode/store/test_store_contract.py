"""What every storage promises: on disk, in memory, and in the simulator."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from meshnode.store import SqliteDatabase
from protocols.errors import LocalError, StoreError

if TYPE_CHECKING:
    from conftest import Notes, Place

NOTES = "CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL UNIQUE)"
TAGS = "CREATE TABLE tags (note INTEGER NOT NULL REFERENCES notes (id), tag TEXT NOT NULL)"


def pages_max(count: int) -> Callable[[sqlite3.Connection], int]:
    return lambda connection: connection.execute(f"PRAGMA max_page_count={count}").fetchone()[0]


async def test_what_was_written_can_be_read(place: Place, notes: type[Notes]) -> None:
    database = await place.open()
    assert await database.write(notes.add("one", "two")) == 2
    assert await database.read(notes.all) == ["one", "two"]


async def test_what_was_written_is_still_there_when_the_store_is_opened_again(
    place: Place, notes: type[Notes]
) -> None:
    await (await place.open()).write(notes.add("kept"))
    assert await (await place.reopen()).read(notes.all) == ["kept"]


async def test_a_database_can_be_closed_by_itself_and_opened_again(place: Place, notes: type[Notes]) -> None:
    database = await place.open()
    await database.write(notes.add("kept"))
    await database.close()
    assert await (await place.open()).read(notes.all) == ["kept"]


async def test_a_store_without_tables_can_be_opened_again(place: Place) -> None:
    await place.storage.open_database("bare", ())
    await place.storage.close()
    await place.storage.open_database("bare", ())


# -- group commit -------------------------------------------------------------------------------------------------


async def test_writes_asked_for_at_the_same_time_share_one_commit(place: Place, notes: type[Notes]) -> None:
    database = await place.open()
    assert isinstance(database, SqliteDatabase)
    await notes.together(database, *(notes.add(f"{number}") for number in range(100)))
    assert database.commits == 1


async def test_writes_happen_in_the_order_in_which_they_were_asked_for(
    place: Place, notes: type[Notes]
) -> None:
    database = await place.open()
    bodies = [f"{number}" for number in range(1_200)]  # more than one batch
    await notes.together(database, *(notes.add(body) for body in bodies))
    assert await database.read(notes.all) == bodies


async def test_a_write_that_fails_undoes_only_itself(place: Place, notes: type[Notes]) -> None:
    database = await place.open()

    def fail(connection: sqlite3.Connection) -> None:
        notes.add("half")(connection)
        raise ValueError("on purpose")

    one, failed, two = await notes.together(database, notes.add("one"), fail, notes.add("two"))
    assert (one, two) == (1, 2)
    assert isinstance(failed, ValueError)
    assert await database.read(notes.all) == ["one", "two"]


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("INSERT INTO notes (body) VALUES ('one')", sqlite3.IntegrityError),
        ("INSERT INTO nowhere VALUES (1)", sqlite3.OperationalError),
        ("not a statement", sqlite3.OperationalError),
    ],
)
async def test_what_sqlite_refuses_for_the_works_own_fault_is_told_to_its_caller_alone(
    place: Place, notes: type[Notes], statement: str, error: type[BaseException]
) -> None:
    database = await place.open()
    one, failed, two = await notes.together(
        database, notes.add("one"), lambda connection: connection.execute(statement), notes.add("two")
    )
    assert (one, two) == (1, 2)
    assert isinstance(failed, error)


@pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK", "COMMIT; BEGIN", "RELEASE work"])
async def test_a_write_that_ends_the_shared_transaction_is_a_bug_that_is_said_aloud(
    place: Place, notes: type[Notes], ending: str
) -> None:
    database = await place.open()

    def work(connection: sqlite3.Connection) -> None:
        for statement in ending.split(";"):
            connection.execute(statement)

    outcomes = await notes.together(database, notes.add("one"), work, notes.add("two"))
    assert [type(outcome) for outcome in outcomes] == [LocalError] * 3
    await database.write(notes.add("later"))
    assert (await database.read(notes.all))[-1] == "later"


@pytest.mark.parametrize("error", [StopIteration, asyncio.CancelledError])
async def test_a_write_that_raises_what_a_future_cant_hold_leaves_nobody_waiting(
    place: Place, notes: type[Notes], error: type[BaseException]
) -> None:
    database = await place.open()

    def work(_: sqlite3.Connection) -> None:
        raise error

    (failed,) = await notes.together(database, work)
    assert isinstance(failed, RuntimeError | LocalError)
    assert await database.write(notes.add("later")) is not None


async def test_foreign_keys_hold(place: Place) -> None:
    database = await place.open(NOTES, TAGS)
    with pytest.raises(sqlite3.IntegrityError):
        await database.write(lambda connection: connection.execute("INSERT INTO tags VALUES (7, 'lost')"))


async def test_a_caller_that_gave_up_before_its_turn_writes_nothing(place: Place, notes: type[Notes]) -> None:
    database = await place.open()
    given_up = asyncio.ensure_future(database.write(notes.add("given up")))
    await asyncio.sleep(0)  # it is in the queue
    given_up.cancel()
    await database.write(notes.add("wanted"))
    assert await database.read(notes.all) == ["wanted"]
    assert given_up.cancelled()


async def test_more_writes_than_may_wait_are_refused(
    place: Place, notes: type[Notes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meshnode.store.database.WAITING_MAX", 2)
    database = await place.open()
    outcomes = await notes.together(database, notes.add("one"), notes.add("two"), notes.add("three"))
    assert outcomes[:2] == [1, 2]
    assert isinstance(outcomes[2], StoreError)


# -- reading ------------------------------------------------------------------------------------------------------


async def test_reading_may_not_write(place: Place, notes: type[Notes]) -> None:
    database = await place.open()
    with pytest.raises(LocalError, match="hand it to write"):
        await database.read(notes.add("sly"))
    await database.write(notes.add("proper"))
    assert await database.read(notes.all) == ["proper"]


async def test_what_a_read_raises_reaches_its_caller(place: Place) -> None:
    database = await place.open()
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await database.read(lambda connection: connection.execute("SELECT * FROM nowhere"))


async def test_a_read_after_a_failed_write_does_not_see_it(place: Place, notes: type[Notes]) -> None:
    database = await place.open()
    await notes.together(database, notes.add("one"), notes.add("two", "two"))
    assert await database.read(notes.all) == ["one"]


# -- closing ------------------------------------------------------------------------------------------------------


async def test_closing_waits_for_the_writes_that_were_asked_for(place: Place, notes: type[Notes]) -> None:
    database = await place.open()
    writes = [asyncio.ensure_future(database.write(notes.add(f"{number}"))) for number in range(1_000)]
    await asyncio.sleep(0)  # all are in the queue
    await place.storage.close()
    assert await asyncio.gather(*writes) == list(range(1, 1_001))
    assert len(await (await place.reopen()).read(notes.all)) == 1_000


async def test_closing_twice_is_harmless_also_at_the_same_time(place: Place, notes: type[Notes]) -> None:
    database = await place.open()
    await database.write(notes.add("one"))
    await asyncio.gather(database.close(), database.close(), place.storage.close())
    await place.storage.close()


async def test_a_closing_that_was_cancelled_can_be_done_again(place: Place, notes: type[Notes]) -> None:
    database = await place.open()
    write = asyncio.ensure_future(database.write(notes.add("one")))
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(database.close())
    await asyncio.sleep(0)
    closing.cancel()
    await database.close()
    assert await write == 1
    assert await (await place.reopen()).read(notes.all) == ["one"]


async def test_a_closed_database_refuses(place: Place, notes: type[Notes]) -> None:
    database = await place.open()
    await database.close()
    for call in (database.write(notes.add("late")), database.read(notes.all)):
        with pytest.raises(StoreError, match="closed"):
            await call


# -- versions -----------------------------------------------------------------------------------------------------


async def test_an_older_file_is_brought_to_the_newest_version(place: Place, notes: type[Notes]) -> None:
    await (await place.open(NOTES)).write(notes.add("old"))
    database = await place.reopen(
        NOTES, TAGS, "ALTER TABLE notes ADD COLUMN read INTEGER DEFAULT 0; -- by us"
    )
    await database.write(lambda connection: connection.execute("INSERT INTO tags VALUES (1, 'x')"))
    assert await database.read(lambda connection: connection.execute("SELECT * FROM notes").fetchall()) == [
        (1, "old", 0)
    ]
    assert await database.read(lambda connection: connection.execute("PRAGMA user_version").fetchone()) == (
        3,
    )


async def test_a_file_of_a_newer_version_is_refused_and_left_as_it_is(
    place: Place, notes: type[Notes]
) -> None:
    await (await place.open(NOTES, TAGS)).write(notes.add("new"))
    with pytest.raises(StoreError, match="newer version of meshnode"):
        await place.reopen(NOTES)
    assert await (await place.reopen(NOTES, TAGS)).read(notes.all) == ["new"]


async def test_a_migration_that_fails_leaves_the_version_before_it(place: Place, notes: type[Notes]) -> None:
    await (await place.open(NOTES)).write(notes.add("old"))
    broken = "CREATE TABLE half (id); INSERT INTO nowhere VALUES (1)"
    with pytest.raises(StoreError, match="nowhere"):
        await place.reopen(NOTES, TAGS, broken)
    database = await place.reopen(NOTES, TAGS)
    assert await database.read(notes.all) == ["old"]
    assert not await database.read(
        lambda connection: connection.execute("SELECT 1 FROM sqlite_master WHERE name='half'").fetchall()
    )


# -- a full disk ---------------------------------------------------------------------------------------------------


async def test_a_full_disk_fails_the_whole_batch_and_loses_nothing_acknowledged(
    place: Place, notes: type[Notes]
) -> None:
    database = await place.open()
    await database.write(notes.add("acknowledged"))
    used = await database.write(lambda connection: connection.execute("PRAGMA page_count").fetchone()[0])
    await database.write(pages_max(used + 2))
    outcomes = await notes.together(database, notes.add("small"), notes.add("x" * 100_000))
    assert [type(outcome) for outcome in outcomes] == [StoreError] * 2
    assert outcomes[0] is not outcomes[1]
    assert "disk is full; free some space" in str(outcomes[0])
    assert "disk is full" in place.storage.health()["notes"]
    await database.write(pages_max(10_000))  # space was freed
    await database.write(notes.add("again"))
    assert place.storage.health() == {"notes": "ok"}
    assert await (await place.reopen()).read(notes.all) == ["acknowledged", "again"]


# -- small files --------------------------------------------------------------------------------------------------


def test_a_file_that_is_not_there_is_none(place: Place) -> None:
    assert place.storage.read_file("seed", bytes_max=10) is None


def test_a_file_is_replaced_as_a_whole(place: Place) -> None:
    place.storage.write_file("seed", b"first and long")
    place.storage.write_file("seed", b"second")
    assert place.storage.read_file("seed", bytes_max=6) == b"second"


def test_a_file_that_is_too_long_is_refused(place: Place) -> None:
    place.storage.write_file("seed", b"1234567")
    with pytest.raises(StoreError, match="larger than the 6 bytes"):
        place.storage.read_file("seed", bytes_max=6)


async def test_health_names_what_is_open(place: Place) -> None:
    assert place.storage.health() == {}
    await place.open()
    assert place.storage.health() == {"notes": "ok"}
    await place.storage.close()
    assert place.storage.health() == {}
