"""What the core is told, and what it wants done. Tuples are those that are made thousands of times each second."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from meshnode.mesh.channel import Channel
from meshnode.mesh.dialer import Dial
from policies.device import DeviceState
from protocols.directory import NodeRecord
from protocols.ids import NodeId
from protocols.routing.broadcast import Broadcast
from protocols.rpc import RpcEvent
from transports.api import Link, LinkStats, LinkTraits

# -- told ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LinkUp:
    """A transport opened a link, or accepted one. `link` is a number that is never used again."""

    link: int
    traits: Callable[[], LinkTraits]  # asked again for each decision: they change while the link lives
    dialled: bool
    binding: bytes
    address: str
    target: NodeId | str | None  # the dialler's target, for a link that we opened
    stats: LinkStats  # the link keeps it up to date
    backlog: Callable[[], int]  # bytes of the reliable lane that have not left yet
    backlog_max: int
    beside: bool = False  # dialled for its target, but not by the dialler's wish

    @classmethod
    def of(cls, number: int, link: Link, target: NodeId | str | None, *, beside: bool = False) -> "LinkUp":
        return cls(
            link=number,
            traits=lambda: link.traits,
            dialled=link.dialled,
            binding=link.binding,
            address=link.address,
            target=target,
            stats=link.stats,
            backlog=lambda: link.unsent_bytes,
            backlog_max=link.unsent_bytes_max,
            beside=beside,
        )


class LinkReceived(NamedTuple):
    link: int
    frames: list[bytes]


@dataclass(frozen=True, slots=True)
class LinkWritable:
    link: int


@dataclass(frozen=True, slots=True)
class LinkDown:
    link: int
    reason: str


@dataclass(frozen=True, slots=True)
class DialFailed:
    target: NodeId | str
    reason: str


@dataclass(frozen=True, slots=True)
class DeviceChanged:
    device: DeviceState


@dataclass(frozen=True, slots=True)
class NetworkChanged:
    """Addresses came or went: what failed before may work now."""


MeshEvent: TypeAlias = (
    LinkUp | LinkReceived | LinkWritable | LinkDown | DialFailed | DeviceChanged | NetworkChanged
)

# -- wanted -------------------------------------------------------------------------------------------------------


class SendOn(NamedTuple):
    """Hand these frames to one lane of one link."""

    link: int
    frames: list[bytes]
    reliable: bool


@dataclass(frozen=True, slots=True)
class CloseLink:
    link: int
    reason: str


@dataclass(frozen=True, slots=True)
class PeerConnected:
    """A peer proved its identity on a link, which is now bound to it; `record` is verified."""

    peer: NodeId
    record: NodeRecord
    record_bytes: bytes
    hybrid: bool
    address: str
    dialled: bool  # we called that address
    first: bool  # it had no link before


@dataclass(frozen=True, slots=True)
class PeerDisconnected:
    """Its last link is gone. Its session may live on and carry on over the next link."""

    peer: NodeId
    reason: str


class RpcHappened(NamedTuple):
    """Something on a call; the channel's id and the event's call id name it."""

    channel: Channel
    event: RpcEvent


@dataclass(frozen=True, slots=True)
class BroadcastHeard:
    """New, and signed by its source; `frame` is its envelope as it came."""

    broadcast: Broadcast
    frame: bytes


@dataclass(frozen=True, slots=True)
class ChannelClosed:
    """All its calls are over: the peer restarted, broke the rules, or was away for too long."""

    channel: int
    peer: NodeId
    reason: str


@dataclass(frozen=True, slots=True)
class Noticed:
    """For the log and the counters: a fixed name, then fields. Nothing secret."""

    name: str
    fields: dict[str, object]


Effect: TypeAlias = (
    SendOn
    | CloseLink
    | Dial
    | PeerConnected
    | PeerDisconnected
    | RpcHappened
    | BroadcastHeard
    | ChannelClosed
    | Noticed
)
