"""SQLite as the simulated disks of one process share it: its file system, and what a fresh database looks like."""

import sqlite3
from collections.abc import Callable
from typing import Literal, TypeVar

from meshnode.store.opening import open_files, put_away
from sim.disk.directory import PlatterDirectory
from sim.disk.images import open_image
from sim.disk.library import SqliteLibrary
from sim.disk.platter import Platter
from sim.disk.vfs import PlatterVfs

T = TypeVar("T")
Kind = Literal["sectors", "commits"]

IMAGES_MAX = 64  # of fresh databases; the oldest goes
IMAGE_SEED = 1

# Production's are larger. Small pages and caches are for memory; the short journal makes checkpoints, and so the
# crashes in their midst, frequent enough for runs of a minute.
PAGE_BYTES = 1_024
CACHE_PAGES = 16
JOURNAL_PAGES = 32
LOCK = "PRAGMA locking_mode=EXCLUSIVE"  # else a write-ahead log needs shared memory
SETTINGS = (
    f"PRAGMA page_size={PAGE_BYTES}",
    f"PRAGMA cache_size={CACHE_PAGES}",
    f"PRAGMA wal_autocheckpoint={JOURNAL_PAGES}",
)


class Engine:
    """`kind` is "sectors" where SQLite writes to platters itself, else "commits": one image after each commit."""

    def __init__(self, kind: Kind | None = None) -> None:
        """None: the best that can be had here. Raises OSError where sectors are asked for and can't be had."""
        self._library = None if kind == "commits" else SqliteLibrary.reach()
        if self._library is None and kind == "sectors":
            raise OSError("this Python's SQLite can't be reached by its C interface")
        self._vfs = None if self._library is None else PlatterVfs(self._library)
        self.kind: Kind = "commits" if self._vfs is None else "sectors"
        self._images: dict[tuple[str, tuple[str, ...]], bytes] = {}

    def close(self) -> None:
        """Every connection must be closed before. Twice is harmless."""
        if self._vfs is not None:
            self._vfs.close()
            self._vfs = None

    def directory(self, platter: Platter) -> PlatterDirectory:
        return PlatterDirectory(platter, self._connect)

    def forget(self, platter: Platter) -> None:
        """It will not be used again."""
        if self._vfs is not None:
            self._vfs.forget(platter)

    def do(self, work: Callable[[], T], seed: int) -> T:
        """What SQLite draws by chance meanwhile comes from `seed`."""
        if self._library is None or self._vfs is None:
            return work()
        with self._library.seeded(seed):
            done = work()
        self._vfs.raise_fault()
        return done

    def fresh_image(self, name: str, migrations: tuple[str, ...]) -> bytes:
        """Of a database that has been opened for the first time, and closed. Raises StoreError."""
        key = (name, migrations)
        if (image := self._images.get(key)) is None:
            image = self.do(lambda: self._make_image(name, migrations), IMAGE_SEED)
            if len(self._images) >= IMAGES_MAX:
                del self._images[next(iter(self._images))]
            self._images[key] = image
        return image

    def _make_image(self, name: str, migrations: tuple[str, ...]) -> bytes:
        directory = self.directory(Platter())
        put_away(directory, name, open_files(directory, name, migrations), sound=True)
        self.forget(directory.platter)
        return bytes(directory.platter.file(f"{name}.db").data)

    def _connect(self, directory: PlatterDirectory, file: str, read_only: bool) -> sqlite3.Connection:  # noqa: FBT001 - a callback
        if self._vfs is None:
            return open_image(directory, file, read_only=read_only)
        connection = self._vfs.connect(directory.platter, file, read_only=read_only)
        try:
            connection.execute(LOCK)
            for setting in (
                () if read_only else SETTINGS
            ):  # a damaged file is read without, as they look into it
                connection.execute(setting)
        except BaseException:
            connection.close()
            raise
        return connection
