"""What the book noticed. `announce` puts it into the control API's words."""

from dataclasses import dataclass
from typing import TypeAlias, assert_never

from protocols.ids import NodeId, node_id_text


@dataclass(frozen=True, slots=True)
class NameConflict:
    """A peer calls itself what the owner pinned somebody else as. Loud: this is how impersonation begins."""

    node: NodeId
    self_name: str
    pinned: tuple[NodeId, ...]


@dataclass(frozen=True, slots=True)
class PeerMetAtAddress:
    """Somebody answered at an address the owner typed, and was taken for the one meant (trust on first use)."""

    node: NodeId
    address: str
    name: str


@dataclass(frozen=True, slots=True)
class AddressChangedHands:
    """Another identity than before answers at an address that the owner or an invite gave."""

    address: str
    before: tuple[NodeId, ...]
    now: NodeId


@dataclass(frozen=True, slots=True)
class PeerRevoked:
    """Its owner declared the key lost. Nothing of it is believed any more, for ever."""

    node: NodeId
    name: str


Event: TypeAlias = NameConflict | PeerMetAtAddress | AddressChangedHands | PeerRevoked


def announce(event: Event) -> tuple[str, dict[str, object]]:
    """(name, JSON-able fields) for `ports.Emit`."""
    match event:
        case NameConflict(node, self_name, pinned):
            ids = [node_id_text(one) for one in pinned]
            return "name_conflict", {"node_id": node_id_text(node), "self_name": self_name, "pinned": ids}
        case PeerMetAtAddress(node, address, name):
            return "peer_met", {"node_id": node_id_text(node), "address": address, "name": name}
        case AddressChangedHands(address, before, now):
            ids = [node_id_text(one) for one in before]
            return "address_identity_changed", {
                "address": address,
                "before": ids,
                "node_id": node_id_text(now),
            }
        case PeerRevoked(node, name):
            return "peer_revoked", {"node_id": node_id_text(node), "name": name}
    assert_never(event)
