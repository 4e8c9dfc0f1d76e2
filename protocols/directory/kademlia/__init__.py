"""Finding nodes and holders by Kademlia with disjoint lookups, over any way to ask a node. docs/directory.md."""

from protocols.directory.kademlia.card import LISTED, Card, open_card
from protocols.directory.kademlia.directory import Directory
from protocols.directory.kademlia.groups import ALONE, Group, group_behind, group_of
from protocols.directory.kademlia.holding import Holding, open_holding, sign_holding
from protocols.directory.kademlia.limits import DEFAULT, DirectoryLimits
from protocols.directory.kademlia.lookup import Answer, Goal, Lookup, Outcome
from protocols.directory.kademlia.places import key_of_place, place_of, place_of_key
from protocols.directory.kademlia.relay import (
    RELAY_SCHEME,
    gateways_of,
    is_far_reaching,
    parse_relay,
    relay_address,
)
from protocols.directory.kademlia.shelf import HoldingShelf, KeptRecord, RecordShelf, Verdict
from protocols.directory.kademlia.table import Seat, Table
from protocols.directory.kademlia.upkeep import Duty, Upkeep

__all__ = [
    "ALONE",
    "DEFAULT",
    "LISTED",
    "RELAY_SCHEME",
    "Answer",
    "Card",
    "Directory",
    "DirectoryLimits",
    "Duty",
    "Goal",
    "Group",
    "Holding",
    "HoldingShelf",
    "KeptRecord",
    "Lookup",
    "Outcome",
    "RecordShelf",
    "Seat",
    "Table",
    "Upkeep",
    "Verdict",
    "gateways_of",
    "group_behind",
    "group_of",
    "is_far_reaching",
    "key_of_place",
    "open_card",
    "open_holding",
    "parse_relay",
    "place_of",
    "place_of_key",
    "relay_address",
    "sign_holding",
]
