"""Which of several links to a peer answer, and which have fallen silent without anybody having closed them.

    GOOD ──owed an answer for too long, while another way is good──► SILENT (rests, is asked by PING now and then)
      ▲                                                                │
      └──────── an answer came back over it, and it has rested ────────┘

A transport takes seconds to notice that nothing arrives any more; with a second link nobody has to wait for it. The
last good way is never given up: there would be no better. Each further fall doubles the rest, so a link that comes
and goes is used less and less.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from protocols.stream.events import WayAnswers, WayNews, WaySilent
from protocols.stream.lane import Lane
from protocols.stream.limits import (
    ACK_DELAY_MAX_NS,
    ASK_PAUSE_NS_MAX,
    ASK_PAUSE_NS_MIN,
    BACK_NS_MAX,
    BACK_NS_MIN,
    FORGIVEN_NS,
    RATE_BYTES_PER_S_UNKNOWN,
    SECOND,
    SILENT_ASK_QUARTERS,
    SILENT_LEAST_RTTS,
    SILENT_NS_MIN,
    SILENT_RECORD_BYTES,
    SILENT_RTTS,
)
from protocols.stream.record import way_of

DOUBLINGS_MAX = 16  # beyond any of the limits


@dataclass(slots=True)
class _Silence:
    lane: int  # that is asked: the one that fell silent
    since_ns: int
    limit_ns: int
    rests_until_ns: int
    ask_ns: int
    pause_ns: int = ASK_PAUSE_NS_MIN


@dataclass(slots=True)
class _Falls:
    count: int = 0
    back_ns: int | None = None  # None: it is down


class Ways:
    __slots__ = ("_falls", "_news", "_silent", "asks", "present")

    def __init__(self) -> None:
        self.present: tuple[int, ...] = ()  # empty where there is no choice
        self.asks: dict[int, None] = {}  # lanes that a PING should go on
        self._silent: dict[int, _Silence] = {}
        self._falls: dict[int, _Falls] = {}
        self._news: list[WayNews] = []

    def keep(self, ways: tuple[int, ...], lanes: Iterable[Lane]) -> None:
        """These are left; what came of its own is judged from now on."""
        self.present = ways
        self._falls = {way: falls for way, falls in self._falls.items() if way in ways}
        self._silent = {way: silence for way, silence in self._silent.items() if way in ways}
        self.asks = {lane: None for lane in self.asks if way_of(lane) in ways}
        for lane in lanes:
            lane.silent = way_of(lane.key) in self._silent
            if not lane.flying_records:
                lane.owed_ns = None  # what was lost there went again long ago

    def take_news(self) -> list[WayNews]:
        if not self._news:
            return self._news
        news, self._news = self._news, []
        return news

    # Time

    def due_ns(self, lanes: Iterable[Lane]) -> int | None:
        due_ns = min((silence.ask_ns for silence in self._silent.values()), default=None)
        for lane in self._judged(lanes):
            lane_ns = self._turn_ns(lane, lanes)
            if due_ns is None or lane_ns < due_ns:
                due_ns = lane_ns
        return due_ns

    def handle_timeout(self, lanes: Iterable[Lane], *, now_ns: int) -> list[int]:
        """Ways that have fallen silent; those that did before are asked again where it is time."""
        for way, silence in self._silent.items():
            if silence.ask_ns <= now_ns:
                self._ask(way, silence, now_ns)
        fallen: list[int] = []
        for lane in self._judged(lanes):
            way = way_of(lane.key)
            if self._turn_ns(lane, lanes) > now_ns or way in self._silent or self._is_last(way):
                continue
            if lane.asked < len(SILENT_ASK_QUARTERS):
                lane.asked += 1
                self.asks[lane.key] = None
            else:
                self._fall(lane, lanes, now_ns)
                fallen.append(way)
        return fallen

    def answered(self, way: int, *, now_ns: int) -> bool:
        """A record that went there was answered over it; True where it is of use again."""
        silence = self._silent.get(way)
        if silence is None:
            return False
        if now_ns < silence.rests_until_ns:
            silence.ask_ns, silence.pause_ns = silence.rests_until_ns, ASK_PAUSE_NS_MIN
            self._tell(way, silence, now_ns)
            return False
        del self._silent[way]
        self._falls[way].back_ns = now_ns
        self._news.append(WayAnswers(way, now_ns - silence.since_ns))
        return True

    def _judged(self, lanes: Iterable[Lane]) -> list[Lane]:
        if len(self.present) - len(self._silent) < 2:  # one to fall, one to go on
            return []
        good = [way for way in self.present if way not in self._silent]
        return [lane for lane in lanes if lane.owed_ns is not None and way_of(lane.key) in good]

    def _turn_ns(self, lane: Lane, lanes: Iterable[Lane]) -> int:
        """When to ask on it, or to give it up."""
        limit_ns = _limit_ns(lane, lanes)
        if lane.asked < len(SILENT_ASK_QUARTERS):
            limit_ns = limit_ns * SILENT_ASK_QUARTERS[lane.asked] // 4
        return _owed_ns(lane, lanes) + limit_ns

    def _is_last(self, way: int) -> bool:
        return all(other == way or other in self._silent for other in self.present)

    def _fall(self, lane: Lane, lanes: Iterable[Lane], now_ns: int) -> None:
        way = way_of(lane.key)
        falls = self._falls.setdefault(way, _Falls())
        if falls.back_ns is not None and now_ns - falls.back_ns > FORGIVEN_NS:
            falls.count = 0
        rest_ns = min(BACK_NS_MIN << min(falls.count, DOUBLINGS_MAX), BACK_NS_MAX)
        falls.count, falls.back_ns = falls.count + 1, None
        since_ns, limit_ns = _owed_ns(lane, lanes), _limit_ns(lane, lanes)
        silence = self._silent[way] = _Silence(lane.key, since_ns, limit_ns, now_ns + rest_ns, now_ns)
        self._ask(way, silence, now_ns)

    def _ask(self, way: int, silence: _Silence, now_ns: int) -> None:
        self.asks[silence.lane] = None
        silence.ask_ns = now_ns + silence.pause_ns
        silence.pause_ns = min(2 * silence.pause_ns, ASK_PAUSE_NS_MAX)
        self._tell(way, silence, now_ns)

    def _tell(self, way: int, silence: _Silence, now_ns: int) -> None:
        """Until it is asked again, and could have answered that."""
        self._news = [news for news in self._news if news.way != way]
        until_ns = silence.ask_ns + silence.pause_ns
        self._news.append(WaySilent(way, now_ns - silence.since_ns, silence.limit_ns, until_ns))


def _sisters(lane: Lane, lanes: Iterable[Lane]) -> list[Lane]:
    """All lanes of its link, itself included."""
    way = way_of(lane.key)
    return [each for each in lanes if way_of(each.key) == way]


def _owed_ns(lane: Lane, lanes: Iterable[Lane]) -> int:
    """Since when. While a lane of the link is answered the link lives: small things may be queued behind big ones."""
    assert lane.owed_ns is not None, "only lanes that owe an answer are judged"
    return max(lane.owed_ns, *(each.answered_ns for each in _sisters(lane, lanes)))


def _limit_ns(lane: Lane, lanes: Iterable[Lane]) -> int:
    """How long it may owe an answer. A lane that was never measured is judged by its sister on the same link."""
    rtt = lane.rtt
    if not rtt.measured:
        rtt = next((each.rtt for each in _sisters(lane, lanes) if each.rtt.measured), rtt)
    if not lane.reliable:
        return max(SILENT_RTTS * rtt.smoothed_ns + ACK_DELAY_MAX_NS, SILENT_NS_MIN)
    rtts_ns = min(SILENT_RTTS * rtt.smoothed_ns, SILENT_LEAST_RTTS * rtt.smallest_ns)
    nbytes = min(lane.flying_bytes, SILENT_RECORD_BYTES)
    record_ns = nbytes * SECOND // (lane.bytes_per_s or RATE_BYTES_PER_S_UNKNOWN)
    return max(rtts_ns + ACK_DELAY_MAX_NS, SILENT_NS_MIN) + record_ns
