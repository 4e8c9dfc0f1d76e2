"""Two connections and the lanes between them, in virtual time; every fault from a die that the test hands in."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable
from random import Random

import pytest

from protocols.stream import Connection, Event, Path, StreamData, StreamLimits

MS = 1_000_000
DATAGRAM = Path(1, reliable=False, bytes_max=1_180)
RELIABLE = Path(2, reliable=True, bytes_max=65_504)


class Side:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.counter = 0
        self.seen: set[int] = set()  # stands in for the session's replay window
        self.events: list[Event] = []
        self.got: dict[int, bytearray] = defaultdict(bytearray)
        self.ended: list[int] = []
        self.records: list[bytes] = []  # all that left
        self.reads = True
        self.unread_max = 0

    def hear(self, events: list[Event]) -> None:
        for event in events:
            self.events.append(event)
            if isinstance(event, StreamData):
                self.got[event.stream_id] += event.data
                if event.fin:
                    self.ended.append(event.stream_id)
                if self.reads:
                    self.connection.consumed(event.stream_id, len(event.data))
        self.unread_max = max(self.unread_max, self.connection.unread_bytes)


class Pair:
    def __init__(
        self,
        dice: Random | None = None,
        *,
        loss: float = 0.0,
        copies: float = 0.0,
        jitter_ns: int = 0,
        delay_ns: int = 10 * MS,
        limits: StreamLimits | None = None,
    ) -> None:
        self.now_ns = 0
        self.left = Side(Connection(initiator=True, now_ns=0, limits=limits))
        self.right = Side(Connection(initiator=False, now_ns=0, limits=limits))
        self.paths = [DATAGRAM]  # the lanes that live; a die picks where there are several
        self._dice = dice or Random("pair")
        self._loss, self._copies, self._jitter_ns, self._delay_ns = loss, copies, jitter_ns, delay_ns
        self._heap: list[tuple[int, int, int, Callable[[], None]]] = []
        self._ticket = 0
        self._last_ns: dict[tuple[int, int], int] = {}

    def lose_lane(self, lane: int) -> None:
        """With all that is on its way there."""
        self.paths = [path for path in self.paths if path.lane != lane]
        self._heap = [entry for entry in self._heap if entry[2] != lane]
        heapq.heapify(self._heap)
        for side in (self.left, self.right):
            side.connection.lane_lost(lane, now_ns=self.now_ns)

    def run(self, *, until: Callable[[], bool] | None = None, for_ns: int = 600_000 * MS) -> None:
        """Until the claim holds, nothing is left to do, or the time is over."""
        end_ns = self.now_ns + for_ns
        self.pump()
        while not (until and until()):
            due = [
                at for side in (self.left, self.right) if (at := side.connection.next_timeout()) is not None
            ]
            due += [self._heap[0][0]] if self._heap else []
            if not due or min(due) > end_ns:
                self.now_ns = end_ns
                return
            self.now_ns = max(self.now_ns, min(due))
            while self._heap and self._heap[0][0] <= self.now_ns:
                heapq.heappop(self._heap)[3]()
            for side in (self.left, self.right):
                at = side.connection.next_timeout()
                if at is not None and at <= self.now_ns:
                    side.hear(side.connection.handle_timeout(self.now_ns))
            self.pump()

    def pump(self) -> None:
        for side, other in ((self.left, self.right), (self.right, self.left)):
            while self.paths and (side.connection.wants_to_send() or side.connection.own_lanes()):
                if not self.send_one(side, other, self._dice.choice(self.paths)):
                    break

    def send_one(self, side: Side, other: Side, path: Path) -> bool:
        record = side.connection.next_record(path, side.counter, now_ns=self.now_ns)
        side.hear(side.connection.take_events())
        if record is None:
            return False
        counter, side.counter = side.counter, side.counter + 1
        assert len(record) <= path.bytes_max
        side.records.append(record)
        copies = (
            1 if path.reliable else (self._dice.random() >= self._loss) + (self._dice.random() < self._copies)
        )
        for _ in range(copies):
            at = self.now_ns + self._delay_ns
            if path.reliable:
                key = (id(side), path.lane)
                at = self._last_ns[key] = max(at, self._last_ns.get(key, 0))
            elif self._jitter_ns:
                at += self._dice.randrange(self._jitter_ns)
            self._ticket += 1
            arrive = self._arrival(other, counter, record, reliable=path.reliable)
            heapq.heappush(self._heap, (at, self._ticket, path.lane, arrive))
        return True

    def _arrival(self, side: Side, counter: int, record: bytes, *, reliable: bool) -> Callable[[], None]:
        def arrive() -> None:
            if counter not in side.seen:
                side.seen.add(counter)
                side.hear(side.connection.receive(counter, record, reliable=reliable, now_ns=self.now_ns))

        return arrive


@pytest.fixture
def make_pair() -> Callable[..., Pair]:
    return Pair
