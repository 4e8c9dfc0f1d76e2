"""A small world for the peers service: a network that can lose things, clocks set by hand, a disk that can be full."""

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import TypeVar, cast

import pytest

from meshnode.ports import IncomingCall, OutgoingCall
from meshnode.services.peers import DATABASE, MIGRATIONS, PeersService
from meshnode.store import MemoryStorage
from meshnode.world import Database
from protocols.directory import open_record, sign_record
from protocols.envelope import TrafficClass
from protocols.errors import LinkError, RefusedError, RemoteError, StoreError
from protocols.ids import NodeId
from protocols.keys import Identity

T = TypeVar("T")
WALL_S = 1_700_000_000


class HandClock:
    def __init__(self) -> None:
        self.now = 1_000_000_000
        self.wall_s = WALL_S

    def now_ns(self) -> int:
        return self.now

    def wall_ns(self) -> int:
        return self.wall_s * 1_000_000_000


class FragileDatabase:
    """A database whose disk is full while `full` is set."""

    def __init__(self, inner: Database) -> None:
        self._inner, self.full = inner, False
        self.written = asyncio.Event()

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self.full:
            raise StoreError("the disk is full")
        result = await self._inner.write(work)
        self.written.set()
        return result

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._inner.read(work)

    async def close(self) -> None:
        await self._inner.close()


@dataclass
class Request:
    peer: NodeId
    method: str
    body: bytes

    async def messages(self) -> AsyncIterator[bytes]:
        return
        yield b""

    async def send(self, message: bytes) -> None:
        raise AssertionError("the peers service answers with one message")


@dataclass
class Net:
    """Who is connected with whom. `lose_requests` and `lose_answers` count calls of a method that will be lost."""

    nodes: "dict[NodeId, Node]" = field(default_factory=dict[NodeId, "Node"])
    links: dict[frozenset[NodeId], bytes] = field(default_factory=dict[frozenset[NodeId], bytes])
    lose_requests: dict[str, int] = field(default_factory=dict[str, int])
    lose_answers: dict[str, int] = field(default_factory=dict[str, int])
    calls: list[tuple[NodeId, NodeId, str]] = field(default_factory=list[tuple[NodeId, NodeId, str]])
    answered: asyncio.Queue[str] = field(default_factory=asyncio.Queue[str])  # methods, as their calls end
    hold: dict[str, asyncio.Event] = field(
        default_factory=dict[str, asyncio.Event]
    )  # method -> let go when set
    sent: asyncio.Event = field(default_factory=asyncio.Event)
    sessions: Iterator[int] = field(default_factory=count)

    def connect(
        self, one: "Node", other: "Node", *, dialled: str | None = None, hybrid: bool = False
    ) -> None:
        """`dialled`: the address at which `one` called `other`."""
        number = next(self.sessions)
        self.links[frozenset((one.id, other.id))] = hashlib.sha256(str(number).encode()).digest()
        for node, peer, address in ((one, other, dialled), (other, one, None)):
            raw = peer.record()
            node.service.peer_seen(peer.id, open_record(raw), raw, hybrid=hybrid, dialled=address)
        for node, peer in ((one, other), (other, one)):
            for watcher in node.watchers:
                watcher(peer.id, True)

    def disconnect(self, one: "Node", other: "Node") -> None:
        del self.links[frozenset((one.id, other.id))]
        for node, peer in ((one, other), (other, one)):
            for watcher in node.watchers:
                watcher(peer.id, False)

    async def next_call(self, method: str) -> None:
        """Waits until a call of this method has ended, one way or the other."""
        while await self.answered.get() != method:
            pass

    async def turn(self) -> None:
        """Waits for the next call to be sent."""
        self.sent.clear()
        await self.sent.wait()

    def loses(self, what: dict[str, int], method: str) -> bool:
        left = what.get(method, 0)
        what[method] = max(0, left - 1)
        return left > 0


class Node:
    """One device: an identity, a store that outlives restarts, and the service on top. Also its rpc and presence."""

    def __init__(self, net: Net, seed: str, name: str) -> None:
        self.net, self.name = net, name
        self.identity = Identity.from_seed(hashlib.sha256(seed.encode()).digest())
        self.id = self.identity.node_id
        self.clock, self.storage = HandClock(), MemoryStorage()
        self.addresses: tuple[str, ...] = (f"memory://{seed}",)
        self.features: tuple[str, ...] = ("mlkem768",)
        self.sequence = 1
        self.events: list[tuple[str, Mapping[str, object]]] = []
        self.happened = asyncio.Event()
        self.blocked: list[NodeId] = []
        self.dialling: list[str] = []
        self.wanted: list[NodeId] = []
        self._numbers = count()
        self._seed = seed
        net.nodes[self.id] = self

    async def start(self) -> "Node":
        """Also a restart: whatever was only in memory is gone."""
        await self.storage.close()
        self.handler: Callable[[IncomingCall], Awaitable[bytes]] | None = None
        self.watchers: list[Callable[[NodeId, bool], None]] = []
        self.database = FragileDatabase(await self.storage.open_database(DATABASE, MIGRATIONS))
        self.service = PeersService(
            self.database,
            self,
            self,
            self.identity,
            self._emit,
            self.clock,
            self._entropy,
            self.record,
            self._session_hash,
            name=self.name,
            on_blocked=self.blocked.append,
            on_address=self.dialling.append,
        )
        await self.service.start()
        return self

    def record(self) -> bytes:
        return sign_record(
            self.identity,
            sequence=self.sequence,
            expires_at=WALL_S + 86_400,
            addresses=self.addresses,
            services=("peers",),
            features=self.features,
            name=self.name,
        )

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        task = asyncio.ensure_future(self.service.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def next_event(self, name: str) -> Mapping[str, object]:
        """Waits for the first event of this name that no earlier call took; forgets those before it."""
        while True:
            while self.events:
                found, fields = self.events.pop(0)
                if found == name:
                    return fields
            self.happened.clear()
            await self.happened.wait()

    def heard(self, name: str) -> list[Mapping[str, object]]:
        return [fields for found, fields in self.events if found == name]

    def _emit(self, name: str, fields: Mapping[str, object]) -> None:
        self.events.append((name, fields))
        self.happened.set()

    def _entropy(self, size: int) -> bytes:
        return hashlib.shake_256(f"{self._seed}/{next(self._numbers)}".encode()).digest(size)

    def _session_hash(self, peer: NodeId) -> bytes | None:
        return self.net.links.get(frozenset((self.id, peer)))

    # -- Presence ---------------------------------------------------------------------------------------------

    def connected(self) -> list[NodeId]:
        return [peer for peer in self.net.nodes if peer != self.id and self.is_connected(peer)]

    def is_connected(self, peer: NodeId) -> bool:
        return frozenset((self.id, peer)) in self.net.links

    def watch(self, callback: Callable[[NodeId, bool], None]) -> None:
        self.watchers.append(callback)

    def want(self, peer: NodeId) -> None:
        self.wanted.append(peer)

    # -- Rpc --------------------------------------------------------------------------------------------------

    def register(self, service: str, handler: Callable[[IncomingCall], object]) -> None:
        assert service == "peers"
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
        self.net.calls.append((self.id, peer, method))
        self.net.sent.set()
        if (held := self.net.hold.get(method)) is not None:
            await held.wait()
        try:
            return await self._carry(peer, method, body)
        finally:
            self.net.answered.put_nowait(method)

    async def _carry(self, peer: NodeId, method: str, body: bytes) -> bytes:
        if not self.is_connected(peer) or self.net.loses(self.net.lose_requests, method):
            raise LinkError("unreachable")
        handler = self.net.nodes[peer].handler
        assert handler is not None
        try:
            answer = await handler(Request(self.id, method, body))
        except RefusedError as error:
            raise RefusedError(error.code, str(error)) from None
        except RemoteError:
            raise RefusedError("bad_request", "that was not understood") from None
        except StoreError:
            raise RefusedError("internal", "something went wrong there") from None
        if self.net.loses(self.net.lose_answers, method):
            raise LinkError("lost on the way back")
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
        raise AssertionError("the peers service streams nothing")


@pytest.fixture
def net() -> Net:
    return Net()


@pytest.fixture
async def new_node(net: Net) -> AsyncIterator[Callable[..., Awaitable[Node]]]:
    """Makes and starts a node: (seed, what it calls itself, settings). Their stores are closed at the end."""
    made: list[Node] = []

    async def make(seed: str, name: str) -> Node:
        made.append(Node(net, seed, name))
        return await made[-1].start()

    yield make
    for node in made:
        await node.storage.close()


@pytest.fixture
async def alice(new_node: Callable[..., Awaitable[Node]]) -> Node:
    return await new_node("alice", "Alice")


@pytest.fixture
async def bob(new_node: Callable[..., Awaitable[Node]]) -> Node:
    return await new_node("bob", "Bob")


@pytest.fixture
async def carol(new_node: Callable[..., Awaitable[Node]]) -> Node:
    return await new_node("carol", "Carol")
