"""What the table itself wants sent: handshakes, hints and confirmations."""

from collections.abc import Callable
from dataclasses import dataclass

from protocols.envelope import Kind, TrafficClass, header_bytes
from protocols.ids import MESSAGE_ID_BYTES, UNKNOWN_NODE, NodeId
from protocols.session.limits import SessionLimits


@dataclass(frozen=True, slots=True)
class Way:
    """How an envelope came, or should go."""

    route: int
    local: bool
    peer: NodeId  # the other end's NodeId as far as it is known, else UNKNOWN_NODE


class Outbox:
    def __init__(self, own_node: NodeId, *, entropy: Callable[[int], bytes], limits: SessionLimits) -> None:
        self._own_node = own_node
        self._entropy = entropy
        self._hops, self._waiting_max = limits.hops, limits.outgoing_max
        self._waiting: list[
            tuple[int, NodeId, bytes]
        ] = []  # a list: empty nearly always, and a deque is large then

    def put(self, kind: Kind, payload: bytes, way: Way) -> None:
        """Each envelope gets an id of its own, so that relays don't take a repetition for a duplicate."""
        source, destination = (UNKNOWN_NODE, UNKNOWN_NODE) if way.local else (self._own_node, way.peer)
        header = header_bytes(
            kind,
            TrafficClass.INTERACTIVE,
            1 if way.local else self._hops,
            self._entropy(MESSAGE_ID_BYTES),
            source,
            destination,
            local=way.local,
        )
        self.put_sealed(header + payload, way)

    def put_sealed(self, envelope: bytes, way: Way) -> None:
        self._waiting.append((way.route, way.peer, envelope))
        if len(self._waiting) > self._waiting_max:
            del self._waiting[0]

    def drain(self) -> list[tuple[int, NodeId, bytes]]:
        if not self._waiting:  # nearly always, and asked after each batch of records
            return []
        waiting, self._waiting = self._waiting, []
        return waiting
