"""What the directory asks of the node."""

from collections.abc import Callable
from typing import Protocol

from protocols.directory import NodeRecord
from protocols.directory.kademlia import Group
from protocols.ids import NodeId


class Roads(Protocol):
    """Ways to peers, strangers too."""

    def connected(self) -> list[NodeId]: ...

    def is_connected(self, peer: NodeId) -> bool: ...

    def watch(self, callback: Callable[[NodeId, bool], None]) -> None: ...

    def want(self, peer: NodeId) -> None: ...

    def call_at(self, peer: NodeId, addresses: list[str], *, after_ns: int = 0) -> None: ...

    async def until_connected(self, peer: NodeId) -> None: ...

    def part(self, peer: NodeId, reason: str) -> None: ...


class Sight(Protocol):
    """What the core knows of a peer's way here."""

    def group(self, peer: NodeId) -> Group:
        """The network where a connected peer is."""
        ...

    def can_dial(self, address: str) -> bool: ...

    def is_wide(self, peer: NodeId) -> bool:
        """No radio lies between: an answer may hold twenty records, half a second of a radio's time."""
        ...

    def is_routed(self, peer: NodeId) -> bool:
        """Others lead there, and no radio lies between."""
        ...

    def is_kept(self, peer: NodeId) -> bool:
        """Somebody else wants this peer: its connection is not ours to close."""
        ...

    def is_around(self, peer: NodeId) -> bool:
        """It announces itself where we are: a neighbour, whoever it is."""
        ...

    def is_failing(self, peer: NodeId) -> bool:
        """Its known addresses led nowhere."""
        ...


class Book(Protocol):
    """What the peers service knows."""

    def is_blocked(self, peer: NodeId) -> bool: ...

    def is_contact(self, peer: NodeId) -> bool: ...

    def contacts(self) -> list[NodeId]: ...

    def record(self, peer: NodeId) -> bytes:
        """The newest it signed; b"" where none was seen."""
        ...

    def heard_of(self, record: NodeRecord, raw: bytes) -> bool:
        """A verified record, from somebody else. True: it is a contact's, and newer than what was known."""
        ...

    def passed_by(self, peer: NodeId) -> None:
        """We had to do with it for a moment, and nothing is to remain of that."""
        ...
