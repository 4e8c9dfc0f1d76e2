"""Breadcrumbs: which neighbour an envelope's source was last heard through, so that answers find back.

Soft and bounded: a crumb is the last resort where table and landmarks know nothing.
"""

from protocols.ids import NodeId
from protocols.routing.frames import KEY_BYTES, U16
from protocols.routing.limits import RoutingLimits
from protocols.routing.neighbours import Neighbour
from protocols.routing.table import TICK_NS

INDEX_BITS = 8


class Crumbs:
    def __init__(self, limits: RoutingLimits) -> None:
        self._limits = limits
        self._kept: dict[bytes, int] = {}  # key -> tick ‖ number of the neighbour

    def __len__(self) -> int:
        return len(self._kept)

    def drop(self, source: NodeId, neighbour: Neighbour, now_ns: int) -> None:
        key = source[:KEY_BYTES]
        kept = self._kept
        if key in kept:
            del kept[key]
        elif len(kept) >= self._limits.crumbs_max:
            del kept[next(iter(kept))]
        kept[key] = (now_ns // TICK_NS & U16) << INDEX_BITS | neighbour.index

    def follow(self, key: bytes, now_ns: int) -> int | None:
        """The number of a neighbour."""
        crumb = self._kept.get(key)
        if crumb is None or self._is_old(crumb, now_ns):
            return None
        return crumb & (1 << INDEX_BITS) - 1

    def _is_old(self, crumb: int, now_ns: int) -> bool:
        return (now_ns // TICK_NS & U16) - (crumb >> INDEX_BITS) & U16 > self._limits.crumb_ns // TICK_NS

    def sweep(self, now_ns: int) -> None:
        """They are in the order of dropping."""
        while self._kept:
            key, crumb = next(iter(self._kept.items()))
            if not self._is_old(crumb, now_ns):
                return
            del self._kept[key]

    def neighbour_down(self, neighbour: Neighbour) -> None:
        mask = (1 << INDEX_BITS) - 1
        for key in [key for key, crumb in self._kept.items() if crumb & mask == neighbour.index]:
            del self._kept[key]
