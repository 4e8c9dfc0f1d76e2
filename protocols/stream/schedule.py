"""Which stream goes next: by class, in turn within a class, and now and then the lowest class first."""

from collections import deque
from collections.abc import Iterator

from protocols.envelope import TrafficClass
from protocols.stream.limits import LOWER_SHARE_EVERY
from protocols.stream.table import Stream

SERVED = (TrafficClass.EMERGENCY, TrafficClass.INTERACTIVE, TrafficClass.BULK, TrafficClass.BACKGROUND)
RANKS = tuple(SERVED.index(TrafficClass(value)) for value in range(len(TrafficClass)))


class Schedule:
    """Holds the streams that could send something now; the connection takes out those that can't."""

    __slots__ = ("_queues", "_turn")

    def __init__(self) -> None:
        self._queues: tuple[deque[Stream], ...] = tuple(deque[Stream]() for _ in SERVED)
        self._turn = 0

    @property
    def highest(self) -> TrafficClass | None:
        emergency, interactive, bulk, background = self._queues
        if not (emergency or interactive or bulk or background):
            return None  # asked after every record: the usual answer comes first
        return next(traffic for traffic, queue in zip(SERVED, self._queues, strict=True) if queue)

    def add(self, stream: Stream) -> None:
        if not stream.scheduled:
            stream.scheduled = True
            self._queues[RANKS[stream.traffic]].append(stream)

    def remove(self, stream: Stream) -> None:
        if stream.scheduled:
            stream.scheduled = False
            self._queues[RANKS[stream.traffic]].remove(stream)

    def move(self, stream: Stream, traffic: TrafficClass) -> None:
        scheduled = stream.scheduled
        self.remove(stream)
        stream.traffic = traffic
        if scheduled:
            self.add(stream)

    def turn(self) -> Iterator[deque[Stream]]:
        """The queues that hold something, in the order for one record."""
        self._turn += 1
        lowest_first = self._turn % LOWER_SHARE_EVERY == 0
        for queue in reversed(self._queues) if lowest_first else self._queues:
            if queue:
                yield queue
