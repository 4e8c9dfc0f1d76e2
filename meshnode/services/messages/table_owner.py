# ruff: noqa: S608 - what is put into these statements are our own names and marks, never values
"""What the owner asks of the tables, each as one piece of work for the reader or the writer."""

import sqlite3
from collections.abc import Sequence

from meshnode.services.messages.message import DELIVERED, READ, StoredMessage
from meshnode.services.messages.tables import SHOWN, delete, marks, shown
from protocols.ids import MessageId, NodeId


def list_messages(
    connection: sqlite3.Connection,
    me: NodeId,
    peer: NodeId | None,
    since: MessageId | None,
    limit: int,
    *,
    oldest: bool,
) -> list[StoredMessage] | None:
    """Oldest first: the newest so many; with `since` the oldest so many after it; with `oldest` those of all.
    None: `since` isn't here.
    """
    after = 0
    if since is not None:
        found = connection.execute("SELECT place FROM messages WHERE id = ?", (since,)).fetchone()
        if found is None:
            return None
        after = found[0]
    which, values = ("", ()) if peer is None else ("peer = ? AND", (peer,))
    upwards = oldest or since is not None
    rows = connection.execute(
        f"SELECT {SHOWN} FROM messages WHERE {which} place > ? ORDER BY place {'ASC' if upwards else 'DESC'} LIMIT ?",
        (*values, after, limit),
    ).fetchall()
    return [shown(row, me) for row in (rows if upwards else reversed(rows))]


def get_message(connection: sqlite3.Connection, me: NodeId, message: MessageId) -> StoredMessage | None:
    row = connection.execute(f"SELECT {SHOWN} FROM messages WHERE id = ?", (message,)).fetchone()
    return None if row is None else shown(row, me)


def mark_read_here(
    connection: sqlite3.Connection, ids: Sequence[MessageId], *, receipt: bool
) -> list[NodeId]:
    """The peer of each message that is newly read. Strangers are not told what was read of theirs."""
    found = connection.execute(
        f"UPDATE messages SET state = {READ}, receipt = (? AND requested = 0) WHERE id IN ({marks(ids)}) "
        f"AND outgoing = 0 AND state = {DELIVERED} RETURNING peer",
        (int(receipt), *ids),
    )
    return [peer for (peer,) in found.fetchall()]


def accept_requested(connection: sqlite3.Connection, peer: NodeId) -> int:
    """Out of the box; each keeps its place. Gives how many."""
    return connection.execute(
        "UPDATE messages SET requested = 0 WHERE requested = 1 AND peer = ?", (peer,)
    ).rowcount


def drop_requested(connection: sqlite3.Connection, peer: NodeId) -> int:
    """How many there were. Each leaves a tombstone."""
    rows = connection.execute(
        "SELECT place, id, peer, outgoing, born_ms + ttl_ms FROM messages WHERE requested = 1 AND peer = ?",
        (peer,),
    ).fetchall()
    return delete(connection, rows)
