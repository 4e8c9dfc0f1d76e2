"""What the mesh looks like from here: `ports.MeshView`, read off the core."""

from collections.abc import Callable

from meshnode.mesh import LinkState, Mesh
from meshnode.mesh.tally import Tally
from meshnode.ports import (
    Destination,
    LinkSeen,
    MeshFigures,
    Neighbour,
    NextStep,
    Passed,
    RelayedFor,
    StepReason,
    Trusted,
)
from protocols.envelope import TrafficClass
from protocols.ids import NodeId
from protocols.routing import RoutingView

OPEN = "open"  # the feature of a record by which a node says that strangers may learn of it
FRESH_NS = 500_000_000  # what routing describes costs milliseconds, and traces of others ask too
RELAYED_FOR_MAX = 32  # sources told; more fill a screen


class MeshSight:
    def __init__(self, mesh: Mesh, now_ns: Callable[[], int]) -> None:
        self._mesh, self._now_ns = mesh, now_ns
        self._routing: RoutingView | None = None
        self._routing_ns = 0

    @property
    def me(self) -> NodeId:
        return self._mesh.me

    def neighbours(self) -> list[Neighbour]:
        return [self._neighbour(peer) for peer in self._mesh.links.neighbours()]

    def destinations(self) -> list[Destination]:
        return [
            Destination(
                id=each.prefix if each.node is None else each.node,
                cost=each.cost,
                next_hop=each.next_hop,
                others=each.alternatives,
                landmark=each.landmark,
            )
            for each in self._described().destinations
        ]

    def next_step(self, peer: NodeId) -> NextStep:
        if peer == self.me:
            return NextStep(None, "arrived")
        hop = self._mesh.relay.router.next_hop(peer, via=None, now_ns=self._now_ns())
        if hop is None:
            return NextStep(None, "no_route")
        known = next((each for each in self._described().destinations if peer.startswith(each.prefix)), None)
        reason: StepReason = "breadcrumb"
        if hop.neighbour == peer:
            reason = "neighbour"
        elif hop.via is not None:
            reason = "landmark"
        elif known is not None:
            reason = "table"
        return NextStep(hop.neighbour, reason, None if known is None else known.cost, hop.via)

    def figures(self) -> MeshFigures:
        described, mesh = self._described(), self._mesh
        queued = [mesh.relay.queued(peer) for peer in mesh.links.neighbours()]
        waiting = (sum(frames for frames, _ in queued), sum(nbytes for _, nbytes in queued))
        return MeshFigures(
            passed=_passed(mesh.links.tallies.in_all(), waiting),
            relayed_for=tuple(
                RelayedFor(source, frames, nbytes)
                for source, frames, nbytes in mesh.relay.relaying.relayed_for()[:RELAYED_FOR_MAX]
            ),
            destinations=len(described.destinations),
            landmark=described.landmark,
            is_landmark=described.is_landmark,
            routing_bytes=described.state_bytes,
        )

    def trusted(self) -> list[Trusted]:
        evidence, present = self._mesh.relay.evidence, self._mesh.links.neighbours()
        away = [peer for peer in evidence.known() if not self._mesh.links.of(peer)]
        now_ns = self._now_ns()
        return [
            Trusted(
                peer,
                evidence.standing(peer, now_ns),
                evidence.why(peer),
                present=bool(self._mesh.links.of(peer)),
            )
            for peer in [*present, *away]
        ]

    def _neighbour(self, peer: NodeId) -> Neighbour:
        mesh, now_ns = self._mesh, self._now_ns()
        links = mesh.links.of(peer)
        best = mesh.manager.choose(peer, links, TrafficClass.INTERACTIVE, now_ns=now_ns)
        channel = mesh.channel(peer)
        return Neighbour(
            peer=peer,
            links=tuple(_link(link, now_ns) for link in sorted(links, key=lambda each: each is not best)),
            cost=mesh.relay.cost_of(peer),
            standing=mesh.relay.evidence.standing(peer, now_ns),
            passed=_passed(mesh.links.tallies.of(peer), mesh.relay.queued(peer)),
            open=channel is not None and OPEN in channel.session.record.features,
        )

    def _described(self) -> RoutingView:
        now_ns = self._now_ns()
        if self._routing is None or now_ns - self._routing_ns >= FRESH_NS:
            self._routing, self._routing_ns = self._mesh.relay.router.describe(), now_ns
        return self._routing


def _link(link: LinkState, now_ns: int) -> LinkSeen:
    stats = link.up.stats
    return LinkSeen(
        transport=link.up.traits().transport,
        address=link.up.address,
        up_ns=now_ns - link.since_ns,
        rtt_ns=stats.rtt_ns,
        bytes_in=stats.bytes_in,
        bytes_out=stats.bytes_out,
        unsent_bytes=link.up.backlog(),
    )


def _passed(tally: Tally, queued: tuple[int, int]) -> Passed:
    return Passed(
        frames_in=tally.frames_in,
        frames_out=tally.frames_out,
        bytes_in=tally.bytes_in,
        bytes_out=tally.bytes_out,
        control_bytes_out=tally.control_bytes_out,
        relayed_frames=tally.relayed_frames,
        relayed_bytes=tally.relayed_bytes,
        duplicates=tally.duplicates,
        queued_frames=queued[0],
        queued_bytes=queued[1],
        dropped=dict(tally.dropped),
    )
