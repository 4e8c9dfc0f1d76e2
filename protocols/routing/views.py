"""What the router hands out for reading."""

from dataclasses import dataclass
from typing import NamedTuple

from protocols.ids import NodeId


class Hop(NamedTuple):
    """Where an envelope goes next. A tuple, since each relayed envelope makes one."""

    neighbour: NodeId
    width: int  # class of the largest envelope that the whole way takes, as far as known
    via: NodeId | None  # the landmark to write into the envelope; None: take out what is there


@dataclass(frozen=True, slots=True)
class Destination:
    prefix: bytes  # the first 12 bytes of its NodeId
    node: NodeId | None  # where all of it is known: landmarks and neighbours
    cost: int  # 16 = one good hop
    width: int
    next_hop: NodeId
    alternatives: tuple[NodeId, ...]  # other loop-free next hops
    landmark: bool


@dataclass(frozen=True, slots=True)
class RoutingView:
    destinations: tuple[Destination, ...]  # nearest first
    landmark: NodeId | None  # ours; ourselves where we are one
    is_landmark: bool
    radius: int | None  # cost up to which others know us; None: everywhere
    sequence: int
    period_ns: int  # between refreshes
    locators: int  # kept for others
    located: int  # found and remembered
    state_bytes: int
