"""A node's data directory on a platter."""

import sqlite3
from collections.abc import Callable

from meshnode.store import Look
from sim.disk.platter import Platter

Connect = Callable[["PlatterDirectory", str, bool], sqlite3.Connection]  # (where, name, read only)


class PlatterDirectory:
    """`meshnode.store.Directory`."""

    one_connection = True

    def __init__(self, platter: Platter, connect: Connect) -> None:
        self.platter, self._connect = platter, connect

    def path(self, name: str) -> str:
        return name

    def make(self) -> None: ...

    def names(self) -> list[str]:
        return sorted(self.platter.files)

    def look(self, name: str) -> Look | None:
        file = self.platter.files.get(name)
        return None if file is None else Look(len(file.data), file.changed)

    def read(self, name: str, bytes_max: int) -> bytes:
        return bytes(self.platter.file(name).data[:bytes_max])

    def create(self, name: str, data: bytes = b"", *, sync: bool = False) -> None:
        file = self.platter.create(name)
        if data:
            self.platter.write(file, 0, data)
        if sync:
            self.platter.sync(file)

    def rename(self, old: str, new: str) -> None:
        self.platter.rename(old, new)

    def remove(self, name: str) -> None:
        self.platter.remove(name)

    def sync(self) -> None:
        self.platter.sync_names()

    def connect(self, name: str, *, read_only: bool = False) -> sqlite3.Connection:
        return (
            self._connect(self, name, read_only)
            if name
            else sqlite3.connect(":memory:", isolation_level=None)
        )
