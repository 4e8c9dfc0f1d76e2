"""What is out on one lane, and when it counts as lost (RFC 9002, sections 5 and 6, for each lane by itself).

A lane's records arrive in the order of their numbers, more or less on a datagram lane and exactly on a reliable
one. Three later ones acknowledged: lost. A datagram lane has a time threshold and a probe timer as well. On a
reliable lane silence means a slow link or a lost answer: it asks by PING and gives up only after a long stall.
"""

from protocols.stream.congestion import CongestionWindow
from protocols.stream.limits import (
    ACK_DELAY_MAX_NS,
    LOST_AFTER_RECORDS,
    PROBE_BACKOFF_MAX,
    PROBE_RECORDS,
    QUEUE_SEEN_RTT,
    RATE_BYTES_MIN,
    RELIABLE_PROBE_NS,
    RELIABLE_STALL_NS,
    RTT_INITIAL_NS,
    SECOND,
    TIMER_NS_MIN,
)
from protocols.stream.record import SentRecord

PROBES_TO_COLLAPSE = 3  # RFC 9002, section 7.6.1
RATE_SMOOTHING = 8  # samples until a slower rate is believed; a faster one was seen, and is believed at once
TRANSFER_PART_MIN = 4  # at least a quarter of the time until the answer went into the bytes themselves


class RoundTrip:
    """RFC 9002, section 5.3, in whole nanoseconds."""

    __slots__ = ("latest_ns", "measured", "smallest_ns", "smoothed_ns", "varies_ns")

    def __init__(self) -> None:
        self.measured = False
        self.smoothed_ns = self.latest_ns = self.smallest_ns = RTT_INITIAL_NS
        self.varies_ns = RTT_INITIAL_NS // 2

    def sample(self, rtt_ns: int, delay_ns: int) -> None:
        """`delay_ns`: by how much the peer says it held its answer back."""
        self.latest_ns = rtt_ns
        if not self.measured:
            self.measured = True
            self.smoothed_ns, self.varies_ns, self.smallest_ns = rtt_ns, rtt_ns // 2, rtt_ns
            return
        self.smallest_ns = min(self.smallest_ns, rtt_ns)
        delay_ns = min(delay_ns, ACK_DELAY_MAX_NS)
        if rtt_ns >= self.smallest_ns + delay_ns:
            rtt_ns -= delay_ns
        self.varies_ns += (abs(self.smoothed_ns - rtt_ns) - self.varies_ns) // 4
        self.smoothed_ns += (rtt_ns - self.smoothed_ns) // 8

    @property
    def probe_ns(self) -> int:
        return self.smoothed_ns + max(4 * self.varies_ns, TIMER_NS_MIN) + ACK_DELAY_MAX_NS

    @property
    def lost_after_ns(self) -> int:
        return max(max(self.smoothed_ns, self.latest_ns) * 9 // 8, TIMER_NS_MIN)

    @property
    def queue_seen(self) -> bool:
        return self.latest_ns > self.smallest_ns * QUEUE_SEEN_RTT + TIMER_NS_MIN


class Lane:
    __slots__ = (
        "_last_sent_ns",
        "_loss_due_ns",
        "_newest_acknowledged",
        "_probes",
        "_progress_ns",
        "_records",
        "answered_ns",
        "asked",
        "bytes_per_s",
        "congestion",
        "flying_bytes",
        "flying_records",
        "key",
        "owed_ns",
        "probes_allowed",
        "reliable",
        "rtt",
        "sent_records",
        "silent",
    )

    def __init__(self, key: int, *, reliable: bool) -> None:
        self.key = key
        self.reliable = reliable
        self.rtt = RoundTrip()
        self.congestion = CongestionWindow()
        self.sent_records = 0  # numbers them
        self.flying_bytes = self.flying_records = 0
        self.probes_allowed = 0  # records that may go although the window is shut
        self._records: list[SentRecord] = []  # oldest first; settled ones leave when they reach the front
        self._newest_acknowledged = -1
        self._probes = 0  # in a row, without an answer
        self._last_sent_ns = self._progress_ns = 0
        self._loss_due_ns: int | None = None
        self.bytes_per_s = 0  # what it carries; 0: not measured yet
        self.answered_ns = 0  # when the last answer came
        self.owed_ns: int | None = None  # since when one is due: since the last, or the first record after it
        self.asked = 0  # PINGs since then, because it is one of several ways
        self.silent = False  # `Ways` says so

    def may_send(self, record_bytes: int) -> bool:
        if self.reliable or self.probes_allowed:
            return True
        self.congestion.fit(record_bytes)
        return self.flying_bytes + record_bytes <= self.congestion.window

    def sent(self, record: SentRecord, now_ns: int) -> None:
        record.number = self.sent_records
        self.sent_records += 1
        if not self.flying_records:
            self._progress_ns = now_ns
            self._records.clear()  # all settled
        self.flying_records += 1
        self.flying_bytes += record.nbytes
        record.flight_bytes = self.flying_bytes
        if self.owed_ns is None:
            self.owed_ns = now_ns
        if self.probes_allowed:
            self.probes_allowed -= 1
        self._last_sent_ns = now_ns
        self._records.append(record)

    def acknowledged(self, record: SentRecord, now_ns: int) -> None:
        if not self.reliable and 2 * self.flying_bytes >= self.congestion.window:
            self.congestion.acknowledged(record.nbytes, record.nbytes, sent_ns=record.sent_ns)
        self._settle(record)
        self._newest_acknowledged = max(self._newest_acknowledged, record.number)
        self._probes = self.probes_allowed = 0
        self._progress_ns = now_ns
        self.answered(now_ns)
        if record.flight_bytes >= RATE_BYTES_MIN:
            self._measure(record, now_ns)

    def answered(self, now_ns: int) -> None:
        """To whatever went there."""
        self.answered_ns = now_ns
        self.owed_ns = now_ns if self.flying_records else None
        self.asked = 0

    def find_lost(self, now_ns: int) -> list[SentRecord]:
        """After an answer or a timer: those that later ones overtook, by number or by time."""
        lost: list[SentRecord] = []
        records = self._records
        settled = 0
        for record in records:
            if not record.settled:
                break
            settled += 1
        del records[:settled]
        self._loss_due_ns = None
        if not records:
            return lost
        wait_ns = self.rtt.lost_after_ns
        for record in records:
            if record.number > self._newest_acknowledged:
                break
            if record.settled:
                continue
            due_ns = record.sent_ns + wait_ns
            if record.number <= self._newest_acknowledged - LOST_AFTER_RECORDS or due_ns <= now_ns:
                lost.append(record)
            elif self._loss_due_ns is None:
                self._loss_due_ns = due_ns
        self._lose(lost)
        if lost and not self.reliable:
            newest_ns = lost[-1].sent_ns
            self.congestion.lost(sent_ns=newest_ns, now_ns=now_ns, queue_seen=self.rtt.queue_seen)
        return lost

    def lose(self, record: SentRecord) -> list[SentRecord]:
        self._settle(record)
        return [record]

    def lose_all(self) -> list[SentRecord]:
        """The lane is gone."""
        lost = [record for record in self._records if not record.settled]
        self._lose(lost)
        self._records.clear()
        return lost

    @property
    def due_ns(self) -> int | None:
        if not self.flying_records:
            return None
        if self._loss_due_ns is not None:
            return self._loss_due_ns
        if self.reliable:
            silence_ns = RELIABLE_PROBE_NS * (2 ** (self._probes + 1) - 1)
            return self._progress_ns + min(silence_ns, RELIABLE_STALL_NS)
        return self._last_sent_ns + (self.rtt.probe_ns << min(self._probes, PROBE_BACKOFF_MAX))

    def handle_timeout(self, now_ns: int) -> tuple[list[SentRecord], bool]:
        """At `due_ns`: what counts as lost now, and whether a PING is wanted."""
        if self._loss_due_ns is not None:
            return self.find_lost(now_ns), False
        self._probes += 1
        if self.reliable:
            if now_ns - self._progress_ns < RELIABLE_STALL_NS:
                return [], not self.silent
            self._probes = 0
            return self.lose_all(), False
        if self._probes >= PROBES_TO_COLLAPSE:
            self.congestion.collapse()
        lost: list[SentRecord] = []
        for record in self._records:
            if not record.settled and len(lost) < PROBE_RECORDS:
                lost.append(record)
        self._lose(lost)
        self.probes_allowed = PROBE_RECORDS
        self._last_sent_ns = now_ns
        return lost, not self.silent

    def _measure(self, record: SentRecord, now_ns: int) -> None:
        """All that was out when it left has arrived: in the time until its answer, less an empty lane's round trip."""
        took_ns = max(1, now_ns - record.sent_ns)
        transfer_ns = max(took_ns - self.rtt.smallest_ns, took_ns // TRANSFER_PART_MIN, 1)
        rate = record.flight_bytes * SECOND // transfer_ns
        if rate < self.bytes_per_s:
            rate = self.bytes_per_s + (rate - self.bytes_per_s) // RATE_SMOOTHING
        self.bytes_per_s = max(1, rate)

    def _lose(self, lost: list[SentRecord]) -> None:
        for record in lost:
            self._settle(record)

    def _settle(self, record: SentRecord) -> None:
        record.settled = True
        self.flying_records -= 1
        self.flying_bytes -= record.nbytes
