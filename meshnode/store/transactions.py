"""What happens on a database's threads: a batch of writes in one commit, and reads of one moment.

    BEGIN IMMEDIATE ─► for each write: SAVEPOINT, the work, RELEASE (or ROLLBACK TO, if it failed) ─► COMMIT

A piece of work may not end the transaction that it shares (no COMMIT, no `executescript`, no OR ROLLBACK), and a schema
may not defer its constraints to the commit: both would make one writer's fault everybody's.
"""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from meshnode.store.faults import as_store_error, is_store_fault
from protocols.errors import LocalError

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]


class Outcome(NamedTuple):
    value: Any
    error: Exception | None


def commit_batch(connection: sqlite3.Connection, file: str, works: Sequence[Work]) -> list[Outcome]:
    """Each write's outcome. A fault of the store, or a write that ended the transaction, is the outcome of all."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        outcomes = [_apply(connection, work) for work in works]
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        _roll_back(connection)
        return [Outcome(None, _failure(error, file)) for _ in works]
    except _TransactionLostError as error:
        return [Outcome(None, LocalError(str(error))) for _ in works]
    except BaseException:
        _roll_back(connection)
        raise
    return outcomes


def read_snapshot(connection: sqlite3.Connection, file: str, work: Callable[[sqlite3.Connection], T]) -> T:
    """All that `work` asks is answered from the same moment. Raises StoreError; LocalError for work that writes."""
    try:
        connection.execute("PRAGMA query_only=ON")
        connection.execute("BEGIN")
        try:
            return work(connection)
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            connection.execute("PRAGMA query_only=OFF")
    except sqlite3.Error as error:
        if (
            getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_READONLY
        ):  # query_only, not the disk, says so
            raise LocalError("read() was handed work that writes; hand it to write()") from error
        if is_store_fault(error):
            raise as_store_error(error, file) from error
        raise


class _TransactionLostError(Exception):
    pass


def _apply(connection: sqlite3.Connection, work: Work) -> Outcome:
    connection.execute("SAVEPOINT work")
    try:
        outcome = Outcome(work(connection), None)
    except Exception as error:
        if isinstance(error, sqlite3.Error) and is_store_fault(error):
            raise
        outcome = Outcome(None, error)
        if connection.in_transaction:
            connection.execute("ROLLBACK TO work")
    if not connection.in_transaction:
        raise _TransactionLostError("a write ended the transaction that it shares with others")
    connection.execute("RELEASE work")
    return outcome


def _failure(error: sqlite3.Error, file: str) -> Exception:
    if is_store_fault(error):
        return as_store_error(error, file)
    return LocalError(f"{file}: the commit failed: {error}")


def _roll_back(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):  # a disk that fails has ended the transaction by itself
        if connection.in_transaction:
            connection.execute("ROLLBACK")
