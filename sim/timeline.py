"""Virtual time: a heap of what will happen, in integer nanoseconds, and a digest of what did.

Nothing here waits. `run` takes the next entry, moves the clock to it and acts; entries of the same nanosecond act in
the order in which they were placed. The digest covers when what happened (and whatever is `mark`ed), so that two
runs can be compared chunk by chunk; the trail of the last labels is what a person reads when a run fails.
"""

import hashlib
import heapq
from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
NEVER_NS = 2**63 - 1
CHUNK = 10_000  # events between two digests that a self-check compares
TRAIL = 400  # notes kept for the screen of a failing run
SWEEP_MIN = 1_024  # cancelled entries that lie in the heap before it is worth sweeping

WHEN, TICKET, LABEL, ACTION, ARGS = range(5)
Entry = list[Any]  # [when_ns, ticket, label, action or None, args]; a list, so that `cancel` costs nothing


class SimulationError(Exception):
    """The simulation itself cannot go on."""


class StandsStillError(SimulationError):
    """Somebody waits, and nothing will ever happen."""


class BudgetSpentError(SimulationError):
    """More events than the run was given."""


@dataclass(frozen=True, slots=True)
class Note:
    when_ns: int
    who: str
    text: str


class Timeline:
    def __init__(self) -> None:
        self.now_ns = 0
        self.events = 0
        self._events_max = NEVER_NS
        self.trail: deque[Note] = deque(maxlen=TRAIL)
        self.chunks: list[str] = []  # one digest for each CHUNK events, each over all before it
        self._stopped: SimulationError | None = None
        self._heap: list[Entry] = []
        self._tickets = 0
        self._cancelled = 0
        self._labels: dict[str, int] = {}  # label -> its number, in order of appearance
        self._marks = array("Q")
        self._hash = hashlib.blake2b(digest_size=16)
        self._chunk_at = CHUNK

    def __len__(self) -> int:
        return len(self._heap) - self._cancelled

    def at(self, when_ns: int, label: str, action: Callable[..., object], *args: object) -> Entry:
        """Places an action; one that is due already happens next, behind those placed before it."""
        self._tickets += 1
        entry = [max(when_ns, self.now_ns), self._tickets, label, action, args]
        heapq.heappush(self._heap, entry)
        return entry

    def after(self, span_ns: int, label: str, action: Callable[..., object], *args: object) -> Entry:
        return self.at(self.now_ns + span_ns, label, action, *args)

    def limit(self, events_max: int) -> None:
        """A run that takes more events raises BudgetSpentError."""
        self._events_max = events_max
        self._chunk_at = min(self._chunk_at, events_max)

    def stop(self, error: SimulationError) -> None:
        """No further step is taken: `step` raises this. Said from inside an action, which ends first."""
        self._stopped = self._stopped or error

    def cancel(self, entry: Entry) -> None:
        """Twice is harmless, and so is one that happened."""
        if entry[ACTION] is not None:
            entry[ACTION], entry[ARGS] = None, ()
            self._cancelled += 1
            if self._cancelled > SWEEP_MIN and self._cancelled * 2 > len(self._heap):
                self._heap = [each for each in self._heap if each[ACTION] is not None]
                heapq.heapify(self._heap)
                self._cancelled = 0

    def next_ns(self) -> int | None:
        """When the next action is due."""
        heap = self._heap
        while heap and heap[0][ACTION] is None:
            heapq.heappop(heap)
            self._cancelled -= 1
        return heap[0][WHEN] if heap else None

    def step(self) -> bool:
        """The next action; False where there is none."""
        if self._stopped is not None:
            raise self._stopped
        heap = self._heap
        while heap:
            entry = heapq.heappop(heap)
            action = entry[ACTION]
            if action is None:
                self._cancelled -= 1
                continue
            self._act(entry, action)
            return True
        return False

    def run(self, until_ns: int) -> None:
        """All that is due up to and including `until_ns`, which is then the time. Raises what `stop` was given."""
        while self._stopped is None and (heap := self._heap) and heap[0][WHEN] <= until_ns:
            entry = heapq.heappop(heap)
            action = entry[ACTION]
            if action is None:
                self._cancelled -= 1
            else:
                self._act(entry, action)
        if self._stopped is not None:
            raise self._stopped
        self.now_ns = max(self.now_ns, until_ns)

    def _act(self, entry: Entry, action: Callable[..., object]) -> None:
        entry[ACTION] = None
        self.now_ns = entry[WHEN]
        self.count(entry[LABEL])
        action(*entry[ARGS])

    # -- what happened ----------------------------------------------------------------------------------------

    def count(self, label: str) -> None:
        """One event more, now, under this label."""
        self.events += 1
        number = self._labels.get(label)
        if number is None:
            number = self._label(label)
        marks = self._marks
        marks.append(self.now_ns)
        marks.append(number)
        if self.events >= self._chunk_at:
            self._end_chunk()

    def mark(self, value: int) -> None:
        """Into the digest, without being an event: a checksum of bytes, a draw. 0 to 2**64-1."""
        self._marks.append(value)

    def note(self, who: str, text: str) -> None:
        """For the reader of a failing run; not in the digest."""
        self.trail.append(Note(self.now_ns, who, text))

    def digest(self) -> str:
        """Of all that has happened so far."""
        whole = self._hash.copy()
        whole.update(self._marks.tobytes())
        return whole.hexdigest()

    def _label(self, label: str) -> int:
        number = self._labels[label] = len(self._labels)
        self._hash.update(label.encode())
        return number

    def _end_chunk(self) -> None:
        self._chunk_at = min(self.events + CHUNK, self._events_max)
        self._hash.update(self._marks.tobytes())
        del self._marks[:]
        self.chunks.append(self._hash.hexdigest())
        if self.events >= self._events_max:
            self.stop(BudgetSpentError(f"{self.events:,} events, more than this run was given"))
