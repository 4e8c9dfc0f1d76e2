"""What neighbours said wrongly: counted by fixed words, and told to whoever judges them, not too often."""

from protocols.ids import NodeId
from protocols.routing.events import Suspicious
from protocols.routing.limits import RoutingLimits

INNOCENT = frozenset(
    {"stale_entry", "table_share"}
)  # repetition on a lossy link; the only bridge to a large part


class Reproaches:
    def __init__(self, limits: RoutingLimits) -> None:
        self.counts: dict[str, int] = {}
        self.now_ns = 0
        self._limits = limits
        self._events: list[Suspicious] = []
        self._told: dict[tuple[NodeId, str], int] = {}

    def blame(self, peer: NodeId, reason: str) -> None:
        self.count(reason)
        if reason in INNOCENT:
            return
        told_ns = self._told.get((peer, reason))
        if told_ns is None or self.now_ns - told_ns >= self._limits.blame_ns:
            self._told[peer, reason] = self.now_ns
            self._events.append(Suspicious(peer, reason))

    def count(self, reason: str) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1

    def take(self) -> list[Suspicious]:
        events, self._events = self._events, []
        return events

    def waiting(self) -> bool:
        return bool(self._events)

    def neighbour_down(self, peer: NodeId) -> None:
        for key in [key for key in self._told if key[0] == peer]:
            del self._told[key]
