"""Which of the peer's records arrived, and when to say so (RFC 9000, section 13.2).

With several ways to the peer, what came over one is answered over that one: so each end sees which ways go there and
back. A hole calls for an answer at once only on a datagram lane: counters run over all lanes, and a big record on a
reliable lane is overtaken by small ones every day.
"""

from collections.abc import Container

from protocols.stream.frames import ACK_HEAD, ACK_RANGE, encode_ack
from protocols.stream.limits import (
    ACK_DELAY_DATAGRAM_NS,
    ACK_DELAY_RELIABLE_NS,
    ACK_EVERY_DATAGRAMS,
    ACK_EVERY_RELIABLE,
    ACK_RANGES_MAX,
    LATE_KEPT_MAX,
    RANGES_KEPT_MAX,
)


class Receipts:
    """Ranges of counters, lowest first; beyond RANGES_KEPT_MAX the lowest is forgotten and its records come again."""

    __slots__ = (
        "_also",
        "_datagrams",
        "_due_ns",
        "_largest_ns",
        "_late",
        "_ranges",
        "_reliables",
        "_way",
        "is_due",
    )

    def __init__(self) -> None:
        self._ranges: list[list[int]] = []  # [low, high], both included
        self._late: list[int] = []  # counters that came behind higher ones since the last answer
        self._largest_ns = 0  # when the largest arrived
        self._datagrams = self._reliables = 0  # not yet answered
        self._due_ns: int | None = None
        self.is_due = False  # it waits for a record, no longer for time
        self._way: int | None = None  # over which the last question came; None: the answer may take any
        self._also: dict[int, None] = {}  # other ways that an answer is due on; as many at most as there are

    def waits_for(self, way: int) -> bool:
        """Something arrived that asks for an answer, over that way if there are several, be it due or not."""
        if self._way is None or self._way == way:
            return self._due_ns is not None or way in self._also
        return way in self._also

    def is_due_on(self, way: int) -> bool:
        return (self.is_due and self._way in (None, way)) or way in self._also

    @property
    def due_ways(self) -> list[int]:
        """That an answer is due on, and on no other."""
        ways = list(self._also)
        if self.is_due and self._way is not None and self._way not in self._also:
            ways.append(self._way)
        return ways

    def keep_ways(self, ways: Container[int]) -> None:
        """Those are left. What is owed on others may be answered anywhere."""
        gone = [way for way in self._also if way not in ways]
        for way in gone:
            del self._also[way]
        if self._way is not None and self._way not in ways:
            self._way = None
        if gone:
            self._way, self.is_due = None, True
            self._due_ns = self._due_ns or 0

    @property
    def due_ns(self) -> int | None:
        """The timer of the answer; None once it is due: then it waits for a record, not for time."""
        return None if self.is_due else self._due_ns

    def handle_timeout(self, now_ns: int) -> None:
        if self._due_ns is not None and now_ns >= self._due_ns:
            self.is_due = True

    def received(
        self, counter: int, *, asks: bool, reliable: bool, now_ns: int, way: int | None = None
    ) -> None:
        """`asks`: the record held something that its sender wants acknowledged. `way`: on that way, if not None."""
        in_order = self._note(counter, now_ns)
        if not asks:
            return
        if way != self._way:
            self._turn_to(way)
        if reliable:
            self._reliables += 1
            due_ns = now_ns + ACK_DELAY_RELIABLE_NS
            self.is_due = self.is_due or self._reliables >= ACK_EVERY_RELIABLE
        else:
            self._datagrams += 1
            due_ns = now_ns + ACK_DELAY_DATAGRAM_NS
            self.is_due = self.is_due or self._datagrams >= ACK_EVERY_DATAGRAMS or not in_order
        if self._due_ns is None or due_ns < self._due_ns:
            self._due_ns = due_ns

    def _turn_to(self, way: int | None) -> None:
        """What was owed on another is due there now, rather than kept in mind for each."""
        if self._due_ns is not None and self._way is not None:
            self._also[self._way] = None
            self._settle()
        self._way = way

    def _settle(self) -> None:
        self._datagrams = self._reliables = 0
        self._due_ns, self.is_due = None, False

    def frame_bytes(self, room: int) -> int:
        """How long `frame(room, ...)` will be; 0 where not even one range fits."""
        if room < ACK_HEAD.size:
            return 0
        further = min(len(self._ranges) - 1, ACK_RANGES_MAX - 1, (room - ACK_HEAD.size) // ACK_RANGE.size)
        return ACK_HEAD.size + further * ACK_RANGE.size

    def frame(self, nbytes: int, now_ns: int, way: int = 0) -> bytes:
        """The answer in `nbytes`, or less where gaps are too wide for their fields. Settles what waited for `way`."""
        count = 1 + (nbytes - ACK_HEAD.size) // ACK_RANGE.size
        self._also.pop(way, None)
        if self._way is None or self._way == way:
            self._settle()
        told = self._ranges[-count:]
        if self._late:
            late = [
                each for each in self._ranges[:-count] if any(each[0] <= n <= each[1] for n in self._late)
            ]
            late = late[-(count - 1) :] if count > 1 else []
            told = late + told[len(late) :]
            self._late.clear()
        told.reverse()
        return encode_ack(told, now_ns - self._largest_ns)

    @property
    def largest(self) -> int:
        return self._ranges[-1][1]

    def forget(self, upto: int) -> None:
        """The peer has seen an answer that reached up to there: nothing below needs saying again."""
        ranges = self._ranges
        while len(ranges) > 1 and ranges[0][1] <= upto:
            del ranges[0]

    def _note(self, counter: int, now_ns: int) -> bool:
        ranges = self._ranges
        if not ranges or counter > ranges[-1][1]:
            self._largest_ns = now_ns
            if ranges and counter == ranges[-1][1] + 1:
                ranges[-1][1] = counter
                return True
            ranges.append([counter, counter])
            if len(ranges) > RANGES_KEPT_MAX:
                del ranges[0]
            return len(ranges) == 1
        self._insert(counter)
        self._late.append(counter)
        if len(self._late) > LATE_KEPT_MAX:
            del self._late[0]
        return False

    def _insert(self, counter: int) -> None:
        ranges = self._ranges
        at = len(ranges) - 1
        while at >= 0 and ranges[at][0] > counter:
            at -= 1
        # ranges[at] begins at or below the counter, ranges[at + 1] above it
        joins_below = at >= 0 and ranges[at][1] >= counter - 1
        joins_above = at + 1 < len(ranges) and ranges[at + 1][0] == counter + 1
        if joins_below and joins_above:
            ranges[at][1] = ranges[at + 1][1]
            del ranges[at + 1]
        elif joins_below:
            ranges[at][1] = max(ranges[at][1], counter)
        elif joins_above:
            ranges[at + 1][0] = counter
        else:
            ranges.insert(at + 1, [counter, counter])
            if len(ranges) > RANGES_KEPT_MAX:
                del ranges[0]
