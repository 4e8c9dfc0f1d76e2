"""The tables on disk (`peers.db`). Rows that make no sense, as after a recovery, are skipped and counted."""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from meshnode.services.peers.kept import Kept
from meshnode.services.peers.peer import Peer, Standing, Trust
from meshnode.services.peers.tables import Awaited, Issued, Redemption, Tables
from meshnode.world import Database
from protocols.ids import NODE_ID_BYTES, NodeId

K = TypeVar("K")
V = TypeVar("V")
Row = tuple[Any, ...]

DATABASE = "peers"
HASH_BYTES = 32
SECRET_BYTES = 16

MIGRATIONS = (
    """
    CREATE TABLE peers (
        node BLOB PRIMARY KEY, trust INTEGER NOT NULL, standing TEXT NOT NULL, petname TEXT NOT NULL,
        self_name TEXT NOT NULL, record BLOB NOT NULL, sequence INTEGER NOT NULL, record_addresses TEXT NOT NULL,
        features TEXT NOT NULL, x25519 BLOB NOT NULL, given TEXT NOT NULL, hybrid_seen INTEGER NOT NULL,
        met_at INTEGER, seen_at INTEGER);
    CREATE TABLE revocations (place INTEGER PRIMARY KEY AUTOINCREMENT, node BLOB UNIQUE NOT NULL, signed BLOB NOT NULL);
    CREATE TABLE awaited (address TEXT PRIMARY KEY, petname TEXT NOT NULL, asked_at INTEGER NOT NULL);
    CREATE TABLE invites (
        id BLOB PRIMARY KEY, secret_hash BLOB NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
        uses INTEGER NOT NULL, redeemers BLOB NOT NULL);
    CREATE TABLE redemptions (node BLOB PRIMARY KEY, secret BLOB NOT NULL, expires_at INTEGER NOT NULL);
    """,
)


@dataclass(frozen=True, slots=True)
class Shape:
    """How one table's rows go to SQLite and come back. The first column is the key."""

    name: str
    columns: tuple[str, ...]
    to_row: Callable[[Any, Any], Row]  # (key, value)
    from_row: Callable[[Row], tuple[Any, Any]]  # raises ValueError or TypeError for a row that makes no sense


def _node(data: object) -> NodeId:
    return NodeId(_sized(data, NODE_ID_BYTES))


def _sized(data: object, length: int) -> bytes:
    if not isinstance(data, bytes) or len(data) != length:
        raise ValueError(f"{length} bytes expected")
    return data


def _lines(items: tuple[str, ...]) -> str:
    return "\n".join(
        items
    )  # neither an address nor a feature holds a line break: both were checked on the way in


def _items(text: str) -> tuple[str, ...]:
    return tuple(text.split("\n")) if text else ()


def _peer_row(_key: NodeId, peer: Peer) -> Row:
    return (
        peer.node,
        int(peer.trust),
        peer.standing.value,
        peer.petname,
        peer.self_name,
        peer.record,
        peer.sequence,
        _lines(peer.record_addresses),
        _lines(peer.features),
        peer.x25519,
        _lines(peer.given),
        int(peer.hybrid_seen),
        peer.met_at,
        peer.seen_at,
    )


def _peer(row: Row) -> tuple[NodeId, Peer]:
    node = _node(row[0])
    peer = Peer(
        node,
        trust=Trust(row[1]),
        standing=Standing(row[2]),
        petname=str(row[3]),
        self_name=str(row[4]),
        record=bytes(row[5]),
        sequence=int(row[6]),
        record_addresses=_items(row[7]),
        features=_items(row[8]),
        x25519=bytes(row[9]),
        given=_items(row[10]),
        hybrid_seen=bool(row[11]),
        met_at=None if row[12] is None else int(row[12]),
        seen_at=None if row[13] is None else int(row[13]),
    )
    return node, peer


def _invite_row(key: bytes, invite: Issued) -> Row:
    redeemers = b"".join(invite.redeemers)
    return key, invite.secret_hash, invite.created_at, invite.expires_at, invite.uses, redeemers


def _invite(row: Row) -> tuple[bytes, Issued]:
    packed = _sized(row[5], len(row[5]) // NODE_ID_BYTES * NODE_ID_BYTES)
    redeemers = tuple(NodeId(packed[at : at + NODE_ID_BYTES]) for at in range(0, len(packed), NODE_ID_BYTES))
    return row[0], Issued(
        bytes(row[0]), _sized(row[1], HASH_BYTES), int(row[2]), int(row[3]), int(row[4]), redeemers
    )


def _awaited(row: Row) -> tuple[str, Awaited]:
    return str(row[0]), Awaited(str(row[0]), str(row[1]), int(row[2]))


def _redemption(row: Row) -> tuple[NodeId, Redemption]:
    return _node(row[0]), Redemption(_node(row[0]), _sized(row[1], SECRET_BYTES), int(row[2]))


PEERS = Shape(
    "peers",
    (
        "node", "trust", "standing", "petname", "self_name", "record", "sequence", "record_addresses",
        "features", "x25519", "given", "hybrid_seen", "met_at", "seen_at",
    ),
    _peer_row,
    _peer,
)  # fmt: skip
REVOCATIONS = Shape(
    "revocations",
    ("node", "signed"),
    lambda node, signed: (node, signed),
    lambda row: (_node(row[0]), bytes(row[1])),
)
AWAITED = Shape(
    "awaited",
    ("address", "petname", "asked_at"),
    lambda _key, one: (one.address, one.petname, one.asked_at),
    _awaited,
)
INVITES = Shape(
    "invites", ("id", "secret_hash", "created_at", "expires_at", "uses", "redeemers"), _invite_row, _invite
)
REDEMPTIONS = Shape(
    "redemptions",
    ("node", "secret", "expires_at"),
    lambda _key, one: (one.node, one.secret, one.expires_at),
    _redemption,
)


async def load_tables(database: Database) -> tuple[Tables, int]:
    """All tables, and how many rows had to be skipped. Raises StoreError."""

    def work(connection: sqlite3.Connection) -> tuple[Tables, int]:
        skipped = [0]
        tables = Tables(
            Kept(_rows(connection, PEERS, skipped)),
            Kept(_rows(connection, REVOCATIONS, skipped)),
            Kept(_rows(connection, AWAITED, skipped)),
            Kept(_rows(connection, INVITES, skipped)),
            Kept(_rows(connection, REDEMPTIONS, skipped)),
        )
        return tables, skipped[0]

    return await database.read(work)


async def save_tables(database: Database, tables: Tables) -> None:
    """Write whatever is unsaved, in one transaction. Raises StoreError; all of it stays unsaved then."""
    shapes: list[tuple[Shape, Kept[Any, Any]]] = [
        (PEERS, tables.peers),
        (REVOCATIONS, tables.revocations),
        (AWAITED, tables.awaited),
        (INVITES, tables.invites),
        (REDEMPTIONS, tables.redemptions),
    ]
    batches = [(shape, kept, kept.unsaved()) for shape, kept in shapes]
    if not any(batch for _, _, batch in batches):
        return

    def work(connection: sqlite3.Connection) -> None:
        for shape, _, batch in batches:
            _write(connection, shape, batch)

    await database.write(work)
    for _, kept, batch in batches:
        kept.saved(batch)


def _rows(connection: sqlite3.Connection, shape: Shape, skipped: list[int]) -> dict[Any, Any]:
    rows: dict[Any, Any] = {}
    columns = ", ".join(shape.columns)
    for row in connection.execute(f"SELECT {columns} FROM {shape.name} ORDER BY rowid"):  # noqa: S608 - our own names
        try:
            key, value = shape.from_row(row)
        except (ValueError, TypeError):
            skipped[0] += 1
        else:
            rows[key] = value
    return rows


def _write(connection: sqlite3.Connection, shape: Shape, batch: Mapping[Any, Any]) -> None:
    kept = [shape.to_row(key, value) for key, value in batch.items() if value is not None]
    gone = [(key,) for key, value in batch.items() if value is None]
    columns, marks = ", ".join(shape.columns), ", ".join("?" * len(shape.columns))
    updates = ", ".join(f"{column} = excluded.{column}" for column in shape.columns[1:])
    connection.executemany(
        f"INSERT INTO {shape.name} ({columns}) VALUES ({marks}) "  # noqa: S608 - our own names
        f"ON CONFLICT ({shape.columns[0]}) DO UPDATE SET {updates}",
        kept,
    )
    connection.executemany(f"DELETE FROM {shape.name} WHERE {shape.columns[0]} = ?", gone)  # noqa: S608 - our own names
