"""What the router tells its owner."""

from dataclasses import dataclass
from typing import TypeAlias

from protocols.ids import NodeId


@dataclass(frozen=True, slots=True)
class Found:
    """A watched peer has a way to it now: in the table, or through its landmark."""

    peer: NodeId


@dataclass(frozen=True, slots=True)
class Lost:
    """A watched peer has none any more. The router goes on looking."""

    peer: NodeId


@dataclass(frozen=True, slots=True)
class Suspicious:
    """A neighbour said what an honest one in order does not say; `reason` is a fixed word in snake case."""

    peer: NodeId
    reason: str


Event: TypeAlias = Found | Lost | Suspicious
