"""Routed envelopes that came by lately, so that what is replayed, or goes in circles, ends at the first who saw it."""

from protocols.ids import NodeId

GENERATION = 4_096  # envelopes; two are kept, about 1 MB: at 10,000 a second for half a second, longer than a circle takes


class Seen:
    """Two generations: when the younger is full, the older is forgotten. Cheap, for it is asked for each envelope."""

    def __init__(self) -> None:
        self._young: dict[bytes, NodeId] = {}
        self._old: dict[bytes, NodeId] = {}

    def before(self, envelope_id: bytes, neighbour: NodeId) -> NodeId | None:
        """Who brought it first. None: it is new, and from now on it was this neighbour."""
        first = self._young.get(envelope_id) or self._old.get(envelope_id)
        if first is None:
            if len(self._young) >= GENERATION:
                self._old, self._young = self._young, {}
            self._young[envelope_id] = neighbour
        return first

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
