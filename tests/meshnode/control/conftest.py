"""A node to stand behind the control API: a world of one friend, who answers as the test wishes."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, TypeVar

import pytest

from meshnode.client import MeshClient
from meshnode.control import (
    Backend,
    ControlLimits,
    ControlServer,
    EventHub,
    Sample,
    broadcast_shapes,
    courier_shapes,
    directory_shapes,
    mesh_shapes,
    reach_shapes,
    shapes,
)
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
        self.news: list[broadcast_shapes.BroadcastInfo] = []
        self.healthy = True
        self.alone = False  # the map shows nobody; else bob
        self.ties: dict[str, mesh_shapes.Ties] = {}  # by NodeId
        self.trace: mesh_shapes.TraceInfo | None = None
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

    def tell(
        self, text: str, *, ours: bool = False, stranger: bool = False, emergency: bool = False
    ) -> broadcast_shapes.BroadcastInfo:
        one = broadcast_shapes.BroadcastInfo(
            broadcast_id=f"b{len(self.news) + 1}",
            source=ME if ours else BOB,
            from_name="me" if ours else "bob",
            text=text,
            at=NOW,
            expires_at=NOW,
            emergency=emergency,
            hops=0,
            ours=ours,
            stranger=stranger,
        )
        self.news.append(one)
        self.events.emit(
            "broadcast_sent" if ours else "broadcast_received", {"broadcast_id": one.broadcast_id}
        )
        return one

    async def send_broadcast(self, request: broadcast_shapes.SendBroadcast) -> broadcast_shapes.BroadcastInfo:
        self._heard(request)
        return self.tell(request.text, ours=True, emergency=request.emergency)

    async def broadcasts(
        self, request: broadcast_shapes.ListBroadcasts
    ) -> list[broadcast_shapes.BroadcastInfo]:
        self._heard(request)
        if request.since is None:
            return self.news[-request.limit :]
        ids = [one.broadcast_id for one in self.news]
        place = ids.index(request.since) + 1 if request.since else 0
        return self.news[place : place + request.limit]

    async def find(self, request: directory_shapes.FindPeer) -> directory_shapes.FoundPeer:
        self._heard(request)
        return directory_shapes.FoundPeer(
            node_id=BOB,
            short=BOB[:8],
            name="bob",
            found=True,
            addresses=["quic://192.0.2.1:7420"],
            signed_at=NOW,
            expires_at=NOW,
            replicas=6,
            older=1,
            paths=3,
            paths_found=3,
            asked=16,
            failed=2,
            steps=5,
        )

    async def directory_status(self) -> directory_shapes.DirectoryStatus:
        return directory_shapes.DirectoryStatus(
            listed=True,
            nodes=54,
            buckets={"255": 20, "254": 20, "253": 14},
            waiting=3,
            records=40,
            copies=2,
            holdings=5,
            away=1,
            lines=4,
            wards=1,
            gateways=[BOB],
            replicas=20,
            published_at=NOW,
            counts={"lookups": 3, "questions": 40, "questions_failed": 2},
        )

    async def publish_record(self) -> directory_shapes.Published:
        return directory_shapes.Published(replicas=20)

    async def holders(self, request: directory_shapes.AskHolders) -> list[directory_shapes.HolderInfo]:
        self._heard(request)
        return [directory_shapes.HolderInfo(node_id=BOB, short=BOB[:8], name="bob", expires_at=NOW)]

    async def courier_status(self) -> courier_shapes.CourierStatus:
        under_way = courier_shapes.UnderWay(to=BOB, to_name="bob", messages=2, couriers=3, expires_at=NOW)
        return courier_shapes.CourierStatus(
            carry="everyone",
            carried=1,
            carried_bytes=1_722,
            quota_bytes=16 << 20,
            own=1,
            under_way=[under_way],
            people=2,
            notes=0,
            prekey=self._prekey(),
            counts={"taken": 1},
        )

    async def rotate_prekeys(self) -> courier_shapes.Prekey:
        return self._prekey()

    @staticmethod
    def _prekey() -> courier_shapes.Prekey:
        return courier_shapes.Prekey(id="0a" * 8, made_at=NOW, expires_at=NOW, kept=2, hybrid=True)

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

    def _named(self) -> dict[str, str]:
        return {"key": "k" * 20, "node_id": BOB, "short": BOB[:8], "name": "bob"}

    async def mesh_map(self) -> mesh_shapes.MeshMap:
        link = shapes.LinkInfo(
            transport="quic", address="quic://10.0.0.2:7", rtt_ms=1.5, up_s=2.0, bytes_in=3, bytes_out=4
        )
        bob = mesh_shapes.MapNode(
            **self._named(),
            neighbour=True,
            contact=True,
            landmark=False,
            cost=17,
            hops=1,
            via="",
            others=[],
            links=[link],
            standing=self._standing(),
        )
        return mesh_shapes.MeshMap(
            key="m" * 20,
            node_id=ME,
            short=ME[:8],
            name="me",
            is_landmark=False,
            landmark="",
            nodes=[] if self.alone else [bob],
            left_out=0,
        )

    def _standing(self) -> mesh_shapes.StandingInfo:
        return mesh_shapes.StandingInfo(
            score=0.5, place="last", cost_factor=8.0, reasons=["answers came back from 3 of 40 flows"]
        )

    async def mesh_ties(self, request: mesh_shapes.AskTies) -> mesh_shapes.Ties:
        self._heard(request)
        if (told := self.ties.get(request.peer)) is not None:
            return told
        return mesh_shapes.Ties(key="k" * 20, ties=[], left_out=0)

    async def trace_peer(self, request: mesh_shapes.TracePeer) -> mesh_shapes.TraceInfo:
        self._heard(request)
        if self.trace is not None:
            return self.trace
        step = mesh_shapes.TraceStep(
            **self._named(),
            reason="arrived",
            cost=0,
            transport="",
            next="",
            next_name="",
            hop_ms=None,
            end="arrived",
        )
        return mesh_shapes.TraceInfo(peer=BOB, name="bob", end="arrived", hops=0, took_ms=1.5, steps=[step])

    async def trace_message(self, request: mesh_shapes.TraceMessage) -> mesh_shapes.MessageTrace:
        self._heard(request)
        if request.message_id not in [message.message_id for message in self.stored]:
            raise RefusedError("unknown_message", "no such message here")
        message = next(each for each in self.stored if each.message_id == request.message_id)
        way = mesh_shapes.Way(over="link", reason="only_choice", link="quic://10.0.0.2:7", transport="quic")
        happening = mesh_shapes.Happening(at=NOW, kind="message_sent", way=way)
        return mesh_shapes.MessageTrace(
            message=message, happened=[happening], now=way, connected=True, decision=None
        )

    async def net_stats(self) -> mesh_shapes.NetStats:
        passed = mesh_shapes.PassedInfo(
            frames_in=1,
            frames_out=2,
            bytes_in=300,
            bytes_out=4_000,
            control_bytes_out=40,
            control_share=0.01,
            relayed_frames=5,
            relayed_bytes=600,
            duplicates=7,
            queued_frames=8,
            queued_bytes=900,
            dropped={"no_route": 2},
        )
        bob = mesh_shapes.NeighbourStats(
            **self._named(), cost=17, place="full", transports=["quic"], passed=passed
        )
        return mesh_shapes.NetStats(
            passed=passed,
            neighbours=[bob],
            relayed_for=[mesh_shapes.RelayedForInfo(**self._named(), frames=5, bytes=600)],
            relays_for="everyone",
            destinations=1,
            routing_bytes=2_048,
            is_landmark=False,
            landmark="k" * 20,
        )

    async def reach(self) -> reach_shapes.ReachInfo:
        self._heard(None)
        meeting = reach_shapes.ReachMeeting(
            node_id=BOB, name="bob", state="failed", reason="nobody answers", tries=2, again_in_s=61.0
        )
        done = reach_shapes.ReachMeeting(
            node_id=BOB, name="bob's phone", state="direct", reason="", tries=0, again_in_s=None
        )
        way = reach_shapes.ReachWay(
            version=4, kind="mapped", address="quic://45.0.1.10:20000", reason="2 of 2 peers agree"
        )
        nowhere = reach_shapes.ReachWay(version=6, kind="unknown", address=None, reason="nobody told")
        return reach_shapes.ReachInfo(
            listening=["quic://192.168.1.2:7420"],
            ways=[way, nowhere],
            observers=2,
            published=[],
            port_mapping="off",
            meetings=[meeting, done],
        )

    async def trust(self) -> list[mesh_shapes.TrustInfo]:
        return [await self.trust_why(shapes.PeerQuery(peer="bob"))]

    async def trust_why(self, request: shapes.PeerQuery) -> mesh_shapes.TrustInfo:
        self._heard(request)
        return mesh_shapes.TrustInfo(
            **self._named(),
            contact=True,
            present=True,
            standing=self._standing(),
            figures={"flows": 40.0, "answered": 3.0},
        )


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
