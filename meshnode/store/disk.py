"""The data directory of a real node."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from meshnode.store.connection import check, migrate, open_connection
from meshnode.store.database import OK, SqliteDatabase, Threads
from meshnode.store.faults import DamagedError, store_errors
from meshnode.store.files import create_file, make_directory, read_file, write_file
from meshnode.store.recovery import SIDE_FILES, finish_recovery, is_left_over, recover

CLEAN_MARK = ".clean"  # beside a database that was closed well; holds the size and the time of the file
CLEAN_MARK_BYTES_MAX = 64


class DiskStorage:
    """`meshnode.world.Storage` in a directory of mode 0700."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._recovered: dict[str, str] = {}
        self._open: dict[str, SqliteDatabase] = {}

    async def open_database(self, name: str, migrations: tuple[str, ...]) -> SqliteDatabase:
        present = self._open.get(name)
        assert present is None or present.closed, f"{name} is open"
        threads = Threads(
            ThreadPoolExecutor(1, thread_name_prefix=f"store-{name}"),
            ThreadPoolExecutor(1, thread_name_prefix=f"store-{name}-read"),
        )
        try:
            writer, reader = await asyncio.get_running_loop().run_in_executor(
                threads.writer, self._open_files, name, migrations
            )
        except BaseException:
            threads.shut_down()
            raise
        put_away = partial(self._put_away, name, writer, reader)
        database = self._open[name] = SqliteDatabase(name, writer, reader, threads=threads, put_away=put_away)
        return database

    def read_file(self, name: str, *, bytes_max: int) -> bytes | None:
        return read_file(self._directory / name, bytes_max)

    def write_file(self, name: str, data: bytes) -> None:
        make_directory(self._directory)
        write_file(self._directory / name, data)

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

    # -- on the database's thread -----------------------------------------------------------------------------

    def _open_files(
        self, name: str, migrations: tuple[str, ...]
    ) -> tuple[sqlite3.Connection, sqlite3.Connection]:
        make_directory(self._directory)
        path = self._directory / f"{name}.db"
        with store_errors(str(path)):
            if note := self._ensure_sound(path, migrations):
                self._recovered[name] = note
            _mark_of(path).unlink(missing_ok=True)
        with contextlib.ExitStack() as opened:
            writer = opened.enter_context(contextlib.closing(open_connection(str(path))))
            migrate(writer, name, migrations)
            reader = opened.enter_context(contextlib.closing(open_connection(str(path))))
            opened.pop_all()
        return writer, reader

    def _ensure_sound(self, path: Path, migrations: tuple[str, ...]) -> str:
        """Leave a sound file at `path`, or an empty one. Gives what is to be said of it, if anything."""
        note = finish_recovery(path)
        if not path.exists() and not is_left_over(path):
            create_file(path)
            return note
        try:
            _check(path, migrations)
        except DamagedError:
            return recover(path, migrations)
        return note

    def _put_away(
        self,
        name: str,
        writer: sqlite3.Connection,
        reader: sqlite3.Connection,
        sound: bool,  # noqa: FBT001 - a callback of the database
    ) -> None:
        reader.close()
        writer.close()  # the last one to close: what is in the journal goes into the file
        if sound:
            path = self._directory / f"{name}.db"
            with contextlib.suppress(OSError):  # without the mark, the next start looks more thoroughly
                create_file(_mark_of(path))
                _mark_of(path).write_text(_looks_of(path))


def _check(path: Path, migrations: tuple[str, ...]) -> None:
    """Raises DamagedError. A crash in the first moments of the first start looks so as well: a harmless false alarm."""
    if not path.exists() or path.stat().st_size == 0:
        raise DamagedError(f"{path} is empty or gone")
    check(str(path), path.stem, migrations, thoroughly=not _was_closed_well(path))


def _mark_of(path: Path) -> Path:
    return path.with_name(path.name + CLEAN_MARK)


def _looks_of(path: Path) -> str:
    seen = path.stat()
    return f"{seen.st_size} {seen.st_mtime_ns}"


def _was_closed_well(path: Path) -> bool:
    """The file is what we left, and nothing waits in a journal."""
    mark = read_file(_mark_of(path), CLEAN_MARK_BYTES_MAX)
    journal = path.with_name(path.name + SIDE_FILES[0])
    return mark is not None and mark.decode(errors="replace") == _looks_of(path) and not journal.exists()
