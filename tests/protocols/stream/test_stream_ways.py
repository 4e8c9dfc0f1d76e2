"""Several links to one peer, as one end of a connection sees them: silence, questions, rest, answers on their own way."""

from collections.abc import Callable
from itertools import count

import pytest

from protocols.envelope import TrafficClass
from protocols.stream import Connection, Path, StreamLimits, WayAnswers, WaySilent, way_of
from protocols.stream.frames import PING, Ack, decode_frame
from protocols.stream.limits import (
    ASK_PAUSE_NS_MAX,
    BACK_NS_MAX,
    BACK_NS_MIN,
    FORGIVEN_NS,
    RECORDS_SPAN_MAX,
    SILENT_NS_MIN,
)
from protocols.stream.receipts import Receipts

MS, SECOND = 1_000_000, 1_000_000_000
QUICK, SLOW = 1, 2  # ways
OVER_QUICK, OVER_SLOW = (Path(2 * way, reliable=False, bytes_max=1_180) for way in (QUICK, SLOW))
BULK_OVER_QUICK = Path(2 * QUICK + 1, reliable=True, bytes_max=65_504)
DELAY_NS = 5 * MS
QUIET = StreamLimits(keepalive_ns=None)


class Speaker:
    """One end, and a listener that answers each record over the way it took, unless that way is deaf."""

    def __init__(self, *, ways: tuple[int, ...] = (QUICK, SLOW)) -> None:
        self.now_ns = SECOND
        self.one = Connection(initiator=True, now_ns=0, limits=QUIET)
        self.other = Connection(initiator=False, now_ns=0, limits=QUIET)
        for end in (self.one, self.other):
            end.set_ways(ways, now_ns=0)
        self.stream = self.one.open_stream(traffic=TrafficClass.INTERACTIVE)
        self.deaf: set[int] = set()
        self.heard: list[bytes] = []
        self.counters = (count(), count())
        self.news: list[object] = []

    def say(self, path: Path, data: bytes = b"word") -> None:
        self.one.send(self.stream, [data])
        self.flush(path)

    def flush(self, path: Path) -> None:
        """All that waits, over that lane; what is meant for a lane over that one."""
        for lane in self.one.own_lanes():
            own = next(each for each in (OVER_QUICK, OVER_SLOW, BULK_OVER_QUICK) if each.lane == lane)
            self.carry(own._replace(only="control"))
        while self.one.wants_to_send() and self.carry(path):
            pass

    def carry(self, path: Path) -> bool:
        counter = next(self.counters[0])
        record = self.one.next_record(path, counter, now_ns=self.now_ns)
        if record is None:
            return False
        way = way_of(path.lane)
        if way not in self.deaf:
            self.other.receive(
                counter, record, reliable=path.reliable, now_ns=self.now_ns + DELAY_NS, way=way
            )
            self.heard.append(record)
        return True

    def answers(self) -> None:
        """10 ms later, whatever is due."""
        self.now_ns += 2 * DELAY_NS
        self.other.handle_timeout(self.now_ns + 10 * MS)
        for way in self.other.answer_ways():
            path = Path(2 * way, reliable=False, bytes_max=1_180, only="answers")
            counter = next(self.counters[1])
            record = self.other.next_record(path, counter, now_ns=self.now_ns)
            assert record is not None
            if way not in self.deaf:
                self.one.receive(counter, record, reliable=False, now_ns=self.now_ns, way=way)
        self.news += self.one.take_way_news()

    def wait(self, span_ns: int, path: Path = OVER_SLOW) -> None:
        """Let timers ring; what they want sent goes."""
        end_ns = self.now_ns + span_ns
        while (due_ns := self.one.next_timeout()) is not None and due_ns <= end_ns:
            self.now_ns = max(self.now_ns, due_ns)
            self.one.handle_timeout(self.now_ns)
            self.news += self.one.take_way_news()
            self.flush(path)
        self.now_ns = end_ns

    def know_both(self) -> None:
        """Both lanes have been measured."""
        for path in (OVER_QUICK, OVER_SLOW):
            self.say(path)
            self.answers()


@pytest.fixture
def speaker() -> Speaker:
    made = Speaker()
    made.know_both()
    return made


def silences(speaker: Speaker) -> list[int]:
    return [news.way for news in speaker.news if isinstance(news, WaySilent)]


def test_a_way_that_answers_is_not_silent(speaker: Speaker) -> None:
    for _ in range(20):
        speaker.say(OVER_QUICK)
        speaker.answers()
        speaker.wait(100 * MS)
    assert speaker.news == []


def test_silence_is_found_in_time_and_what_was_out_goes_over_the_other(speaker: Speaker) -> None:
    speaker.deaf = {QUICK}
    speaker.say(OVER_QUICK, b"lost there")
    said_ns = speaker.now_ns
    speaker.wait(SILENT_NS_MIN + MS)
    (news,) = speaker.news
    assert isinstance(news, WaySilent)
    assert (news.way, news.limit_ns, news.owed_ns) == (QUICK, SILENT_NS_MIN, SILENT_NS_MIN)
    assert speaker.now_ns - said_ns < SILENT_NS_MIN + 2 * MS
    assert any(b"lost there" in record for record in speaker.heard)


def test_before_it_is_given_up_the_lane_is_asked_twice(speaker: Speaker) -> None:
    speaker.one.send(speaker.stream, [b"on a reliable lane"])
    speaker.flush(BULK_OVER_QUICK)
    asked: list[int] = []
    began_ns = speaker.now_ns
    while (due_ns := speaker.one.next_timeout()) is not None and due_ns < began_ns + SILENT_NS_MIN:
        speaker.now_ns = due_ns
        speaker.one.handle_timeout(due_ns)
        asked += speaker.one.own_lanes()
        speaker.flush(OVER_SLOW)
    assert asked == [BULK_OVER_QUICK.lane] * 2
    assert speaker.heard[-1][-1] == PING


def test_a_lost_answer_alone_gives_no_way_up(speaker: Speaker) -> None:
    speaker.say(OVER_QUICK)
    speaker.deaf = {QUICK}
    speaker.answers()  # lost
    speaker.deaf = set()
    speaker.wait(SILENT_NS_MIN * 3 // 4, OVER_QUICK)
    speaker.answers()
    speaker.wait(SECOND)
    assert speaker.news == []


def test_without_a_choice_silence_is_borne() -> None:
    speaker = Speaker(ways=())
    speaker.say(OVER_QUICK)
    speaker.deaf = {QUICK}
    speaker.say(OVER_QUICK)
    speaker.wait(SECOND, OVER_QUICK)
    assert speaker.news == []


def test_the_last_good_way_is_never_given_up(speaker: Speaker) -> None:
    speaker.deaf = {QUICK, SLOW}
    speaker.say(OVER_QUICK)
    speaker.say(OVER_SLOW)
    speaker.wait(2 * SECOND)
    assert set(silences(speaker)) == {QUICK}


def test_it_rests_although_it_answers_at_once_and_is_of_use_again_after_that(speaker: Speaker) -> None:
    speaker.deaf = {QUICK}
    speaker.say(OVER_QUICK)
    speaker.wait(SILENT_NS_MIN + MS)
    speaker.deaf = set()
    for _ in range(50):
        speaker.wait(10 * MS)
        speaker.answers()
        if isinstance(speaker.news[-1], WayAnswers):
            break
    answered = speaker.news[-1]
    assert isinstance(answered, WayAnswers)
    assert BACK_NS_MIN <= answered.silent_ns - SILENT_NS_MIN < 2 * BACK_NS_MIN


def fall_and_rise(speaker: Speaker) -> int:
    """How long the quick way is left alone though it answers at once."""
    speaker.deaf = {QUICK}
    speaker.say(OVER_QUICK)
    speaker.wait(SILENT_NS_MIN + 100 * MS)
    assert silences(speaker)[-1] == QUICK
    speaker.deaf = set()
    while not isinstance(speaker.news[-1], WayAnswers):
        speaker.wait(10 * MS)
        speaker.answers()
    return speaker.news[-1].silent_ns


def test_each_further_fall_doubles_the_rest_up_to_a_limit_until_it_is_forgiven(speaker: Speaker) -> None:
    rests = [fall_and_rise(speaker) for _ in range(10)]
    assert rests == sorted(rests)
    assert rests[3] > 1.5 * rests[2] > 2 * rests[1]
    assert BACK_NS_MAX <= rests[-1] < 1.1 * BACK_NS_MAX
    speaker.wait(FORGIVEN_NS + SECOND)
    assert fall_and_rise(speaker) < 3 * BACK_NS_MIN


def test_an_answer_that_came_over_another_way_does_not_prove_the_silent_one(speaker: Speaker) -> None:
    speaker.deaf = {QUICK}
    speaker.say(OVER_QUICK)
    speaker.wait(SILENT_NS_MIN + MS)
    speaker.deaf = set()
    speaker.wait(BACK_NS_MIN + ASK_PAUSE_NS_MAX // 2)  # its PING arrived there
    speaker.deaf = {QUICK}  # and the answer over it is lost
    speaker.say(OVER_SLOW)
    speaker.answers()
    assert not any(isinstance(news, WayAnswers) for news in speaker.news)


def test_questions_to_a_silent_way_grow_rare(speaker: Speaker) -> None:
    speaker.deaf = {QUICK}
    speaker.say(OVER_QUICK)
    speaker.wait(60 * SECOND)
    assert 12 < len(silences(speaker)) < 30


def test_a_question_that_is_out_on_a_silent_way_never_holds_up_the_others(speaker: Speaker) -> None:
    speaker.deaf = {QUICK}
    speaker.say(BULK_OVER_QUICK)
    speaker.wait(SILENT_NS_MIN + 10 * MS)
    assert silences(speaker) == [QUICK]
    for _ in range(RECORDS_SPAN_MAX + 100):
        speaker.say(OVER_SLOW)
        speaker.answers()
        assert speaker.one.wants_to_send() is None


def test_a_busy_reliable_lane_is_not_silent_while_a_record_is_on_its_way(speaker: Speaker) -> None:
    speaker.deaf = {QUICK}
    speaker.say(BULK_OVER_QUICK, bytes(60_000))
    speaker.wait(SILENT_NS_MIN + 50 * MS)
    assert speaker.news == []
    speaker.wait(50 * MS)
    assert silences(speaker) == [QUICK]


def test_a_lane_that_carried_much_tells_how_much(speaker: Speaker) -> None:
    assert speaker.one.lane_figures(BULK_OVER_QUICK.lane).bytes_per_s == 0
    speaker.say(BULK_OVER_QUICK, bytes(60_000))
    assert speaker.one.lane_figures(BULK_OVER_QUICK.lane).flying_bytes > 60_000
    speaker.answers()
    figures = speaker.one.lane_figures(BULK_OVER_QUICK.lane)
    assert figures.bytes_per_s >= 60_000 * SECOND // (2 * DELAY_NS)
    assert (figures.flying_records, figures.rtt_ns) == (0, 2 * DELAY_NS)


def test_a_way_that_is_gone_is_forgotten_with_its_silence(speaker: Speaker) -> None:
    speaker.deaf = {QUICK}
    speaker.say(OVER_QUICK)
    speaker.wait(SILENT_NS_MIN + MS)
    speaker.one.lane_lost(OVER_QUICK.lane, now_ns=speaker.now_ns)
    speaker.one.set_ways((), now_ns=speaker.now_ns)
    speaker.news.clear()
    speaker.wait(10 * SECOND)
    assert speaker.news == []
    assert speaker.one.own_lanes() == []


# -- answers ------------------------------------------------------------------------------------------------------


@pytest.fixture
def receive() -> Callable[..., Receipts]:
    def make(*ways: int | None) -> Receipts:
        receipts = Receipts()
        for counter, way in enumerate(ways):
            receipts.received(counter, asks=True, reliable=True, now_ns=0, way=way)
        return receipts

    return make


def test_with_one_way_an_answer_goes_anywhere(receive: Callable[..., Receipts]) -> None:
    receipts = receive(None)
    assert receipts.waits_for(QUICK)
    assert receipts.waits_for(SLOW)
    assert receipts.due_ways == []


def test_an_answer_goes_over_the_way_of_its_question(receive: Callable[..., Receipts]) -> None:
    receipts = receive(QUICK)
    assert receipts.waits_for(QUICK)
    assert not receipts.waits_for(SLOW)
    receipts.handle_timeout(SECOND)
    assert receipts.due_ways == [QUICK]


def test_a_question_over_another_way_makes_the_first_answer_due(receive: Callable[..., Receipts]) -> None:
    receipts = receive(QUICK, SLOW)
    assert receipts.due_ways == [QUICK]
    assert receipts.waits_for(SLOW)
    receipts.frame(receipts.frame_bytes(100), 0, QUICK)
    assert receipts.due_ways == []
    assert not receipts.waits_for(QUICK)
    assert receipts.waits_for(SLOW)


def test_what_is_owed_on_a_way_that_is_gone_goes_anywhere(receive: Callable[..., Receipts]) -> None:
    receipts = receive(QUICK, SLOW)
    receipts.keep_ways((SLOW,))
    assert receipts.is_due_on(SLOW)
    receipts = receive(QUICK)
    receipts.keep_ways(())
    assert receipts.waits_for(SLOW)


def test_who_came_late_is_named_though_many_ranges_lie_above(receive: Callable[..., Receipts]) -> None:
    receipts = Receipts()
    for counter in range(0, 200, 2):
        receipts.received(counter, asks=True, reliable=True, now_ns=0)
    receipts.frame(receipts.frame_bytes(1_000), 0)
    receipts.received(3, asks=True, reliable=True, now_ns=0)
    ack, _ = decode_frame(receipts.frame(receipts.frame_bytes(1_000), 0), 0)
    assert isinstance(ack, Ack)
    assert ack.ranges[0] == (198, 198)
    assert ack.ranges[-1] == (2, 4)
