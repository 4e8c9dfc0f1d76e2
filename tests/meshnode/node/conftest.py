"""A town: whole nodes in one process, over links in memory, in time that jumps whenever everybody waits."""

import asyncio
import math
import selectors
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pytest
from msgspec import structs

from meshnode.backend import NodeBackend
from meshnode.build import build_node
from meshnode.control import shapes
from meshnode.control.shapes import Event
from meshnode.node import Node
from meshnode.settings import LinkSettings, NodeSettings
from meshnode.store import MemoryStorage
from meshnode.world import Database, World
from policies.device import DeviceState
from protocols.errors import LinkError, SettingsError, StoreError
from protocols.ids import NodeId, node_id_text
from protocols.noise import mlkem_or_none
from transports.api import Transport
from transports.discovery import TOKEN_BYTES, Announcement, Discovery, Sighting, hint_for
from transports.memory import MemoryLink, MemoryNetwork, MemoryTransport

T = TypeVar("T")
WALL_NS = 1_800_000_000 * 1_000_000_000
NS_PER_S = 1_000_000_000
PATIENCE_S = 300.0  # of the town's time, which costs nothing: what has not happened by then never will


class JumpingSelector(selectors.DefaultSelector):
    """Where a loop would sleep, its clock goes on instead."""

    now_ns = NS_PER_S

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everybody waits for somebody else, for ever"
        if timeout > 0:
            self.now_ns += math.ceil(timeout * NS_PER_S)
        return super().select(0)


class JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.jumps = JumpingSelector()
        super().__init__(self.jumps)

    def time(self) -> float:
        return self.jumps.now_ns / NS_PER_S


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"jumping": JumpingLoop}


class TownClock:
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.ahead_s = 0  # of the wall clock

    def now_ns(self) -> int:
        return int(self._loop.time() * NS_PER_S)

    def wall_ns(self) -> int:
        return WALL_NS + self.now_ns() + self.ahead_s * NS_PER_S


class Square:
    """Where nodes announce themselves, as on a local network. Everybody present hears of everybody else."""

    def __init__(self) -> None:
        self.present: dict[Caller, Sighting] = {}

    def tell(self, caller: "Caller", sighting: Sighting) -> None:
        for other, theirs in self.present.items():
            other.hear(sighting)
            caller.hear(theirs)
        self.present[caller] = sighting


class Caller:
    """`Discovery` on the square."""

    def __init__(self, square: Square, entropy: Callable[[int], bytes], fault: str | None) -> None:
        self._square, self._entropy = square, entropy
        self._heard: asyncio.Queue[Sighting | None] = asyncio.Queue()
        self.fault = fault  # what `start` says instead of starting
        self.moves = 0
        self.look_ns: int | None = None  # what the node asked for last

    async def start(self, announce: Announcement) -> None:
        if self.fault is not None:
            raise LinkError(self.fault)
        token = self._entropy(TOKEN_BYTES)
        hint = b"" if announce.node is None else hint_for(announce.node, token)
        sighting = Sighting(announce.addresses, token, hint=hint, open_to_strangers=announce.visible)
        self._square.tell(self, sighting)

    async def found(self) -> AsyncIterator[Sighting]:
        while (sighting := await self._heard.get()) is not None:
            yield sighting

    async def update(self, announce: Announcement) -> None:
        raise AssertionError("the node announces itself once")

    async def network_changed(self) -> None:
        self.moves += 1
        if self.fault is not None:
            raise LinkError(self.fault)

    def pace(self, look_ns: int) -> None:
        self.look_ns = look_ns

    async def stop(self) -> None:
        if (said := self._square.present.pop(self, None)) is not None:
            for other in self._square.present:
                other.hear(replace(said, addresses=(), gone=True))
        self._heard.put_nowait(None)

    @property
    def dropped(self) -> Mapping[str, int]:
        return {"not_ours": 1}

    def health(self) -> str:
        return "ok" if self.fault is None else self.fault

    def hear(self, sighting: Sighting) -> None:
        self._heard.put_nowait(sighting)


def is_a_discovery(caller: Caller) -> Discovery:
    """Pyright holds the double to the port."""
    return caller


class Street(MemoryTransport):
    """Listens on `memory://0.0.0.0:PORT`, and is reached under the addresses that its device has just now."""

    def __init__(self, network: MemoryNetwork, home: "Home") -> None:
        super().__init__(network, home.name)
        self._network_of_all, self._home, self._port = network, home, ""

    async def listen(self, address: str) -> list[str]:
        port = address.rpartition(":")[2]
        if not port.isdigit():
            raise SettingsError(f"{address!r} names no port")
        self._port = self._home.town.free_port() if port == "0" else port
        self.network_changed()
        return [f"memory://0.0.0.0:{self._port}"]

    def network_changed(self) -> None:
        self._network_of_all.unregister(self)
        for each in self._home.device.networks:
            for host in each.addresses:
                self._network_of_all.register(f"{host}-{self._port}", self)

    async def dial(self, address: str) -> MemoryLink:
        host, _, port = address.rpartition(":")
        return await super().dial(f"{host}-{port}")


class OldMachine(MemoryTransport):
    """It has no IPv6."""

    name = "quic"

    async def listen(self, address: str) -> list[str]:
        if "[" in address:
            raise LinkError("this machine has no IPv6")
        return ["quic://0.0.0.0:7420"]


class SickDatabase:
    """Its disk fails `faults` times."""

    def __init__(self, inner: Database) -> None:
        self._inner, self.faults = inner, 0

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._inner.write(work)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self.faults:
            self.faults -= 1
            raise StoreError("the disk can't be read")
        return await self._inner.read(work)

    async def close(self) -> None:
        await self._inner.close()


class WeakDisk:
    """`Storage` in memory. `full`: files are not written. `faults`: so many readings of the next messages.db fail."""

    def __init__(self) -> None:
        self._inner = MemoryStorage()
        self.full, self.faults = False, 0

    async def open_database(self, name: str, migrations: tuple[str, ...]) -> Database:
        database = SickDatabase(await self._inner.open_database(name, migrations))
        if name == "messages":
            database.faults, self.faults = self.faults, 0
        return database

    def read_file(self, name: str, *, bytes_max: int) -> bytes | None:
        return self._inner.read_file(name, bytes_max=bytes_max)

    def write_file(self, name: str, data: bytes) -> None:
        if self.full:
            raise StoreError("the disk is full")
        self._inner.write_file(name, data)

    def health(self) -> Mapping[str, str]:
        return self._inner.health()

    async def close(self) -> None:
        await self._inner.close()


@dataclass
class Home:
    """A node, and what outlives it when it is stopped: its disk, its device, its place in the town."""

    town: "Town"
    settings: NodeSettings
    disk: WeakDisk = field(default_factory=WeakDisk)
    device: DeviceState = field(default_factory=DeviceState)
    device_faults: int = 0  # so many of its next readings fail
    mdns_fault: str | None = None
    has_ipv6: bool = True
    _life: asyncio.Task[None] | None = None

    async def start(self, **changes: Any) -> "Home":
        """`changes`: to its settings, from now on."""
        settings = self.settings = changed(self.settings, changes)
        self.caller = Caller(self.town.square, self.town.entropy, self.mdns_fault)
        world = World(
            clock=self.town.clock,
            dice=self.town.dice,
            entropy=self.town.entropy,
            kem=mlkem_or_none(),
            storage=self.disk,
            transports={
                "memory": self._transport,
                **({} if self.has_ipv6 else {"quic": lambda: OldMachine(self.town.network, self.name)}),
            },
            discovery=(lambda: self.caller) if settings.links.mdns else None,
            device=self._read_device,
        )
        self.node: Node = await build_node(settings, world)
        self.tell = NodeBackend(self.node, self.town.data_dir, "", {})
        running = asyncio.Event()
        try:
            await self.node.start()
        except BaseException:
            await self.node.close()
            raise
        self._life = asyncio.create_task(self.node.run(running.set))
        await running.wait()
        return self

    async def stop(self) -> None:
        """Raises what ended it before, if something did."""
        life, self._life = self._life, None
        if life is not None:
            life.cancel()
            try:
                await life
            except asyncio.CancelledError:
                pass
            finally:
                await self.node.close()

    async def restart(self, **changes: Any) -> "Home":
        await self.stop()
        return await self.start(**changes)

    def _transport(self) -> Transport:
        if self.device.networks:
            return Street(self.town.network, self)
        return MemoryTransport(self.town.network, self.name)

    async def _read_device(self) -> DeviceState:
        if self.device_faults:
            self.device_faults -= 1
            raise OSError("the sensor is gone")
        return self.device

    @property
    def lives(self) -> bool:
        return self._life is not None and not self._life.done()

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def address(self) -> str:
        return f"memory://{self.name}"

    @property
    def node_id(self) -> NodeId:
        return self.node.node_id

    @property
    def id(self) -> str:
        return node_id_text(self.node.node_id)

    # -- what it sees -----------------------------------------------------------------------------------------

    async def happens(self, kind: str, *, after: Event | None = None, **fields: object) -> Event:
        """The first such event of this run, or after another one; waits for it where need be."""
        follower = self.tell.events.follow(after.id if after else f"{self.node.events._boot}-0")
        try:
            async with asyncio.timeout(PATIENCE_S):
                while event := await follower.next():
                    if event.kind == kind and fields.items() <= event.fields.items():
                        return event
        except TimeoutError:
            raise AssertionError(f"{self.name} never saw {kind} {fields}") from None
        finally:
            follower.close()
        raise AssertionError("the events ended")

    def events(self, kind: str) -> list[Event]:
        """Those so far."""
        return [event for event in self.node.events._ring if event.kind == kind]

    async def meets(self, other: "Home", *, after: Event | None = None) -> Event:
        return await self.happens("peer_connected", after=after, node_id=other.id)

    async def loses(self, other: "Home", *, after: Event | None = None) -> Event:
        return await self.happens("peer_disconnected", after=after, node_id=other.id)

    async def peer(self, other: "Home") -> shapes.Peer | None:
        """As its book has it."""
        return next((peer for peer in await self.tell.peers() if peer.node_id == other.id), None)

    async def texts(self, direction: str = "in") -> list[str]:
        found = await self.tell.messages(shapes.ListMessages())
        return [message.text for message in found if message.direction == direction]

    # -- what its owner does ----------------------------------------------------------------------------------

    async def send(self, other: "Home", text: str, **wishes: Any) -> shapes.Sent:
        return await self.tell.send(shapes.SendMessage(to=other.id, text=text, **wishes))

    async def invites(self, other: "Home") -> shapes.Peer:
        """The other one follows its invite, and both know it."""
        invite = await self.tell.create_invite(shapes.CreateInvite())
        peer = await other.tell.add_peer(shapes.AddPeer(peer=invite.invite))
        await other.happens("invite_accepted", node_id=self.id)
        return peer


def changed(settings: NodeSettings, changes: Mapping[str, Any]) -> NodeSettings:
    """The names of settings and of those under [links] are different ones."""
    links = {name: value for name, value in changes.items() if name in LinkSettings.__struct_fields__}
    others = {name: value for name, value in changes.items() if name not in links}
    return structs.replace(settings, links=structs.replace(settings.links, **links), **others)


class Town:
    """Its dice and its entropy are the same in every run."""

    def __init__(self, data_dir: Path) -> None:
        self.clock, self.network, self.square = TownClock(), MemoryNetwork(), Square()
        self.data_dir = data_dir
        self.homes: list[Home] = []
        self._random = Random("town")
        self._ports = count(7420)

    def entropy(self, size: int) -> bytes:
        return self._random.randbytes(size)

    def free_port(self) -> str:
        return str(next(self._ports))

    def dice(self, concern: str) -> Random:
        return Random(f"{concern}/{self._random.random()}")

    def home(self, name: str, **changes: Any) -> Home:
        """Not started yet. By itself it is not on the square (`mdns=True` puts it there)."""
        links = LinkSettings(listen=(f"memory://{name}",), mdns=False)
        settings = changed(NodeSettings(name=name, links=links), changes)
        self.homes.append(home := Home(self, settings))
        return home

    async def node(self, name: str, **settings: Any) -> Home:
        return await self.home(name, **settings).start()

    async def friends(self, *names: str) -> list[Home]:
        """Nodes, each of which has followed an invite of the first."""
        first, *others = [await self.node(name) for name in names]
        for other in others:
            await first.invites(other)
        return [first, *others]

    async def pass_s(self, seconds: float) -> None:
        """Whatever is due by then happens."""
        await asyncio.sleep(seconds)

    async def until(self, look: Callable[[], object]) -> None:
        """Time passes until it is so."""
        async with asyncio.timeout(PATIENCE_S):
            while not look():
                await self.pass_s(0.1)


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    town = Town(tmp_path)
    yield town
    for home in town.homes:
        await home.stop()
