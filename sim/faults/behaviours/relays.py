"""Misbehaviour of a relay: whole cores whose own sessions are honest, and who wrong what they should pass on."""

from collections import deque

from meshnode.mesh import Mesh
from policies.routing import HOP_COST
from protocols.envelope import Envelope, Kind, TrafficClass, header_bytes
from protocols.ids import MESSAGE_ID_BYTES, NodeId
from protocols.routing.frames import COST_SHIFT, U16, decode_body, encode_body
from sim.faults.behaviours.frames import lane_bytes
from sim.faults.behaviours.spot import Spot
from sim.timeline import NS_PER_MS, NS_PER_S

LOOK_NS = NS_PER_S  # until a process that booted meanwhile misbehaves as well
INFINITE = U16  # a retraction is no way to promise
KEPT_FRAMES = 64  # of those that came by, to be used again
AGAIN = 3  # times that each goes out once more
HOPS = 64  # of an envelope that is made up
WAVE_NS = 100 * NS_PER_MS
WAVE_FRAMES = 64  # of 1,000 bytes: 640 kB/s in all, several times what a village writes
FLOOD_BYTES = 900


class AtRelay:
    """Stands in the core of whatever process runs at its host. Alone, it does nothing with what passes."""

    def __init__(self, spot: Spot) -> None:
        self.spot = spot
        self._mesh: Mesh | None = None
        self._over = False

    def start(self) -> None:
        self._look()

    def stop(self) -> None:
        self._over = True
        self._release()

    def pass_on(self, envelope: Envelope, frame: bytes, neighbour: NodeId, now_ns: int) -> None:
        """In the place of the relay's own."""
        if self._mesh is not None:
            type(self._mesh.relay).pass_on(self._mesh.relay, envelope, frame, neighbour, now_ns)

    def outgoing(self, *, now_ns: int) -> list[tuple[NodeId, bytes]]:
        """In the place of the router's own: what neighbours are told of ways."""
        assert self._mesh is not None, "a core asks that is patched"
        router = self._mesh.relay.router
        return type(router).outgoing(router, now_ns=now_ns)

    def _look(self) -> None:
        if self._over:
            return
        process = self.spot.host.process
        mesh = None if process is None else process.mesh
        if mesh is not self._mesh:
            self._release()
            self._mesh = mesh
            if mesh is not None:
                mesh.relay.pass_on = self.pass_on
                mesh.relay.router.outgoing = self.outgoing
        self.spot.timeline.after(LOOK_NS, "byzantine", self._look)

    def _release(self) -> None:
        """Instances hide what their classes do: taken away, that is there again."""
        if self._mesh is not None:
            del self._mesh.relay.pass_on, self._mesh.relay.router.outgoing
            self._mesh = None


class Swallow(AtRelay):
    """A share of what others send through it is dropped, and the hop before it hears that it arrived."""

    def pass_on(self, envelope: Envelope, frame: bytes, neighbour: NodeId, now_ns: int) -> None:
        if not self.spot.hits():
            super().pass_on(envelope, frame, neighbour, now_ns)


class FalseHops(AtRelay):
    """Says of a share of its ways that they are one hop long: no bound and no single neighbour can tell that it lies.

    What that brings it, it passes on as well as it can.
    """

    def outgoing(self, *, now_ns: int) -> list[tuple[NodeId, bytes]]:
        return [(peer, self._forge(body)) for peer, body in super().outgoing(now_ns=now_ns)]

    def _forge(self, body: bytes) -> bytes:
        said = decode_body(body)
        return encode_body(
            retell=said.retell,
            counter=said.counter,
            period_s=said.period_s,
            entries=[(key, self._cheap(word)) for key, word in said.entries],
            landmarks=[(node, self._cheap(word)) for node, word in said.landmarks],
            requests=list(said.requests),
        )

    def _cheap(self, word: int) -> int:
        cost = word >> COST_SHIFT & U16
        if cost <= HOP_COST or cost == INFINITE or not self.spot.hits():
            return word
        return word & ~(U16 << COST_SHIFT) | HOP_COST << COST_SHIFT


class BlackHole(FalseHops):
    """Attracts all by false hops, and drops a share of it."""

    def pass_on(self, envelope: Envelope, frame: bytes, neighbour: NodeId, now_ns: int) -> None:
        if not self.spot.hits():
            super().pass_on(envelope, frame, neighbour, now_ns)


class ReplayRouted(AtRelay):
    """Passes on all, and for a share of it sends old ones again, to neighbours drawn by chance."""

    def __init__(self, spot: Spot) -> None:
        super().__init__(spot)
        self._kept: deque[bytes] = deque(maxlen=KEPT_FRAMES)

    def pass_on(self, envelope: Envelope, frame: bytes, neighbour: NodeId, now_ns: int) -> None:
        super().pass_on(envelope, frame, neighbour, now_ns)
        self._kept.append(frame)
        if self.spot.hits():
            for _ in range(AGAIN):
                inject(self.spot, self._kept[self.spot.chance.below(len(self._kept))])


class FloodRouted(AtRelay):
    """Beside its honest work it sends waves of records that nobody asked for, to hosts drawn by chance."""

    def start(self) -> None:
        super().start()
        self._wave()

    def _wave(self) -> None:
        if self._over:
            return
        spot = self.spot
        hosts = list(spot.village.hosts.values())
        for _ in range(WAVE_FRAMES):
            if spot.host.up and spot.hits():
                victim = hosts[spot.chance.below(len(hosts))]
                inject(spot, self._made_up(victim.node_id))
        spot.timeline.after(WAVE_NS, "byzantine", self._wave)

    def _made_up(self, destination: NodeId) -> bytes:
        header = header_bytes(
            Kind.RECORD,
            TrafficClass.INTERACTIVE,
            HOPS,
            self.spot.rubbish(MESSAGE_ID_BYTES),
            self.spot.host.node_id,
            destination,
            local=False,
        )
        return header + self.spot.rubbish(FLOOD_BYTES)


def inject(spot: Spot, frame: bytes) -> None:
    """Over one of its links, if one takes it whole."""
    links = spot.links()
    if links:
        link = links[spot.chance.below(len(links))]
        reliable = len(frame) > lane_bytes(link, reliable=False)
        if not reliable or link.traits.has_reliable_lane:
            link.inject([frame], reliable=reliable)
