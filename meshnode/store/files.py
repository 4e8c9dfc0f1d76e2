"""A data directory on a real disk."""

import os
import sqlite3
from pathlib import Path

from meshnode.store.directory import Look, read_small
from meshnode.store.faults import store_errors

CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
DIRECTORY_MODE, FILE_MODE = 0o700, 0o600
BUSY_S = 5.0  # a backup tool may hold the file for a moment


def make_directory(directory: Path) -> None:
    """With mode 0700, where it isn't there yet. Raises StoreError."""
    with store_errors(str(directory)):
        DiskDirectory(directory).make()


def read_file(path: Path, bytes_max: int) -> bytes | None:
    """None where there is none. Raises StoreError."""
    return read_small(DiskDirectory(path.parent), path.name, bytes_max)


class DiskDirectory:
    """`meshnode.store.directory.Directory`."""

    one_connection = False

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def path(self, name: str) -> str:
        return str(self._directory / name)

    def make(self) -> None:
        self._directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)

    def names(self) -> list[str]:
        return sorted(path.name for path in self._directory.iterdir())

    def look(self, name: str) -> Look | None:
        try:
            seen = (self._directory / name).stat()
        except FileNotFoundError:
            return None
        return Look(seen.st_size, seen.st_mtime_ns)

    def read(self, name: str, bytes_max: int) -> bytes:
        with (self._directory / name).open("rb") as file:
            return file.read(bytes_max)

    def create(self, name: str, data: bytes = b"", *, sync: bool = False) -> None:
        with os.fdopen(os.open(self._directory / name, CREATE, FILE_MODE), "wb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())

    def rename(self, old: str, new: str) -> None:
        (self._directory / old).replace(self._directory / new)

    def remove(self, name: str) -> None:
        (self._directory / name).unlink()

    def sync(self) -> None:
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def connect(self, name: str, *, read_only: bool = False) -> sqlite3.Connection:
        address = self._directory.resolve() / name
        uri = f"{address.as_uri()}?mode={'ro' if read_only else 'rwc'}" if name else ":memory:"
        return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_S)
