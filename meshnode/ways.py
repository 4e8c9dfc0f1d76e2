"""Which way something for a peer leaves, and why; noted on the events of messages, so that a trace can tell it later."""

from collections.abc import Callable, Mapping

import msgspec

from meshnode.control.mesh_shapes import Way
from meshnode.mesh import Mesh
from meshnode.mesh.transport_manager import TYPICAL_BYTES
from meshnode.ports import Emit, MeshView, NextStep
from protocols.envelope import TrafficClass
from protocols.errors import RefusedError
from protocols.ids import NodeId, parse_node_id, short_id, to_base32

NOTED = frozenset(("message_queued", "message_sent"))  # when a way is looked for, or taken
KEY_BYTES = 12
FRESH_NS = 1_000_000_000  # a way that was found holds so long: thousands of messages a second ask
WAYS_MAX = 256  # peers whose way is remembered; then all are forgotten


def key_of(node: bytes) -> str:
    return to_base32(node[:KEY_BYTES])


class Ways:
    def __init__(self, view: MeshView, mesh: Mesh, now_ns: Callable[[], int]) -> None:
        self._view, self._mesh, self._now_ns = view, mesh, now_ns
        self._fresh: dict[str, tuple[int, object]] = {}  # by the peer's text: (when, the way as JSON has it)

    def noting(self, emit: Emit) -> Emit:
        """`emit` for the messages service: it adds the way that was taken."""

        def noted(kind: str, fields: Mapping[str, object]) -> None:
            if kind in NOTED and isinstance(peer := fields.get("peer"), str):
                fields = {**fields, "way": self._remembered(peer)}
            emit(kind, fields)

        return noted

    def way_to(self, peer: NodeId, traffic: TrafficClass = TrafficClass.INTERACTIVE) -> Way:
        links = self._mesh.links.of(peer)
        if links:
            decision = self._mesh.manager.decide(links, traffic, TYPICAL_BYTES[traffic])
            if decision.link is None:
                return Way(over="nothing", reason=decision.reason)
            return Way(
                over="link",
                reason=decision.reason,
                link=decision.link.name.partition("#")[0],
                transport=decision.link.transport,
            )
        return _over_others(self._view.next_step(peer))

    def _remembered(self, text: str) -> object:
        now_ns = self._now_ns()
        kept = self._fresh.get(text)
        if kept is not None and now_ns - kept[0] < FRESH_NS:
            return kept[1]
        try:
            way = msgspec.to_builtins(self.way_to(parse_node_id(text)))
        except RefusedError:  # an event that names its peer otherwise
            return None
        if len(self._fresh) >= WAYS_MAX:
            self._fresh.clear()
        self._fresh[text] = (now_ns, way)
        return way


def _over_others(step: NextStep) -> Way:
    if step.neighbour is None:
        return Way(over="nothing", reason=step.reason)
    return Way(
        over="relay",
        reason=step.reason,
        next=key_of(step.neighbour),
        next_name=short_id(step.neighbour),
        cost=step.cost,
    )
