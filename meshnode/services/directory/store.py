"""The directory on disk (`directory.db`): whom we knew, and what we keep. All of it was signed, and is verified again.

Rows that make no sense, as after a recovery, are skipped and counted.
"""

import asyncio
import sqlite3
from dataclasses import dataclass, field
from typing import Any

from meshnode.services.directory.desk import Desk
from meshnode.world import Database
from protocols.directory.kademlia import Group, KeptRecord, open_holding
from protocols.errors import RemoteError
from protocols.ids import NODE_ID_BYTES, NodeId

DATABASE = "directory"
CHUNK = 64  # signatures verified in one go: 4 ms, then others have their turn
Row = tuple[Any, ...]

MIGRATIONS = (
    """
    CREATE TABLE records (
        node BLOB PRIMARY KEY, signed BLOB NOT NULL, teacher BLOB NOT NULL, until_s INTEGER NOT NULL,
        cached INTEGER NOT NULL);
    CREATE TABLE holdings (key BLOB NOT NULL, node BLOB NOT NULL, signed BLOB NOT NULL, PRIMARY KEY (key, node));
    CREATE TABLE seats (
        node BLOB PRIMARY KEY, signed BLOB NOT NULL, network TEXT NOT NULL, near INTEGER NOT NULL);
    """,
)


@dataclass
class DirectoryStore:
    desk: Desk
    database: Database
    _seated: dict[NodeId, bytes] = field(default_factory=dict[NodeId, bytes])  # as on disk

    async def load(self) -> int:
        """How many rows had to be skipped. Raises StoreError."""
        records, holdings, seats = await self.database.read(_read)
        works = [
            *((self._load_record, row) for row in records),
            *((self._load_holding, row) for row in holdings),
            *((self._load_seat, row) for row in seats),
        ]
        skipped = 0
        for at, (work, row) in enumerate(works):
            if at % CHUNK == CHUNK - 1:
                await asyncio.sleep(0)
            try:
                work(row)
            except (RemoteError, ValueError, TypeError):
                skipped += 1
        self.desk.directory.records.changed.clear()
        self.desk.directory.holdings.changed.clear()
        return skipped

    def _load_record(self, row: Row) -> None:
        signed, teacher, until_s, cached = row
        if not isinstance(teacher, bytes) or len(teacher) != NODE_ID_BYTES:
            raise ValueError("teacher")
        wall_s = self.desk.wall_s()
        life_s = int(until_s) - wall_s if cached else None
        card = self.desk.open(bytes(signed))
        if life_s is None or life_s > 0:
            self.desk.directory.keep_records([card], teacher=NodeId(teacher), life_s=life_s, wall_s=wall_s)

    def _load_holding(self, row: Row) -> None:
        holding = open_holding(bytes(row[0]), self.desk.suite)
        self.desk.directory.keep_holdings([holding], wall_s=self.desk.wall_s())

    def _load_seat(self, row: Row) -> None:
        signed, network, near = row
        desk, card = self.desk, self.desk.open(bytes(signed))
        desk.directory.met(
            card,
            group=Group(str(network), near=bool(near)),
            trusted=desk.book.is_contact(card.node),
            now_ns=desk.now_ns(),
            wall_s=desk.wall_s(),
        )
        self._seated[card.node] = card.raw

    async def save(self) -> None:
        """Whatever changed, in one transaction. Raises StoreError; it stays owed then."""
        directory = self.desk.directory
        records, holdings = dict(directory.records.changed), dict(directory.holdings.changed)
        seats = {seat.card.node: seat for seat in directory.table.seats()}
        seated = {node: seat.card.raw for node, seat in seats.items()}
        fresh = [seats[node] for node, raw in seated.items() if self._seated.get(node) != raw]
        gone = [node for node in self._seated if node not in seated]
        if not (records or holdings or fresh or gone):
            return

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?)",
                [_record_row(kept) for kept in records.values() if kept is not None],
            )
            connection.executemany(
                "DELETE FROM records WHERE node = ?",
                [(node,) for node, kept in records.items() if kept is None],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO holdings VALUES (?, ?, ?)",
                [(each.key, each.node, each.raw) for each in holdings.values() if each is not None],
            )
            connection.executemany(
                "DELETE FROM holdings WHERE key = ? AND node = ?",
                [place for place, each in holdings.items() if each is None],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO seats VALUES (?, ?, ?, ?)",
                [(each.card.node, each.card.raw, each.group.name, int(each.group.near)) for each in fresh],
            )
            connection.executemany("DELETE FROM seats WHERE node = ?", [(node,) for node in gone])

        await self.database.write(work)
        _settle(directory.records.changed, records)
        _settle(directory.holdings.changed, holdings)
        self._seated = seated


def _read(connection: sqlite3.Connection) -> tuple[list[Row], list[Row], list[Row]]:
    return (
        connection.execute("SELECT signed, teacher, until_s, cached FROM records ORDER BY rowid").fetchall(),
        connection.execute("SELECT signed FROM holdings ORDER BY rowid").fetchall(),
        connection.execute("SELECT signed, network, near FROM seats ORDER BY rowid").fetchall(),
    )


def _record_row(kept: KeptRecord) -> Row:
    return kept.card.node, kept.card.raw, kept.teacher, kept.until_s, int(kept.cached)


def _settle(changed: dict[Any, Any], written: dict[Any, Any]) -> None:
    """What changed again meanwhile stays owed."""
    for key, row in written.items():
        if key in changed and changed[key] is row:
            del changed[key]
