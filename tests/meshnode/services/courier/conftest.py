"""A small world for the courier service: nodes that hear each other when told to, disks that can be full."""

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal, TypeVar, cast

import pytest

from meshnode.ports import IncomingCall, OutgoingCall
from meshnode.services.courier import DATABASE, MIGRATIONS, CourierService
from meshnode.services.courier.tables import read_carried
from meshnode.settings import CourierSettings
from meshnode.store import MemoryStorage
from meshnode.world import Database
from protocols.envelope import TrafficClass
from protocols.errors import LinkError, RefusedError, RemoteError, StoreError
from protocols.ids import MessageId, NodeId
from protocols.keys import Identity

T = TypeVar("T")
NS_PER_S = 1_000_000_000
WALL_S = 1_800_000_000
PATIENCE_S = 20.0  # a test that waits so long in real time has failed


class HandClock:
    def __init__(self) -> None:
        self.now, self.wall = NS_PER_S, WALL_S * NS_PER_S

    def now_ns(self) -> int:
        return self.now

    def wall_ns(self) -> int:
        return self.wall

    def pass_s(self, seconds: float) -> None:
        self.now += int(seconds * NS_PER_S)
        self.wall += int(seconds * NS_PER_S)


@dataclass
class Request:
    peer: NodeId
    method: str
    body: bytes

    async def messages(self) -> AsyncIterator[bytes]:
        return
        yield b""

    async def send(self, message: bytes) -> None:
        raise AssertionError("the courier service answers with one message")


class FickleDatabase:
    def __init__(self, inner: Database) -> None:
        self._inner, self.full = inner, False

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self.full:
            raise StoreError("the disk is full")
        return await self._inner.write(work)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._inner.read(work)

    async def close(self) -> None:
        await self._inner.close()


@dataclass
class Net:
    nodes: "dict[NodeId, Node]" = field(default_factory=dict[NodeId, "Node"])
    near: dict[frozenset[NodeId], None] = field(default_factory=dict[frozenset[NodeId], None])
    calls: list[tuple[NodeId, NodeId, str]] = field(default_factory=list[tuple[NodeId, NodeId, str]])
    lose_answers: list[str] = field(default_factory=list[str])  # methods, each once
    happened: asyncio.Event = field(default_factory=asyncio.Event)

    def meet(self, one: "Node", other: "Node") -> None:
        self.near[frozenset((one.id, other.id))] = None
        for node, peer in ((one, other), (other, one)):
            for watcher in node.watchers:
                watcher(peer.id, True)

    def part(self, one: "Node", other: "Node") -> None:
        if self.near.pop(frozenset((one.id, other.id)), 0) is None:
            for node, peer in ((one, other), (other, one)):
                for watcher in node.watchers:
                    watcher(peer.id, False)


class Node:
    """One device: its disk, its courier service, and all that the service asks for."""

    def __init__(self, net: Net, name: str, settings: CourierSettings) -> None:
        self.net, self.name, self.settings = net, name, settings
        self.identity = Identity.from_seed(hashlib.sha256(name.encode()).digest())
        self.id = self.identity.node_id
        self.clock, self.storage = HandClock(), MemoryStorage()
        self.events: list[tuple[str, Mapping[str, object]]] = []
        self.contacts: dict[NodeId, None] = {}
        self.blocked: dict[NodeId, None] = {}
        self.got: list[tuple[NodeId, bytes]] = []
        self.outcome: Literal["kept", "hopeless", "later"] = "kept"
        self.told_brought: list[MessageId] = []
        self.told_lapsed: list[NodeId] = []
        self.watchers: list[Callable[[NodeId, bool], None]] = []
        self.handler: Callable[[IncomingCall], Awaitable[bytes]] | None = None
        self._numbers = count()
        self._task: asyncio.Future[None] | None = None
        net.nodes[self.id] = self

    async def start(self) -> "Node":
        """Also a restart: what was only in memory is gone."""
        await self.stop()
        self.watchers.clear()
        self.database = FickleDatabase(await self.storage.open_database(DATABASE, MIGRATIONS))
        self.service = CourierService(
            self.database,
            self,
            self,
            self,
            self.identity,
            self,
            self._emit,
            self.clock,
            self.entropy,
            None,
            settings=self.settings,
            is_near=self.is_connected,
        )
        self._task = asyncio.ensure_future(self.service.run())
        await self.until(lambda: self.service.view().prekey)
        return self

    async def stop(self) -> None:
        for other in list(self.net.nodes.values()):
            self.net.part(self, other)
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self.storage.close()

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():  # noqa: ASYNC110 - a turn of the loop; no time passes
                await asyncio.sleep(0)

    async def settled(self) -> None:
        """Nobody has anything to do any more."""
        for _ in range(200):
            await asyncio.sleep(0)

    def pass_s(self, seconds: float) -> None:
        self.clock.pass_s(seconds)
        self.service._desk.bell.set()

    async def object_of(self, sealed_id: bytes) -> bytes:
        found = await self.database.read(lambda connection: read_carried(connection, sealed_id))
        assert found is not None
        return found

    async def rows(self, query: str) -> list[Any]:
        return await self.database.read(lambda connection: connection.execute(query).fetchall())

    def counted(self, word: str) -> int:
        return self.service.counts().get(word, 0)

    def entropy(self, size: int) -> bytes:
        return hashlib.shake_256(f"{self.name}/{next(self._numbers)}".encode()).digest(size)

    async def hear(self, sender: "Node", method: str, body: bytes) -> bytes:
        assert self.handler is not None
        return await self.handler(Request(sender.id, method, body))

    def _emit(self, name: str, fields: Mapping[str, object]) -> None:
        self.events.append((name, fields))

    # -- Mail -------------------------------------------------------------------------------------------------

    async def arrived(self, sender: NodeId, content: bytes) -> Literal["kept", "hopeless", "later"]:
        if self.outcome == "kept":
            self.got.append((sender, content))
        return self.outcome

    async def brought(self, to: NodeId, messages: Sequence[MessageId]) -> None:
        self.told_brought += messages

    def lapsed(self, to: NodeId) -> None:
        self.told_lapsed.append(to)

    # -- Standings and Presence -------------------------------------------------------------------------------

    def is_blocked(self, peer: NodeId) -> bool:
        return peer in self.blocked

    def is_contact(self, peer: NodeId) -> bool:
        return peer in self.contacts

    def mark_contact(self, peer: NodeId) -> None:
        self.contacts[peer] = None

    def connected(self) -> list[NodeId]:
        return [peer for peer in self.net.nodes if self.is_connected(peer)]

    def is_connected(self, peer: NodeId) -> bool:
        return frozenset((self.id, peer)) in self.net.near

    def watch(self, callback: Callable[[NodeId, bool], None]) -> None:
        self.watchers.append(callback)

    def want(self, peer: NodeId) -> None: ...

    # -- Rpc --------------------------------------------------------------------------------------------------

    def register(self, service: str, handler: Callable[[IncomingCall], object]) -> None:
        assert service == "courier"
        self.handler = cast("Callable[[IncomingCall], Awaitable[bytes]]", handler)

    async def call(
        self,
        peer: NodeId,
        service: str,
        method: str,
        body: bytes,
        *,
        timeout_s: float = 10.0,
        traffic: TrafficClass = TrafficClass.INTERACTIVE,
    ) -> bytes:
        await asyncio.sleep(0)
        if not self.is_connected(peer):
            raise LinkError("unreachable")
        self.net.calls.append((self.id, peer, method))
        other = self.net.nodes[peer]
        if other.handler is None:
            raise RefusedError("unknown_service", "this node offers no 'courier'")
        try:
            answer = await other.handler(Request(self.id, method, body))
        except RemoteError as error:
            raise RefusedError("bad_request", str(error)) from None
        if method in self.net.lose_answers:
            self.net.lose_answers.remove(method)
            raise LinkError("lost on the way")
        return answer

    async def open(
        self,
        peer: NodeId,
        service: str,
        method: str,
        body: bytes,
        *,
        timeout_s: float | None = None,
        traffic: TrafficClass = TrafficClass.INTERACTIVE,
    ) -> OutgoingCall:
        raise AssertionError("the courier service streams nothing")


@pytest.fixture
def net() -> Net:
    return Net()


@pytest.fixture
async def new_node(net: Net) -> AsyncIterator[Callable[..., Awaitable[Node]]]:
    """Makes and starts a node that has everybody before it for a contact, and is theirs."""

    async def make(name: str, **settings: Any) -> Node:
        others = list(net.nodes.values())
        node = Node(net, name, CourierSettings(**settings))
        for other in others:
            node.contacts[other.id] = other.contacts[node.id] = None
        return await node.start()

    yield make
    for node in net.nodes.values():
        await node.stop()


@pytest.fixture
async def alice(new_node: Callable[..., Awaitable[Node]]) -> Node:
    return await new_node("alice")


@pytest.fixture
async def bob(new_node: Callable[..., Awaitable[Node]], alice: Node) -> Node:
    """Has met Alice, and left."""
    node = await new_node("bob")
    alice.net.meet(alice, node)
    await alice.until(lambda: alice.service._keeper.usable(node.id))
    await node.until(lambda: node.service._keeper.usable(alice.id))
    alice.net.part(alice, node)
    return node


@pytest.fixture
async def carol(new_node: Callable[..., Awaitable[Node]], bob: Node) -> Node:
    return await new_node("carol")
