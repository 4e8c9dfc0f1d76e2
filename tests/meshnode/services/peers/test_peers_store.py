import sqlite3
from collections.abc import AsyncIterator

import pytest

from meshnode.services.peers import MIGRATIONS
from meshnode.services.peers.kept import Kept
from meshnode.services.peers.peer import Peer, Standing, Trust
from meshnode.services.peers.store import DATABASE, load_tables, save_tables
from meshnode.services.peers.tables import Awaited, Issued, Redemption, Tables
from meshnode.store import MemoryStorage
from meshnode.world import Database
from protocols.errors import StoreError
from protocols.ids import NodeId

BOB = NodeId(b"b" * 32)


@pytest.fixture
async def database() -> AsyncIterator[Database]:
    storage = MemoryStorage()
    yield await storage.open_database(DATABASE, MIGRATIONS)
    await storage.close()


def full_tables() -> Tables:
    tables = Tables()
    bob = Peer(
        BOB,
        Trust.VERIFIED,
        Standing.BLOCKED,
        "Bob",
        "bobby",
        b"record",
        7,
        ("quic://a:1", "quic://b:2"),
        ("mlkem768",),
        b"x" * 32,
        ("quic://c:3",),
        hybrid_seen=True,
        met_at=1,
        seen_at=2,
    )
    tables.peers.put(BOB, bob)
    tables.peers.put(NodeId(b"c" * 32), Peer(NodeId(b"c" * 32)))
    tables.revocations.put(BOB, b"signed")
    tables.awaited.put("quic://d:4", Awaited("quic://d:4", "Dora", 3))
    tables.invites.put(b"inv01", Issued(b"inv01", b"h" * 32, 1, 2, 3, (BOB,)))
    tables.redemptions.put(BOB, Redemption(BOB, b"s" * 16, 9))
    return tables


async def test_what_is_saved_is_loaded(database: Database) -> None:
    tables = full_tables()
    await save_tables(database, tables)
    loaded, skipped = await load_tables(database)
    assert skipped == 0
    for name in ("peers", "revocations", "awaited", "invites", "redemptions"):
        assert getattr(loaded, name)._rows == getattr(tables, name)._rows


async def test_a_changed_row_replaces_the_old_and_a_dropped_one_goes(database: Database) -> None:
    tables = full_tables()
    await save_tables(database, tables)
    tables.peers.put(BOB, Peer(BOB, petname="Robert"))
    tables.awaited.drop("quic://d:4")
    await save_tables(database, tables)
    loaded, _ = await load_tables(database)
    assert loaded.peers.get(BOB) == Peer(BOB, petname="Robert")
    assert len(loaded.awaited) == 0


async def test_rows_that_make_no_sense_are_skipped_and_counted(database: Database) -> None:
    await save_tables(database, full_tables())

    def spoil(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE peers SET trust = 99 WHERE node = ?", (BOB,))
        connection.execute("UPDATE invites SET redeemers = x'0102'")
        connection.execute("UPDATE redemptions SET secret = 'text'")
        connection.execute("INSERT INTO revocations (node, signed) VALUES (x'00', x'00')")

    await database.write(spoil)
    loaded, skipped = await load_tables(database)
    assert skipped == 4
    assert list(loaded.peers) == [NodeId(b"c" * 32)]
    assert list(loaded.revocations) == [BOB]


async def test_revocations_keep_their_order(database: Database) -> None:
    tables = Tables()
    nodes = [NodeId(bytes([n]) * 32) for n in (9, 1, 5)]
    for node in nodes:
        tables.revocations.put(node, b"signed")
        await save_tables(database, tables)
    loaded, _ = await load_tables(database)
    assert list(loaded.revocations) == nodes


def test_a_row_that_changed_while_it_was_written_is_written_again() -> None:
    kept: Kept[str, str] = Kept({})
    kept.put("key", "old")
    written = kept.unsaved()
    kept.put("key", "new")
    kept.saved(written)
    assert kept.unsaved() == {"key": "new"}
    kept.saved(kept.unsaved())
    assert kept.unsaved() == {}


def test_a_row_dropped_while_it_was_written_is_deleted_next() -> None:
    kept: Kept[str, str] = Kept({})
    kept.put("key", "old")
    written = kept.unsaved()
    kept.drop("key")
    kept.drop("key")
    kept.saved(written)
    assert kept.unsaved() == {"key": None}


async def test_what_the_disk_refused_is_still_owed(database: Database) -> None:
    tables = full_tables()
    await database.write(lambda connection: connection.execute("DROP TABLE awaited"))
    with pytest.raises((StoreError, sqlite3.Error)):
        await save_tables(database, tables)
    assert len(tables.peers.unsaved()) == 2
