"""What the control API asks about the network around us: translation, and nothing else."""

from collections.abc import Iterable
from math import isinf

import msgspec

from meshnode.control import mesh_shapes as shapes
from meshnode.control.shapes import Event, LinkInfo, Message, PolicyAnswer
from meshnode.node import Node
from meshnode.ports import Destination, LinkSeen, Neighbour, Passed, Trusted
from meshnode.services.mesh import Step
from meshnode.services.mesh import Tie as TieSeen
from meshnode.ways import KEY_BYTES, key_of
from policies.trust import Conduct, Standing
from protocols.errors import RefusedError
from protocols.ids import NODE_ID_BYTES, NodeId, node_id_text, short_id

NODES_MAX = 2_000  # in one map: half a megabyte of JSON
GOOD_HOP = 16  # the cost of one good hop
NS_PER_MS, NS_PER_S = 1_000_000, 1_000_000_000
US_PER_MS = 1_000
FIGURES = tuple(Conduct.__dataclass_fields__)


class MeshDesk:
    def __init__(self, node: Node) -> None:
        self._node = node

    def map(self) -> shapes.MeshMap:
        node, view = self._node, self._node.view
        names, figures = _Names(node), view.figures()
        near = {each.peer: each for each in view.neighbours()}
        found = [each for each in view.destinations() if each.id[:KEY_BYTES] != node.node_id[:KEY_BYTES]]
        listed = {each.id[:KEY_BYTES] for each in found}
        direct = [each for each in near.values() if each.peer[:KEY_BYTES] not in listed]
        nodes = [self._near(each, None, names) for each in direct]
        nodes += [self._node_of(each, near, names) for each in found]
        nodes.sort(key=lambda each: (each.cost, each.key))
        return shapes.MeshMap(
            key=key_of(node.node_id),
            node_id=node_id_text(node.node_id),
            short=short_id(node.node_id),
            name=node.name,
            is_landmark=figures.is_landmark,
            landmark="" if figures.landmark is None else key_of(figures.landmark),
            nodes=nodes[:NODES_MAX],
            left_out=max(0, len(nodes) - NODES_MAX),
        )

    async def ties(self, peer: NodeId, timeout_s: float) -> shapes.Ties:
        mesh, names = self._node.mesh, _Names(self._node)
        own = peer == self._node.node_id
        found = mesh.own_ties() if own else await mesh.ties_of(peer, timeout_s=timeout_s)
        return shapes.Ties(
            key=key_of(peer), ties=[_tie(each, names) for each in found.ties], left_out=found.left_out
        )

    async def trace(self, peer: NodeId, timeout_s: float) -> shapes.TraceInfo:
        names = _Names(self._node)
        found = await self._node.mesh.trace(peer, timeout_s=timeout_s)
        took_us = found.steps[0].answered_us
        return shapes.TraceInfo(
            peer=node_id_text(peer),
            name=names.name(peer),
            end=found.end,
            hops=found.hops,
            took_ms=None if took_us is None else round(took_us / US_PER_MS, 3),
            steps=[
                _step(step, following, names)
                for step, following in zip(found.steps, [*found.steps[1:], None], strict=True)
            ],
        )

    def trace_message(
        self, message: Message, peer: NodeId, decision: PolicyAnswer | None
    ) -> shapes.MessageTrace:
        node, names = self._node, _Names(self._node)
        waits = message.direction == "out" and message.state in {"queued", "sent"}
        happened = node.events.about("message_id", message.message_id)
        return shapes.MessageTrace(
            message=message,
            happened=[_happening(event, names) for event in happened],
            now=_named(node.ways.way_to(peer), names) if waits else None,
            connected=node.driver.is_connected(peer),
            decision=decision if waits else None,
        )

    def stats(self) -> shapes.NetStats:
        view, names = self._node.view, _Names(self._node)
        figures = view.figures()
        return shapes.NetStats(
            passed=_passed(figures.passed),
            neighbours=[
                shapes.NeighbourStats(
                    **names.told(each.peer),
                    cost=each.cost,
                    place=each.standing.place,
                    transports=sorted({link.transport for link in each.links}),
                    passed=_passed(each.passed),
                )
                for each in view.neighbours()
            ],
            relayed_for=[
                shapes.RelayedForInfo(**names.told(each.source), frames=each.frames, bytes=each.bytes)
                for each in figures.relayed_for
            ],
            relays_for=self._node.settings.relay.relay_for,
            destinations=figures.destinations,
            routing_bytes=figures.routing_bytes,
            is_landmark=figures.is_landmark,
            landmark="" if figures.landmark is None else key_of(figures.landmark),
        )

    def trusted(self) -> list[shapes.TrustInfo]:
        names = _Names(self._node)
        return [self._trust(each, names) for each in self._node.view.trusted()]

    def why(self, peer: NodeId) -> shapes.TrustInfo:
        """Raises RefusedError where there is nothing to judge by."""
        names = _Names(self._node)
        for each in self._node.view.trusted():
            if each.peer == peer:
                return self._trust(each, names)
        raise RefusedError(
            "no_evidence",
            f"{names.name(peer) or short_id(peer)} has not been a neighbour since this node started, so nothing is known of its conduct",
        )

    def _trust(self, each: Trusted, names: "_Names") -> shapes.TrustInfo:
        return shapes.TrustInfo(
            **names.told(each.peer),
            contact=self._node.peers.is_contact(each.peer),
            present=each.present,
            standing=_standing(each.standing),
            figures={name: round(getattr(each.conduct, name), 1) for name in FIGURES},
        )

    def _node_of(self, found: Destination, near: dict[NodeId, Neighbour], names: "_Names") -> shapes.MapNode:
        whole = names.whole(found.id)
        if whole is not None and whole in near:
            return self._near(near[whole], found, names)
        return shapes.MapNode(
            **names.told(found.id),
            neighbour=False,
            contact=whole is not None and self._node.peers.is_contact(whole),
            landmark=found.landmark,
            cost=found.cost,
            hops=max(2, round(found.cost / GOOD_HOP)),
            via=key_of(found.next_hop),
            others=[key_of(each) for each in found.others],
            links=[],
            standing=None,
        )

    def _near(self, each: Neighbour, found: Destination | None, names: "_Names") -> shapes.MapNode:
        detour = found is not None and found.next_hop != each.peer
        return shapes.MapNode(
            **names.told(each.peer),
            neighbour=True,
            contact=self._node.peers.is_contact(each.peer),
            landmark=found is not None and found.landmark,
            cost=each.cost if found is None else min(each.cost, found.cost),
            hops=1,
            via=key_of(found.next_hop) if found is not None and detour else "",
            others=[] if found is None else [key_of(other) for other in found.others],
            links=[_link(link) for link in each.links],
            standing=_standing(each.standing),
        )


class _Names:
    """What we call nodes of whom only the first bytes may be known."""

    def __init__(self, node: Node) -> None:
        self._node = node
        known: Iterable[NodeId] = [*node.peers.known(), *node.driver.connected(), node.node_id]
        self._whole = {peer[:KEY_BYTES]: peer for peer in known}

    def whole(self, node: bytes) -> NodeId | None:
        return NodeId(node) if len(node) == NODE_ID_BYTES else self._whole.get(node[:KEY_BYTES])

    def name(self, node: bytes) -> str:
        whole = self._whole.get(node[:KEY_BYTES])
        if whole is None:
            return ""
        if whole == self._node.node_id:
            return self._node.name
        return self._node.peers.owner.view(whole).name

    def told(self, node: bytes) -> dict[str, str]:
        """The fields by which every shape names a node."""
        whole = self.whole(node)
        return {
            "key": key_of(node),
            "node_id": "" if whole is None else node_id_text(whole),
            "short": key_of(node)[:8],
            "name": self.name(node),
        }

    def by_key(self, key: str) -> str:
        return next((self.name(peer) for start, peer in self._whole.items() if key_of(start) == key), "")


def _standing(standing: Standing) -> shapes.StandingInfo:
    return shapes.StandingInfo(
        score=round(standing.score, 3),
        place=standing.place,
        cost_factor=None if isinf(standing.cost_factor) else round(standing.cost_factor, 2),
        reasons=list(standing.reasons),
    )


def _link(link: LinkSeen) -> LinkInfo:
    return LinkInfo(
        transport=link.transport,
        address=link.address,
        rtt_ms=None if link.rtt_ns is None else round(link.rtt_ns / NS_PER_MS, 3),
        up_s=round(link.up_ns / NS_PER_S, 3),
        bytes_in=link.bytes_in,
        bytes_out=link.bytes_out,
    )


def _tie(tie: TieSeen, names: _Names) -> shapes.Tie:
    return shapes.Tie(**names.told(tie.id), cost=tie.cost, transport=tie.transport)


def _step(step: Step, following: Step | None, names: _Names) -> shapes.TraceStep:
    """The time of one hop is what is left when what lies behind it is taken off."""
    beyond_us = following.answered_us or 0 if following is not None else 0
    hop_ms = None if step.answered_us is None else round(max(0, step.answered_us - beyond_us) / US_PER_MS, 3)
    return shapes.TraceStep(
        **names.told(step.id),
        reason=step.reason,
        cost=step.cost,
        transport=step.transport,
        next=key_of(step.next) if step.next else "",
        next_name=names.name(step.next) if step.next else "",
        hop_ms=hop_ms,
        end=step.end,
    )


def _happening(event: Event, names: _Names) -> shapes.Happening:
    noted = event.fields.get("way")
    way = None if noted is None else _named(msgspec.convert(noted, shapes.Way), names)
    return shapes.Happening(
        at=event.at, kind=event.kind, way=way, reason=str(event.fields.get("reason") or "")
    )


def _named(way: shapes.Way, names: _Names) -> shapes.Way:
    """By what we call the relay now."""
    name = names.by_key(way.next) if way.next else ""
    return msgspec.structs.replace(way, next_name=name) if name else way


def _passed(passed: Passed) -> shapes.PassedInfo:
    return shapes.PassedInfo(
        frames_in=passed.frames_in,
        frames_out=passed.frames_out,
        bytes_in=passed.bytes_in,
        bytes_out=passed.bytes_out,
        control_bytes_out=passed.control_bytes_out,
        control_share=round(passed.control_bytes_out / passed.bytes_out, 4) if passed.bytes_out else 0.0,
        relayed_frames=passed.relayed_frames,
        relayed_bytes=passed.relayed_bytes,
        duplicates=passed.duplicates,
        queued_frames=passed.queued_frames,
        queued_bytes=passed.queued_bytes,
        dropped=dict(sorted(passed.dropped.items())),
    )
