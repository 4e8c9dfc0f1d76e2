"""What a service may ask of the node. Services depend on these words, never on each other's classes."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from policies.trust import Conduct, Standing
from protocols.envelope import TrafficClass
from protocols.ids import MessageId, NodeId
from protocols.routing.broadcast import Broadcast

Emit: TypeAlias = Callable[[str, Mapping[str, object]], None]
"""Tell the control API's event stream: a fixed name in snake case, then JSON-able fields."""


class Presence(Protocol):
    """Which peers have a live session over a live link."""

    def connected(self) -> list[NodeId]: ...

    def is_connected(self, peer: NodeId) -> bool: ...

    def watch(self, callback: Callable[[NodeId, bool], None]) -> None:
        """Called with (peer, True) when a peer comes up and (peer, False) when it goes. Quick and synchronous."""
        ...

    def want(self, peer: NodeId) -> None:
        """Please keep trying to reach this peer (something waits for it)."""
        ...


class IncomingCall(Protocol):
    """One rpc request as its handler sees it."""

    @property
    def peer(self) -> NodeId:
        """Proved by the session."""
        ...

    @property
    def method(self) -> str: ...

    @property
    def body(self) -> bytes:
        """The request's first message."""
        ...

    def messages(self) -> AsyncIterator[bytes]:
        """The request's further messages, until the caller ends its side."""
        ...

    async def send(self, message: bytes) -> None:
        """One message of a streamed answer; waits while the flow-control window is shut."""
        ...


class OutgoingCall(Protocol):
    """A streamed rpc call as its caller sees it."""

    async def send(self, message: bytes) -> None: ...

    def messages(self) -> AsyncIterator[bytes]:
        """The answer's messages, until it ends. Raises as `Rpc.call`."""
        ...

    async def end(self) -> None:
        """Our side is done; the answer may go on."""
        ...

    async def cancel(self) -> None: ...


class Rpc(Protocol):
    def register(self, service: str, handler: Callable[[IncomingCall], Awaitable[bytes | None]]) -> None:
        """`handler` is an async function `(call) -> bytes | None`; bytes become the answer's last message.

        A RefusedError it raises reaches the caller as a RefusedError with the same code and sentence; a
        RemoteError becomes RefusedError("bad_request"); anything else is logged and becomes "internal".
        """
        ...

    async def call(
        self,
        peer: NodeId,
        service: str,
        method: str,
        body: bytes,
        *,
        timeout_s: float = 10.0,
        traffic: TrafficClass = ...,
    ) -> bytes:
        """One request, one answer of at most 1 MiB each.

        Raises LinkError when the peer can't be reached or the session went away in between, TimeoutError when
        the deadline passed, RefusedError with the peer's code and sentence when it declined.
        """
        ...

    async def open(
        self,
        peer: NodeId,
        service: str,
        method: str,
        body: bytes,
        *,
        timeout_s: float | None = None,
        traffic: TrafficClass = ...,
    ) -> OutgoingCall:
        """A streamed call. Raises as `call`."""
        ...


@dataclass(frozen=True, slots=True)
class DirectLink:
    """A link to a neighbour that crosses a network (no radio)."""

    address: str  # the neighbour's end, as we see it
    dialled: bool  # we called it
    uninvited: bool = False  # it called us, and we had called nobody at its host


class Doors(Protocol):
    """What opens a direct way to a peer that is reached over others."""

    def direct(self, peer: NodeId) -> list[DirectLink]:
        """Its bound links that cross a network; none while only radios or others lead to it."""
        ...

    def knock(self, address: str) -> None:
        """As `Transport.knock`; nothing where no transport has that scheme. Raises LinkError, SettingsError."""
        ...

    async def dial_now(self, peer: NodeId, address: str) -> None:
        """Whatever the dialler thinks. Returns once a link is open, which then has to prove that the peer is there.

        Raises LinkError, or SettingsError for a malformed address.
        """
        ...


class Standings(Protocol):
    """What the owner thinks of a NodeId (kept by the peers service)."""

    def is_blocked(self, peer: NodeId) -> bool: ...

    def is_contact(self, peer: NodeId) -> bool:
        """The owner pinned it, verified it, accepted its request, or wrote to it."""
        ...

    def mark_contact(self, peer: NodeId) -> None:
        """The owner wrote to this peer or accepted its request: it is no stranger any more (kept on disk)."""
        ...


class Mail(Protocol):
    """What the courier asks of the messages service."""

    async def arrived(self, sender: NodeId, content: bytes) -> Literal["kept", "hopeless", "later"]:
        """`content`, which `sender` signed, came sealed. "kept": it is on disk; "hopeless": no use to bring it again."""
        ...

    async def brought(self, to: NodeId, messages: Sequence[MessageId]) -> None:
        """Its receiver signed that it has these. Returns once that is on disk. Raises StoreError."""
        ...

    def lapsed(self, to: NodeId) -> None:
        """Something for this peer was carried in vain until its end; what still waits may be sealed again."""
        ...


class Couriers(Protocol):
    """What the messages service asks of the courier."""

    def can_carry(self, to: NodeId) -> bool:
        """We may seal to this peer, and somebody is near who might carry it."""
        ...

    def couriers_of(self, message: MessageId) -> int | None:
        """How many neighbours took it to carry; None: it isn't sealed."""
        ...

    async def entrust(
        self, to: NodeId, content: bytes, messages: Sequence[MessageId], *, life_ms: int
    ) -> bool:
        """Seal this and offer it around; False: not now. Raises StoreError."""
        ...

    def over(self, messages: Sequence[MessageId]) -> None:
        """Delivered some other way, or given up."""
        ...


class Shouting(Protocol):
    """Broadcasts, as the core floods them and keeps them for those who missed them (protocols/sync, `Commons`)."""

    def shout(self, frame: bytes) -> None:
        """A whole BROADCAST envelope of ours: to everybody around, now. It is not delivered to ourselves."""
        ...

    def recall(self, frames: Sequence[bytes]) -> None:
        """After a start: what is on disk, oldest first. Neighbours that lack it get it; none is delivered again."""
        ...

    def hear(self, callback: Callable[[Broadcast, bytes], None]) -> None:
        """Call this with each new broadcast, verified, and its frame as it came. Quick and synchronous."""
        ...


# -- what the mesh looks like from here ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LinkSeen:
    """A live link, bound to its neighbour."""

    transport: str
    address: str
    up_ns: int  # how long it has been up
    rtt_ns: int | None  # None: not measured yet
    bytes_in: int
    bytes_out: int
    unsent_bytes: int  # handed to it and not gone yet


@dataclass(frozen=True, slots=True)
class Passed:
    """What went over one neighbour's links, or over all. A node that restarts begins at 0."""

    frames_in: int = 0
    frames_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    control_bytes_out: int = 0  # ROUTING and SYNC bodies of ours
    relayed_frames: int = 0  # that came from it, for somebody else, and went on
    relayed_bytes: int = 0
    duplicates: int = 0  # heard again and suppressed
    queued_frames: int = 0  # that wait to be relayed to it
    queued_bytes: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict[str, int])  # reason (a fixed word) -> frames


@dataclass(frozen=True, slots=True)
class Neighbour:
    peer: NodeId
    links: tuple[LinkSeen, ...]  # the one that carries interactive traffic first
    cost: int  # of the hop as routing reckons, standing included; 16 is one good hop
    standing: Standing
    passed: Passed
    open: bool = False  # its record says that it shows itself to everyone: strangers may learn its NodeId


@dataclass(frozen=True, slots=True)
class Destination:
    """One that routing knows a way to; neighbours are among them."""

    id: bytes  # a NodeId, or as many of its first bytes as routing keeps (12)
    cost: int
    next_hop: NodeId
    others: tuple[NodeId, ...]  # further neighbours that lead there, best first
    landmark: bool


StepReason: TypeAlias = Literal[
    "arrived",  # it is us
    "neighbour",  # the destination is one
    "table",  # routing knows a way
    "breadcrumb",  # something of its came from there a moment ago
    "landmark",  # towards the landmark that its locator names
    "no_route",
]


@dataclass(frozen=True, slots=True)
class NextStep:
    """Where something for a peer would go from here, now."""

    neighbour: NodeId | None  # None: nowhere, or it has arrived
    reason: StepReason
    cost: int | None = None  # of the rest of the way, where known
    via: NodeId | None = None  # the landmark


@dataclass(frozen=True, slots=True)
class RelayedFor:
    source: NodeId
    frames: int
    bytes: int


@dataclass(frozen=True, slots=True)
class MeshFigures:
    passed: Passed  # over all links
    relayed_for: tuple[RelayedFor, ...]  # the heaviest sources, most bytes first; a bounded number
    destinations: int
    landmark: NodeId | None  # the nearest to us; None: the network needs none yet
    is_landmark: bool
    routing_bytes: int  # of memory, for routing's tables


@dataclass(frozen=True, slots=True)
class Trusted:
    peer: NodeId
    standing: Standing
    conduct: Conduct  # the counts behind it
    present: bool  # it is a neighbour now


class MeshView(Protocol):
    """The mesh as this node sees it, at this moment. Read only, and cheap enough for a person's every question."""

    @property
    def me(self) -> NodeId: ...

    def neighbours(self) -> list[Neighbour]:
        """Oldest link first."""
        ...

    def destinations(self) -> list[Destination]:
        """Nearest first; neighbours included."""
        ...

    def next_step(self, peer: NodeId) -> NextStep: ...

    def figures(self) -> MeshFigures: ...

    def trusted(self) -> list[Trusted]:
        """All neighbours, then those who are away now but about whom there is evidence."""
        ...
