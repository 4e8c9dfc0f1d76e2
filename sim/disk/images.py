"""SQLite in memory, its image on the platter after each commit: for where its library can't be reached.

A commit is on the disk as a whole or not at all; no page of it is ever torn.
"""

import sqlite3
from typing import Any

from meshnode.store.directory import write_small
from meshnode.store.faults import NO_SPACE
from protocols.errors import StoreError
from sim.disk.directory import PlatterDirectory


def open_image(directory: PlatterDirectory, file: str, *, read_only: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(
        ":memory:", isolation_level=None, check_same_thread=False, factory=_ImageConnection
    )
    if image := bytes(directory.platter.file(file).data):
        connection.deserialize(image)
    if not read_only:
        connection.save_to(directory, file)
    return connection


class _ImageConnection(sqlite3.Connection):
    _directory: PlatterDirectory | None = None  # None: nothing is saved
    _file: str
    _life: int  # of the platter, when it was opened

    def save_to(self, directory: PlatterDirectory, file: str) -> None:
        self._directory, self._file, self._life = directory, file, directory.platter.lives
        if not directory.platter.file(file).data:
            super().execute(
                "PRAGMA user_version=0"
            )  # makes the first page, as a write-ahead log does on a disk
            self._save()

    def execute(self, sql: str, *given: Any) -> sqlite3.Cursor:
        cursor = super().execute(sql, *given)
        if sql == "COMMIT":
            self._save()
        return cursor

    def executescript(self, script: str, /) -> sqlite3.Cursor:
        cursor = super().executescript(script)
        self._save()
        return cursor

    def _save(self) -> None:
        """Raises sqlite3.OperationalError: then what was committed in memory is undone."""
        directory = self._directory
        if directory is None or self._life != directory.platter.lives:
            return
        try:
            write_small(directory, self._file, self.serialize())
        except StoreError as error:
            self.deserialize(bytes(directory.platter.file(self._file).data))
            refused = sqlite3.OperationalError(str(error))
            refused.sqlite_errorcode = (
                sqlite3.SQLITE_FULL if NO_SPACE in str(error) else sqlite3.SQLITE_READONLY
            )
            raise refused from error
