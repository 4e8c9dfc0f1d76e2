"""A node's broadcasts service over a disk that can be full, and a core that only notes what it is told."""

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from itertools import count
from typing import Any, TypeVar

import pytest

from meshnode.services.broadcasts import DATABASE, MIGRATIONS, BroadcastsService
from meshnode.services.broadcasts.limits import ShelfLimits
from meshnode.store import MemoryStorage
from meshnode.world import Database
from protocols.envelope import TrafficClass, decode_envelope
from protocols.errors import StoreError
from protocols.ids import NodeId
from protocols.keys import Identity
from protocols.routing.broadcast import Broadcast, make_broadcast, open_broadcast
from sim.crypto import HashSuite

T = TypeVar("T")
NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
WALL_NS = 1_800_000_000 * NS_PER_S
SUITE = HashSuite()
PATIENCE_S = 20.0


class HandClock:
    def __init__(self) -> None:
        self.now = NS_PER_S

    def now_ns(self) -> int:
        return self.now

    def wall_ns(self) -> int:
        return WALL_NS + self.now


class FullDisk:
    """`full`: refuses writes. Rings `tried` at each."""

    def __init__(self, inner: Database) -> None:
        self._inner, self.full, self.tried = inner, False, asyncio.Event()

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        self.tried.set()
        if self.full:
            raise StoreError("the disk is full")
        return await self._inner.write(work)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._inner.read(work)

    async def close(self) -> None:
        await self._inner.close()


class Node:
    """Also its core (`Shouting`) and its book (`Standings`)."""

    def __init__(self, limits: ShelfLimits | None) -> None:
        self.identity = person("me")
        self.clock, self.storage, self.limits = HandClock(), MemoryStorage(), limits
        self.events: asyncio.Queue[tuple[str, Mapping[str, object]]] = asyncio.Queue()
        self.shouted: list[bytes] = []
        self.recalled: list[bytes] = []
        self.contacts: dict[NodeId, None] = {}
        self.blocked: dict[NodeId, None] = {}
        self._deliver: Callable[[Broadcast, bytes], None] | None = None
        self._numbers = count()
        self._task: asyncio.Future[None] | None = None

    async def start(self) -> "Node":
        """Also again: what was only in memory is gone."""
        await self.stop()
        self.disk = FullDisk(await self.storage.open_database(DATABASE, MIGRATIONS))
        self.service = BroadcastsService(
            self.disk,
            self,
            self,
            lambda name, fields: self.events.put_nowait((name, fields)),
            self.clock,
            self._entropy,
            self.identity,
            limits=self.limits,
        )
        self._task = asyncio.ensure_future(self.service.run())
        return self

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self.storage.close()

    def _entropy(self, size: int) -> bytes:
        return hashlib.shake_256(str(next(self._numbers)).encode()).digest(size)

    # -- what a test does -------------------------------------------------------------------------------------

    def hears(self, source: str, body: str | bytes, **changes: Any) -> None:
        fields: dict[str, Any] = {
            "kind": "text",
            "body": body if isinstance(body, bytes) else body.encode(),
            "at_ms": self.clock.wall_ns() // NS_PER_MS,
            "expires_ms": self.clock.wall_ns() // NS_PER_MS + 3_600_000,
            "traffic": TrafficClass.INTERACTIVE,
            "salt": self._entropy(8),
            **changes,
        }
        self.hears_again(make_broadcast(person(source), **fields))

    def hears_again(self, frame: bytes) -> None:
        assert self._deliver is not None
        self._deliver(open_broadcast(decode_envelope(frame), SUITE), frame)

    async def next_event(self) -> tuple[str, Mapping[str, object]]:
        async with asyncio.timeout(PATIENCE_S):
            return await self.events.get()

    async def texts(self, **which: Any) -> list[str]:
        return [one.text for one in await self.service.broadcasts(**which)]

    # -- ports ------------------------------------------------------------------------------------------------

    def shout(self, frame: bytes) -> None:
        self.shouted.append(frame)

    def recall(self, frames: Sequence[bytes]) -> None:
        self.recalled += frames

    def hear(self, callback: Callable[[Broadcast, bytes], None]) -> None:
        self._deliver = callback

    def is_blocked(self, peer: NodeId) -> bool:
        return peer in self.blocked

    def is_contact(self, peer: NodeId) -> bool:
        return peer in self.contacts

    def mark_contact(self, peer: NodeId) -> None:
        self.contacts[peer] = None


def person(name: str) -> Identity:
    return Identity(hashlib.sha256(name.encode()).digest(), SUITE)


@pytest.fixture
async def new_node() -> AsyncIterator[Callable[..., Awaitable[Node]]]:
    made: list[Node] = []

    async def make(**limits: Any) -> Node:
        made.append(Node(ShelfLimits(**limits) if limits else None))
        return await made[-1].start()

    yield make
    for node in made:
        await node.stop()


@pytest.fixture
async def node(new_node: Callable[..., Awaitable[Node]]) -> Node:
    return await new_node()


@pytest.fixture
def known() -> Callable[[str], NodeId]:
    """The NodeId of a person by name."""
    return lambda name: person(name).node_id
