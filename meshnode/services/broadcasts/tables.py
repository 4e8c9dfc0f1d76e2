"""The table on disk (`broadcasts.db`) and what is done to it, each as one piece of work for the reader or the writer."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from meshnode.services.broadcasts.broadcast import StoredBroadcast
from meshnode.services.broadcasts.limits import ShelfLimits
from protocols.ids import MessageId, NodeId

DATABASE = "broadcasts"

MIGRATIONS = (
    """
    CREATE TABLE broadcasts (
        place INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order in which they were stored here; never used again
        id BLOB NOT NULL UNIQUE, source BLOB NOT NULL, text TEXT NOT NULL, at_ms INTEGER NOT NULL,
        expires_ms INTEGER NOT NULL, emergency INTEGER NOT NULL, hops INTEGER NOT NULL,
        stranger INTEGER NOT NULL,  -- 1: the owner did not know the source when it came
        frame BLOB NOT NULL, nbytes INTEGER NOT NULL);
    CREATE INDEX broadcasts_source ON broadcasts (source, place, nbytes);
    CREATE INDEX broadcasts_stranger ON broadcasts (stranger, place, nbytes);
    """,
)

SHOWN = "SELECT place, id, source, text, at_ms, expires_ms, emergency, hops FROM broadcasts"
INSERT = (
    "INSERT INTO broadcasts (id, source, text, at_ms, expires_ms, emergency, hops, stranger, frame, nbytes)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
)


class Entry(NamedTuple):
    """One to be stored."""

    shown: StoredBroadcast
    frame: bytes


def store(
    connection: sqlite3.Connection, entries: Iterable[Entry], limits: ShelfLimits
) -> list[StoredBroadcast]:
    """Those that are new, within the limits."""
    new: list[StoredBroadcast] = []
    for shown, frame in entries:
        values = (
            shown.broadcast_id, shown.source, shown.text, shown.at_ms, shown.expires_ms, int(shown.emergency),
            shown.hops, int(shown.stranger), frame, len(frame) + len(shown.text.encode()),
        )  # fmt: skip
        if connection.execute(INSERT, values).rowcount:
            new.append(shown)
    for source in dict.fromkeys(shown.source for shown in new):
        _shrink(connection, "WHERE source = ?", (source,), limits.source_bytes, limits.source_count)
    if new:
        _shrink(connection, "WHERE stranger = 1", (), limits.strangers_bytes)
        _shrink(connection, "", (), limits.bytes)
    return new


def _shrink(
    connection: sqlite3.Connection,
    which: str,
    values: Sequence[object],
    bytes_max: int,
    count_max: int | None = None,
) -> None:
    """The oldest of these go until they fit. `which` is a text of ours."""
    count, nbytes = connection.execute(
        f"SELECT count(*), coalesce(sum(nbytes), 0) FROM broadcasts {which}",  # noqa: S608 - see above
        values,
    ).fetchone()
    if nbytes <= bytes_max and (count_max is None or count <= count_max):
        return
    gone: list[tuple[int]] = []
    for place, size in connection.execute(
        f"SELECT place, nbytes FROM broadcasts {which} ORDER BY place",  # noqa: S608 - see above
        values,
    ):
        if nbytes <= bytes_max and (count_max is None or count <= count_max):
            break
        gone.append((place,))
        count, nbytes = count - 1, nbytes - size
    connection.executemany("DELETE FROM broadcasts WHERE place = ?", gone)


def recent_frames(connection: sqlite3.Connection, count_max: int) -> list[bytes]:
    """Oldest first."""
    rows = connection.execute(
        "SELECT frame FROM broadcasts ORDER BY place DESC LIMIT ?", (count_max,)
    ).fetchall()
    return [frame for (frame,) in reversed(rows)]


def size(connection: sqlite3.Connection) -> tuple[int, int]:
    """How many, and their bytes."""
    count, nbytes = connection.execute("SELECT count(*), coalesce(sum(nbytes), 0) FROM broadcasts").fetchone()
    return count, nbytes


def place_of(connection: sqlite3.Connection, broadcast_id: MessageId) -> int | None:
    row = connection.execute("SELECT place FROM broadcasts WHERE id = ?", (broadcast_id,)).fetchone()
    return None if row is None else row[0]


def page(
    connection: sqlite3.Connection, place: int, limit: int, *, upwards: bool
) -> list[tuple[int, Sequence[Any]]]:
    """Rows after this place, or before it, nearest first."""
    rows = connection.execute(
        f"{SHOWN} WHERE place {'>' if upwards else '<'} ? ORDER BY place {'ASC' if upwards else 'DESC'} LIMIT ?",
        (place, limit),
    ).fetchall()
    return [(row[0], row) for row in rows]


def shown_of(row: Sequence[Any], *, me: NodeId, stranger: bool) -> StoredBroadcast:
    _, id_, source, text, at_ms, expires_ms, emergency, hops = row
    return StoredBroadcast(
        MessageId(id_),
        NodeId(source),
        text,
        at_ms,
        expires_ms,
        emergency=bool(emergency),
        hops=hops,
        ours=source == me,
        stranger=stranger,
    )
