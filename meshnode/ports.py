"""What a service may ask of the node. Services depend on these words, never on each other's classes."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Protocol, TypeAlias

from protocols.envelope import TrafficClass
from protocols.ids import NodeId

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


class Standings(Protocol):
    """What the owner thinks of a NodeId (kept by the peers service)."""

    def is_blocked(self, peer: NodeId) -> bool: ...

    def is_contact(self, peer: NodeId) -> bool:
        """The owner pinned it, verified it, accepted its request, or wrote to it."""
        ...

    def mark_contact(self, peer: NodeId) -> None:
        """The owner wrote to this peer or accepted its request: it is no stranger any more (kept on disk)."""
        ...
