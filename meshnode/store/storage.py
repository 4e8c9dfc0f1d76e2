"""The data directory of a node, wherever it lies."""

from collections.abc import Callable, Mapping
from functools import partial

from meshnode.store.database import OK, SqliteDatabase
from meshnode.store.directory import Directory, read_small, write_small
from meshnode.store.faults import store_errors
from meshnode.store.opening import Opened, open_files, put_away
from meshnode.store.workplace import Workplace


class DirectoryStorage:
    """`meshnode.world.Storage`."""

    def __init__(self, directory: Directory, place_for: Callable[[str], Workplace]) -> None:
        """`place_for`: a new workplace for a database of that name."""
        self._directory, self._place_for = directory, place_for
        self._recovered: dict[str, str] = {}
        self._open: dict[str, SqliteDatabase] = {}

    async def open_database(self, name: str, migrations: tuple[str, ...]) -> SqliteDatabase:
        present = self._open.get(name)
        assert present is None or present.closed, f"{name} is open"
        place = self._place_for(name)
        try:
            opened = await place.write(lambda: self._open_files(name, migrations))
        except BaseException:
            place.give_up()
            raise
        if opened.note:
            self._recovered[name] = opened.note
        database = self._open[name] = SqliteDatabase(
            name,
            opened.writer,
            opened.reader,
            place=place,
            put_away=partial(put_away, self._directory, name, opened),
        )
        return database

    def read_file(self, name: str, *, bytes_max: int) -> bytes | None:
        return read_small(self._directory, name, bytes_max)

    def write_file(self, name: str, data: bytes) -> None:
        with store_errors(self._directory.path("")):
            self._directory.make()
        write_small(self._directory, name, data)

    def health(self) -> Mapping[str, str]:
        return {
            name: database.fault or self._recovered.get(name, OK)
            for name, database in self._open.items()
            if not database.closed
        }

    async def close(self) -> None:
        """After the writes that were asked for. Twice is harmless."""
        for database in list(self._open.values()):
            await database.close()

    def _open_files(self, name: str, migrations: tuple[str, ...]) -> Opened:
        return open_files(self._directory, name, migrations)
