"""A node to stand behind the control API: a world of one friend, who answers as the test wishes."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, TypeVar

import pytest

from meshnode.client import MeshClient
from meshnode.control import Backend, ControlLimits, ControlServer, EventHub, Sample, shapes
from meshnode.control.http import HttpLimits
from protocols.errors import RefusedError

T = TypeVar("T")
BOB = "b" * 56
ME = "m" * 56
NOW = "2026-01-02T03:04:05.000Z"
WALL_NS = 1_767_323_045_000_000_000


class WhoError(RefusedError):
    """As the peers service raises it."""

    candidates: ClassVar = [(BOB, "bob, laptop"), (ME, "bob, phone")]


async def eventually(look: Callable[[], T]) -> T:
    """Turn the loop until there is something to see."""
    while not (seen := look()):  # noqa: ASYNC110 - what is waited for rings no bell
        await asyncio.sleep(0)
    return seen


class SmallNode:
    """`fault` is raised by the next call; `asked` keeps every request that came through."""

    def __init__(self) -> None:
        self.events = EventHub(wall_ns=lambda: WALL_NS, boot="boot")
        self.fault: Exception | None = None
        self.asked: list[object] = []
        self.stored: list[shapes.Message] = []
        self.healthy = True
        self.stopped = asyncio.Event()

    def _heard(self, request: object) -> None:
        self.asked.append(request)
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault

    def _peer(self, request: object, **change: object) -> shapes.Peer:
        self._heard(request)
        link = shapes.LinkInfo(
            transport="quic", address="quic://10.0.0.2:7", rtt_ms=1.5, up_s=2.0, bytes_in=3, bytes_out=4
        )
        known = {"node_id": BOB, "name": "bob", "state": "connected", "trust": "pinned", "links": [link]}
        return shapes.Peer(**{**known, **change})  # pyright: ignore[reportArgumentType] - as the test wishes

    def store(self, text: str, direction: str = "in", *, request: bool = False) -> shapes.Message:
        number = len(self.stored) + 1
        message = shapes.Message(
            message_id=f"m{number}",
            sender=BOB if direction == "in" else ME,
            to=ME if direction == "in" else BOB,
            text=text,
            at=NOW,
            direction="in" if direction == "in" else "out",
            state="delivered",
            from_name="bob",
            to_name="me",
            request=request,
        )
        self.stored.append(message)
        self.events.emit(
            "message_received" if direction == "in" else "message_queued", {"message_id": message.message_id}
        )
        return message

    async def metrics(self) -> list[Sample]:
        return [Sample("meshnode_links", 2, "gauge", "Live links", {"transport": "quic"})]

    async def health(self) -> shapes.Health:
        if self.healthy:
            return shapes.Health(status="ok", problems={})
        return shapes.Health(status="degraded", problems={"store": "the disk is full"})

    async def identity(self) -> shapes.Identity:
        self._heard(None)
        return shapes.Identity(node_id=ME, short=ME[:8], name="me", fingerprint="f" * 64)

    async def status(self) -> shapes.Status:
        self._heard(None)
        return shapes.Status(
            node_id=ME,
            name="me",
            version="1",
            uptime_s=9.5,
            peers=1,
            links=1,
            transports=await self.transports(),
            services=["messages"],
            store={"messages": "ok"},
        )

    async def stop(self) -> shapes.Stopping:
        self.stopped.set()
        return shapes.Stopping()

    async def config(self) -> list[shapes.Setting]:
        return [shapes.Setting(name="links.mdns", value=True, source="default")]

    async def doctor(self) -> list[shapes.Check]:
        return [shapes.Check(name="mdns", state="ok", detail="announcing")]

    async def transports(self) -> list[shapes.TransportInfo]:
        return [shapes.TransportInfo(name="quic", state="up", listening=["quic://0.0.0.0:7"], links=1)]

    async def peers(self) -> list[shapes.Peer]:
        return [self._peer(None)]

    async def resolve(self, request: shapes.PeerQuery) -> shapes.Resolved:
        self._heard(request)
        return shapes.Resolved(node_id=BOB, short=BOB[:8], name="bob")

    async def add_peer(self, request: shapes.AddPeer) -> shapes.Peer:
        return self._peer(request, name=request.name)

    async def name_peer(self, request: shapes.NamePeer) -> shapes.Peer:
        return self._peer(request, name=request.name)

    async def block_peer(self, request: shapes.PeerQuery) -> shapes.Peer:
        return self._peer(request, state="blocked")

    async def unblock_peer(self, request: shapes.PeerQuery) -> shapes.Peer:
        return self._peer(request, state="known")

    async def remove_peer(self, request: shapes.PeerQuery) -> shapes.Peer:
        return self._peer(request)

    async def peer_requests(self) -> list[shapes.PeerRequest]:
        return [shapes.PeerRequest(node_id=BOB, self_name="bob", messages=1, bytes=2, first_at=NOW)]

    async def accept_peer(self, request: shapes.PeerQuery) -> shapes.Peer:
        return self._peer(request, trust="met")

    async def decline_peer(self, request: shapes.PeerQuery) -> shapes.Peer:
        return self._peer(request, trust="stranger")

    async def forget_address(self, request: shapes.ForgetAddress) -> shapes.Forgotten:
        self._heard(request)
        return shapes.Forgotten(address=request.address, awaited=True, peers=[BOB])

    async def verifications(self) -> list[shapes.Verification]:
        return [shapes.Verification(node_id=BOB, name="bob", state="compare", code="123 4567")]

    async def verify_peer(self, request: shapes.PeerQuery) -> shapes.Verification:
        self._heard(request)
        return (await self.verifications())[0]

    async def confirm_verification(self, request: shapes.ConfirmVerification) -> shapes.Peer:
        return self._peer(request, trust="verified" if request.matches else "pinned")

    async def import_revocation(self, request: shapes.ImportRevocation) -> shapes.Peer:
        return self._peer(request, revoked=True, state="blocked")

    async def create_invite(self, request: shapes.CreateInvite) -> shapes.Invite:
        self._heard(request)
        return shapes.Invite(invite="meshnode://invite/abc", id="i1", expires_at=NOW, uses=request.uses)

    async def invites(self) -> list[shapes.InviteInfo]:
        return [shapes.InviteInfo(id="i1", expires_at=NOW, uses=1, uses_left=1)]

    async def revoke_invite(self, request: shapes.RevokeInvite) -> shapes.InviteInfo:
        self._heard(request)
        return shapes.InviteInfo(id=request.id, expires_at=NOW, uses=1, uses_left=0)

    async def send(self, request: shapes.SendMessage) -> shapes.Sent:
        self._heard(request)
        return self._sent(request.text, request.wait)

    async def send_many(self, request: shapes.SendMany) -> list[shapes.SendResult]:
        """Refuses what says "bad"."""
        self._heard(request)
        return [
            shapes.SendResult(error=shapes.Problem(code="bad_text", message="that is no good"))
            if each.text == "bad"
            else shapes.SendResult(sent=self._sent(each.text, request.wait))
            for each in request.messages
        ]

    def _sent(self, text: str, wait: shapes.WaitFor | None) -> shapes.Sent:
        state = "delivered" if wait else "queued"
        return shapes.Sent(message_id=self.store(text, "out").message_id, state=state, to=BOB)

    async def messages(self, request: shapes.ListMessages) -> list[shapes.Message]:
        self._heard(request)
        if request.since is None:
            return self.stored[-request.limit :]
        ids = [message.message_id for message in self.stored]
        place = ids.index(request.since) + 1 if request.since else 0
        return self.stored[place : place + request.limit]

    async def mark_read(self, request: shapes.MarkRead) -> shapes.Marked:
        self._heard(request)
        return shapes.Marked(marked=len(request.message_ids))

    async def ping(self, request: shapes.Ping) -> shapes.Pong:
        self._heard(request)
        return shapes.Pong(
            sent=request.count, received=1, rtt_ms=shapes.RoundTrips(min=1.0, p50=1.5, p99=2.0), path=["quic"]
        )

    async def explain_policy(self, request: shapes.ExplainPolicy) -> shapes.PolicyAnswer:
        self._heard(request)
        considered = [shapes.Considered(transport="quic", score=90.0, why="fast")]
        return shapes.PolicyAnswer(transport="quic", link="quic#1", reason="fastest", considered=considered)


def is_a_backend(node: SmallNode) -> Backend:
    """Pyright holds the double to the port."""
    return node


@dataclass
class Place:
    """A running control server, its node, and what it logged."""

    node: SmallNode
    data_dir: Path
    entropy: bytes = b"e"
    quick: ControlLimits = field(default_factory=lambda: QUICK)
    log: list[tuple[str, Mapping[str, object]]] = field(
        default_factory=list[tuple[str, Mapping[str, object]]]
    )
    servers: list[ControlServer] = field(default_factory=list[ControlServer])

    async def serve(self, *, tcp: str | None = None, limits: ControlLimits | None = None) -> ControlServer:
        server = ControlServer(
            self.node,
            self.data_dir,
            version="1",
            entropy=lambda size: self.entropy * size,
            log=lambda name, fields: self.log.append((name, fields)),
            tcp=tcp,
            limits=limits,
        )
        self.servers.append(server)
        self.socket = await server.start()
        return server

    async def connection(self) -> "asyncio.Task[None]":
        """The server's end of the one connection that somebody just opened."""
        [task] = await eventually(lambda: list(self.servers[-1]._connections))
        return task

    async def followed(self) -> None:
        """Until somebody follows the events."""
        await eventually(lambda: self.node.events.followers)

    async def speak(self, data: bytes, *, eof: bool = True) -> bytes:
        """Raw bytes to the socket, and all that comes back."""
        reader, writer = await asyncio.open_unix_connection(self.socket)
        writer.write(data)
        if eof:
            writer.write_eof()
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()


@pytest.fixture
async def place(place_without_loop: Place) -> AsyncIterator[Place]:
    place = place_without_loop
    yield place
    for server in place.servers:
        await server.close()


@pytest.fixture
def quick() -> ControlLimits:
    """Limits so short that a test need not wait."""
    return QUICK


@pytest.fixture
def quick_idle() -> ControlLimits:
    return replace(QUICK, http=replace(QUICK.http, idle_s=0.01))


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose path leaves room for a socket's name, which pytest's own may not."""
    with tempfile.TemporaryDirectory(prefix="mn", dir="/tmp") as path:
        yield Path(path).resolve()


@pytest.fixture
def place_without_loop(short: Path) -> Place:
    place = Place(SmallNode(), short / "node")
    place.data_dir.mkdir(mode=0o700)
    return place


@pytest.fixture
def who() -> WhoError:
    return WhoError("ambiguous", "'bob' has several devices; say which by its id")


@pytest.fixture
async def node(place: Place) -> SmallNode:
    await place.serve(limits=QUICK)
    return place.node


@pytest.fixture
async def client(place: Place, node: SmallNode) -> AsyncIterator[MeshClient]:
    async with MeshClient(place.data_dir) as client:
        yield client


QUICK = ControlLimits(
    connections_max=8, keepalive_s=0.01, http=HttpLimits(idle_s=5, request_s=0.05, write_s=0.2, linger_s=0.05)
)
