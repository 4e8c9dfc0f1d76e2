# ruff: noqa: S608 - what is put into these statements are our own names and marks, never values
"""The tables on disk (`courier.db`), each change as one piece of work for the writer.

Rows that make no sense, as after a recovery, are skipped: what they stood for waits in its sender's outbox.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from meshnode.services.courier.limits import BUNDLES_MAX, RECEIPTS_MAX
from protocols.courier import SEALED_ID_BYTES, Bundle, Custody, DeliveredNote, OwnPrekey, Sealed
from protocols.courier.limits import HOLDERS_MAX
from protocols.ids import NODE_ID_BYTES, MessageId, NodeId

DATABASE = "courier"

MIGRATIONS = (
    """
    CREATE TABLE prekeys (
        id BLOB PRIMARY KEY, secret BLOB NOT NULL,  -- sealed with the storage key
        made_s INTEGER NOT NULL, sequence INTEGER NOT NULL, bundle BLOB NOT NULL);
    CREATE TABLE bundles (
        node BLOB PRIMARY KEY, sequence INTEGER NOT NULL,  -- the highest ever seen: an older one is never taken
        expires_s INTEGER NOT NULL, x25519 BLOB NOT NULL, kem BLOB NOT NULL, stranger INTEGER NOT NULL,
        renewed_s INTEGER NOT NULL);
    CREATE TABLE carried (
        id BLOB PRIMARY KEY, receiver BLOB NOT NULL, sealed BLOB NOT NULL, expires_s INTEGER NOT NULL,
        taken_s INTEGER NOT NULL, copies INTEGER NOT NULL, mark_s INTEGER,
        giver BLOB);  -- NULL: our own
    CREATE TABLE parcels (message BLOB PRIMARY KEY, id BLOB NOT NULL);  -- which of our messages is in which object
    CREATE INDEX parcels_id ON parcels (id);
    CREATE TABLE notes (
        place INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, receiver BLOB NOT NULL,
        expires_s INTEGER NOT NULL, note BLOB NOT NULL);
    CREATE TABLE receipts (
        place INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL, courier BLOB NOT NULL, receipt BLOB NOT NULL,
        UNIQUE (id, courier));
    CREATE TABLE met (node BLOB PRIMARY KEY, met_s INTEGER NOT NULL);
    """,
)


@dataclass(frozen=True, slots=True)
class Start:
    """What the service must know at its start."""

    prekeys: list[OwnPrekey]  # with their secrets as they lie on disk
    bundles: list[tuple[Bundle, bool]]  # (bundle, of a stranger), renewed longest ago first
    carried: list[Custody]
    parcels: list[tuple[MessageId, bytes]]
    notes: list[DeliveredNote]
    met: dict[NodeId, int]


def load_start(connection: sqlite3.Connection) -> Start:
    handed: dict[bytes, list[NodeId]] = {}
    for id_, courier in connection.execute("SELECT id, courier FROM receipts ORDER BY place"):
        handed.setdefault(id_, []).append(courier)
    carried = [
        Custody(
            id_,
            receiver,
            size,
            expires_s,
            taken_s,
            copies,
            mark_s,
            giver,
            dict.fromkeys(handed.get(id_, [])[:HOLDERS_MAX]),
        )
        for id_, receiver, size, expires_s, taken_s, copies, mark_s, giver in connection.execute(
            "SELECT id, receiver, length(sealed), expires_s, taken_s, copies, mark_s, giver FROM carried "
            f"WHERE length(id) = {SEALED_ID_BYTES} AND length(receiver) = {NODE_ID_BYTES} ORDER BY taken_s, id"
        )
    ]
    return Start(
        [
            OwnPrekey(*row)
            for row in connection.execute(
                "SELECT id, secret, made_s, sequence, bundle FROM prekeys ORDER BY sequence"
            )
        ],
        [
            (Bundle(node, sequence, expires_s, x25519, kem), bool(stranger))
            for node, sequence, expires_s, x25519, kem, stranger in connection.execute(
                "SELECT node, sequence, expires_s, x25519, kem, stranger FROM bundles ORDER BY renewed_s, node"
            )
        ],
        carried,
        connection.execute("SELECT message, id FROM parcels").fetchall(),
        [
            DeliveredNote(receiver, id_, expires_s, note)
            for id_, receiver, expires_s, note in connection.execute(
                "SELECT id, receiver, expires_s, note FROM notes ORDER BY place"
            )
        ],
        dict(connection.execute("SELECT node, met_s FROM met").fetchall()),
    )


def put_prekey(connection: sqlite3.Connection, prekey: OwnPrekey, over: Sequence[bytes]) -> None:
    connection.execute(
        "INSERT INTO prekeys VALUES (?, ?, ?, ?, ?)",
        (prekey.id, prekey.secret, prekey.made_s, prekey.sequence, prekey.bundle),
    )
    drop_prekeys(connection, over)


def drop_prekeys(connection: sqlite3.Connection, over: Sequence[bytes]) -> None:
    connection.executemany("DELETE FROM prekeys WHERE id = ?", [(each,) for each in over])


def put_bundle(connection: sqlite3.Connection, bundle: Bundle, now_s: int, *, stranger: bool) -> list[NodeId]:
    """Gives those that had to go for it."""
    connection.execute(
        "INSERT OR REPLACE INTO bundles VALUES (?, ?, ?, ?, ?, ?, ?)",
        (bundle.node, bundle.sequence, bundle.expires_s, bundle.x25519, bundle.kem, int(stranger), now_s),
    )
    over = connection.execute("SELECT count(*) FROM bundles").fetchone()[0] - BUNDLES_MAX
    gone = connection.execute(
        "DELETE FROM bundles WHERE node IN "
        "(SELECT node FROM bundles WHERE node <> ? ORDER BY stranger DESC, renewed_s, node LIMIT ?) RETURNING node",
        (bundle.node, max(0, over)),
    )
    return [node for (node,) in gone.fetchall()]


def put_carried(
    connection: sqlite3.Connection, custody: Custody, sealed: Sealed, messages: Sequence[MessageId] = ()
) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO carried VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            custody.id,
            custody.receiver,
            sealed.data,
            custody.expires_s,
            custody.taken_s,
            custody.copies,
            custody.mark_s,
            custody.giver,
        ),
    )
    connection.executemany(
        "INSERT OR REPLACE INTO parcels VALUES (?, ?)", [(message, custody.id) for message in messages]
    )


def read_carried(connection: sqlite3.Connection, sealed_id: bytes) -> bytes | None:
    row = connection.execute("SELECT sealed FROM carried WHERE id = ?", (sealed_id,)).fetchone()
    return None if row is None else row[0]


def put_handed(
    connection: sqlite3.Connection, custody: Custody, courier: NodeId, receipt: bytes | None
) -> None:
    """It was handed on: fewer copies are left, and there may be a receipt."""
    connection.execute(
        "UPDATE carried SET copies = ?, mark_s = ? WHERE id = ?", (custody.copies, custody.mark_s, custody.id)
    )
    if receipt is not None:
        connection.execute(
            "INSERT OR REPLACE INTO receipts (id, courier, receipt) VALUES (?, ?, ?)",
            (custody.id, courier, receipt),
        )
        connection.execute(
            "DELETE FROM receipts WHERE place <= "
            "(SELECT place FROM receipts ORDER BY place DESC LIMIT 1 OFFSET ?)",
            (RECEIPTS_MAX,),
        )


def put_note(connection: sqlite3.Connection, note: DeliveredNote, *, notes_max: int) -> None:
    """What it is about is carried no more."""
    connection.execute(
        "INSERT OR IGNORE INTO notes (id, receiver, expires_s, note) VALUES (?, ?, ?, ?)",
        (note.id, note.receiver, note.expires_s, note.data),
    )
    connection.execute(
        "DELETE FROM notes WHERE place <= (SELECT place FROM notes ORDER BY place DESC LIMIT 1 OFFSET ?)",
        (notes_max,),
    )
    drop_carried(connection, [note.id])


def drop_carried(connection: sqlite3.Connection, ids: Sequence[bytes]) -> None:
    gone = [(each,) for each in ids]
    connection.executemany("DELETE FROM carried WHERE id = ?", gone)
    connection.executemany("DELETE FROM parcels WHERE id = ?", gone)


def drop_parcels(connection: sqlite3.Connection, messages: Sequence[MessageId], ids: Sequence[bytes]) -> None:
    """These messages are over, and objects that held nothing else."""
    connection.executemany("DELETE FROM parcels WHERE message = ?", [(each,) for each in messages])
    drop_carried(connection, ids)


def keep_met(
    connection: sqlite3.Connection, met: Sequence[tuple[NodeId, int]], forgotten: Sequence[NodeId], now_s: int
) -> None:
    """What changed about meetings; and notes that are over."""
    connection.executemany("INSERT OR REPLACE INTO met VALUES (?, ?)", met)
    connection.executemany("DELETE FROM met WHERE node = ?", [(each,) for each in forgotten])
    connection.execute("DELETE FROM notes WHERE expires_s < ?", (now_s,))
