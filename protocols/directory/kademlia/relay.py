"""`relay://<NodeId>` as an address in a record: whoever wants to reach its node may go through this neighbour of it."""

from collections.abc import Iterable

from protocols.errors import RefusedError
from protocols.ids import NODE_ID_CHARS, NodeId, node_id_text, parse_node_id

RELAY_SCHEME = "relay"
PREFIX = f"{RELAY_SCHEME}://"
NEAR_SCHEMES = frozenset({"ble", "lora", RELAY_SCHEME})  # whoever is far away can't dial these


def relay_address(gateway: NodeId) -> str:
    return PREFIX + node_id_text(gateway)


def parse_relay(address: str) -> NodeId | None:
    """None where it is an address of another kind, or damaged."""
    if not address.startswith(PREFIX) or len(address) != len(PREFIX) + NODE_ID_CHARS:
        return None
    try:
        return parse_node_id(address.removeprefix(PREFIX))
    except RefusedError:
        return None


def gateways_of(addresses: Iterable[str]) -> list[NodeId]:
    """In the order of the addresses, each once."""
    found = (parse_relay(address) for address in addresses)
    return list(dict.fromkeys(gateway for gateway in found if gateway is not None))


def is_far_reaching(addresses: Iterable[str]) -> bool:
    """Whether somebody who is not next door could dial one of them."""
    return any(address.partition("://")[0] not in NEAR_SCHEMES for address in addresses)
