"""A place to store in, of either kind, that can be left and come back to."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from random import Random

import pytest

from meshnode.store import DiskStorage, MemoryStorage
from meshnode.world import Database, Storage
from sim.disk import Disks

NOTES = "CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL UNIQUE)"


class Place:
    """Where data stay while nodes come and go."""

    def __init__(self, make: Callable[[], Storage]) -> None:
        self._make = make
        self.storage = make()

    async def open(self, *migrations: str) -> Database:
        return await self.storage.open_database("notes", migrations or (NOTES,))

    async def reopen(self, *migrations: str) -> Database:
        await self.storage.close()
        self.storage = self._make()
        return await self.open(*migrations)


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Place]:
    place = Place(lambda: DiskStorage(tmp_path / "data"))
    yield place
    await place.storage.close()


@pytest.fixture
async def memory() -> AsyncIterator[Place]:
    storage = MemoryStorage()
    yield Place(lambda: storage)
    await storage.close()


@pytest.fixture
async def platter() -> AsyncIterator[Place]:
    with Disks() as disks:
        storage = disks.storage("alice", Random("latency"), latency_ns=(0, 3_000_000))
        yield Place(lambda: storage)
        await storage.close()


@pytest.fixture
async def image() -> AsyncIterator[Place]:
    with Disks("commits") as disks:
        storage = disks.storage("alice", Random("latency"))
        yield Place(lambda: storage)
        await storage.close()


@pytest.fixture(params=["disk", "memory", "platter", "image"])
def place(request: pytest.FixtureRequest) -> Place:
    return request.getfixturevalue(request.param)


class Notes:
    """What the tests write and read."""

    @staticmethod
    def add(*bodies: str) -> Callable[[sqlite3.Connection], int | None]:
        def work(connection: sqlite3.Connection) -> int | None:
            last = None
            for body in bodies:
                last = connection.execute("INSERT INTO notes (body) VALUES (?)", (body,)).lastrowid
            return last

        return work

    @staticmethod
    def all(connection: sqlite3.Connection) -> list[str]:
        return [body for (body,) in connection.execute("SELECT body FROM notes ORDER BY id")]

    @staticmethod
    async def together(
        database: Database, *works: Callable[[sqlite3.Connection], object]
    ) -> Sequence[object]:
        """Asked for at the same time, so that they share a commit. Gives values and exceptions."""
        return await asyncio.gather(*(database.write(work) for work in works), return_exceptions=True)


@pytest.fixture
def notes() -> type[Notes]:
    return Notes
