"""What is told about our reachability."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from policies.reach import Kind
from protocols.ids import NodeId

Outcome: TypeAlias = Literal["waiting", "under_way", "direct", "failed", "relayed"]


@dataclass(frozen=True, slots=True)
class WayView:
    """Of one IP version."""

    version: int
    kind: Kind
    address: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class MeetingView:
    """What became of the last try to reach a peer directly. "relayed": not tried again soon, for `reason`."""

    peer: NodeId
    outcome: Outcome
    reason: str
    tries: int
    again_in_ns: int | None


@dataclass(frozen=True, slots=True)
class ReachReport:
    ways: tuple[WayView, ...]
    observers: int  # neighbours whose word is counted
    published: tuple[str, ...]  # in our record beside the addresses of our interfaces
    mapping: str  # what became of the mapping on our router, in words
    meetings: tuple[MeetingView, ...]
