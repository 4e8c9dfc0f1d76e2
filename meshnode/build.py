"""Where the parts meet: the one place that knows concrete classes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from meshnode.control.events import EventHub
from meshnode.driver import MeshDriver
from meshnode.identity import default_name, load_or_create_identity
from meshnode.mesh import Mesh
from meshnode.mesh_view import OPEN, MeshSight
from meshnode.node import Node
from meshnode.own_record import OwnRecord
from meshnode.services import broadcasts, courier, directory, messages, peers
from meshnode.settings import NodeSettings
from meshnode.sight import NodeSight
from meshnode.ways import Ways
from meshnode.world import World
from policies.energy import EnergyLevel
from protocols.directory.kademlia import LISTED, DirectoryLimits
from protocols.ids import NodeId
from protocols.keys import Identity
from protocols.noise import Kem
from transports.api import Transport

BOOT_BYTES = 8  # names this boot to peers (docs/wire.md, section 3)
NS_PER_MS = 1_000_000
HYBRID = "mlkem768"  # the feature of a node record


def build_mesh(
    identity: Identity,
    *,
    own_record: Callable[[], bytes],
    own_addresses: Callable[[], frozenset[str]],
    answer_strangers: bool,
    boot: bytes,
    kem: Kem | None,
    entropy: Callable[[int], bytes],
    dice: Callable[[str], Random],
    wall_ms: Callable[[], int],
) -> Mesh:
    """The sans-IO core of one node."""
    return Mesh(
        identity,
        own_record=own_record,
        own_addresses=own_addresses,
        answer_strangers=answer_strangers,
        boot=boot,
        kem=kem,
        entropy=entropy,
        dice=dice,
        wall_ms=wall_ms,
    )


def is_listed(settings: NodeSettings) -> bool:
    """Whether strangers may know of this node, and ask it."""
    return settings.directory.listed and settings.visibility == "everyone"


@dataclass(frozen=True)
class Shell:
    """What services stand on."""

    settings: NodeSettings
    world: World
    identity: Identity
    record: OwnRecord
    mesh: Mesh
    driver: MeshDriver
    transports: Mapping[str, Transport]
    events: EventHub
    view: MeshSight
    ways: Ways

    def session_hash(self, peer: NodeId) -> bytes | None:
        channel = self.mesh.channel(peer)
        return None if channel is None else channel.session.handshake_hash


async def build_node(settings: NodeSettings, world: World, *, passphrase: str | None = None) -> Node:
    """A whole node, not yet started. Raises RefusedError (passphrase), StoreError, SettingsError."""
    identity, _ = load_or_create_identity(world.storage, passphrase, world.entropy, world.suite)
    shell = _shell(settings, world, identity)

    def let_go(peer: NodeId) -> None:
        shell.driver.part(peer, "blocked")
        finder.barred(peer)

    book = shell.mesh.facts = await _peers(shell, let_go)
    mail = await _messages(shell, book)
    carried = await _courier(shell, book, mail)
    news = await _broadcasts(shell, book)
    finder = await _directory(shell, book)
    return Node(
        settings,
        world,
        identity,
        name=settings.name or default_name(identity.node_id),
        record=shell.record,
        driver=shell.driver,
        peers=book,
        messages=mail,
        courier=carried,
        broadcasts=news,
        directory=finder,
        events=shell.events,
        view=shell.view,
        ways=shell.ways,
        transports=shell.transports,
        discovery=world.discovery() if world.discovery is not None else None,
    )


def _shell(settings: NodeSettings, world: World, identity: Identity) -> Shell:
    features = {
        HYBRID: world.kem is not None,
        OPEN: settings.visibility == "everyone",
        LISTED: is_listed(settings),
    }
    record = OwnRecord(
        identity,
        world.storage,
        world.clock,
        name=settings.name,
        features=tuple(word for word, has in features.items() if has),
    )
    boot = world.entropy(BOOT_BYTES)
    mesh = build_mesh(
        identity,
        own_record=record.current,
        own_addresses=lambda: frozenset(record.addresses),
        answer_strangers=settings.visibility == "everyone",
        boot=boot,
        kem=world.kem,
        entropy=world.entropy,
        dice=world.dice,
        wall_ms=lambda: world.clock.wall_ns() // NS_PER_MS,
    )
    mesh.relay.relaying.configure(settings.relay.relay_for, settings.relay.bytes_per_s)
    transports = {scheme: make() for scheme, make in world.transports.items()}
    view = MeshSight(mesh, world.clock.now_ns)
    return Shell(
        settings,
        world,
        identity,
        record,
        mesh,
        MeshDriver(mesh, transports, world.clock),
        transports,
        EventHub(wall_ns=world.clock.wall_ns, boot=boot.hex()),
        view,
        Ways(view, mesh, world.clock.now_ns),
    )


async def _peers(shell: Shell, let_go: Callable[[NodeId], None]) -> peers.PeersService:
    world, driver = shell.world, shell.driver
    return peers.PeersService(
        await world.storage.open_database(peers.DATABASE, peers.MIGRATIONS),
        driver.hub,
        driver,
        shell.identity,
        shell.events.emit,
        world.clock,
        world.entropy,
        shell.record.current,
        shell.session_hash,
        name=shell.settings.name,
        on_blocked=let_go,
        on_address=lambda address: driver.expect(address, keep=True),
    )


async def _messages(shell: Shell, book: peers.PeersService) -> messages.MessagesService:
    world, settings = shell.world, shell.settings
    return messages.MessagesService(
        await world.storage.open_database(messages.DATABASE, messages.MIGRATIONS),
        shell.driver.hub,
        shell.driver,
        book,
        shell.ways.noting(shell.events.emit),
        world.clock,
        world.entropy,
        world.dice("messages"),
        me=shell.identity.node_id,
        settings=settings.messages,
        quotas=settings.quotas,
        on_request=book.note_request,
        carry_after_s=settings.courier.after_s,
    )


async def _courier(
    shell: Shell, book: peers.PeersService, mail: messages.MessagesService
) -> courier.CourierService:
    world = shell.world
    carried = courier.CourierService(
        await world.storage.open_database(courier.DATABASE, courier.MIGRATIONS),
        shell.driver.hub,
        shell.driver,
        book,
        shell.identity,
        mail,
        shell.events.emit,
        world.clock,
        world.entropy,
        world.kem,
        settings=shell.settings.courier,
        is_near=lambda peer: bool(shell.mesh.links.of(peer)),
    )
    mail.use_couriers(carried)
    return carried


async def _broadcasts(shell: Shell, book: peers.PeersService) -> broadcasts.BroadcastsService:
    world = shell.world
    return broadcasts.BroadcastsService(
        await world.storage.open_database(broadcasts.DATABASE, broadcasts.MIGRATIONS),
        shell.driver,
        book,
        shell.events.emit,
        world.clock,
        world.entropy,
        shell.identity,
    )


async def _directory(shell: Shell, book: peers.PeersService) -> directory.DirectoryService:
    world, settings = shell.world, shell.settings

    def sighted(peer: NodeId) -> list[str]:
        return shell.driver.sighted(peer)  # the node sets it later

    return directory.DirectoryService(
        await world.storage.open_database(directory.DATABASE, directory.MIGRATIONS),
        shell.driver.hub,
        shell.driver,
        NodeSight(shell.mesh, shell.transports.keys(), world.clock.now_ns, sighted),
        book,
        shell.identity,
        shell.events.emit,
        world.clock,
        world.dice("directory"),
        shell.record.current,
        open_to_strangers=settings.visibility == "everyone",
        limits=DirectoryLimits(paths=settings.directory.paths),
        relays_for_strangers=settings.relay.relay_for == "everyone",
        is_thrifty=lambda: shell.mesh.manager.energy.level < EnergyLevel.CAREFUL,
    )
