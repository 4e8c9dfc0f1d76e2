# ruff: noqa: S608 - what is put into these statements are our own names and marks, never values
"""What sending does to the tables, each as one piece of work for the writer."""

import sqlite3
from collections.abc import Iterable, Sequence

from meshnode.services.messages.limits import BATCH_BYTES_MAX
from meshnode.services.messages.message import DELIVERED, EXPIRED, QUEUED, READ
from meshnode.services.messages.outbox import Item
from meshnode.services.messages.tables import ITEM, OUT_QUEUED, item, marks
from protocols.ids import MessageId, NodeId


def read_queue(
    connection: sqlite3.Connection, peer: NodeId, after: int, *, rows_max: int
) -> tuple[list[Item], bool]:
    """The next ones in order, about one batch of bytes, and whether these are all."""
    items: list[Item] = []
    size = 0
    found = connection.execute(
        f"SELECT {ITEM} FROM messages WHERE {OUT_QUEUED} AND peer = ? AND place > ? ORDER BY place LIMIT ?",
        (peer, after, rows_max),
    )
    for row in found:
        items.append(item(row))
        size += len(row[3])
        if size >= BATCH_BYTES_MAX:
            return items, False
    return items, len(items) < rows_max


def mark_delivered(connection: sqlite3.Connection, places: Iterable[int]) -> None:
    """Also one that we gave up before the answer came: the answer is believed."""
    connection.executemany(
        f"UPDATE messages SET state = {DELIVERED}, reason = '' WHERE place = ? AND state IN ({QUEUED}, {EXPIRED})",
        [(place,) for place in places],
    )


def give_up(connection: sqlite3.Connection, reasons: Iterable[tuple[int, str]]) -> None:
    """(place, reason) of each."""
    connection.executemany(
        f"UPDATE messages SET state = {EXPIRED}, reason = ? WHERE place = ? AND state = {QUEUED}",
        [(reason, place) for place, reason in reasons],
    )


def mark_read_by_peer(
    connection: sqlite3.Connection, peer: NodeId, ids: Sequence[MessageId]
) -> tuple[list[tuple[MessageId, bytes]], list[int]]:
    """(id, trace) of those that are newly read; places of those that still waited to be delivered, as far as we knew.

    What the peer didn't get from us is none of them.
    """
    which, values = f"id IN ({marks(ids)}) AND peer = ?", (*ids, peer)
    waited = connection.execute(
        f"SELECT place FROM messages WHERE {which} AND {OUT_QUEUED}", values
    ).fetchall()
    read = connection.execute(
        f"UPDATE messages SET state = {READ}, reason = '' WHERE {which} AND outgoing = 1 AND state <> {READ} "
        "RETURNING id, trace",
        values,
    ).fetchall()
    return read, [place for (place,) in waited]


def mark_brought(
    connection: sqlite3.Connection, peer: NodeId, ids: Sequence[MessageId]
) -> tuple[list[tuple[MessageId, bytes]], list[int]]:
    """Delivered by courier: (id, trace) of those that are newly so; places of those that waited until now."""
    which, values = f"id IN ({marks(ids)}) AND peer = ?", (*ids, peer)
    waited = connection.execute(
        f"SELECT place FROM messages WHERE {which} AND {OUT_QUEUED}", values
    ).fetchall()
    brought = connection.execute(
        f"UPDATE messages SET state = {DELIVERED}, reason = '' WHERE {which} AND outgoing = 1 "
        f"AND state IN ({QUEUED}, {EXPIRED}) RETURNING id, trace",
        values,
    ).fetchall()
    return brought, [place for (place,) in waited]


def read_waiting(
    connection: sqlite3.Connection, peer: NodeId, after: int, age_ms: int, *, rows_max: int
) -> list[tuple[Item, int]]:
    """The next ones in order, each with how long it has left, in ms."""
    found = connection.execute(
        f"SELECT {ITEM}, coalesce(ends_ms, born_ms + ttl_ms) - ? FROM messages "
        f"WHERE {OUT_QUEUED} AND peer = ? AND place > ? ORDER BY place LIMIT ?",
        (age_ms, peer, after, rows_max),
    )
    return [(item(row[:-1]), row[-1]) for row in found]


def receipts_owed(
    connection: sqlite3.Connection, peer: NodeId, *, rows_max: int
) -> list[tuple[int, MessageId]]:
    return connection.execute(
        "SELECT place, id FROM messages WHERE receipt = 1 AND peer = ? ORDER BY place LIMIT ?",
        (peer, rows_max),
    ).fetchall()


def mark_receipts_told(connection: sqlite3.Connection, places: Iterable[int]) -> None:
    connection.executemany("UPDATE messages SET receipt = 2 WHERE place = ?", [(place,) for place in places])
