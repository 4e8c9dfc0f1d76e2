"""Reading a table around its damage.

A damaged page takes the rows on it along, and a scan ends there. Rows are found by number, though: after a failure we
look further on, each time twice as far, and once that finds rows, from there back to the damage.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

ROWID_MIN, ROWID_MAX = -(2**63), 2**63 - 1

Row = tuple[Any, ...]


def copy_table(old: sqlite3.Connection, fresh: sqlite3.Connection, table: str) -> tuple[int, bool]:
    """Gives how many rows it copied, and whether that was all. Raises sqlite3.Error of `fresh` alone."""
    described = fresh.execute(f'PRAGMA table_info("{table}")').fetchall()
    columns = [f'"{row[1]}"' for row in described]
    numbered = _has_rowid(fresh, table)
    listed = ", ".join(["_rowid_", *columns] if numbered else columns)
    places = ", ".join("?" * (len(columns) + numbered))
    insert = f'INSERT OR IGNORE INTO "{table}" ({listed}) VALUES ({places})'  # noqa: S608 - names of our own schema
    select = f'SELECT {listed} FROM "{table}"'  # noqa: S608 - as above
    keys = [f'"{row[1]}"' for row in sorted(described, key=lambda row: row[5]) if row[5]]
    source = _Numbered(old, select) if numbered else _Keyed(old, select, keys)
    before = fresh.total_changes
    for row in source:
        with suppress(sqlite3.IntegrityError):  # nonsense that only looks like a row
            fresh.execute(insert, row)
    return fresh.total_changes - before, source.whole


def copy_sequences(old: sqlite3.Connection, fresh: sqlite3.Connection) -> None:
    """AUTOINCREMENT never gives a number twice, not even that of a row that was lost."""
    if not fresh.execute("SELECT 1 FROM sqlite_master WHERE name='sqlite_sequence'").fetchone():
        return
    for name, highest in _Scan(old, "SELECT name, seq FROM sqlite_sequence"):
        if isinstance(highest, int) and _has_rowid(fresh, str(name)):
            raised = fresh.execute("UPDATE sqlite_sequence SET seq=max(seq, ?) WHERE name=?", (highest, name))
            if not raised.rowcount:
                fresh.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, highest))


class _Scan:
    """The rows of a query up to the first that can't be read; `whole` tells afterwards whether that was all."""

    def __init__(self, connection: sqlite3.Connection, query: str, bounds: tuple[int, ...] = ()) -> None:
        self._connection, self._query, self._bounds = connection, query, bounds
        self.whole = False

    def __iter__(self) -> Iterator[Row]:
        count = 0
        try:
            for row in self._connection.execute(self._query, self._bounds):
                count += 1
                yield row
        except sqlite3.Error:
            yield from self._last_before_damage(count)
        else:
            self.whole = True

    def _last_before_damage(self, count: int) -> Iterator[Row]:
        """A cursor reads one row ahead, and takes the last good one along when that fails."""
        with suppress(sqlite3.Error):
            yield from self._connection.execute(f"{self._query} LIMIT 1 OFFSET {count}", self._bounds)


class _Numbered:
    """The rows of a table that numbers them, from the lowest number on."""

    def __init__(self, connection: sqlite3.Connection, select: str) -> None:
        self._connection, self._select = connection, select
        self.whole = True

    def __iter__(self) -> Iterator[Row]:
        start, last, step = ROWID_MIN, ROWID_MIN, 0
        while start <= ROWID_MAX:
            scan = self._scan(start, ROWID_MAX, "ASC")
            for row in scan:
                if row[0] < start:
                    break  # a page that stands in two places: looking further is all that helps
                if step:  # we jumped, maybe too far
                    yield from self._scan(last + 1, row[0] - 1, "DESC")
                yield row
                last, start, step = row[0], row[0] + 1, 0
            if scan.whole:
                return
            self.whole = False
            step = step * 2 or 1
            start = max(last, 0) + step

    def _scan(self, low: int, high: int, order: str) -> _Scan:
        query = f"{self._select} WHERE _rowid_ BETWEEN ? AND ? ORDER BY _rowid_ {order}"
        return _Scan(self._connection, query, (low, high))


class _Keyed:
    """The rows of a table that doesn't number them: forwards until the damage, then backwards from the end to it."""

    def __init__(self, connection: sqlite3.Connection, select: str, keys: list[str]) -> None:
        self._connection, self._select, self._keys = connection, select, keys
        self.whole = True

    def __iter__(self) -> Iterator[Row]:
        for order in ("ASC", "DESC"):
            ordered = ", ".join(f"{key} {order}" for key in self._keys)
            scan = _Scan(self._connection, f"{self._select} ORDER BY {ordered}")
            yield from scan
            if scan.whole:
                return
            self.whole = False


def _has_rowid(connection: sqlite3.Connection, table: str) -> bool:
    try:
        connection.execute(f'SELECT _rowid_ FROM "{table}" LIMIT 0')  # noqa: S608 - names of our own schema
    except sqlite3.OperationalError:
        return False
    return True
