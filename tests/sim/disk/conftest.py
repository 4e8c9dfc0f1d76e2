"""A writer of notes who is interrupted again and again, and looks each time whether all that he was promised is there."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from meshnode.world import Database
from sim.disk import Disks, Kind, PowerLoss, SimStorage

TABLE = """
    CREATE TABLE notes (
        id INTEGER PRIMARY KEY AUTOINCREMENT, number INTEGER NOT NULL, part INTEGER NOT NULL, body BLOB NOT NULL,
        UNIQUE (number, part))
"""
NOTES = (TABLE,)
PARTS = 3  # rows of one note, which are written together
WRITERS = 4
NS_PER_MS = 1_000_000


@pytest.fixture(params=["sectors", "commits"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


@pytest.fixture
def disks(kind: Kind) -> Iterator[Disks]:
    with Disks(kind) as disks:
        yield disks


def note(number: int, size: int) -> Callable[[sqlite3.Connection], int]:
    rows = [(number, part, bytes([number % 251]) * size) for part in range(PARTS)]
    insert = "INSERT INTO notes (number, part, body) VALUES (?, ?, ?)"
    return lambda connection: connection.executemany(insert, rows).rowcount


class Diary:
    def __init__(self, storage: SimStorage, die: Random) -> None:
        self.storage, self._die = storage, die
        self.begun = 0
        self.promised: set[int] = set()
        self.lost: set[int] = set()
        self.complaints: list[str] = []

    async def life(self, interrupt: Callable[[], object], ms_max: float = 40.0) -> None:
        """Open, look, write; until, at some moment, `interrupt`."""
        living = asyncio.ensure_future(self._live())
        await asyncio.sleep(self._die.uniform(0, ms_max) / 1e3)
        interrupt()
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)
        self.storage.power_on()

    async def _live(self) -> None:
        database = await self.storage.open_database("notes", NOTES)
        await self.look(database)
        async with asyncio.TaskGroup() as writers:
            for _ in range(WRITERS):
                writers.create_task(self._write(database))

    async def _write(self, database: Database) -> None:
        while True:
            number = self.begun = self.begun + 1
            await database.write(note(number, self._die.choice((10, 300, 3_000))))
            self.promised.add(number)
            await asyncio.sleep(self._die.choice((0, 0.0005)))

    async def look(self, database: Database) -> None:
        sound, rows = await database.read(
            lambda connection: (
                connection.execute("PRAGMA integrity_check").fetchone()[0],
                connection.execute("SELECT number, count(*) FROM notes GROUP BY number").fetchall(),
            )
        )
        if sound != "ok":
            self.complaints.append(sound)
        if (said := self.storage.health()["notes"]) != "ok" and self.promised:
            self.complaints.append(said)
        self.complaints += [f"half of note {number}" for number, parts in rows if parts != PARTS]
        self.lost |= self.promised - {number for number, _ in rows}

    async def numbers(self) -> set[int]:
        """Of the notes that are there."""
        database = await self.storage.open_database("notes", NOTES)
        rows = await database.read(
            lambda connection: connection.execute("SELECT number FROM notes").fetchall()
        )
        await self.storage.close()
        return {number for (number,) in rows}

    async def last_look(self) -> "Diary":
        await self.look(await self.storage.open_database("notes", NOTES))
        await self.storage.close()
        return self


class Diaries:
    """Kept on a disk that takes up to 3 ms for a commit."""

    def __init__(self, disks: Disks) -> None:
        self._disks = disks

    def new(self, seed: int) -> Diary:
        storage = self._disks.storage("alice", Random(f"latency/{seed}"), latency_ns=(0, 3 * NS_PER_MS))
        return Diary(storage, Random(f"writer/{seed}"))

    async def through_crashes(self, seed: int, loss: PowerLoss | None = None, **disk: Any) -> Diary:
        """Five lives, each ended by a loss of power. `disk`: what its platter is like."""
        diary, die = self.new(seed), Random(f"crash/{seed}")
        for name, value in disk.items():
            setattr(diary.storage.platter, name, value)
        for _ in range(5):
            await diary.life(lambda: diary.storage.crash(die, loss))
        return await diary.last_look()


@pytest.fixture
def schema() -> tuple[str, ...]:
    return NOTES


@pytest.fixture
def diaries(disks: Disks) -> Diaries:
    return Diaries(disks)
