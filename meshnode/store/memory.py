"""The same SQLite in memory, inline and without threads: for tests that want no disk, not even a simulated one."""

import sqlite3
from collections.abc import Mapping
from functools import partial

from meshnode.store.connection import migrate, set_up
from meshnode.store.database import OK, SqliteDatabase
from meshnode.store.directory import refuse_longer
from meshnode.store.workplace import Inline


class MemoryStorage:
    """`meshnode.world.Storage` that outlives its databases: open again after `close`, the data are still there.

    A node that was killed, not stopped, is its tasks cancelled and this closed: what was committed stays.
    """

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}
        self._images: dict[str, bytes] = {}
        self._open: dict[str, SqliteDatabase] = {}

    async def open_database(self, name: str, migrations: tuple[str, ...]) -> SqliteDatabase:
        present = self._open.get(name)
        assert present is None or present.closed, f"{name} is open"
        connection = sqlite3.connect(":memory:", isolation_level=None)
        try:
            set_up(connection, name)
            if image := self._images.get(name):
                connection.deserialize(image)
            migrate(connection, name, migrations)
        except BaseException:
            connection.close()
            raise
        put_away = partial(self._put_away, name, connection)
        database = self._open[name] = SqliteDatabase(
            name, connection, connection, place=Inline(), put_away=put_away
        )
        return database

    def read_file(self, name: str, *, bytes_max: int) -> bytes | None:
        data = self._files.get(name)
        if data is not None:
            refuse_longer(name, data, bytes_max)
        return data

    def write_file(self, name: str, data: bytes) -> None:
        self._files[name] = bytes(data)

    def health(self) -> Mapping[str, str]:
        return {name: database.fault or OK for name, database in self._open.items() if not database.closed}

    async def close(self) -> None:
        """What was committed stays, as on a disk."""
        for database in list(self._open.values()):
            await database.close()

    def _put_away(self, name: str, connection: sqlite3.Connection, _sound: object) -> None:
        empty = not connection.execute("PRAGMA page_count").fetchone()[0]  # of which there is no image
        self._images[name] = b"" if empty else connection.serialize()
        connection.close()
