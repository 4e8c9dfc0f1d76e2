"""CONTROL frames that wait for a record, some of them for one on a certain lane."""

from protocols.stream.limits import CONTROLS_MAX
from protocols.stream.record import Draft
from protocols.stream.stats import StreamStats


class Controls:
    __slots__ = ("_stats", "_waiting")

    def __init__(self, stats: StreamStats) -> None:
        self._waiting: list[tuple[bytes, int | None]] = []
        self._stats = stats

    @property
    def due(self) -> bool:
        """Something may go on any lane."""
        return bool(self._waiting) and any(lane is None for _, lane in self._waiting)

    @property
    def lanes(self) -> list[int]:
        if not self._waiting:
            return []
        return sorted({lane for _, lane in self._waiting if lane is not None})

    def put(self, frame: bytes, lane: int | None) -> None:
        """The oldest goes when there are too many."""
        if len(self._waiting) >= CONTROLS_MAX:
            del self._waiting[0]
            self._stats.controls_dropped += 1
        self._waiting.append((frame, lane))

    def fill(self, draft: Draft, lane: int, *, bound_only: bool) -> None:
        """What may go on `lane`; `bound_only`: and on no other."""
        if not self._waiting:
            return
        left: list[tuple[bytes, int | None]] = []
        for frame, wanted in self._waiting:
            goes_here = wanted == lane or (wanted is None and not bound_only)
            if not (goes_here and draft.put_frame(frame, wanted)):
                left.append((frame, wanted))
        self._waiting = left

    def lane_lost(self, lane: int) -> None:
        self._waiting = [entry for entry in self._waiting if entry[1] != lane]
