"""The data directory of a real node."""

from pathlib import Path

from meshnode.store.files import DiskDirectory
from meshnode.store.storage import DirectoryStorage
from meshnode.store.workplace import Threads


class DiskStorage(DirectoryStorage):
    """`meshnode.world.Storage` in a directory of mode 0700."""

    def __init__(self, directory: Path) -> None:
        super().__init__(DiskDirectory(directory), Threads)
