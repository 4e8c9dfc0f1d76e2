"""What the disk and SQLite say, as sentences that tell a person what to do.

A fault of the store is the disk's doing (full, read-only, damaged) and befalls everybody who writes at the time.
Any other error of sqlite3 (a constraint, a wrong statement) is the doing of one piece of work, and is left as it is.
"""

import errno
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from protocols.errors import StoreError

DAMAGED_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
NO_SPACE = "the disk is full; free some space, nothing that was acknowledged is lost"
READ_ONLY = "the disk or file is read-only; make it writable"
NO_ACCESS = "it can't be opened; check the owner and the permissions of the data directory"
BROKEN = "the disk reports an error; check it, and have a backup at hand"

SENTENCES = {
    sqlite3.SQLITE_FULL: NO_SPACE,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_PERM: NO_ACCESS,
    sqlite3.SQLITE_CANTOPEN: NO_ACCESS,
    sqlite3.SQLITE_IOERR: BROKEN,
    sqlite3.SQLITE_BUSY: "another program holds the file; close that program",
    sqlite3.SQLITE_LOCKED: "another program holds the file; close that program",
    sqlite3.SQLITE_PROTOCOL: "another program holds the file; close that program",
}
SENTENCES_OF_ERRNO = {
    errno.ENOSPC: NO_SPACE,
    errno.EDQUOT: NO_SPACE,
    errno.EROFS: READ_ONLY,
    errno.EACCES: NO_ACCESS,
    errno.EPERM: NO_ACCESS,
    errno.EIO: BROKEN,
}


class DamagedError(StoreError):
    """The file is no sound database."""


class DiskError(StoreError):
    """The disk reported an error of its own: what it holds now is to be checked before it is trusted."""


def is_store_fault(error: sqlite3.Error) -> bool:
    code = _code(error)
    return code in SENTENCES or code in DAMAGED_CODES


def as_store_error(error: sqlite3.Error, file: str) -> StoreError:
    code = _code(error)
    if code in DAMAGED_CODES:
        return DamagedError(f"{file} is damaged ({error}); restart the node to recover what remains")
    kind = DiskError if code == sqlite3.SQLITE_IOERR else StoreError
    return kind(f"{file}: {SENTENCES.get(code, str(error))}")


@contextmanager
def store_errors(file: str) -> Generator[None]:
    """The errors of sqlite3 and of the system as StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        raise as_store_error(error, file) from error
    except OSError as error:
        why = SENTENCES_OF_ERRNO.get(error.errno or 0) or error.strerror or str(error)
        raise StoreError(f"{file}: {why}") from error


def _code(error: sqlite3.Error) -> int:
    """The primary result code; 0 where the error came from the module and not from SQLite."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
