"""A few cores in virtual time, joined as a witness needs it. Nobody knows anybody: what passes is the witness's own."""

from collections.abc import Sequence
from itertools import pairwise

from meshnode.mesh import LinkReceived, LinkUp, Mesh
from protocols.envelope import Kind, TrafficClass, header_bytes
from protocols.ids import NodeId
from sim.builder import settle
from sim.core import Core
from sim.disk import Disks
from sim.host import Host
from sim.media import Medium
from sim.scenario import parse_scenario
from sim.timeline import NS_PER_S, Timeline
from transports.api import LinkStats, LinkTraits

SEED = 7
MEETING_S = 20.0  # two who dial each other at once, and the tables that follow
STRANGE_LINK = 1 << 30  # its number; a core's own count from 1
WORLD = """
about = "Strangers"
lane = "a"
nodes = {nodes}
[[media]]
kind = "{medium}"
loss = 0.0
[acquaintances]
degree = 0
"""


class Hamlet:
    """`medium`: "lan", whose frames nobody keeps for the next hop, or "ble"."""

    def __init__(self, pairs: Sequence[tuple[int, int]], *, medium: str = "lan") -> None:
        scenario = parse_scenario(WORLD.format(nodes=1 + max(map(max, pairs)), medium=medium), "hamlet")
        self.village = settle(scenario, SEED, Timeline(), Disks()).village
        self.hosts: list[Host] = list(self.village.hosts.values())
        for one, other in pairs:
            self.medium.meet(f"n{one}", f"n{other}")
        self.village.boot_all()

    @property
    def medium(self) -> Medium:
        return next(iter(self.village.media.values()))

    def settled(self) -> "Hamlet":
        """Everybody has met whom it hears, and knows the ways."""
        self.pass_s(MEETING_S)
        return self

    def pass_s(self, seconds: float) -> None:
        self.village.timeline.run(self.village.timeline.now_ns + int(seconds * NS_PER_S))

    def core(self, number: int) -> Core:
        core = self.hosts[number].process
        assert isinstance(core, Core), "lane A"
        return core

    def mesh(self, number: int) -> Mesh:
        return self.core(number).mesh

    def id(self, number: int) -> NodeId:
        return self.hosts[number].node_id

    def number(self, node: NodeId) -> int:
        return [host.node_id for host in self.hosts].index(node)

    def came(self, number: int) -> int:
        """Routed envelopes for this node itself."""
        return self.mesh(number).counts["routed_in"]

    def hand(self, receiver: int, frame: bytes, *, sender: int) -> None:
        """As if this neighbour had sent it."""
        (link, *_) = self.mesh(receiver).links.of(self.id(sender))
        self.core(receiver)._tell(LinkReceived(link.id, [frame]))

    def hand_as_stranger(self, receiver: int, frame: bytes) -> None:
        """Over a link whose other end has proved nothing."""
        core = self.core(receiver)
        stranger = LinkUp(
            link=STRANGE_LINK,
            traits=lambda: LinkTraits("quic", 1_200, has_reliable_lane=True),
            dialled=False,
            binding=bytes(32),
            address="lan://stranger",
            target=None,
            stats=LinkStats(),
            backlog=lambda: 0,
            backlog_max=1 << 20,
        )
        core._tell(stranger)
        core._tell(LinkReceived(STRANGE_LINK, [frame]))

    def envelope(self, source: int, destination: int, *, hops: int = 9) -> bytes:
        """Routed, and sealed so that nobody opens it."""
        traffic = TrafficClass.INTERACTIVE
        ends = self.id(source), self.id(destination)
        return header_bytes(
            Kind.RECORD, traffic, hops, b"of this hamlet".ljust(16), *ends, local=False
        ) + bytes(64)

    def heard(self, text: str) -> list[int]:
        """Who heard this shout, of those that somebody called."""
        shout = next(shout for shout in self.village.journal.shouts if shout.text == text)
        return sorted(self.hosts.index(self.village.hosts[name]) for name in shout.heard)


def line(length: int) -> list[tuple[int, int]]:
    return list(pairwise(range(length)))
