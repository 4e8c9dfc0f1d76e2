# ruff: noqa: S608 - what is put into these statements are our own names and marks, never values
"""What receiving does to the tables, each as one piece of work for the writer."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from meshnode.services.messages.frames import ACCEPTED, DUPLICATE, ID_TAKEN, WireMessage
from meshnode.services.messages.inbox import Gate, unusable
from meshnode.services.messages.message import DELIVERED
from meshnode.services.messages.tables import Birth, insert, marks
from protocols.ids import MessageId, NodeId


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch that came in. `outcomes` may be shorter than the batch: the rest must wait."""

    outcomes: list[str]
    stored: list[tuple[int, WireMessage]]  # (place, message)


def take_in(
    connection: sqlite3.Connection, peer: NodeId, batch: Sequence[WireMessage], gate: Gate, birth: Birth
) -> Taken:
    """Store what is new, in order, up to the first that has to wait."""
    known = _known(connection, peer, batch)
    taken = Taken([], [])
    for message in batch:
        outcome = known.get(message.id) or unusable(message)
        if outcome is None:
            refusal = gate.refusal(len(message.body))
            if refusal is not None:
                taken.outcomes.append(refusal)
                break
            outcome = ACCEPTED
            place = insert(
                connection, peer, message, birth, outgoing=False, state=DELIVERED, requested=gate.requested
            )
            taken.stored.append((place, message))
            known[message.id] = DUPLICATE
        taken.outcomes.append(outcome)
    return taken


def _known(
    connection: sqlite3.Connection, peer: NodeId, batch: Sequence[WireMessage]
) -> dict[MessageId, str]:
    ids = [message.id for message in batch]
    known = {
        id_: DUPLICATE
        for (id_,) in connection.execute(
            f"SELECT id FROM tombstones WHERE peer = ? AND id IN ({marks(ids)})", (peer, *ids)
        )
    }
    for id_, owner, outgoing in connection.execute(
        f"SELECT id, peer, outgoing FROM messages WHERE id IN ({marks(ids)})", ids
    ):
        known[id_] = DUPLICATE if owner == peer and not outgoing else ID_TAKEN
    return known
