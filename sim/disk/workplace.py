"""A database's work on a disk that takes its time: it begins when asked, and is done, and answered, at its end.

Until then nothing of it can be seen, as of a commit whose sync is under way. A crash in between gets the work back and
decides how far it had come.
"""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from meshnode.store.workplace import done_now, fulfil

T = TypeVar("T")
NS_PER_S = 1_000_000_000
Work = Callable[[], Any]


class _UnderWay(NamedTuple):
    work: Work
    done: "asyncio.Future[Any]"
    timer: asyncio.TimerHandle


class SlowWorkplace:
    """`meshnode.store.Workplace`."""

    def __init__(self, latency_ns: Callable[[], int], do: Callable[[Work], Any]) -> None:
        """`do`: how work is done on this disk."""
        self._latency_ns, self._do = latency_ns, do
        self._under_way: _UnderWay | None = None

    def write(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        assert self._under_way is None, "a database asks for one piece of work at a time"
        latency_ns = self._latency_ns()
        if not latency_ns:
            return done_now(lambda: self._do(work))
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._under_way = _UnderWay(work, done, loop.call_later(latency_ns / NS_PER_S, self._finish))
        return done

    async def read(self, work: Callable[[], T]) -> T:
        """At once: of what is committed, as the work under way has not begun to show."""
        return work()

    async def close(self, last: Callable[[], None]) -> None:
        """Takes no time, so no crash comes in between."""
        self._do(last)

    def give_up(self) -> None:
        self.break_off()

    def break_off(self) -> Work | None:
        """Gives what was under way, if anything. Whoever waits for it is cancelled."""
        under_way, self._under_way = self._under_way, None
        if under_way is None:
            return None
        under_way.timer.cancel()
        under_way.done.cancel()
        return under_way.work

    def _finish(self) -> None:
        under_way, self._under_way = self._under_way, None
        assert under_way is not None, "its timer is cancelled with it"
        fulfil(under_way.done, lambda: self._do(under_way.work))
