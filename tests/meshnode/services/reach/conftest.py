"""Alice and Bob, who talk over real rpc, and a world in which the test says where they are and who can call whom."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from meshnode.ports import DirectLink
from meshnode.services.reach import MeetingLimits, ReachService
from protocols.errors import LinkError
from protocols.ids import NodeId

HANG_S = 20.0


@dataclass
class Wild:
    """The networks between them: which dials get through, by (caller, address)."""

    open: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    houses: "dict[NodeId, House]" = field(default_factory=dict[NodeId, "House"])
    log: list[tuple[str, str, str]] = field(
        default_factory=list[tuple[str, str, str]]
    )  # (who, what, address)


@dataclass
class House:
    """`ports.Doors` of one of them, and its clock."""

    wild: Wild
    name: str
    me: NodeId
    links: dict[NodeId, list[DirectLink]] = field(default_factory=dict[NodeId, list[DirectLink]])
    now: int = 0
    service: Any = None
    published: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])
    events: asyncio.Queue[tuple[str, Mapping[str, object]]] = field(
        default_factory=asyncio.Queue[tuple[str, Mapping[str, object]]]
    )

    def now_ns(self) -> int:
        return self.now

    def wall_ns(self) -> int:
        return self.now

    def direct(self, peer: NodeId) -> list[DirectLink]:
        return self.links.get(peer, [])

    def knock(self, address: str) -> None:
        self.wild.log.append((self.name, "knock", address))

    async def dial_now(self, peer: NodeId, address: str) -> None:
        self.wild.log.append((self.name, "dial", address))
        if (self.name, address) not in self.wild.open:
            raise LinkError(f"nobody answers at {address}")
        self.link(peer, DirectLink(address, dialled=True))
        self.wild.houses[peer].link(self.me, DirectLink(f"quic://45.0.0.1:{len(self.name)}", dialled=False))

    def link(self, peer: NodeId, link: DirectLink) -> None:
        self.links.setdefault(peer, []).append(link)
        self.service.connected(peer)

    def emit(self, kind: str, fields: Mapping[str, object]) -> None:
        self.events.put_nowait((kind, fields))

    async def publish(self, addresses: tuple[str, ...]) -> None:
        self.published.append(addresses)

    async def until(self, kind: str) -> Mapping[str, object]:
        """The fields of the next such event."""
        async with asyncio.timeout(HANG_S):
            while True:
                happened, fields = await self.events.get()
                if happened == kind:
                    return fields


@dataclass
class Scene:
    wild: Wild
    alice: House
    bob: House
    crew: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])

    def start(self, *houses: House) -> None:
        for house in houses:
            self.crew.append(asyncio.create_task(house.service.run()))


@pytest.fixture
async def scene(pair: tuple[Any, Any]) -> AsyncIterator[Callable[..., Scene]]:
    """`scene(alice="quic://10.0.0.1:7", bob=..., limits=..., mapper=...)`; Alice has the lower NodeId. `start` it."""
    made: list[Scene] = []

    def make(
        *,
        alice: str = "quic://192.168.1.2:7420",
        bob: str = "quic://192.168.2.2:7420",
        friends: bool = True,
        limits: MeetingLimits | None = None,
        mapper: Any = None,
    ) -> Scene:
        wild = Wild()
        houses: list[House] = []
        peers = sorted(pair, key=lambda each: each.id)
        for name, peer, address in zip(("alice", "bob"), peers, (alice, bob), strict=True):
            house = House(wild, name, peer.id)
            house.service = ReachService(
                peer.hub,
                peer.driver,
                house,
                house.emit,
                house,
                Random(name),
                me=peer.id,
                local=lambda address=address: (address,) if address else (),
                publish=house.publish,
                may_meet=lambda _: friends,
                mapper=mapper,
                limits=limits or MeetingLimits(),
            )
            wild.houses[peer.id] = house
            houses.append(house)
        made.append(Scene(wild, houses[0], houses[1]))
        return made[-1]

    yield make
    for each in made:
        for task in each.crew:
            task.cancel()
        await asyncio.gather(*each.crew, return_exceptions=True)
