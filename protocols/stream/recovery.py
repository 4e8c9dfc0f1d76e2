"""Every record that is out, whichever lane it took, and what an answer or a silence says of each."""

from collections.abc import Iterable

from protocols.errors import RemoteError
from protocols.stream.frames import Ack
from protocols.stream.lane import Lane
from protocols.stream.limits import LANES_MAX, RECORDS_LOST_KEPT_MAX, RECORDS_SPAN_MAX, RTT_INITIAL_NS
from protocols.stream.record import Draft, Path, SentRecord, way_of
from protocols.stream.stats import StreamStats


class Recovery:
    """Hands lost records back through `take_lost`; their owner puts what they held in again."""

    __slots__ = (
        "_lanes",
        "_largest_sent",
        "_late",
        "_ordinal",
        "_out",
        "_stats",
        "answered_ways",
        "lost",
        "ping_wanted",
    )

    def __init__(self, stats: StreamStats) -> None:
        self._stats = stats
        self._lanes: dict[int, Lane] = {}  # the one used longest ago first
        self._out: dict[int, SentRecord] = {}  # by counter, ascending
        self._late: dict[int, tuple[int, Lane]] = {}  # lost lately: when sent, where
        self.lost: list[SentRecord] = []  # until the owner fetches them
        self._ordinal = 0  # of the next record, whatever it holds
        self._largest_sent = -1
        self.answered_ways: list[
            int
        ] = []  # silent ones that a record was answered of; until the owner fetches them
        self.ping_wanted = False

    @property
    def rtt_ns(self) -> int | None:
        """Of the quickest lane that was measured."""
        measured = [lane.rtt.smoothed_ns for lane in self._lanes.values() if lane.rtt.measured]
        return min(measured, default=None)

    @property
    def rtt_guess_ns(self) -> int:
        rtt_ns = self.rtt_ns
        return RTT_INITIAL_NS if rtt_ns is None else rtt_ns

    @property
    def flying_records(self) -> int:
        return len(self._out)

    @property
    def lanes(self) -> Iterable[Lane]:
        return self._lanes.values()

    def find_lane(self, key: int) -> Lane | None:
        return self._lanes.get(key)

    def lane(self, path: Path) -> Lane:
        lane = self._lanes.get(path.lane)
        if lane is None:
            lane = self._lanes[path.lane] = Lane(path.lane, reliable=path.reliable)
            if len(self._lanes) > LANES_MAX:
                self.lane_lost(next(iter(self._lanes)))
        elif len(self._lanes) > 1:
            self._lanes[path.lane] = self._lanes.pop(path.lane)
        return lane

    def may_send(self, lane: Lane, record_bytes: int) -> bool:
        """Whether a record that asks for an answer may go there now."""
        while self._out:
            oldest = next(iter(self._out.values()))
            if self._ordinal - oldest.ordinal < RECORDS_SPAN_MAX:
                break
            if not oldest.lane.silent:
                return False
            self._give_up(oldest.lane.lose(oldest))  # a question to a silent way must not hold up the others
        return lane.may_send(record_bytes)

    def sent(self, draft: Draft, contents: bytes, counter: int, lane: Lane, now_ns: int) -> None:
        assert counter > self._largest_sent, "a counter is used once"
        self._largest_sent = counter
        if draft.asks:
            record = SentRecord(draft, contents, counter, self._ordinal, lane, now_ns)
            self._out[counter] = record
            lane.sent(record, now_ns)
        self._ordinal += 1

    def acknowledged(self, ack: Ack, now_ns: int, *, several_ways: bool = False) -> list[SentRecord]:
        """Raises RemoteError("bad_ack") for a counter that was never used."""
        if ack.largest > self._largest_sent:
            raise RemoteError("bad_ack", "never sent")
        largest = self._out.get(ack.largest)
        if largest is not None:
            largest.lane.rtt.sample(now_ns - largest.sent_ns, ack.delay_ns)
        elif ack.largest in self._late:
            sent_ns, lane = self._late.pop(ack.largest)
            lane.rtt.sample(now_ns - sent_ns, ack.delay_ns)
            self._stats.records_late += 1
            lane.answered(now_ns)
            if lane.silent:
                self.answered_ways.append(way_of(lane.key))
        fresh = self._remove(ack.ranges)
        lanes: dict[int, Lane] = {}
        for record in fresh:
            record.lane.acknowledged(record, now_ns)
            lanes[record.lane.key] = record.lane
        for lane in lanes.values():
            if several_ways and (largest is None or lane is not largest.lane):
                newest = max(record.sent_ns for record in fresh if record.lane is lane)
                lane.rtt.sample(now_ns - newest, 0)  # else the slower of two would never be measured
            if lane.silent:
                self.answered_ways.append(way_of(lane.key))
            self._give_up(lane.find_lost(now_ns))
        return fresh

    def take_lost(self) -> list[SentRecord]:
        lost, self.lost = self.lost, []
        return lost

    def way_silent(self, way: int) -> None:
        """What is out there goes again; the lanes stay, so that late answers are understood."""
        for lane in self._lanes.values():
            if way_of(lane.key) == way:
                lane.silent = True
                self._give_up(lane.lose_all())

    def way_answers(self, way: int) -> None:
        for lane in self._lanes.values():
            if way_of(lane.key) == way:
                lane.silent, lane.owed_ns, lane.asked = False, None, 0

    def lane_lost(self, key: int) -> None:
        lane = self._lanes.pop(key, None)
        if lane is not None:
            self._give_up(lane.lose_all())

    @property
    def due_ns(self) -> int | None:
        due_ns: int | None = None
        if not self._out:
            return None
        for lane in self._lanes.values():
            lane_ns = lane.due_ns
            if lane_ns is not None and (due_ns is None or lane_ns < due_ns):
                due_ns = lane_ns
        return due_ns

    def handle_timeout(self, now_ns: int) -> None:
        for lane in self._lanes.values():
            due_ns = lane.due_ns
            if due_ns is not None and due_ns <= now_ns:
                lost, ping = lane.handle_timeout(now_ns)
                self._give_up(lost)
                self.ping_wanted = self.ping_wanted or ping

    def _remove(self, ranges: list[tuple[int, int]]) -> list[SentRecord]:
        out = self._out
        fresh: list[SentRecord] = []
        for low, high in ranges:
            if not out:
                break
            floor = next(iter(out))
            if high < floor:
                break
            if high - max(low, floor) < len(out):
                counters = range(max(low, floor), high + 1)
            else:
                counters = [counter for counter in out if low <= counter <= high]
            for counter in counters:
                record = out.pop(counter, None)
                if record is not None:
                    fresh.append(record)
        return fresh

    def _give_up(self, lost: list[SentRecord]) -> None:
        if not lost:
            return
        self._stats.records_lost += len(lost)
        self.lost += lost
        for record in lost:
            del self._out[record.counter]
            self._late[record.counter] = (record.sent_ns, record.lane)
            if len(self._late) > RECORDS_LOST_KEPT_MAX:
                del self._late[next(iter(self._late))]
