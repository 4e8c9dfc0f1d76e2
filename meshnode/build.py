"""Where the parts meet: the one place that knows concrete classes."""

from collections.abc import Callable
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


async def build_node(settings: NodeSettings, world: World, *, passphrase: str | None = None) -> Node:
    """A whole node, not yet started. Raises RefusedError (passphrase), StoreError, SettingsError."""
    identity, _ = load_or_create_identity(world.storage, passphrase, world.entropy, world.suite)
    name = settings.name or default_name(identity.node_id)
    features = tuple(
        word
        for word, has in (
            (HYBRID, world.kem is not None),
            (OPEN, settings.visibility == "everyone"),
            (LISTED, is_listed(settings)),
        )
        if has
    )
    record = OwnRecord(identity, world.storage, world.clock, name=settings.name, features=features)
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
    transports = {scheme: make() for scheme, make in world.transports.items()}
    mesh.relay.relaying.configure(settings.relay.relay_for, settings.relay.bytes_per_s)
    driver = MeshDriver(mesh, transports, world.clock)
    view = MeshSight(mesh, world.clock.now_ns)
    ways = Ways(view, mesh, world.clock.now_ns)
    events = EventHub(wall_ns=world.clock.wall_ns, boot=boot.hex())

    def session_hash(peer: NodeId) -> bytes | None:
        channel = mesh.channel(peer)
        return None if channel is None else channel.session.handshake_hash

    def sighted(peer: NodeId) -> list[str]:
        return driver.sighted(peer)  # the node sets it later

    def let_go(peer: NodeId) -> None:
        driver.part(peer, "blocked")
        finder.barred(peer)

    book = peers.PeersService(
        await world.storage.open_database(peers.DATABASE, peers.MIGRATIONS),
        driver.hub,
        driver,
        identity,
        events.emit,
        world.clock,
        world.entropy,
        record.current,
        session_hash,
        name=settings.name,
        on_blocked=let_go,
        on_address=lambda address: driver.expect(address, keep=True),
    )
    mesh.facts = book
    mail = messages.MessagesService(
        await world.storage.open_database(messages.DATABASE, messages.MIGRATIONS),
        driver.hub,
        driver,
        book,
        ways.noting(events.emit),
        world.clock,
        world.entropy,
        world.dice("messages"),
        me=identity.node_id,
        settings=settings.messages,
        quotas=settings.quotas,
        on_request=book.note_request,
        carry_after_s=settings.courier.after_s,
    )
    carried = courier.CourierService(
        await world.storage.open_database(courier.DATABASE, courier.MIGRATIONS),
        driver.hub,
        driver,
        book,
        identity,
        mail,
        events.emit,
        world.clock,
        world.entropy,
        world.kem,
        settings=settings.courier,
        is_near=lambda peer: bool(mesh.links.of(peer)),
    )
    mail.use_couriers(carried)
    news = broadcasts.BroadcastsService(
        await world.storage.open_database(broadcasts.DATABASE, broadcasts.MIGRATIONS),
        driver,
        book,
        events.emit,
        world.clock,
        world.entropy,
        identity,
    )
    finder = directory.DirectoryService(
        await world.storage.open_database(directory.DATABASE, directory.MIGRATIONS),
        driver.hub,
        driver,
        NodeSight(mesh, transports.keys(), world.clock.now_ns, sighted),
        book,
        identity,
        events.emit,
        world.clock,
        world.dice("directory"),
        record.current,
        open_to_strangers=settings.visibility == "everyone",
        limits=DirectoryLimits(paths=settings.directory.paths),
        relays_for_strangers=settings.relay.relay_for == "everyone",
        is_thrifty=lambda: mesh.manager.energy.level < EnergyLevel.CAREFUL,
    )
    return Node(
        settings,
        world,
        identity,
        name=name,
        record=record,
        driver=driver,
        peers=book,
        messages=mail,
        courier=carried,
        broadcasts=news,
        directory=finder,
        events=events,
        view=view,
        ways=ways,
        transports=transports,
        discovery=world.discovery() if world.discovery is not None else None,
    )
