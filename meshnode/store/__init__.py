"""Where what was acknowledged stays: SQLite, one file per service, one writer each, group commit."""

from meshnode.store.database import SqliteDatabase
from meshnode.store.directory import Directory, Look
from meshnode.store.disk import DiskStorage
from meshnode.store.lock import DirectoryLock
from meshnode.store.memory import MemoryStorage
from meshnode.store.storage import DirectoryStorage
from meshnode.store.workplace import Inline, Threads, Workplace

__all__ = [
    "Directory",
    "DirectoryLock",
    "DirectoryStorage",
    "DiskStorage",
    "Inline",
    "Look",
    "MemoryStorage",
    "SqliteDatabase",
    "Threads",
    "Workplace",
]
