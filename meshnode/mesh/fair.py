"""What waits for a congested link, served fairly: by class, and within a class by deficit round robin over the
neighbours who gave it to us (Shreedhar & Varghese, 1995). Sans-IO.

When it is full, the newest of the longest queue goes, lowest class first; an emergency gives way only to another.
"""

from collections import deque
from typing import NamedTuple

from protocols.envelope import TrafficClass
from protocols.ids import NodeId

BYTES_MAX = (
    262_144  # 0.25 s of a slow uplink, 13 s of a BLE link: what is older has been sent again by its source
)
FRAMES_MAX = 2_048
QUANTUM_BYTES = 4_096  # of a turn: three datagrams; the largest frame takes 17 turns to save for
SOURCE_SHARE = 0.25  # of the bytes: one source, through however many neighbours
ORDER = (
    TrafficClass.EMERGENCY,
    TrafficClass.INTERACTIVE,
    TrafficClass.BULK,
    TrafficClass.BACKGROUND,
)


class Waiting(NamedTuple):
    neighbour: NodeId  # who gave it to us
    source: NodeId
    traffic: int
    frame: bytes


class _Queue:
    """Of one neighbour, in one class."""

    __slots__ = ("deficit", "frames", "nbytes", "served")

    def __init__(self) -> None:
        self.frames: deque[Waiting] = deque()
        self.nbytes = 0
        self.deficit = 0
        self.served = False  # it has its quantum of this turn


class FairQueue:
    def __init__(self, *, bytes_max: int = BYTES_MAX, frames_max: int = FRAMES_MAX) -> None:
        self._bytes_max, self._frames_max = bytes_max, frames_max
        self._classes: dict[int, dict[NodeId, _Queue]] = {int(traffic): {} for traffic in ORDER}
        self._of_source: dict[NodeId, int] = {}
        self.nbytes = 0
        self.frames = 0

    def __len__(self) -> int:
        return self.frames

    def put(self, neighbour: NodeId, traffic: int, frame: bytes, *, source: NodeId) -> "tuple[Waiting, ...]":
        """What had to go for it, the new one itself perhaps; nearly always nothing."""
        new = Waiting(neighbour, source, traffic, frame)
        of_source = self._of_source.get(source, 0)
        crowds = of_source > 0 and of_source + len(frame) > self._bytes_max * SOURCE_SHARE
        if crowds and traffic != TrafficClass.EMERGENCY:
            return (new,)
        gone: list[Waiting] = []
        while self._is_too_much(len(frame)):
            victim = self._longest(new)
            if victim is None:
                gone.append(new)
                return tuple(gone)
            gone.append(self._pop_newest(*victim))
        queue = self._classes[traffic].setdefault(neighbour, _Queue())
        queue.frames.append(new)
        queue.nbytes += len(frame)
        self._count(new, 1)
        return tuple(gone)

    def take(self, budget_bytes: int) -> list[Waiting]:
        """The next ones, at most so many bytes in all. Nothing overtakes a frame that doesn't fit: ask again with more."""
        taken: list[Waiting] = []
        for traffic in ORDER:
            queues = self._classes[traffic]
            while queues:
                neighbour, queue = next(iter(queues.items()))
                head = len(queue.frames[0].frame)
                if head > budget_bytes:
                    return taken
                if not queue.served:
                    queue.deficit += QUANTUM_BYTES
                    queue.served = True
                if head > queue.deficit:
                    queue.served = False
                    queues[neighbour] = queues.pop(neighbour)  # to the end of the round
                    continue
                budget_bytes -= head
                queue.deficit -= head
                taken.append(self._pop_oldest(queues, neighbour, queue))
        return taken

    def waiting_of(self, neighbour: NodeId) -> tuple[int, int]:
        """(frames, bytes) that it gave us and that have not left."""
        queues = [queue for each in self._classes.values() if (queue := each.get(neighbour)) is not None]
        return sum(len(queue.frames) for queue in queues), sum(queue.nbytes for queue in queues)

    def drain(self) -> list[Waiting]:
        """All of it, in order: the link is gone, and its frames look for another way."""
        everything = self.nbytes
        return self.take(everything)

    # -- making room ------------------------------------------------------------------------------------------

    def _is_too_much(self, more_bytes: int) -> bool:
        return self.nbytes + more_bytes > self._bytes_max or self.frames + 1 > self._frames_max

    def _longest(self, new: Waiting) -> tuple[int, NodeId] | None:
        """Whose newest goes: (class, neighbour); None where it is the new one itself."""
        for traffic in reversed(ORDER):
            queues = self._classes[traffic]
            if traffic == new.traffic:
                longest = max(queues, key=lambda peer: queues[peer].nbytes, default=None)
                own = queues.get(new.neighbour)
                after = len(new.frame) + (own.nbytes if own is not None else 0)
                if longest is None or longest == new.neighbour or queues[longest].nbytes <= after:
                    return None
                return int(traffic), longest
            if queues:
                return int(traffic), max(queues, key=lambda peer: queues[peer].nbytes)
        raise AssertionError("the new one's class is among all classes")

    def _pop_newest(self, traffic: int, neighbour: NodeId) -> Waiting:
        queues = self._classes[traffic]
        queue = queues[neighbour]
        waiting = queue.frames.pop()
        return self._popped(queues, neighbour, queue, waiting)

    def _pop_oldest(self, queues: dict[NodeId, _Queue], neighbour: NodeId, queue: _Queue) -> Waiting:
        return self._popped(queues, neighbour, queue, queue.frames.popleft())

    def _popped(
        self, queues: dict[NodeId, _Queue], neighbour: NodeId, queue: _Queue, waiting: Waiting
    ) -> Waiting:
        queue.nbytes -= len(waiting.frame)
        if not queue.frames:
            del queues[neighbour]  # whoever has nothing saves no turns up
        self._count(waiting, -1)
        return waiting

    def _count(self, waiting: Waiting, way: int) -> None:
        nbytes = way * len(waiting.frame)
        self.frames += way
        self.nbytes += nbytes
        left = self._of_source.get(waiting.source, 0) + nbytes
        if left:
            self._of_source[waiting.source] = left
        else:
            self._of_source.pop(waiting.source, None)
