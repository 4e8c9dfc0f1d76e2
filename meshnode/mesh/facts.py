"""What the core asks about a peer."""

from typing import Protocol

from protocols.ids import NodeId


class PeerFacts(Protocol):
    """What the owner's book knows (kept by the peers service)."""

    def x25519(self, peer: NodeId) -> bytes | None: ...

    def hybrid(self, peer: NodeId) -> bool:
        """False only where the peer's record says that it can't."""
        ...

    def addresses(self, peer: NodeId) -> list[str]: ...

    def is_blocked(self, peer: NodeId) -> bool: ...

    def is_contact(self, peer: NodeId) -> bool:
        """Others are strangers: a new session with one holds less (`limits.py`)."""
        ...

    def seen_hybrid(self, peer: NodeId) -> bool: ...


class NobodyKnown:
    """An empty book."""

    def x25519(self, peer: NodeId) -> bytes | None:  # noqa: ARG002 - nobody is known
        return None

    def hybrid(self, peer: NodeId) -> bool:  # noqa: ARG002 - as above
        return True

    def addresses(self, peer: NodeId) -> list[str]:  # noqa: ARG002 - as above
        return []

    def is_blocked(self, peer: NodeId) -> bool:  # noqa: ARG002 - as above
        return False

    def is_contact(self, peer: NodeId) -> bool:  # noqa: ARG002 - as above
        return False

    def seen_hybrid(self, peer: NodeId) -> bool:  # noqa: ARG002 - as above
        return False
