"""Two cores on the real event loop with two real transports: one in memory, the other QUIC over loopback."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from random import Random

import pytest

from meshnode.driver import MeshDriver
from meshnode.mesh import LinkState, Mesh
from meshnode.rpc import Call
from protocols.directory import sign_record
from protocols.ids import NodeId
from protocols.keys import Identity
from transports.memory import MemoryConditions, MemoryNetwork, MemoryTransport
from transports.quic import QuicTransport

PATIENCE_S = 60.0  # longer than this may take anywhere
AN_HOUR_S = 3_600.0
MESSAGES = 500


class RealTime:
    def now_ns(self) -> int:
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        return time.time_ns()


class Peer:
    """A core with both transports; it knows the other (`PeerFacts`)."""

    def __init__(self, network: MemoryNetwork, name: str) -> None:
        self.name = name
        self.identity = Identity.from_seed(name.encode().ljust(32, b"."))
        self.other: Peer
        record = sign_record(
            self.identity, sequence=1, expires_at=2**40, addresses=(), services=(), features=(), name=name
        )
        mesh = Mesh(
            self.identity,
            own_record=lambda: record,
            own_addresses=frozenset,
            answer_strangers=True,
            boot=name.encode().ljust(8, b"."),
            kem=None,
            entropy=os.urandom,
            dice=lambda concern: Random(f"{name}/{concern}"),
            wall_ms=lambda: 0,
        )
        mesh.facts = self
        self.memory, self.quic = MemoryTransport(network, name), QuicTransport(RealTime(), os.urandom)
        self.driver = MeshDriver(mesh, {"memory": self.memory, "quic": self.quic}, RealTime())

    def links(self) -> list[LinkState]:
        return self.driver.mesh.links.of(self.other.identity.node_id)

    def x25519(self, peer: NodeId) -> bytes | None:
        return self.other.identity.x25519_public if peer == self.other.identity.node_id else None

    def hybrid(self, peer: NodeId) -> bool:
        return peer != self.other.identity.node_id

    def addresses(self, peer: NodeId) -> list[str]:
        return [f"memory://{self.other.name}"] if peer == self.other.identity.node_id else []

    def is_contact(self, peer: NodeId) -> bool:
        return peer == self.other.identity.node_id

    def is_blocked(self, peer: NodeId) -> bool:
        return peer != self.other.identity.node_id

    def seen_hybrid(self, peer: NodeId) -> bool:
        return peer != self.other.identity.node_id


async def until(claim: Callable[[], bool]) -> None:
    """Turn after turn of the loop."""
    loop = asyncio.get_running_loop()
    while not claim():
        turn: asyncio.Future[None] = loop.create_future()
        loop.call_soon(turn.set_result, None)
        await turn


@pytest.fixture
async def pair() -> AsyncIterator[tuple[Peer, Peer, MemoryNetwork]]:
    network = MemoryNetwork()
    alice, bob = Peer(network, "alice"), Peer(network, "bob")
    alice.other, bob.other = bob, alice
    for peer in (alice, bob):
        await peer.memory.listen(f"memory://{peer.name}")
    (address,) = await bob.quic.listen("quic://127.0.0.1:0")
    runners = [asyncio.create_task(peer.driver.run()) for peer in (alice, bob)]
    alice.driver.want(bob.identity.node_id)
    async with asyncio.timeout(PATIENCE_S):
        await until(lambda: bool(alice.links() and bob.links()))
        for peer in (alice, bob):
            peer.links()[
                0
            ].up.stats.rtt_ns = 1_000  # memory says nothing of its round trip, and a guess would lose
        await alice.driver.dial_now(bob.identity.node_id, address)
        await until(lambda: len(alice.links()) == len(bob.links()) == 2)
    yield alice, bob, network
    network.conditions = MemoryConditions()
    for runner in runners:
        runner.cancel()
    await asyncio.wait(runners)
    for peer in (alice, bob):
        await peer.driver.close()


async def test_a_real_link_falls_silent_and_the_call_goes_on_over_the_other(
    pair: tuple[Peer, Peer, MemoryNetwork],
) -> None:
    """Memory is the better of the two, and then takes an hour for everything."""
    alice, bob, network = pair
    heard: list[bytes] = []

    async def collect(call: Call) -> bytes:
        async for batch in call.batches():
            heard.extend(batch)
        return b"%d" % len(heard)

    bob.driver.hub.register("post", collect)
    async with asyncio.timeout(PATIENCE_S):
        call = await alice.driver.hub.open(bob.identity.node_id, "post", "collect", b"")
        for number in range(MESSAGES):
            if number == MESSAGES // 2:
                await until(lambda: len(heard) == MESSAGES // 2)
                network.conditions = MemoryConditions(delay_s=AN_HOUR_S)
            await call.send(b"%d" % number)
        await call.end()
        answers = [message async for message in call.messages()]
    assert heard == [b"%d" % number for number in range(MESSAGES)]
    assert answers == [b"%d" % MESSAGES]
    causes = [each.cause for each in alice.driver.mesh.manager.switches(bob.identity.node_id)]
    assert "silent" in causes
