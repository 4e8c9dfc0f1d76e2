"""The data directory as a port, and small files in it: a crash leaves the old one or the new one, never half of each.

The same sequences run on a real disk (`meshnode.store.files`) and on the simulator's (`sim.disk`).
"""

import contextlib
import sqlite3
from typing import NamedTuple, Protocol

from meshnode.store.faults import store_errors
from protocols.errors import StoreError


class Look(NamedTuple):
    size: int
    changed: int  # another number after each change


class Directory(Protocol):
    """Flat, of files that are ours alone to read. Raises OSError, or sqlite3.Error where SQLite is asked."""

    @property
    def one_connection(self) -> bool:
        """Each database has one connection, for reading and writing; else as many as are opened."""
        ...

    def path(self, name: str) -> str:
        """For sentences."""
        ...

    def make(self) -> None:
        """Where it isn't there yet; one that is there keeps the mode its owner gave it."""
        ...

    def names(self) -> list[str]:
        """Sorted."""
        ...

    def look(self, name: str) -> Look | None:
        """None where there is no such file."""
        ...

    def read(self, name: str, bytes_max: int) -> bytes:
        """The first `bytes_max` bytes. Raises FileNotFoundError."""
        ...

    def create(self, name: str, data: bytes = b"", *, sync: bool = False) -> None:
        """Of a name that is free. `sync`: its content outlasts a loss of power once this returns; its name may not."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Takes the place of what is there."""
        ...

    def remove(self, name: str) -> None:
        """Raises FileNotFoundError."""
        ...

    def sync(self) -> None:
        """Make renames in it outlast a loss of power."""
        ...

    def connect(self, name: str, *, read_only: bool = False) -> sqlite3.Connection:
        """In autocommit mode, so that transactions are ours to begin. `name` "" where there is no file at all."""
        ...


def read_small(directory: Directory, name: str, bytes_max: int) -> bytes | None:
    """None where there is none. Raises StoreError."""
    with store_errors(directory.path(name)):
        try:
            data = directory.read(name, bytes_max + 1)
        except FileNotFoundError:
            return None
    refuse_longer(directory.path(name), data, bytes_max)
    return data


def refuse_longer(name: str, data: bytes, bytes_max: int) -> None:
    if len(data) > bytes_max:
        raise StoreError(f"{name} is larger than the {bytes_max} bytes that it may have; move it away")


def write_small(directory: Directory, name: str, data: bytes) -> None:
    """Atomic, synced, mode 0600. Raises StoreError."""
    draft = f".{name}.new"
    with store_errors(directory.path(name)):
        discard(directory, draft)  # of a crash in the middle of this
        try:
            directory.create(draft, data, sync=True)
            directory.rename(draft, name)
        except BaseException:
            with contextlib.suppress(OSError):
                discard(directory, draft)
            raise
        directory.sync()


def discard(directory: Directory, name: str) -> None:
    """Also where there is none."""
    with contextlib.suppress(FileNotFoundError):
        directory.remove(name)
