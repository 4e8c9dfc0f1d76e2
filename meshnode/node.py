"""The daemon's inside: the core with its links, the services, and the loops that keep them informed."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import structlog

from meshnode.control.events import EventHub
from meshnode.driver import MeshDriver
from meshnode.mesh import DeviceChanged, NetworkChanged, PeerConnected
from meshnode.own_record import OwnRecord
from meshnode.ports import MeshView
from meshnode.services.broadcasts import BroadcastsService
from meshnode.services.courier import CourierService
from meshnode.services.device import rest, watch_device
from meshnode.services.directory import DirectoryService
from meshnode.services.mesh import MeshService
from meshnode.services.messages import MessagesService
from meshnode.services.nodeinfo import NodeInfoService
from meshnode.services.peers import PeersService
from meshnode.services.reach import ReachService
from meshnode.settings import LinkSettings, NodeSettings
from meshnode.sightings import Sightings
from meshnode.ways import Ways
from meshnode.world import World
from policies.backoff import backoff_range_ns
from policies.device import DeviceState
from policies.energy import Allowance
from protocols.errors import LinkError, RefusedError, SettingsError
from protocols.ids import NodeId, node_id_text
from protocols.keys import Identity
from transports.api import Transport
from transports.discovery import Announcement, Discovery, Sighting, recognises

NS_PER_S = 1_000_000_000
SIGHTING_WAIT_NS = (
    400_000_000  # two nodes that see each other at once should not both dial; a die decides who waits
)
RENEW_NS = 6 * 3_600 * NS_PER_S  # between two looks at the age of our record, which lives a month
STEADY_NS = 60_000_000_000  # a service that ran so long was sound: its next failure is a first one

log = structlog.stdlib.get_logger()


@dataclass
class TransportStatus:
    """What became of one transport at start. `detail`: what it could not do, though it was asked to."""

    transport: Transport
    listening: list[str] = field(default_factory=list[str])
    detail: str = ""


class Node:
    """Made by `build_node`. `start`, then `run` until cancelled, then `close`."""

    def __init__(
        self,
        settings: NodeSettings,
        world: World,
        identity: Identity,
        *,
        name: str,
        record: OwnRecord,
        driver: MeshDriver,
        peers: PeersService,
        messages: MessagesService,
        courier: CourierService,
        broadcasts: BroadcastsService,
        directory: DirectoryService,
        events: EventHub,
        view: MeshView,
        ways: Ways,
        transports: Mapping[str, Transport],
        discovery: Discovery | None,
    ) -> None:
        self.settings, self.world, self.identity, self.name = settings, world, identity, name
        self.record, self.driver, self.peers, self.messages, self.events = (
            record,
            driver,
            peers,
            messages,
            events,
        )
        self.courier, self.broadcasts, self.directory = courier, broadcasts, directory
        directory.on_relays = self._announced_by
        self.info = NodeInfoService(driver.hub)
        self.view, self.ways = view, ways
        self.mesh = MeshService(
            view,
            driver.hub,
            peers,
            world.clock,
            open_to_strangers=settings.visibility == "everyone",
            answered=lambda peer, came: driver.mesh.relay.evidence.service(
                peer, world.clock.now_ns(), answered=came
            ),
        )
        self.reach = ReachService(
            driver.hub,
            driver,
            driver,
            events.emit,
            world.clock,
            world.dice("reach"),
            me=identity.node_id,
            local=lambda: record.local,
            publish=self._publish,
            may_meet=self._may_meet,
            mapper=world.port_mapper() if settings.links.port_mapping and world.port_mapper else None,
        )
        self.transports = {scheme: TransportStatus(each) for scheme, each in transports.items()}
        self.discovery, self.discovery_problem = discovery, ""
        self.started_ns = world.clock.now_ns()
        self.stopping = asyncio.Event()
        self._die = world.dice("sightings")
        self._around = Sightings()
        driver.sighted = self._around.addresses_of
        driver.on_connected = self._on_connected
        driver.watch(self._on_presence)

    @property
    def node_id(self) -> NodeId:
        return self.identity.node_id

    # -- life -------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen and load. Raises SettingsError or LinkError when not one address can be listened on."""
        await self._listen()
        await self.peers.start()
        await self.directory.start()
        self._refresh_record(await self.world.device())
        for contact in self.peers.contacts():
            self.driver.want(contact)
        for wish in self.settings.links.peers:
            await self._add_static(wish)

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as crew:
            crew.create_task(self.driver.run())
            crew.create_task(self._keep_up("peers", self.peers.run))
            crew.create_task(self._keep_up("messages", self.messages.run))
            crew.create_task(self._keep_up("courier", self.courier.run))
            crew.create_task(self._keep_up("broadcasts", self.broadcasts.run))
            crew.create_task(self._keep_up("reach", self.reach.run))
            crew.create_task(self._keep_up("directory", self.directory.run))
            crew.create_task(self._keep_up("device", self._watch_device))
            crew.create_task(self._keep_up("record", self._renew_record))
            if self.discovery is not None:
                discovery = self.discovery
                crew.create_task(self._keep_up("discovery", lambda: self._discover(discovery)))
            ready()

    async def close(self) -> None:
        """Say good-bye on every link, and put the stores away."""
        await self.driver.close()
        await self.world.storage.close()

    async def _keep_up(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """A service that fails is started again after a rest; its fault must not end the node."""
        failures = 0
        while True:
            began_ns = self.world.clock.now_ns()
            try:
                await run()
            except Exception:
                if self.world.clock.now_ns() - began_ns > STEADY_NS:
                    failures = 0
                log.exception("service_failed", service=name, failures=failures)
            low_ns, high_ns = backoff_range_ns(failures)
            await self._sleep_ns(self._die.randint(low_ns, high_ns))
            failures += 1

    async def _listen(self) -> None:
        failures: list[str] = []
        for asked in self.settings.links.listen:
            scheme = asked.partition("://")[0]
            status = self.transports.get(scheme)
            if status is None:
                raise SettingsError(
                    f"{asked!r}: this node has no transport {scheme!r}; it has {', '.join(self.transports)}"
                )
            try:
                bound = await self._listen_on(status.transport, asked)
            except LinkError as error:
                failures.append(str(error))
                log.warning("listen_failed", address=asked, reason=str(error))
                # Of the defaults one fails on a machine without IPv6, and nobody asked for it.
                if asked not in LinkSettings().listen:
                    status.detail = str(error)
                continue
            status.listening += bound
            self.record.keep_address(asked, bound[0])
        if failures and len(failures) == len(self.settings.links.listen):
            raise LinkError(failures[0])

    async def _listen_on(self, transport: Transport, asked: str) -> list[str]:
        """On the port that was used last time, where it is still free and none was asked for."""
        kept = self.record.kept_address(asked) if asked.endswith(":0") else None
        if kept is not None:
            try:
                return await transport.listen(kept)
            except (LinkError, SettingsError):  # taken by now, or `node.state` was damaged
                log.info("kept_address_unusable", address=kept)
        return await transport.listen(asked)

    async def _add_static(self, wish: str) -> None:
        """An invite or address from the settings or `--peer`."""
        try:
            await self.peers.owner.add(wish)
        except RefusedError as error:
            log.warning("peer_not_added", reason=str(error))

    # -- what happens around us -------------------------------------------------------------------------------

    def _on_presence(self, peer: NodeId, up: bool) -> None:  # noqa: FBT001 - the shape of Presence.watch
        fields = {"node_id": node_id_text(peer), "name": self.peers.owner.view(peer).name}
        self.events.emit("peer_connected" if up else "peer_disconnected", fields)
        if not up and self.peers.is_contact(peer):
            self.driver.want(peer)  # also one whom we never had to call so far

    def _on_connected(self, event: PeerConnected) -> None:
        dialled = event.address if event.dialled else None
        self.peers.peer_seen(
            event.peer, event.record, event.record_bytes, hybrid=event.hybrid, dialled=dialled
        )
        if self.peers.is_blocked(event.peer):
            self.driver.part(event.peer, "blocked")
        self.reach.connected(event.peer)
        self.courier.linked(event.peer)

    async def _watch_device(self) -> None:
        async for change in watch_device(self.world.device, self._rest):
            self.driver.tell(DeviceChanged(change.device))
            self._pace(change.energy.allowance)
            changed = self._refresh_record(change.device)
            if change.network_changed or change.woke:  # in a sleep links die as on another network
                log.info("network_changed", addresses=list(self.record.addresses), woke=change.woke)
                self.driver.tell(NetworkChanged())
                self.reach.network_changed()
                for status in self.transports.values():
                    status.transport.network_changed()
                await self._announce_again()
            if changed:
                self._own_record_changed()

    async def _renew_record(self) -> None:
        """Where nothing about the device ever changes, the record would run out all the same."""
        while True:
            await self._sleep_ns(RENEW_NS)
            if self._refresh_record(await self.world.device()):
                self._own_record_changed()

    async def _publish(self, addresses: tuple[str, ...]) -> None:
        """In our record, from now on, beside the addresses of our interfaces."""
        self.record.outside = addresses
        if self._refresh_record(await self.world.device()):
            self._own_record_changed()

    async def _announced_by(self, relays: tuple[str, ...]) -> None:
        """Neighbours lead to us: our record names them."""
        self.record.relays = relays
        if self._refresh_record(await self.world.device()):
            self._own_record_changed()

    def _own_record_changed(self) -> None:
        self.peers.own_record_changed()
        self.directory.own_record_changed()

    def _may_meet(self, peer: NodeId) -> bool:
        """May it learn where we are, for a direct link?"""
        known = self.settings.visibility == "everyone" or self.peers.is_contact(peer)
        return known and not self.peers.is_blocked(peer)

    def _refresh_record(self, device: DeviceState) -> bool:
        return self.record.refresh(device.networks, tuple(self.driver.hub.services()))

    def _pace(self, allowance: Allowance) -> None:
        """Links and discovery follow the energy level."""
        for status in self.transports.values():
            status.transport.pace(allowance.keep_alive_ns)
        if self.discovery is not None:
            self.discovery.pace(allowance.discovery_ns)

    async def _rest(self, span_ns: int) -> bool:
        return await rest(span_ns, self.world.clock, self._sleep_ns)

    async def _sleep_ns(self, span_ns: int) -> None:
        await asyncio.sleep(span_ns / NS_PER_S)

    # -- discovery --------------------------------------------------------------------------------------------

    def _announcement(self) -> Announcement:
        listening = tuple(address for status in self.transports.values() for address in status.listening)
        return Announcement(listening, visible=self.settings.visibility == "everyone", node=self.node_id)

    async def _discover(self, discovery: Discovery) -> None:
        try:
            try:
                await discovery.start(self._announcement())
            except LinkError as error:
                self.discovery_problem = str(error)
                log.warning("discovery_failed", reason=str(error))
            async for sighting in discovery.found():
                self._on_sighting(sighting)
        finally:
            await discovery.stop()

    async def _announce_again(self) -> None:
        if self.discovery is None:
            return
        try:
            await self.discovery.network_changed()
            self.discovery_problem = ""
        except LinkError as error:
            self.discovery_problem = str(error)
            log.warning("discovery_failed", reason=str(error))

    def _on_sighting(self, sighting: Sighting) -> None:
        """Call whoever we know by the hint; call strangers only where both sides are open to them."""
        self._around.take(sighting)
        if sighting.gone or not sighting.addresses:
            return
        addresses = list(sighting.addresses)
        for peer in self.peers.known():
            if recognises(peer, sighting):
                if not self.peers.is_blocked(
                    peer
                ):  # both see each other at once: one calls, the other waits a moment
                    after_ns = 0 if self.node_id < peer else SIGHTING_WAIT_NS
                    self.driver.call_at(peer, addresses, after_ns=after_ns)
                return
        if sighting.open_to_strangers and self.settings.visibility == "everyone":
            after_ns = self._die.randint(0, SIGHTING_WAIT_NS)
            self.driver.expect(addresses[0], addresses, keep=False, after_ns=after_ns)
