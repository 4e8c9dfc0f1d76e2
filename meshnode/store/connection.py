"""One connection to one SQLite file, set up so that a commit that returned survives a loss of power."""

import sqlite3

from meshnode.store.directory import Directory
from meshnode.store.faults import DamagedError, store_errors
from protocols.errors import StoreError

JOURNAL_BYTES_MAX = (
    8 * 1024 * 1024
)  # twice what it grows to between checkpoints; a burst's is cut back to this

SETTINGS = (
    "PRAGMA synchronous=FULL",  # in WAL mode: every commit syncs the journal
    "PRAGMA fullfsync=ON",  # macOS: through the drive's own cache; means nothing elsewhere
    "PRAGMA checkpoint_fullfsync=ON",
    f"PRAGMA journal_size_limit={JOURNAL_BYTES_MAX}",
    "PRAGMA temp_store=MEMORY",  # else large sorts and savepoints leave private data in the system's /tmp
    "PRAGMA foreign_keys=ON",
    "PRAGMA trusted_schema=OFF",
    "PRAGMA cell_size_check=ON",  # damage is noticed where it is, not where it leads to
)


def open_connection(directory: Directory, file: str) -> sqlite3.Connection:
    """Raises StoreError."""
    with store_errors(directory.path(file)):
        connection = directory.connect(file)
        try:
            set_up(connection, directory.path(file))
        except BaseException:
            connection.close()
            raise
        return connection


def set_up(connection: sqlite3.Connection, path: str) -> None:
    mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode not in {"wal", "memory"}:  # it keeps what it had, and says so, where it can't have this one
        raise StoreError(
            f"{path}: this file system can't hold a write-ahead log; choose a data directory on a local disk"
        )
    for setting in SETTINGS:
        connection.execute(setting)


def migrate(
    connection: sqlite3.Connection, name: str, migrations: tuple[str, ...], *, upto: int | None = None
) -> None:
    """Bring the schema to `upto` (else the newest), each step in a transaction of its own. Raises StoreError."""
    version = refuse_newer(connection, name, migrations)
    with store_errors(f"{name}.db"):
        for number, script in enumerate(migrations[version:upto], version + 1):
            try:
                connection.executescript(
                    f"BEGIN IMMEDIATE;\n{script}\n;PRAGMA user_version={number};\nCOMMIT;"
                )
            except sqlite3.Error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise


def refuse_newer(connection: sqlite3.Connection, name: str, migrations: tuple[str, ...]) -> int:
    """The version of the file. Raises StoreError where a newer meshnode wrote it."""
    with store_errors(f"{name}.db"):
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(migrations):
        raise StoreError(
            f"{name}.db was written by a newer version of meshnode (its format is {version}, this one knows"
            f" {len(migrations)}); update this one to open it"
        )
    return version


def check(connection: sqlite3.Connection, path: str, *, thoroughly: bool) -> None:
    """Raises DamagedError where the file is no sound database."""
    with store_errors(path):
        if not thoroughly:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            return
        found: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise DamagedError(f"{path} is damaged: {' '.join(found.split())}")


def prove_writable(connection: sqlite3.Connection) -> None:
    """SQLite opens a file that it may not write for reading alone, and stays so when it may again."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")
