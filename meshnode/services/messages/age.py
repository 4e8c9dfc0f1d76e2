"""How old the store is: the time by which messages expire.

The wall clock may jump or start in 1970, and nothing may be lost when it does. So lives are measured in a time of our
own that only goes forward: while the node runs, the monotonic clock adds to it; for the time that it was off, the
difference of the wall clock does, once and only SETTLE_NS after the start, when a clock that is set over the network
has been set. Until then the store counts as no older than when it was closed, and only messages of this run expire.

    kept age ──run──► age + monotonic ──settle──► + time that it was off (never below 0) ──► saved with the wall clock

No absence counts for more than OFF_MS_MAX, since a wall clock may still be years ahead after SETTLE_NS: the messages
of a node that was truly off for longer live longer. A wall clock that shows a time before this program was written was
never set, and counts as none.
"""

from meshnode.services.messages.limits import OFF_MS_MAX, SETTLE_NS

NS_PER_MS = 1_000_000
WALL_MS_MIN = 1_735_689_600_000  # the beginning of 2025


class Age:
    def __init__(self, kept_ms: int, kept_wall_ms: int | None, *, now_ns: int) -> None:
        """`kept_wall_ms`: what the wall clock showed when the age was last saved; None: nobody knows."""
        self._base_ms, self._kept_wall_ms, self._since_ns = kept_ms, kept_wall_ms, now_ns
        self.settled = kept_wall_ms is None

    def now_ms(self, now_ns: int) -> int:
        return self._base_ms + (now_ns - self._since_ns) // NS_PER_MS

    def may_settle(self, now_ns: int) -> bool:
        return not self.settled and now_ns >= self._since_ns + SETTLE_NS

    def off_ms(self, *, wall_ms: int, now_ns: int) -> int:
        """How long the node was off before this run, as far as the wall clock tells."""
        if self._kept_wall_ms is None:
            return 0
        off_ms = wall_ms - (now_ns - self._since_ns) // NS_PER_MS - self._kept_wall_ms
        return min(max(0, off_ms), OFF_MS_MAX)

    def settle(self, off_ms: int) -> None:
        """To be called once this is on disk."""
        self._base_ms += off_ms
        self.settled = True


def plausible_wall(wall_ms: int) -> int | None:
    return wall_ms if wall_ms >= WALL_MS_MIN else None
