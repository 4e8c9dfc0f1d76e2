# ruff: noqa: S608 - what is put into these statements are our own names and marks, never values
"""The tables on disk (`messages.db`) and their rows.

Files and groups come as further kinds: their body is a blob like any other; what else they need is a migration.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from meshnode.services.messages.frames import WireMessage
from meshnode.services.messages.limits import CLOCK_SKEW_MS, TOMBSTONES_PER_SENDER
from meshnode.services.messages.message import NS_PER_MS, QUEUED, STATES, StoredMessage
from meshnode.services.messages.outbox import Item
from protocols.ids import NodeId

DATABASE = "messages"

MIGRATIONS = (
    f"""
    CREATE TABLE messages (
        place INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order in which they were stored here; never used again
        id BLOB NOT NULL UNIQUE, peer BLOB NOT NULL, outgoing INTEGER NOT NULL, state INTEGER NOT NULL,
        kind TEXT NOT NULL, body BLOB NOT NULL, reply_to BLOB, at_ms INTEGER NOT NULL, traffic INTEGER NOT NULL,
        trace BLOB NOT NULL, ttl_ms INTEGER NOT NULL,
        born_ms INTEGER NOT NULL,  -- the store's age (see age.py)
        ends_ms INTEGER,  -- born_ms + ttl_ms; NULL while the age is not settled
        requested INTEGER NOT NULL,  -- 1: a stranger's, in the request box
        receipt INTEGER NOT NULL DEFAULT 0,  -- 0: none, 1: owed, 2: told
        reason TEXT NOT NULL DEFAULT '');
    CREATE INDEX messages_peer ON messages (peer, place);
    CREATE INDEX messages_outbox ON messages (peer, place) WHERE outgoing = 1 AND state = {QUEUED};
    CREATE INDEX messages_ending ON messages (ends_ms) WHERE outgoing = 1 AND state = {QUEUED};
    CREATE INDEX messages_unsettled ON messages (place) WHERE ends_ms IS NULL;
    CREATE INDEX messages_box ON messages (peer, place) WHERE requested = 1;
    CREATE INDEX messages_receipts ON messages (peer, place) WHERE receipt = 1;
    CREATE TABLE tombstones (
        peer BLOB NOT NULL, id BLOB NOT NULL, until_ms INTEGER NOT NULL, PRIMARY KEY (peer, id));
    CREATE INDEX tombstones_until ON tombstones (until_ms);
    CREATE TABLE age (one INTEGER PRIMARY KEY CHECK (one = 1), age_ms INTEGER NOT NULL, wall_ms INTEGER);
    """,
    """
    ALTER TABLE tombstones RENAME TO old;
    DROP INDEX tombstones_until;
    CREATE TABLE tombstones (
        peer BLOB NOT NULL, id BLOB NOT NULL, until_ms INTEGER NOT NULL,
        place INTEGER NOT NULL,  -- the message's
        newest INTEGER NOT NULL,  -- 1: one of its sender's newest, which outlive until_ms
        PRIMARY KEY (peer, id));
    CREATE INDEX tombstones_until ON tombstones (until_ms) WHERE newest = 0;
    CREATE INDEX tombstones_newest ON tombstones (peer, place) WHERE newest = 1;
    INSERT INTO tombstones SELECT peer, id, until_ms, rowid, 0 FROM old;
    DROP TABLE old;
    """,
)

SHOWN = "place, id, peer, outgoing, state, body, at_ms, trace, reply_to, reason, requested"
ITEM = "place, id, kind, body, at_ms, ttl_ms, trace, reply_to, traffic"
OUT_QUEUED = f"outgoing = 1 AND state = {QUEUED}"


@dataclass(frozen=True, slots=True)
class Birth:
    """When, by the store's age, and whether that is settled."""

    age_ms: int
    settled: bool

    def ends_ms(self, ttl_ms: int) -> int | None:
        return self.age_ms + ttl_ms if self.settled else None


INSERTED = "id, peer, outgoing, state, kind, body, reply_to, at_ms, traffic, trace, ttl_ms, born_ms, ends_ms, requested"
INSERT = f"INSERT INTO messages ({INSERTED}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def insert(
    connection: sqlite3.Connection,
    peer: NodeId,
    message: WireMessage,
    birth: Birth,
    *,
    outgoing: bool,
    state: int,
    traffic: int = 0,
    requested: bool = False,
) -> int:
    """Gives its place."""
    values = (
        message.id, peer, int(outgoing), state, message.kind, message.body, message.reply_to, message.at_ms, traffic,
        message.trace, message.ttl_ms, birth.age_ms, birth.ends_ms(message.ttl_ms), int(requested),
    )  # fmt: skip
    place = connection.execute(INSERT, values).lastrowid
    assert place is not None, "an insert has a rowid"
    return place


def item(row: Sequence[Any]) -> Item:
    place, id_, kind, body, at_ms, ttl_ms, trace, reply_to, traffic = row
    return Item(place, WireMessage(id_, kind, body, at_ms, ttl_ms, trace, reply_to), traffic)


def shown(row: Sequence[Any], me: NodeId) -> StoredMessage:
    _, id_, peer, outgoing, state, body, at_ms, trace, reply_to, reason, requested = row
    return StoredMessage(
        id_,
        me if outgoing else peer,
        peer if outgoing else me,
        body.decode(errors="replace"),
        at_ms * NS_PER_MS,
        "out" if outgoing else "in",
        STATES[int(state)],
        trace.hex(),
        reply_to,
        reason,
        requested=bool(requested),
    )


def marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def delete(connection: sqlite3.Connection, rows: Sequence[Sequence[Any]]) -> int:
    """Rows of (place, id, peer, outgoing, end of life). Gives how many tombstones that made."""
    connection.executemany("DELETE FROM messages WHERE place = ?", [(row[0],) for row in rows])
    graves = [(row[2], row[1], row[4] + CLOCK_SKEW_MS, row[0]) for row in rows if not row[3]]
    connection.executemany("INSERT INTO tombstones VALUES (?, ?, ?, ?, 1)", graves)
    connection.executemany(
        "UPDATE tombstones SET newest = 0 WHERE newest = 1 AND peer = ? AND place <= ("
        "SELECT place FROM tombstones WHERE newest = 1 AND peer = ? ORDER BY place DESC LIMIT 1 OFFSET ?)",
        [(peer, peer, TOMBSTONES_PER_SENDER) for peer in dict.fromkeys(grave[0] for grave in graves)],
    )
    return len(graves)
