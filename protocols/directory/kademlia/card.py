"""A node's signed record, opened and verified: who it is, where on the ring, and the bytes that prove it."""

from dataclasses import dataclass

from protocols.directory.kademlia.places import place_of
from protocols.directory.record import NodeRecord, open_record
from protocols.ids import NodeId
from protocols.keys import REAL, Suite

LISTED = "directory"  # the feature by which a record asks to be in everybody's tables


@dataclass(frozen=True, slots=True)
class Card:
    node: NodeId
    place: int
    record: NodeRecord
    raw: bytes

    @property
    def listed(self) -> bool:
        """It answers strangers and may be told to anybody."""
        return LISTED in self.record.features

    @property
    def sequence(self) -> int:
        return self.record.sequence


def open_card(raw: bytes, suite: Suite = REAL) -> Card:
    """Raises RemoteError."""
    record = open_record(raw, suite)
    return Card(record.node, place_of(record.node), record, raw)
