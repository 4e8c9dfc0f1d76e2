"""Where the parts meet: the one place that knows concrete classes."""

from collections.abc import Callable
from random import Random

from meshnode.control.events import EventHub
from meshnode.driver import MeshDriver
from meshnode.identity import default_name, load_or_create_identity
from meshnode.mesh import Mesh
from meshnode.node import Node
from meshnode.own_record import OwnRecord
from meshnode.services import messages, peers
from meshnode.settings import NodeSettings
from meshnode.world import World
from protocols.ids import NodeId
from protocols.keys import Identity
from protocols.noise import Kem

BOOT_BYTES = 8  # names this boot to peers (docs/wire.md, section 3)
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
    )


async def build_node(settings: NodeSettings, world: World, *, passphrase: str | None = None) -> Node:
    """A whole node, not yet started. Raises RefusedError (passphrase), StoreError, SettingsError."""
    identity, _ = load_or_create_identity(world.storage, passphrase, world.entropy, world.suite)
    name = settings.name or default_name(identity.node_id)
    features = (HYBRID,) if world.kem is not None else ()
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
    )
    transports = {scheme: make() for scheme, make in world.transports.items()}
    driver = MeshDriver(mesh, transports, world.clock)
    events = EventHub(wall_ns=world.clock.wall_ns, boot=boot.hex())

    def session_hash(peer: NodeId) -> bytes | None:
        channel = mesh.channel(peer)
        return None if channel is None else channel.session.handshake_hash

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
        on_blocked=lambda peer: driver.part(peer, "blocked"),
        on_address=lambda address: driver.expect(address, keep=True),
    )
    mesh.facts = book
    mail = messages.MessagesService(
        await world.storage.open_database(messages.DATABASE, messages.MIGRATIONS),
        driver.hub,
        driver,
        book,
        events.emit,
        world.clock,
        world.entropy,
        world.dice("messages"),
        me=identity.node_id,
        settings=settings.messages,
        quotas=settings.quotas,
        on_request=book.note_request,
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
        events=events,
        transports=transports,
        discovery=world.discovery() if world.discovery is not None else None,
    )
