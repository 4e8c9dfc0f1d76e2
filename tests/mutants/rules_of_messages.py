"""Rules of the messages service, and of the store below it, that mutants take out."""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mutant import Mutant, Swap

from meshnode.services import messages
from meshnode.services.messages import entrusting, receiving, sending, service, table_in
from meshnode.services.messages.frames import ACCEPTED, WireMessage
from meshnode.services.messages.outbox import Item, Outbox
from meshnode.services.messages.table_upkeep import Start, load_start
from meshnode.store import connection
from protocols.errors import LinkError
from protocols.ids import MessageId, NodeId
from sim.faults.plan import Crash, Disk, Plan, Stop
from sim.timeline import NEVER_NS

PAIR = {"nodes": "2", "storm_s": "15", "calm_s": "20", "traffic.letters_per_host_min": "120"}
CRASHES_MS = (2_000, 5_000, 8_000, 11_000)  # of each of the two in turn
READ_ONLY = Plan((Disk(at_ms=3_000, host="n1", trouble="read_only", for_ms=3_000),))

_receive, _deliver, _failed = receiving.Receiver._deliver, sending.Sender._deliver, Outbox.failed
_next_batch = Outbox.next_batch


def _crashes(*, power: bool = False) -> Plan:
    return Plan(
        tuple(
            Crash(at_ms=at_ms, host=f"n{number % 2}", down_ms=1_000, power=power)
            for number, at_ms in enumerate(CRASHES_MS)
        )
    )


# -- what stands there instead ------------------------------------------------------------------------------------


def _unsynced(settings: Sequence[str]) -> tuple[str, ...]:
    """Of a write-ahead log only checkpoints are synced then."""
    return tuple(setting.replace("synchronous=FULL", "synchronous=NORMAL") for setting in settings)


async def _answer_first(self: receiving.Receiver, peer: NodeId, batch: list[WireMessage]) -> list[str]:
    assert self._desk.crew is not None, "the service runs"
    self._desk.crew.create_task(_receive(self, peer, batch))
    return [ACCEPTED] * len(batch)


def _know_none(
    _connection: sqlite3.Connection, _peer: NodeId, _batch: Sequence[WireMessage]
) -> dict[MessageId, str]:
    return {}


def _without_unique(migrations: Sequence[str]) -> tuple[str, ...]:
    return tuple(script.replace("id BLOB NOT NULL UNIQUE", "id BLOB NOT NULL") for script in migrations)


async def _settle_unanswered(self: sending.Sender, peer: NodeId, batch: list[Item]) -> None:
    try:
        await _deliver(self, peer, batch)
    except (LinkError, TimeoutError):
        await self._settle(peer, batch, [])
        raise


def _start_afresh(db: sqlite3.Connection) -> Start:
    return replace(load_start(db), waiting=[])


def _newest_first(self: Outbox, peer: NodeId) -> list[Item]:
    return list(reversed(_next_batch(self, peer)))


def _fail_for_good(self: Outbox, peer: NodeId, **known: Any) -> None:
    _failed(self, peer, **known)
    self._queue(peer).due_ns = NEVER_NS


def _watch_idly(_self: object, _peer: NodeId, _up: bool) -> None:  # noqa: FBT001 - what it stands for
    """Whoever comes and goes."""


RULES = (
    Mutant(
        name="synced-commits",
        rule="A commit that returned survives a loss of power.",
        where="meshnode/store/connection.py: SETTINGS",
        swaps=(Swap(connection, "SETTINGS", _unsynced(connection.SETTINGS)),),
        oracles=("kept", "exactly_once", "monotone", "inbox"),
        seed=1,
        settings=PAIR,
        plan=_crashes(power=True),
        needs_sectors=True,
    ),
    Mutant(
        name="stored-before-answered",
        rule="A message is acknowledged only once it is on the receiver's disk.",
        where="meshnode/services/messages/receiving.py: Receiver._deliver",
        swaps=(Swap(receiving.Receiver, "_deliver", _answer_first),),
        oracles=("kept",),
        seed=1,
        settings=PAIR,
        plan=READ_ONLY,
    ),
    Mutant(
        name="known-ids",
        rule="A message whose id is known is a duplicate, and is not stored again.",
        where="meshnode/services/messages/table_in.py: _known; tables.py: the id is UNIQUE",
        swaps=(
            Swap(table_in, "_known", _know_none),
            Swap(messages, "MIGRATIONS", _without_unique(messages.MIGRATIONS)),
        ),
        oracles=("exactly_once",),
        seed=3,
        settings=PAIR,
        plan=_crashes(),
    ),
    Mutant(
        name="oldest-first",
        rule="Messages to one peer go in the order of their writing.",
        where="meshnode/services/messages/outbox.py: Outbox.next_batch",
        swaps=(Swap(Outbox, "next_batch", _newest_first),),
        oracles=("in_order",),
        seed=1,
        settings=PAIR,
        plan=_crashes(),
    ),
    Mutant(
        name="kept-until-answered",
        rule="Only the receiver's answer lets a message go from the outbox.",
        where="meshnode/services/messages/sending.py: Sender._deliver",
        swaps=(Swap(sending.Sender, "_deliver", _settle_unanswered),),
        oracles=("kept",),
        seed=1,
        settings=PAIR,
        plan=_crashes(),
    ),
    Mutant(
        name="outbox-read-at-start",
        rule="What waited before a crash goes on its way after it.",
        where="meshnode/services/messages/table_upkeep.py: load_start",
        swaps=(Swap(service, "load_start", _start_afresh),),
        oracles=("delivered",),
        seed=1,
        settings=PAIR,
        plan=Plan(
            (
                Crash(at_ms=8_000, host="n1", down_ms=7_000),
                Crash(at_ms=14_000, host="n0", down_ms=1_000),
            )
        ),
    ),
    Mutant(
        name="delivery-tried-again",
        rule="After a failed delivery the outbox rests, and then sends again.",
        where="meshnode/services/messages/outbox.py: Outbox.failed",
        swaps=(Swap(Outbox, "failed", _fail_for_good),),
        oracles=("delivered",),
        seed=1,
        settings=PAIR,
        plan=READ_ONLY,
    ),
    Mutant(
        name="sent-on-return",
        rule="What waits for a peer goes when the peer comes back.",
        where="meshnode/services/messages/sending.py: Sender.watched; entrusting.py: Entruster.watched",
        swaps=(
            Swap(sending.Sender, "watched", _watch_idly),
            Swap(entrusting.Entruster, "watched", _watch_idly),
        ),
        oracles=("delivered",),
        seed=1,
        settings={**PAIR, "storm_s": "4", "calm_s": "18"},  # it ends before anything is due for couriers
        plan=Plan((Stop(at_ms=1_000, host="n1", away_ms=3_000),)),
    ),
)
