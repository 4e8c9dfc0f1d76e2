"""Everything that happens, for whoever follows: a bounded ring to resume from, a bounded queue for each follower.

An event's id is `<boot>-<number>`, so that an id of an earlier run of the daemon is told from one of this run. The
hub itself says two things, under no id: `events_missed` (what was asked for is no longer, or never was, in the ring;
look at the state afresh) and `events_dropped` (the follower was too slow; its stream ends, and it may resume).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping

from meshnode.control.shapes import Event
from meshnode.times import rfc3339
from protocols.errors import RefusedError

RING_MAX = 4_096  # events; minutes of a busy node, about 2 MiB
QUEUE_MAX = 1_024  # events that one follower may lag behind
FOLLOWERS_MAX = 32  # a few pages and scripts
MISSED = "events_missed"
DROPPED = "events_dropped"


class Follower:
    """One reader's place in the stream. Iterate with `next`; `close` when done."""

    def __init__(self, hub: "EventHub", backlog: list[Event]) -> None:
        self._hub = hub
        self._queue = deque(backlog)
        self._news = asyncio.Event()
        self._over = False

    async def next(self) -> Event | None:
        """The next event; None once the stream is over."""
        while not self._queue:
            if self._over:
                return None
            self._news.clear()
            await self._news.wait()
        return self._queue.popleft()

    def close(self) -> None:
        self._hub.leave(self)
        self.end()

    def take(self, event: Event) -> bool:
        """False: the queue is full, and this reader has been told so instead."""
        kept = len(self._queue) < QUEUE_MAX
        if kept:
            self._queue.append(event)
        else:
            lost = {"count": len(self._queue) + 1}
            self._queue = deque([Event(id="", kind=DROPPED, at=event.at, fields=lost)])
            self._over = True
        self._news.set()
        return kept

    def end(self) -> None:
        """What is queued can still be read."""
        self._over = True
        self._news.set()


class EventHub:
    """`emit` is what services call (`meshnode.ports.Emit`); followers are the control API's streams."""

    def __init__(self, *, wall_ns: Callable[[], int], boot: str) -> None:
        self._wall_ns, self._boot = wall_ns, boot
        self._ring: deque[Event] = deque(maxlen=RING_MAX)
        self._count = 0
        self._followers: dict[Follower, None] = {}
        self._closed = False

    @property
    def followers(self) -> int:
        return len(self._followers)

    @property
    def count(self) -> int:
        """Events so far, in this run of the daemon."""
        return self._count

    def emit(self, kind: str, fields: Mapping[str, object]) -> None:
        """Quick and synchronous. `kind` is a fixed name in snake case; the fields are JSON-able."""
        self._count += 1
        event = Event(
            id=f"{self._boot}-{self._count}", kind=kind, at=rfc3339(self._wall_ns()), fields=dict(fields)
        )
        self._ring.append(event)
        for follower in list(self._followers):
            if not follower.take(event):
                self.leave(follower)

    def follow(self, after: str | None = None) -> Follower:
        """From now on, or from just after the event with the id `after`. Raises RefusedError at FOLLOWERS_MAX."""
        if len(self._followers) >= FOLLOWERS_MAX:
            raise RefusedError(
                "too_many_followers", f"{FOLLOWERS_MAX} streams of events are open; close one first"
            )
        follower = Follower(self, [] if after is None else self._since(after))
        if self._closed:
            follower.end()
        else:
            self._followers[follower] = None
        return follower

    def about(self, field: str, value: object) -> list[Event]:
        """Those still in the ring that say this, oldest first."""
        return [event for event in self._ring if event.fields.get(field) == value]

    def leave(self, follower: Follower) -> None:
        self._followers.pop(follower, None)

    def close(self) -> None:
        """End every stream; what is emitted later is kept, and reaches nobody."""
        self._closed = True
        for follower in list(self._followers):
            follower.end()
        self._followers.clear()

    def _since(self, after: str) -> list[Event]:
        boot, _, number = after.rpartition("-")
        seen = int(number) if number.isascii() and number.isdigit() and len(number) < 20 else -1
        oldest = self._count - len(self._ring) + 1
        if boot == self._boot and oldest - 1 <= seen <= self._count:
            return list(self._ring)[seen - oldest + 1 :]
        missed = Event(id="", kind=MISSED, at=rfc3339(self._wall_ns()), fields={"asked": after[:64]})
        return [missed, *self._ring]
