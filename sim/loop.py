"""An asyncio event loop in virtual time: the whole daemon runs on it unchanged.

Its timers lie on the timeline, between what the models place there. Where a real loop would sleep in `select`, this
one takes the next entry of the timeline. It has no selector, no threads and no signals: code that asks for one is
told so, since its order would be the machine's and not the seed's.
"""

import asyncio
import math
from asyncio import events
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any, NoReturn, TypeVar

from sim.timeline import NS_PER_S, Entry, SimulationError, StandsStillError, Timeline

T = TypeVar("T")
SHUTDOWN_TURNS = 1_000  # that cancelled tasks may take to end, without time passing


class RealWorldError(SimulationError):
    """Code under simulation asked for a thread, a socket or a process."""


class SimTimer(asyncio.TimerHandle):
    """Lies on the timeline until it rings or is cancelled."""

    entry: Entry
    _scheduled: bool  # asyncio's own flag: a cancelled one is told to its loop

    def cancel(self) -> None:
        if not self.cancelled():
            loop: SimLoop = self._loop  # type: ignore[attr-defined]
            loop.timeline.cancel(self.entry)
        super().cancel()


class SimTask(asyncio.Task[Any]):
    """Groups keep their tasks in sets: by their serial they are cancelled in the same order in every process."""

    def __init__(self, coro: Any, *, serial: int, **options: Any) -> None:
        self.serial = serial
        super().__init__(coro, **options)

    def __hash__(self) -> int:
        return self.serial


class SimLoop(asyncio.BaseEventLoop):
    _ready: "Any"  # a deque of handles; asyncio's own

    def __init__(self, timeline: Timeline | None = None) -> None:
        super().__init__()
        self.timeline = Timeline() if timeline is None else timeline
        self.faults: list[dict[str, Any]] = []  # what nobody caught, as asyncio tells it
        self.set_exception_handler(lambda _, context: self.faults.append(context))
        self._tasks_made = 0
        self.set_task_factory(self._make_task)

    def _make_task(self, loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> SimTask:
        self._tasks_made += 1
        return SimTask(coro, loop=loop, serial=self._tasks_made, **options)

    def time(self) -> float:
        return self.timeline.now_ns / NS_PER_S

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> SimTimer:
        """Never earlier than asked: a fraction of a nanosecond counts as a whole one."""
        return self._place(self.timeline.now_ns + math.ceil(delay * NS_PER_S), callback, args, context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> SimTimer:
        return self._place(round(when * NS_PER_S), callback, args, context)

    def _place(
        self, when_ns: int, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None
    ) -> SimTimer:
        timer = SimTimer(when_ns / NS_PER_S, callback, args, self, context)
        timer.entry = self.timeline.at(when_ns, "timer", self._ready.append, timer)
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """The timeline knows already."""

    def _run_once(self) -> None:
        """One entry of the timeline, with all that is ready before it and because of it."""
        ready, timeline = self._ready, self.timeline
        if not ready and not timeline.step():
            raise StandsStillError("everybody waits for somebody else, and no timer is set")
        while ready and not self._stopping:  # type: ignore[attr-defined]
            for _ in range(len(ready)):
                handle = ready.popleft()
                if not handle._cancelled:  # noqa: SLF001 - a loop runs asyncio's own handles
                    timeline.events += 1
                    handle._run()  # noqa: SLF001 - as above
        timeline.mark(timeline.events & 0xFFFFFFFF)

    # -- what there is not ------------------------------------------------------------------------------------

    def call_soon_threadsafe(self, *_args: Any, **_options: Any) -> NoReturn:
        raise RealWorldError("there are no threads in the simulator")

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> NoReturn:  # noqa: ARG002 - asyncio's shape
        raise RealWorldError("there are no threads in the simulator; hand the work to a port of the world")

    async def getaddrinfo(self, *_args: Any, **_options: Any) -> NoReturn:
        raise RealWorldError("there are no host names in the simulator")

    def _process_events(self, event_list: Any) -> None: ...

    def _write_to_self(self) -> None: ...

    # -- the end ----------------------------------------------------------------------------------------------

    def put_away(self, at_end: Callable[[], None] = lambda: None) -> None:
        """Cancel what still runs, let it clean up without time passing, and close. What it does is not counted."""
        for task in sorted(asyncio.all_tasks(self), key=hash):
            task.cancel()
        events._set_running_loop(self)  # noqa: SLF001 - there is no public word for it
        try:
            self._clean_up()
            at_end()
            self._clean_up()
        finally:
            events._set_running_loop(None)  # noqa: SLF001 - as below `run_forever`
        self.close()

    def _clean_up(self) -> None:
        for _ in range(SHUTDOWN_TURNS):
            for _ in range(len(self._ready)):
                handle = self._ready.popleft()
                if not handle._cancelled:  # noqa: SLF001 - a loop runs asyncio's own handles
                    handle._run()  # noqa: SLF001 - as above


def run_in_loop(timeline: Timeline, main: Awaitable[T], *, at_end: Callable[[], None] = lambda: None) -> T:
    """`main` to its end on a loop of its own. Raises what it raises, and SimulationError.

    `at_end`: lets go of what those wait for who are cancelled and can't end, since no time passes.
    """
    loop = SimLoop(timeline)
    try:
        return loop.run_until_complete(main)
    finally:
        loop.put_away(at_end)
