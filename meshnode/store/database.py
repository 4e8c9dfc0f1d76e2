"""One SQLite file with one writer and group commit.

Writes that are asked for while a commit runs wait in a queue and share the next one. An fsync costs milliseconds on a
slow disk; shared by a hundred callers it costs each of them next to nothing.

    write() ──► queue ──► [one batch on the writer's thread] ──► every caller of the batch returns ──► the next batch

A batch starts one turn of the event loop after it could, so that all who were woken by the last one are in it.
Nothing here is a task: a loop that shuts down cancels the callers, never a commit.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar, cast

from meshnode.store.faults import DamagedError, DiskError
from meshnode.store.transactions import Outcome, Work, commit_batch, read_snapshot
from meshnode.store.workplace import Workplace
from protocols.errors import LocalError, StoreError

T = TypeVar("T")

BATCH_MAX = 512  # writes that share a commit; bounds how long the first of them waits
WAITING_MAX = 16_384  # writes that wait; one more is refused, its caller is too fast for the disk
READS_MAX = 1_024  # reads that wait or run; one more is refused

OK = "ok"


class _Waiting(NamedTuple):
    work: Work
    done: "asyncio.Future[Any]"


class SqliteDatabase:
    """`meshnode.world.Database`. It belongs to the event loop that uses it first.

    A caller that is cancelled before its batch began writes nothing; later than that, what it asked for stands.
    Work returns values, not cursors: it runs on another thread, and its rows are only there while it runs.
    """

    def __init__(
        self,
        name: str,
        writer: sqlite3.Connection,
        reader: sqlite3.Connection,
        *,
        place: Workplace,
        put_away: Callable[[bool], None],
    ) -> None:
        """The connections may be one where `place` does one thing at a time.

        `put_away` closes them; it is told whether the file may be trusted without a check.
        """
        self._file = f"{name}.db"
        self._writer, self._reader, self._place, self._put_away = writer, reader, place, put_away
        self._queue: deque[_Waiting] = deque()
        self._batch: Sequence[_Waiting] = ()  # that is being committed
        self._busy = False
        self._reads = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False
        self._sound = True
        self.closed = False
        self.commits = 0
        self.fault = ""  # a sentence on what the last commit met; damage stays

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        self._refuse_closed()
        if len(self._queue) >= WAITING_MAX:
            raise StoreError(f"{self._file}: the disk is too slow for what is asked of it; try again later")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        self._queue.append(_Waiting(work, done))
        if not self._busy:
            self._busy = True
            self._idle.clear()
            loop.call_soon(self._start_batch)
        return cast("T", await done)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        self._refuse_closed()
        if self._reads >= READS_MAX:
            raise StoreError(f"{self._file}: too many reads wait for the disk; try again later")
        self._reads += 1
        try:
            return await self._place.read(lambda: read_snapshot(self._reader, self._file, work))
        except DamagedError as error:
            self._note(error)
            raise
        finally:
            self._reads -= 1

    async def close(self) -> None:
        """After all that was asked for. Twice is harmless, also when the first was cancelled."""
        self._closing = True
        await self._idle.wait()
        if self.closed:
            return
        await self._place.read(lambda: None)  # behind the reads that were asked for
        if self.closed:  # somebody else closed it while we waited
            return
        self.closed = True
        await self._place.close(lambda: self._put_away(self._sound))

    def abandon(self) -> None:
        """As when the process is killed: nothing is put away, and who still waits never hears of it."""
        for waiting in (*self._batch, *self._queue):
            waiting.done.cancel()
        self._queue.clear()
        self._closing = self.closed = True
        self._idle.set()
        self._reader.close()
        self._writer.close()

    # -- batches ----------------------------------------------------------------------------------------------

    def _start_batch(self) -> None:
        batch: list[_Waiting] = []
        while self._queue and len(batch) < BATCH_MAX:
            waiting = self._queue.popleft()
            if not waiting.done.done():  # else its caller was cancelled
                batch.append(waiting)
        if not batch:
            self._busy = False
            self._idle.set()
            return
        works = [waiting.work for waiting in batch]
        self._batch = batch
        running = self._place.write(partial(commit_batch, self._writer, self._file, works))
        running.add_done_callback(self._end_batch)

    def _end_batch(self, running: "asyncio.Future[list[Outcome]]") -> None:
        if self.closed:  # abandoned
            return
        batch, self._batch = self._batch, ()
        outcomes = _outcomes_of(running, len(batch))
        self.commits += 1
        if self._sound:
            self.fault = ""
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome.error, StoreError):
                self._note(outcome.error)
            _settle(waiting.done, outcome)
        asyncio.get_running_loop().call_soon(self._start_batch)

    def _note(self, error: StoreError) -> None:
        if self._sound:
            self.fault = str(error)
            self._sound = not isinstance(error, DamagedError | DiskError)

    def _refuse_closed(self) -> None:
        if self._closing:
            raise StoreError(f"{self._file} is closed")


def _outcomes_of(running: "asyncio.Future[list[Outcome]]", count: int) -> list[Outcome]:
    error = running.exception()
    if error is None:
        return running.result()
    return [Outcome(None, LocalError(f"a write broke the writer: {error!r}")) for _ in range(count)]


def _settle(done: "asyncio.Future[Any]", outcome: Outcome) -> None:
    if done.done():
        return  # its caller was cancelled meanwhile; the write stands
    if outcome.error is None:
        done.set_result(outcome.value)
    elif isinstance(outcome.error, StopIteration):  # which no coroutine can raise
        done.set_exception(RuntimeError("a write raised StopIteration"))
    else:
        done.set_exception(outcome.error)
