"""Which stream goes next: by class, in turn within a class, and now and then the lowest class first."""

from protocols.envelope import TrafficClass
from protocols.stream.limits import LOWER_SHARE_EVERY
from protocols.stream.table import Stream

SERVED = (TrafficClass.EMERGENCY, TrafficClass.INTERACTIVE, TrafficClass.BULK, TrafficClass.BACKGROUND)
RANKS = tuple(SERVED.index(TrafficClass(value)) for value in range(len(TrafficClass)))


class Schedule:
    """Holds the streams that could send something now; the connection takes out those that can't.

    The queues are lists: short, and a tenth of an empty deque, of which each connection would hold four.
    """

    __slots__ = ("_queues", "_turn")

    def __init__(self) -> None:
        self._queues: tuple[list[Stream], ...] = tuple([] for _ in SERVED)
        self._turn = 0

    @property
    def highest(self) -> TrafficClass | None:
        emergency, interactive, bulk, background = self._queues
        if interactive or emergency:
            return TrafficClass.EMERGENCY if emergency else TrafficClass.INTERACTIVE
        if bulk:
            return TrafficClass.BULK
        return TrafficClass.BACKGROUND if background else None

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

    def turn(self) -> tuple[list[Stream], ...]:
        """The queues in the order for one record."""
        self._turn += 1
        return self._queues if self._turn % LOWER_SHARE_EVERY else self._queues[::-1]
