"""Lane B: the whole daemon, as `build_node` makes it, on the loop of virtual time."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import cast

import msgspec

from meshnode.build import build_node
from meshnode.mesh import Mesh
from meshnode.node import Node
from meshnode.settings import LinkSettings, NodeSettings
from meshnode.world import World
from protocols.errors import LinkError, RefusedError, SettingsError, StoreError
from protocols.ids import node_id_text
from sim.host import Host
from sim.journal import Letter
from sim.kem import SimKem
from sim.media import LINKS_WAITING_MAX, Medium, Port
from sim.meshwork import counts_of
from sim.models.wire import SimLink
from sim.shouts import Shout
from transports.discovery import TOKEN_BYTES, Announcement, Sighting, hint_for

LISTED_MAX = 500  # messages that an application reads at a time
NEWS = frozenset({"message_received", "request_received"})  # events after which there is something to read


class SimTransport:
    """`transports.api.Transport` with a port for its socket."""

    def __init__(self, medium: Medium, host: Host) -> None:
        self.name = medium.kind.scheme
        self._medium = medium
        self.port = Port(
            medium,
            host.address_name,
            self._arrived,
            spend=host.spend(self.name),
            host=host.name,
            claims=host.name,
        )
        self._accepted: deque[SimLink] = deque()
        self._arrival = asyncio.Event()

    @property
    def dropped(self) -> Mapping[str, int]:
        return {}

    def network_changed(self) -> None:
        """A way that is shut is noticed by its silence."""

    def pace(self, keep_alive_ns: int) -> None:
        """Silence costs these links nothing."""

    def knock(self, address: str) -> None:
        """There are no NATs here."""

    async def listen(self, address: str) -> list[str]:
        if address != self._medium.address(self.port.name):
            raise SettingsError(f"{address!r} is not this host's")
        self._medium.open(self.port)
        return [address]

    async def dial(self, address: str) -> SimLink:
        if self.port.closed:
            raise LinkError("this node is shutting down")
        opened: asyncio.Future[SimLink] = asyncio.get_running_loop().create_future()

        def done(link: SimLink | None, reason: str) -> None:
            if opened.done():  # cancelled meanwhile
                if link is not None:
                    link.shut("unwanted")
            elif link is None:
                opened.set_exception(LinkError(reason))
            else:
                opened.set_result(link)

        self._medium.dial(self.port, address, done)
        return await opened

    async def accept(self) -> AsyncIterator[SimLink]:
        while True:
            while self._accepted:
                yield self._accepted.popleft()
            if self.port.closed:
                return
            self._arrival.clear()
            await self._arrival.wait()

    async def close(self) -> None:
        self.port.close()
        self._accepted.clear()
        self._arrival.set()

    def _arrived(self, link: SimLink) -> None:
        if len(self._accepted) >= LINKS_WAITING_MAX:
            link.shut("too_many_wait")
        else:
            self._accepted.append(link)
            self._arrival.set()


class SimDiscovery:
    """`transports.discovery.Discovery`: who listens within hearing hears of it, by the same blinded hint as mDNS."""

    def __init__(self, ports: list[Port], entropy: Callable[[int], bytes]) -> None:
        self._ports, self._entropy = ports, entropy
        self._heard: asyncio.Queue[Sighting | None] = asyncio.Queue()

    async def start(self, announce: Announcement) -> None:
        await self.update(announce)
        for port in self._ports:
            port.on_seen = self._see
            for other in port.medium.neighbours(port.name):
                port.medium.show(port.name, other)

    async def update(self, announce: Announcement) -> None:
        token = self._entropy(TOKEN_BYTES)
        hint = b"" if announce.node is None else hint_for(announce.node, token)
        for port in self._ports:
            address = port.medium.address(port.name)
            port.announcement = Sighting((address,), token, hint=hint, open_to_strangers=announce.visible)
            for other in port.medium.neighbours(port.name):
                port.medium.show(other, port.name)

    async def network_changed(self) -> None:
        """Its names are those of hosts, which don't move with their addresses."""

    def pace(self, look_ns: int) -> None:
        """Who comes into hearing is seen at once."""

    async def found(self) -> AsyncIterator[Sighting]:
        while (sighting := await self._heard.get()) is not None:
            yield sighting

    async def stop(self) -> None:
        for port in self._ports:
            port.on_seen = None
        self._heard.put_nowait(None)

    @property
    def dropped(self) -> Mapping[str, int]:
        return {}

    def health(self) -> str:
        return "ok"

    def _see(self, other: Port) -> None:
        if isinstance(other.announcement, Sighting):
            self._heard.put_nowait(other.announcement)


class Daemon:
    """One boot of one node."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.node: Node | None = None
        self._transports: list[SimTransport] = []
        self._letters: asyncio.Queue[Letter | Shout] = asyncio.Queue()
        self._life = asyncio.get_running_loop().create_task(self._live(), name=f"{host.name}/{host.boots}")

    # -- Process ----------------------------------------------------------------------------------------------

    def send(self, letter: Letter) -> None:
        self._letters.put_nowait(letter)

    def shout(self, shout: Shout) -> None:
        self._letters.put_nowait(shout)

    @property
    def mesh(self) -> Mesh | None:
        return None if self.node is None else self.node.driver.mesh

    def counted(self) -> Mapping[str, int]:
        return {} if self.node is None else counts_of(self.node.driver.mesh)

    def kill(self) -> None:
        for transport in self._transports:
            transport.port.unplug()
        self._life.cancel()

    def stop(self) -> None:
        self._life.cancel()

    def wake(self) -> None:
        """Its timers lie on the loop, which went on."""

    # -- life -------------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        host = self.host
        try:
            node = await build_node(self._settings(), self._world())
            try:
                await node.start()
                self.node = node
                async with asyncio.TaskGroup() as crew:
                    crew.create_task(node.run())
                    crew.create_task(self._read(node))
                    crew.create_task(self._write(node))
                    await self._introduce(node)
            finally:
                await node.close()
        except asyncio.CancelledError:
            raise
        except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - whatever it is, it ended a node
            if host.process is self:  # not one that was killed, and failed over its ruins
                host.village.node_died(host, _first_cause(error))

    def _settings(self) -> NodeSettings:
        host = self.host
        media = [host.village.media[scheme] for scheme in host.media]
        listen = tuple(medium.address(host.address_name) for medium in media)
        return msgspec.structs.replace(
            host.village.settings, name=host.name, links=LinkSettings(listen=listen)
        )

    def _world(self) -> World:
        host, boot = self.host, f"{self.host.name}/{self.host.boots}"
        entropy = host.dice.entropy(boot)
        self._transports = [SimTransport(host.village.media[scheme], host) for scheme in host.media]
        assert host.storage is not None, "lane B has disks"
        return World(
            clock=host.clock,
            dice=host.dice.of(boot),
            entropy=entropy,
            kem=SimKem(entropy),
            storage=host.storage,
            transports={each.name: (lambda each=each: each) for each in self._transports},
            discovery=lambda: SimDiscovery([each.port for each in self._transports], entropy),
            device=host.device,
            suite=host.village.suite,
        )

    async def _introduce(self, node: Node) -> None:
        """On the first boot: its owner knows some others, and where they can be found if that never changes."""
        for other in self.host.acquaintances:
            if not node.peers.is_contact(other.node_id):
                media = [
                    self.host.village.media[scheme] for scheme in other.media if scheme in self.host.media
                ]
                lasting = tuple(medium.address(other.name) for medium in media if medium.kind.everywhere)
                await node.peers.owner.add(node_id_text(other.node_id), addresses=lasting)

    # -- the person at this node ------------------------------------------------------------------------------

    async def _write(self, node: Node) -> None:
        journal, village = self.host.village.journal, self.host.village
        while True:
            letter = await self._letters.get()
            if isinstance(letter, Shout):
                await self._call_out(node, letter)
                continue
            try:
                await node.messages.send(village.hosts[letter.receiver].node_id, letter.text)
            except (RefusedError, StoreError) as error:
                journal.refuse(letter, str(error))
            else:
                journal.accept(letter)

    async def _call_out(self, node: Node, shout: Shout) -> None:
        with contextlib.suppress(RefusedError, StoreError):  # nobody hears it: that is what the measure tells
            await node.broadcasts.send(shout.text)

    async def _read(self, node: Node) -> None:
        """An application that reads its inbox on, from where it had come, whenever something arrives."""
        follower = node.events.follow()
        try:
            await self._read_on(node)
            while (event := await follower.next()) is not None:
                if isinstance(message_id := event.fields.get("message_id"), str):
                    self.host.village.journal.tell(self.host.name, event.kind, message_id)
                if event.kind == "broadcast_received":
                    self.host.village.journal.shouts.hear(self.host.name, str(event.fields["text"]))
                if event.kind in NEWS:
                    await self._read_on(node)
        finally:
            follower.close()

    async def _read_on(self, node: Node) -> None:
        host, village = self.host, self.host.village
        while True:
            try:
                found = await node.messages.messages(since=host.read_up_to, limit=LISTED_MAX, oldest=True)
            except RefusedError:
                village.broke("inbox", host.name, "what its application had read is not there any more")
                host.read_up_to = None
                return
            except StoreError:  # the disk is in trouble; something will happen later, and then it looks again
                return
            for message in found:
                host.read_up_to = message.message_id
                if message.direction == "in":
                    sender = village.names.get(message.sender, node_id_text(message.sender))
                    village.journal.arrive(host.name, sender, message.text)
            if len(found) < LISTED_MAX:
                return


def _first_cause(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error
