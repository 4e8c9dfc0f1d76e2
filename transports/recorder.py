"""An owner of links that somebody can wait for: for tests, benchmarks and small tools."""

import asyncio
from collections.abc import Callable

from protocols.errors import LinkError
from transports.api import Link


class Recorder:
    """Keeps every frame; it bounds nothing, so a daemon has no use for it."""

    def __init__(self, *, patience_s: float = 20.0) -> None:
        """Every wait ends after `patience_s` with TimeoutError: nothing hangs."""
        self._patience_s = patience_s
        self.frames: list[bytes] = []
        self.lost: str | None = None
        self.losses = self.writables = 0
        self._changed = asyncio.Event()

    def link_received(self, link: Link, frames: list[bytes]) -> None:  # noqa: ARG002 - the observer's shape
        self.frames += frames
        self._changed.set()

    def link_writable(self, link: Link) -> None:  # noqa: ARG002
        self.writables += 1
        self._changed.set()

    def link_lost(self, link: Link, reason: str) -> None:  # noqa: ARG002
        self.lost = reason
        self.losses += 1
        self._changed.set()

    async def until_frames(self, count: int) -> list[bytes]:
        """Raises LinkError when the link goes before they are there."""
        await self._until(lambda: len(self.frames) >= count or self.lost is not None)
        if len(self.frames) < count:
            raise LinkError(f"{self.lost}, with {len(self.frames)} of {count} frames")
        return self.frames

    async def until_writable(self, link: Link) -> None:
        """At once where the link has room."""
        await self._until(lambda: link.unsent_bytes <= link.unsent_bytes_max or self.lost is not None)

    async def until_lost(self) -> str:
        await self._until(lambda: self.lost is not None)
        assert self.lost is not None
        return self.lost

    async def _until(self, happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(self._patience_s):
            while not happened():
                self._changed.clear()
                await self._changed.wait()
