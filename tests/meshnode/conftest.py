"""Whole nodes without disks: cores, drivers and rpc hubs over memory links, on the real event loop."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from random import Random

import pytest

from meshnode.driver import MeshDriver
from meshnode.mesh import Mesh
from meshnode.rpc import RpcHub
from protocols.directory import sign_record
from protocols.ids import NodeId
from protocols.keys import Identity
from transports.memory import MemoryNetwork, MemoryTransport

TURNS = 2_000  # of the event loop: more than anything here needs to come to rest


async def rest() -> None:
    """Let everything happen that needs no time to pass."""
    loop = asyncio.get_running_loop()
    for _ in range(TURNS):
        turn: asyncio.Future[None] = loop.create_future()
        loop.call_soon(turn.set_result, None)
        await turn


class RealTime:
    def now_ns(self) -> int:
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        return time.time_ns()


class Peer:
    """A node that knows the keys and addresses of all its neighbours."""

    def __init__(self, street: "Street", name: str) -> None:
        self.street, self.name = street, name
        self.identity = Identity.from_seed(name.encode().ljust(32, b"."))
        self.address = f"memory://{name}"
        self.boots = 0
        self.driver: MeshDriver
        self.runner: asyncio.Task[None] | None = None

    @property
    def id(self) -> NodeId:
        return self.identity.node_id

    @property
    def hub(self) -> RpcHub:
        return self.driver.hub

    async def start(self) -> None:
        """Boot, with nothing remembered of an earlier life."""
        self.boots += 1
        die = Random(f"{self.name}/{self.boots}")
        record = sign_record(
            self.identity,
            sequence=self.boots,
            expires_at=2**40,
            addresses=(self.address,),
            services=(),
            features=(),
            name=self.name,
        )
        mesh = Mesh(
            self.identity,
            own_record=lambda: record,
            own_addresses=lambda: frozenset({self.address}),
            answer_strangers=True,
            boot=die.randbytes(8),
            kem=None,
            entropy=die.randbytes,
            dice=lambda concern: Random(f"{self.name}/{concern}"),
            wall_ms=lambda: 0,
        )
        mesh.facts = self
        transport = MemoryTransport(self.street.network, self.name)
        await transport.listen(self.address)
        self.driver = MeshDriver(mesh, {"memory": transport}, RealTime())
        self.runner = asyncio.create_task(self.driver.run())
        await rest()

    async def stop(self) -> None:
        """As the daemon does. Twice is harmless."""
        if self.runner is not None:
            self.runner.cancel()
            await asyncio.wait([self.runner])
            await self.driver.close()

    async def meets(self, other: "Peer") -> None:
        self.driver.want(other.id)
        await self.driver.until_connected(other.id)
        await rest()

    def unread_bytes(self, other: "Peer") -> int:
        channel = self.driver.channel(other.id)
        return 0 if channel is None else channel.connection.unread_bytes

    # What it knows of the others (`PeerFacts`)

    def x25519(self, peer: NodeId) -> bytes | None:
        found = self.street.find(peer)
        return None if found is None else found.identity.x25519_public

    def addresses(self, peer: NodeId) -> list[str]:
        found = self.street.find(peer)
        return [] if found is None else [found.address]

    def hybrid(self, peer: NodeId) -> bool:
        return False

    def is_contact(self, peer: NodeId) -> bool:
        return True

    def is_blocked(self, peer: NodeId) -> bool:
        return False

    def seen_hybrid(self, peer: NodeId) -> bool:
        return False


@dataclass
class Street:
    network: MemoryNetwork = field(default_factory=MemoryNetwork)
    peers: list[Peer] = field(default_factory=list[Peer])

    async def peer(self, name: str) -> Peer:
        peer = Peer(self, name)
        self.peers.append(peer)
        await peer.start()
        return peer

    def find(self, node: NodeId) -> Peer | None:
        return next((peer for peer in self.peers if peer.id == node), None)

    def cut(self, one: Peer, other: Peer) -> None:
        """Their links break, and the next dial finds the other again."""
        self.network.cut(one.name, other.name)
        self.network.mend(one.name, other.name)


@pytest.fixture
async def street() -> AsyncIterator[Street]:
    """Whoever lives here is stopped at the end, and no task may be left then."""
    street = Street()
    yield street
    for peer in street.peers:
        await peer.stop()
    await rest()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"still running: {left}"


@pytest.fixture
async def pair(street: Street) -> tuple[Peer, Peer]:
    """Alice has called Bob."""
    alice, bob = await street.peer("alice"), await street.peer("bob")
    await alice.meets(bob)
    return alice, bob


@pytest.fixture
def settled() -> Callable[[], object]:
    return rest
