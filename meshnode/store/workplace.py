"""Where a database's work is done: on threads of its own in production, inline in memory, later in the simulator."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

T = TypeVar("T")


class Workplace(Protocol):
    """It belongs to one database."""

    def write(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        """Begun in the order in which it is asked for, one piece at a time."""
        ...

    def read(self, work: Callable[[], T]) -> Awaitable[T]:
        """One piece at a time; maybe while a write runs."""
        ...

    def close(self, last: Callable[[], None]) -> Awaitable[None]:
        """After all writes; `last` is the last of them, also when the caller is cancelled. No reads may run."""
        ...

    def give_up(self) -> None:
        """The database could not be opened: there will be no work."""
        ...


class Threads:
    """One that writes, one that reads."""

    def __init__(self, name: str) -> None:
        self._writer = ThreadPoolExecutor(1, thread_name_prefix=f"store-{name}")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix=f"store-{name}-read")

    def write(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        return asyncio.get_running_loop().run_in_executor(self._writer, work)

    def read(self, work: Callable[[], T]) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._reader, work)

    def close(self, last: Callable[[], None]) -> Awaitable[None]:
        done = self._writer.submit(last)
        self.give_up()
        return asyncio.wrap_future(done)

    def give_up(self) -> None:
        self._writer.shutdown(wait=False)
        self._reader.shutdown(wait=False)


class Inline:
    """At once, in the caller's own turn."""

    def write(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        return done_now(work)

    async def read(self, work: Callable[[], T]) -> T:
        return work()

    async def close(self, last: Callable[[], None]) -> None:
        last()

    def give_up(self) -> None: ...


def done_now(work: Callable[[], T]) -> "asyncio.Future[T]":
    done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    fulfil(done, work)
    return done


def fulfil(done: "asyncio.Future[T]", work: Callable[[], T]) -> None:
    """As a thread hands on what became of a piece of work."""
    try:
        done.set_result(work())
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - it is the caller's
        done.set_exception(error)
