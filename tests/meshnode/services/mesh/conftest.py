"""Nodes that see what a test draws, and a wire between them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from meshnode.ports import (
    Destination,
    IncomingCall,
    LinkSeen,
    MeshFigures,
    MeshView,
    Neighbour,
    NextStep,
    OutgoingCall,
    Passed,
    Rpc,
    Standings,
    StepReason,
    Trusted,
)
from meshnode.services.mesh import MeshService
from policies.trust import GOOD
from protocols.envelope import TrafficClass
from protocols.errors import LinkError, RefusedError
from protocols.ids import NodeId

Handler = Callable[[IncomingCall], Awaitable[bytes | None]]


def node(number: int) -> NodeId:
    return NodeId(number.to_bytes(32, "big")[::-1])


def link(transport: str = "quic") -> LinkSeen:
    return LinkSeen(transport, "quic://x", 0, None, 0, 0, 0)


@dataclass
class Sketch:
    """A node's view, drawn by hand: next hops by destination."""

    me: NodeId
    near: list[Neighbour] = field(default_factory=list[Neighbour])
    steps: dict[NodeId, NextStep] = field(default_factory=dict[NodeId, NextStep])

    def neighbours(self) -> list[Neighbour]:
        return self.near

    def destinations(self) -> list[Destination]:
        return []

    def next_step(self, peer: NodeId) -> NextStep:
        return (
            NextStep(None, "arrived") if peer == self.me else self.steps.get(peer, NextStep(None, "no_route"))
        )

    def figures(self) -> MeshFigures:
        return MeshFigures(Passed(), (), 0, None, is_landmark=False, routing_bytes=0)

    def trusted(self) -> list[Trusted]:
        return []

    def leads(self, to: NodeId, over: NodeId, reason: StepReason = "table", cost: int = 32) -> None:
        self.steps[to] = NextStep(over, reason, cost)


def is_a_view(sketch: Sketch) -> MeshView:
    """Pyright holds the double to the port."""
    return sketch


@dataclass
class Asked:
    peer: NodeId
    method: str
    body: bytes

    async def messages(self) -> AsyncIterator[bytes]:
        for nothing in ():
            yield nothing

    async def send(self, message: bytes) -> None:
        raise AssertionError("no answer of this service is streamed")


class Air:
    """Everybody's rpc in one room. `ms` is what a call takes, in the room's own time."""

    def __init__(self) -> None:
        self.handlers: dict[NodeId, Handler] = {}
        self.dead: set[NodeId] = set()
        self.mute: set[NodeId] = set()  # linked, and saying nothing
        self.answers: dict[NodeId, bytes] = {}  # of those who say something of their own
        self.time_ns = 0
        self.ms = 5
        self.calls = 0

    def now_ns(self) -> int:
        return self.time_ns

    def wall_ns(self) -> int:
        return self.time_ns

    def pass_s(self, seconds: float) -> None:
        self.time_ns += int(seconds * 1e9)


class Wire:
    """`Rpc` of one node."""

    def __init__(self, air: Air, me: NodeId) -> None:
        self._air, self._me = air, me

    def register(self, service: str, handler: Handler) -> None:
        assert service == "mesh"
        self._air.handlers[self._me] = handler

    async def call(
        self,
        peer: NodeId,
        service: str,
        method: str,
        body: bytes,
        *,
        timeout_s: float = 10.0,
        traffic: TrafficClass = TrafficClass.INTERACTIVE,
    ) -> bytes:
        air = self._air
        air.calls += 1
        air.time_ns += air.ms * 500_000
        await asyncio.sleep(0)
        if peer in air.dead:
            raise LinkError("gone")
        if peer in air.mute:
            raise TimeoutError
        if peer in air.answers:
            return air.answers[peer]
        if peer not in air.handlers:
            raise RefusedError("unknown_service", "no such service here")
        answer = await air.handlers[peer](Asked(self._me, method, body))
        air.time_ns += air.ms * 500_000
        return answer or b""

    async def open(
        self,
        peer: NodeId,
        service: str,
        method: str,
        body: bytes,
        *,
        timeout_s: float | None = None,
        traffic: TrafficClass = TrafficClass.INTERACTIVE,
    ) -> OutgoingCall:
        raise AssertionError("this service streams nothing")


def is_an_rpc(wire: Wire) -> Rpc:
    """Pyright holds the double to the port."""
    return wire


@dataclass
class Friends:
    contacts: list[NodeId] = field(default_factory=list[NodeId])

    def is_blocked(self, peer: NodeId) -> bool:
        return False

    def is_contact(self, peer: NodeId) -> bool:
        return peer in self.contacts

    def mark_contact(self, peer: NodeId) -> None:
        self.contacts.append(peer)


def are_standings(friends: Friends) -> Standings:
    """Pyright holds the double to the port."""
    return friends


@dataclass
class Room:
    """Nodes 0, 1, 2, ... in a line, each linked to the next; all of them know the way along it."""

    air: Air
    sketches: list[Sketch]
    friends: list[Friends]
    services: list[MeshService]
    heard: list[tuple[NodeId, bool]]  # who answered, or did not


def neighbour(peer: NodeId, cost: int = 16, *, shows_itself: bool = True) -> Neighbour:
    return Neighbour(peer, (link(),), cost, GOOD, Passed(), open=shows_itself)


@pytest.fixture
def line() -> Callable[..., Room]:
    def build(count: int, *, hidden: tuple[int, ...] = ()) -> Room:
        air, ids = Air(), [node(number) for number in range(count)]
        heard = list[tuple[NodeId, bool]]()
        sketches, friends, services = list[Sketch](), list[Friends](), list[MeshService]()
        for place, me in enumerate(ids):
            near = [ids[other] for other in (place - 1, place + 1) if 0 <= other < count]
            sketch = Sketch(
                me, [neighbour(each, shows_itself=ids.index(each) not in hidden) for each in near]
            )
            for to, peer in enumerate(ids):
                if to != place:
                    over = ids[place + (1 if to > place else -1)]
                    sketch.leads(peer, over, "neighbour" if over == peer else "table", 16 * abs(to - place))
            sketches.append(sketch)
            friends.append(Friends())
            services.append(
                MeshService(
                    sketch,
                    Wire(air, me),
                    friends[-1],
                    air,
                    open_to_strangers=place not in hidden,
                    answered=lambda peer, came: heard.append((peer, came)),
                )
            )
        return Room(air, sketches, friends, services, heard)

    return build
