"""Callers that wait for something to befall a message."""

import asyncio
from collections.abc import Generator, Iterable
from contextlib import contextmanager

from meshnode.services.messages.limits import WAITERS_MAX
from protocols.errors import RefusedError
from protocols.ids import MessageId


class Waiters:
    def __init__(self) -> None:
        self._bells: dict[MessageId, list[asyncio.Event]] = {}
        self._count = 0

    @contextmanager
    def bell(self, message: MessageId) -> Generator[asyncio.Event]:
        """Rings when this message's state may have changed. Raises RefusedError when too many wait."""
        if self._count >= WAITERS_MAX:
            raise RefusedError(
                "too_many_waiters", "too many callers wait for messages; follow the events instead"
            )
        bell = asyncio.Event()
        self._bells.setdefault(message, []).append(bell)
        self._count += 1
        try:
            yield bell
        finally:
            self._count -= 1
            self._bells[message].remove(bell)
            if not self._bells[message]:
                del self._bells[message]

    def ring(self, messages: Iterable[MessageId]) -> None:
        if not self._bells:
            return
        for message in messages:
            for bell in self._bells.get(message, ()):
                bell.set()
