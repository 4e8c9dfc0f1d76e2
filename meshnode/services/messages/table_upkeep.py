# ruff: noqa: S608 - what is put into these statements are our own names and marks, never values
"""What time does to the tables, each as one piece of work for the writer."""

import sqlite3
from dataclasses import dataclass

from meshnode.services.messages.inbox import Tally
from meshnode.services.messages.limits import TOMBSTONES_MAX
from meshnode.services.messages.message import EXPIRED
from meshnode.services.messages.tables import OUT_QUEUED, Birth, delete
from protocols.ids import MessageId, NodeId


@dataclass(frozen=True, slots=True)
class Start:
    """What the service must know at its start."""

    age_ms: int
    wall_ms: int | None
    last_place: int
    waiting: list[tuple[NodeId, int]]
    owed: list[NodeId]
    contact_bytes: int
    box: dict[NodeId, Tally]
    tombstones: int


@dataclass(frozen=True, slots=True)
class Retired:
    """What retention did."""

    messages: int = 0
    contact_bytes: int = 0
    tombstones: int = 0  # so many more than before


@dataclass(frozen=True, slots=True)
class Swept:
    expired: list[tuple[int, NodeId, MessageId, bytes]]  # (place, peer, id, trace)
    retired: Retired
    next_end_ms: int | None  # the age at which the next message expires
    more: bool  # there is more to do than fits one transaction


def load_start(connection: sqlite3.Connection) -> Start:
    age_ms, wall_ms = connection.execute("SELECT age_ms, wall_ms FROM age").fetchone() or (0, None)
    return Start(
        age_ms,
        wall_ms,
        connection.execute("SELECT coalesce(max(place), 0) FROM messages").fetchone()[0],
        connection.execute(
            f"SELECT peer, count(*) FROM messages WHERE {OUT_QUEUED} GROUP BY peer"
        ).fetchall(),
        [peer for (peer,) in connection.execute("SELECT DISTINCT peer FROM messages WHERE receipt = 1")],
        connection.execute(
            "SELECT coalesce(sum(length(body)), 0) FROM messages WHERE outgoing = 0 AND requested = 0"
        ).fetchone()[0],
        {
            peer: Tally(messages, nbytes, first_at_ms)
            for peer, messages, nbytes, first_at_ms in connection.execute(
                "SELECT peer, count(*), sum(length(body)), min(at_ms) FROM messages WHERE requested = 1 GROUP BY peer"
            )
        },
        connection.execute("SELECT count(*) FROM tombstones").fetchone()[0],
    )


def save_age(connection: sqlite3.Connection, age_ms: int, wall_ms: int | None) -> None:
    connection.execute("INSERT OR REPLACE INTO age VALUES (1, ?, ?)", (age_ms, wall_ms))


def settle_lives(connection: sqlite3.Connection, *, last_place: int, age_ms: int, off_ms: int) -> None:
    """The age is known: messages of this run get their true end, those of runs that never settled a new life."""
    connection.execute(
        "UPDATE messages SET born_ms = CASE WHEN place > ? THEN born_ms + ? ELSE ? END WHERE ends_ms IS NULL",
        (last_place, off_ms, age_ms),
    )
    connection.execute("UPDATE messages SET ends_ms = born_ms + ttl_ms WHERE ends_ms IS NULL")


def expire(
    connection: sqlite3.Connection, last_place: int, birth: Birth, *, rows_max: int
) -> list[tuple[int, NodeId, MessageId, bytes]]:
    """(place, peer, id, trace) of those whose time is over. While the age isn't settled, only messages of this run."""
    which, end, values = _ending(last_place, birth)
    return connection.execute(
        f"UPDATE messages SET state = {EXPIRED}, reason = 'expired' WHERE place IN "
        f"(SELECT place FROM messages WHERE {which} AND {end} <= ? LIMIT ?) RETURNING place, peer, id, trace",
        (*values, birth.age_ms, rows_max),
    ).fetchall()


def next_end(connection: sqlite3.Connection, last_place: int, birth: Birth) -> int | None:
    """The age at which the next message expires."""
    which, end, values = _ending(last_place, birth)
    return connection.execute(f"SELECT min({end}) FROM messages WHERE {which}", values).fetchone()[0]


def _ending(last_place: int, birth: Birth) -> tuple[str, str, tuple[int, ...]]:
    """(which messages may expire, when each does, values)."""
    if birth.settled:
        return OUT_QUEUED, "ends_ms", ()
    return f"{OUT_QUEUED} AND ends_ms IS NULL AND place > ?", "born_ms + ttl_ms", (last_place,)


def retire(
    connection: sqlite3.Connection,
    age_ms: int,
    tombstones: int,
    *,
    keep_ms: int,
    keep_count: int,
    rows_max: int,
) -> Retired:
    """Delete the oldest messages beyond what is kept, and tombstones that are over. `tombstones`: how many there are.

    What waits to be delivered, or for the owner's word on its sender, stays. The age must be settled.
    """
    total = connection.execute("SELECT count(*) FROM messages").fetchone()[0]
    settled = f"NOT ({OUT_QUEUED}) AND requested = 0"
    oldest = connection.execute(
        f"SELECT place, id, peer, outgoing, born_ms + ttl_ms, born_ms, length(body) FROM messages "
        f"WHERE {settled} ORDER BY place LIMIT ?",
        (rows_max,),
    ).fetchall()
    gone = [row for nth, row in enumerate(oldest) if nth < total - keep_count or row[5] + keep_ms <= age_ms]
    dug = delete(connection, [row[:5] for row in gone])
    filled = _fill_graves(connection, age_ms, over=tombstones + dug - TOMBSTONES_MAX, rows_max=rows_max)
    return Retired(len(gone), sum(row[6] for row in gone if not row[3]), dug - filled)


def _fill_graves(connection: sqlite3.Connection, age_ms: int, *, over: int, rows_max: int) -> int:
    """Forget tombstones whose time is over; where those are less than `over`, so many that would go soonest."""
    filled = connection.execute(
        "DELETE FROM tombstones WHERE rowid IN "
        "(SELECT rowid FROM tombstones WHERE newest = 0 AND until_ms <= ? ORDER BY until_ms LIMIT ?)",
        (age_ms, rows_max),
    ).rowcount
    for newest in (0, 1):
        filled += connection.execute(
            "DELETE FROM tombstones WHERE rowid IN "
            f"(SELECT rowid FROM tombstones WHERE newest = {newest} ORDER BY until_ms LIMIT ?)",
            (max(0, over - filled),),
        ).rowcount
    return filled
