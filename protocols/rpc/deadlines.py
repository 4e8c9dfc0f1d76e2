"""When calls end by themselves. Calls that are over leave their entry behind until it surfaces or is swept out."""

from collections.abc import Callable
from heapq import heapify, heappop, heappush

from protocols.rpc.limits import STALE_DEADLINES_MAX


class Deadlines:
    """`waited_for` says whether a call is still open; ids are never used twice."""

    __slots__ = ("_heap",)

    def __init__(self) -> None:
        self._heap: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, deadline_ns: int, call_id: int, open_calls: int, waited_for: Callable[[int], bool]) -> None:
        heappush(self._heap, (deadline_ns, call_id))
        if len(self._heap) > 2 * open_calls + STALE_DEADLINES_MAX:
            self._heap = [entry for entry in self._heap if waited_for(entry[1])]
            heapify(self._heap)

    def next_ns(self, waited_for: Callable[[int], bool]) -> int | None:
        heap = self._heap
        while heap and not waited_for(heap[0][1]):
            heappop(heap)
        return heap[0][0] if heap else None

    def due(self, now_ns: int, waited_for: Callable[[int], bool]) -> list[int]:
        due: list[int] = []
        while (next_ns := self.next_ns(waited_for)) is not None and next_ns <= now_ns:
            due.append(heappop(self._heap)[1])
        return due
