"""When we last met whom. Told only to those who ask on behalf of an object for that very person, and only as an age."""

from collections.abc import Mapping

from protocols.courier.limits import AGE_S_MAX
from protocols.ids import NodeId


class Meetings:
    """When full, the one met longest ago is forgotten."""

    def __init__(self, met_max: int, kept: Mapping[NodeId, int] | None = None) -> None:
        """`kept`: Unix seconds."""
        self._max = met_max
        self._met_s = dict(sorted((kept or {}).items(), key=lambda each: each[1]))
        self._changed: dict[NodeId, None] = {}
        self._forgotten: dict[NodeId, None] = {}

    def met(self, peer: NodeId, now_s: int) -> None:
        """We hear it now, or did until now."""
        self._met_s.pop(peer, None)
        self._met_s[peer] = now_s
        self._changed[peer] = None
        self._forgotten.pop(peer, None)
        if len(self._met_s) > self._max:
            oldest = next(iter(self._met_s))
            del self._met_s[oldest]
            self._changed.pop(oldest, None)
            self._forgotten[oldest] = None

    def last_s(self, peer: NodeId) -> int | None:
        return self._met_s.get(peer)

    def age_s(self, peer: NodeId, now_s: int) -> int | None:
        """None: never met, or so long ago that it says nothing."""
        met_s = self._met_s.get(peer)
        if met_s is None:
            return None
        age_s = max(0, now_s - met_s)
        return age_s if age_s <= AGE_S_MAX else None

    def take_changes(self) -> tuple[list[tuple[NodeId, int]], list[NodeId]]:
        """(met since the last call, forgotten since then), for the disk."""
        changed = [(peer, self._met_s[peer]) for peer in self._changed]
        forgotten = list(self._forgotten)
        self._changed, self._forgotten = {}, {}
        return changed, forgotten
