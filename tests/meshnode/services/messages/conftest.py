"""A small world for the messages service: a network that loses what it is told to lose, clocks set by hand, disks that
can be full, and nodes that die at a chosen moment.
"""

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any, TypeVar, cast

import pytest

from meshnode.ports import IncomingCall, OutgoingCall
from meshnode.services.messages import DATABASE, MIGRATIONS, MessagesService, StoredMessage
from meshnode.settings import MessageSettings, QuotaSettings
from meshnode.store import MemoryStorage
from meshnode.world import Database
from protocols.envelope import TrafficClass
from protocols.errors import LinkError, RefusedError, RemoteError, StoreError
from protocols.ids import MessageId, NodeId

T = TypeVar("T")
WALL_S = 1_800_000_000
NS_PER_S = 1_000_000_000
PATIENCE_S = 20.0  # a test that waits so long in real time has failed


class HandClock:
    def __init__(self) -> None:
        self.now = NS_PER_S
        self.wall = WALL_S * NS_PER_S

    def now_ns(self) -> int:
        return self.now

    def wall_ns(self) -> int:
        return self.wall

    def pass_s(self, seconds: float) -> None:
        """Real time passes: both clocks show it."""
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
        raise AssertionError("the messages service answers with one message")


class MortalDatabase:
    """Every use is a moment at which the node may die. `full`: the disk refuses writes."""

    def __init__(self, inner: Database, node: "Node") -> None:
        self._inner, self._node, self.full = inner, node, False
        self.writes = 0
        self.in_write: Callable[[], object] = lambda: None  # called while a transaction is open

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        await self._node.moment("before write")
        if self.full:
            raise StoreError("the disk is full")

        def observed(connection: sqlite3.Connection) -> T:
            self.in_write()
            return work(connection)

        result = await self._inner.write(observed)
        self.writes += 1
        await self._node.moment("after write")
        return result

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        result = await self._inner.read(work)
        await self._node.moment("after read")
        return result

    async def close(self) -> None:
        await self._inner.close()


@dataclass
class Net:
    """Who is connected with whom. `lose_requests` and `lose_answers` count calls of a method that will be lost."""

    nodes: "dict[NodeId, Node]" = field(default_factory=dict[NodeId, "Node"])
    links: dict[frozenset[NodeId], asyncio.Event] = field(
        default_factory=dict[frozenset[NodeId], asyncio.Event]
    )
    lose_requests: dict[str, int] = field(default_factory=dict[str, int])
    lose_answers: dict[str, int] = field(default_factory=dict[str, int])
    calls: list[tuple[NodeId, str, bytes]] = field(default_factory=list[tuple[NodeId, str, bytes]])
    failed: int = 0
    happened: asyncio.Event = field(default_factory=asyncio.Event)  # something, to somebody

    def connect(self, one: "Node", other: "Node") -> None:
        self.links[frozenset((one.id, other.id))] = asyncio.Event()
        for node, peer in ((one, other), (other, one)):
            node.tell_watchers(peer.id, up=True)

    def disconnect(self, one: "Node", other: "Node") -> None:
        cut = self.links.pop(frozenset((one.id, other.id)), None)
        if cut is None:
            return
        cut.set()
        for node, peer in ((one, other), (other, one)):
            node.tell_watchers(peer.id, up=False)

    def isolate(self, node: "Node") -> None:
        for other in self.nodes.values():
            if other is not node:
                self.disconnect(node, other)

    def loses(self, what: dict[str, int], method: str) -> bool:
        left = what.get(method, 0)
        what[method] = max(0, left - 1)
        return left > 0


class Node:
    """One device: a store that outlives restarts, and the service on top. Also its rpc, presence and standings."""

    def __init__(self, net: Net, name: str) -> None:
        self.net, self.name = net, name
        self.id = NodeId(hashlib.sha256(name.encode()).digest())
        self.clock, self.storage = HandClock(), MemoryStorage()
        self.settings, self.quotas = MessageSettings(), QuotaSettings()
        self.events: list[tuple[str, Mapping[str, object]]] = []
        self.contacts: dict[NodeId, None] = {}
        self.blocked: dict[NodeId, None] = {}
        self.wanted: list[NodeId] = []
        self.requested: list[NodeId] = []
        self.moments = 0
        self.dies_at: int | None = None
        self.died = asyncio.Event()
        self._numbers = count()
        self._task: asyncio.Future[None] | None = None
        self._watchers: list[Callable[[NodeId, bool], None]] = []
        self.handler: Callable[[IncomingCall], Awaitable[bytes]] | None = None
        net.nodes[self.id] = self

    # -- life -------------------------------------------------------------------------------------------------

    async def start(self) -> "Node":
        """Also a restart, at whatever moment: what was only in memory is gone."""
        await self.stop()
        self.died = asyncio.Event()
        self._watchers.clear()
        self.database = MortalDatabase(await self.storage.open_database(DATABASE, MIGRATIONS), self)
        self.service = MessagesService(
            self.database,
            self,
            self,
            self,
            self._emit,
            self.clock,
            self._entropy,
            Random(f"{self.name}/backoff"),
            me=self.id,
            settings=self.settings,
            quotas=self.quotas,
            on_request=self.requested.append,
        )
        self._task = asyncio.ensure_future(self.service.run())
        return self

    async def stop(self) -> None:
        self.net.isolate(self)
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self.storage.close()

    async def moment(self, _what: str) -> None:
        """A place between two steps: the node may die here, and then nothing of it goes on."""
        self.moments += 1
        if self.dies_at is not None and self.moments == self.dies_at:
            self.died.set()
        self.net.happened.set()
        if self.died.is_set():
            await asyncio.get_running_loop().create_future()

    def tell_watchers(self, peer: NodeId, *, up: bool) -> None:
        for watcher in self._watchers:
            watcher(peer, up)

    # -- what a test asks -------------------------------------------------------------------------------------

    async def next_event(self, name: str) -> Mapping[str, object]:
        """Waits for the first event of this name that no earlier call took; forgets those before it."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                while self.events:
                    found, fields = self.events.pop(0)
                    if found == name:
                        return fields
                self.net.happened.clear()
                await self.net.happened.wait()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Waits until this holds; it is asked whenever something happened."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self.net.happened.clear()
                await self.net.happened.wait()

    async def delivered(self, ids: Iterable[MessageId]) -> None:
        for message_id in ids:
            assert await self.service.wait(message_id, "delivered", timeout_s=PATIENCE_S) == "delivered"

    async def texts(self, peer: "Node | None" = None) -> list[str]:
        return [message.text for message in await self.listed(peer)]

    async def listed(self, peer: "Node | None" = None) -> list[StoredMessage]:
        return await self.service.messages(None if peer is None else peer.id, limit=1_000)

    def pass_s(self, seconds: float) -> None:
        self.clock.pass_s(seconds)
        self.look_at_the_clock()

    def look_at_the_clock(self) -> None:
        """Real timers would ring; these clocks are moved by hand."""
        self.service._desk.bell.set()

    async def hear(self, sender: "Node", method: str, body: bytes) -> bytes:
        """Answer a request that got here although nothing else of the sender does."""
        assert self.handler is not None
        return await self.handler(Request(sender.id, method, body))

    async def rows(self, query: str) -> list[Any]:
        """What the tables hold."""
        return await self.database.read(lambda connection: connection.execute(query).fetchall())

    def _emit(self, name: str, fields: Mapping[str, object]) -> None:
        self.events.append((name, fields))
        self.net.happened.set()

    def _entropy(self, size: int) -> bytes:
        return hashlib.shake_256(f"{self.name}/{next(self._numbers)}".encode()).digest(size)

    # -- Standings --------------------------------------------------------------------------------------------

    def is_blocked(self, peer: NodeId) -> bool:
        return peer in self.blocked

    def is_contact(self, peer: NodeId) -> bool:
        return peer in self.contacts

    def mark_contact(self, peer: NodeId) -> None:
        self.contacts[peer] = None

    # -- Presence ---------------------------------------------------------------------------------------------

    def connected(self) -> list[NodeId]:
        return [peer for peer in self.net.nodes if self.is_connected(peer)]

    def is_connected(self, peer: NodeId) -> bool:
        return peer != self.id and frozenset((self.id, peer)) in self.net.links

    def watch(self, callback: Callable[[NodeId, bool], None]) -> None:
        self._watchers.append(callback)

    def want(self, peer: NodeId) -> None:
        self.wanted.append(peer)
        self.net.happened.set()

    # -- Rpc --------------------------------------------------------------------------------------------------

    def register(self, service: str, handler: Callable[[IncomingCall], object]) -> None:
        assert service == "messages"
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
        await self.moment("before call")
        self.net.calls.append((self.id, method, body))
        try:
            answer = await self._carry(peer, method, body)
        except (LinkError, RefusedError, TimeoutError):
            self.net.failed += 1
            self.net.happened.set()
            raise
        await self.moment("after call")
        return answer

    async def _carry(self, peer: NodeId, method: str, body: bytes) -> bytes:
        cut = self.net.links.get(frozenset((self.id, peer)))
        if cut is None or self.net.loses(self.net.lose_requests, method):
            raise LinkError("unreachable")
        handler = self.net.nodes[peer].handler
        assert handler is not None
        serving = asyncio.ensure_future(self._serve(handler, Request(self.id, method, body)))
        cutting = asyncio.ensure_future(cut.wait())
        try:
            await asyncio.wait((serving, cutting), return_when=asyncio.FIRST_COMPLETED)
            if not serving.done() or self.net.loses(self.net.lose_answers, method):
                raise LinkError("lost on the way")
            return serving.result()
        finally:
            cutting.cancel()
            if cut.is_set():  # the other node's crew goes with the node; its handler with its session
                serving.cancel()

    @staticmethod
    async def _serve(handler: Callable[[IncomingCall], Awaitable[bytes]], request: Request) -> bytes:
        try:
            return await handler(request)
        except RemoteError:
            raise RefusedError("bad_request", "that was not understood") from None

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
        raise AssertionError("the messages service streams nothing")


@pytest.fixture
def net() -> Net:
    return Net()


@pytest.fixture
async def new_node(net: Net) -> AsyncIterator[Callable[..., Awaitable[Node]]]:
    """Makes and starts a node. All are stopped at the end."""
    made: list[Node] = []

    async def make(
        name: str, settings: MessageSettings | None = None, quotas: QuotaSettings | None = None
    ) -> Node:
        node = Node(net, name)
        node.settings, node.quotas = settings or MessageSettings(), quotas or QuotaSettings()
        made.append(node)
        return await node.start()

    yield make
    for node in made:
        await node.stop()


@pytest.fixture
async def alice(new_node: Callable[..., Awaitable[Node]]) -> Node:
    return await new_node("alice")


@pytest.fixture
async def bob(new_node: Callable[..., Awaitable[Node]], alice: Node) -> Node:
    """Knows Alice."""
    node = await new_node("bob")
    node.contacts[alice.id] = None
    return node
