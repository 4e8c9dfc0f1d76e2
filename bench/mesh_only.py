"""A node's core with real links and nothing else: no store, no services, no control API. For measuring."""

from dataclasses import dataclass, field

from meshnode.driver import MeshDriver
from meshnode.mesh import Mesh
from meshnode.realworld import RealClock, real_dice, real_entropy
from protocols.directory import sign_record
from protocols.ids import NodeId
from protocols.keys import Identity
from protocols.noise import mlkem_or_none
from transports.quic import QuicTransport


@dataclass
class KnownPeers:
    """`PeerFacts` from a dictionary."""

    keys: dict[NodeId, bytes] = field(default_factory=dict[NodeId, bytes])
    where: dict[NodeId, list[str]] = field(default_factory=dict[NodeId, list[str]])

    def x25519(self, peer: NodeId) -> bytes | None:
        return self.keys.get(peer)

    def hybrid(self, peer: NodeId) -> bool:
        return True

    def addresses(self, peer: NodeId) -> list[str]:
        return self.where.get(peer, [])

    def is_contact(self, peer: NodeId) -> bool:
        return True

    def is_blocked(self, peer: NodeId) -> bool:
        return False

    def seen_hybrid(self, peer: NodeId) -> bool:
        return False


class MeshOnly:
    def __init__(self, identity: Identity, engine: str | None) -> None:
        self.facts = KnownPeers()
        clock = RealClock()
        kem = mlkem_or_none()
        wall_ns = clock.wall_ns()
        record = sign_record(
            identity,
            sequence=wall_ns // 1_000_000,
            expires_at=wall_ns // 1_000_000_000 + 3_600,
            addresses=(),
            services=("bench",),
            features=("mlkem768",) if kem else (),
            name="",
        )
        mesh = Mesh(
            identity,
            own_record=lambda: record,
            own_addresses=frozenset,
            answer_strangers=True,
            boot=real_entropy(8),
            kem=kem,
            entropy=real_entropy,
            dice=real_dice,
            wall_ms=lambda: clock.wall_ns() // 1_000_000,
        )
        mesh.facts = self.facts
        self.quic = QuicTransport(clock, real_entropy, engine=engine)
        self.driver = MeshDriver(mesh, {"quic": self.quic}, clock)

    async def listen(self, address: str) -> None:
        await self.quic.listen(address)

    def expect(self, peer: Identity, address: str) -> None:
        """From now on this peer is known, and wanted at this address."""
        self.facts.keys[peer.node_id] = peer.x25519_public
        self.facts.where[peer.node_id] = [address]
        self.driver.want(peer.node_id)
