"""Where what was acknowledged stays: SQLite, one file per service, one writer each, group commit."""

from meshnode.store.database import SqliteDatabase
from meshnode.store.disk import DiskStorage
from meshnode.store.lock import DirectoryLock
from meshnode.store.memory import MemoryStorage

__all__ = ["DirectoryLock", "DiskStorage", "MemoryStorage", "SqliteDatabase"]
