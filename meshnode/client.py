"""The control API for Python programs, and for `meshctl`, which has no other door.

    async with MeshClient() as node:
        await node.send("bob", "hello", wait="delivered")
        async for message in node.follow_messages(peer="bob"):
            print(message.from_name, message.text)

docs/control-api.md says what each operation takes and gives.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

import msgspec

from meshnode.control import (
    broadcast_shapes,
    courier_shapes,
    directory_shapes,
    mesh_shapes,
    reach_shapes,
    shapes,
)
from meshnode.control.paths import default_data_dir, find_socket
from meshnode.control.routes import EVENTS_PATH, HEALTH_PATH, METRICS_PATH, OPENAPI_PATH, route_of
from meshnode.control.shapes import WaitFor
from meshnode.control.sse import EventReader
from meshnode.control.wire import Caller, Endpoint, dial, parse_url
from protocols.errors import LinkError, MeshError, RemoteError

ANSWER_S = 30.0  # for an answer, on top of what the request itself asks to wait
DIRECTORY_WAIT_S = 90.0  # a lookup, and the store behind it
IDLE_CONNECTIONS_MAX = 4  # kept for the next question
RESUME_TRIES_MAX = 40  # attempts to resume a stream; about half a minute, in which a daemon is restarted
RESUME_FIRST_S = 0.1  # before the first of them; each waits so much longer,
RESUME_LAST_S = 1.0  # up to this
STREAM_SILENCE_S = 60.0  # the server breaks the silence every 15 s
BATCH_CHARS_MAX = 170_000  # in JSON a letter takes up to six bytes, and a request has 1 MiB of them
OUTGOING_CHARS = 128  # of a message, around what it holds
STARTED = shapes.Event(id="", kind="stream_started", at="", fields={})
BELLS = ("stream_started", "events_missed", "message_received", "message_queued")
BROADCAST_BELLS = ("stream_started", "events_missed", "broadcast_received", "broadcast_sent")

A = TypeVar("A")


class NoDaemonError(MeshError):
    """No node answers here."""

    def __init__(self) -> None:
        super().__init__("no node answers here; start one with 'meshnode run'")


class ControlError(MeshError):
    """The node refused or failed. `code` is for programs; the message is a sentence for people."""

    def __init__(
        self, code: str, sentence: str, candidates: tuple[shapes.Candidate, ...] = (), *, trace: str = ""
    ) -> None:
        super().__init__(sentence)
        self.code, self.candidates, self.trace = code, candidates, trace


class MeshClient:
    """One method for each operation; every one may raise NoDaemonError and ControlError.

    By default it speaks to the node of the default data directory. May be used by several tasks at once.
    """

    def __init__(
        self,
        data_dir: Path | str | None = None,
        *,
        socket: Path | str | None = None,
        url: str | None = None,
        token: str = "",
    ) -> None:
        """`url` is http://127.0.0.1:PORT, with the token of that node's control.token. Raises SettingsError."""
        self._data_dir = Path(data_dir) if data_dir is not None else default_data_dir()
        self._fixed = parse_url(url, token) if url is not None else None
        if socket is not None:
            self._fixed = Endpoint(socket=Path(socket))
        self._idle: list[Caller] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Twice is harmless."""
        while self._idle:
            await self._idle.pop().close()

    # The node

    async def identity(self) -> shapes.Identity:
        return await self._ask("identity", shapes.Identity)

    async def status(self) -> shapes.Status:
        return await self._ask("status", shapes.Status)

    async def stop(self) -> shapes.Stopping:
        return await self._ask("stop", shapes.Stopping)

    async def config(self) -> list[shapes.Setting]:
        return await self._ask("config", list[shapes.Setting])

    async def doctor(self) -> list[shapes.Check]:
        return await self._ask("doctor", list[shapes.Check])

    async def transports(self) -> list[shapes.TransportInfo]:
        return await self._ask("transports", list[shapes.TransportInfo])

    async def health(self) -> shapes.Health:
        status, body = await self._exchange("GET", HEALTH_PATH, None, ANSWER_S)
        return _read(
            HTTPStatus.OK if status == HTTPStatus.SERVICE_UNAVAILABLE else status, body, shapes.Health
        )

    async def metrics(self) -> str:
        """In the Prometheus text format."""
        status, body = await self._exchange("GET", METRICS_PATH, None, ANSWER_S)
        return body.decode() if status == HTTPStatus.OK else _read(status, body, str)

    async def openapi(self) -> dict[str, Any]:
        status, body = await self._exchange("GET", OPENAPI_PATH, None, ANSWER_S)
        return _read(status, body, dict[str, Any])

    # Peers

    async def peers(self) -> list[shapes.Peer]:
        return await self._ask("peers", list[shapes.Peer])

    async def resolve(self, peer: str) -> shapes.Resolved:
        return await self._ask("resolve", shapes.Resolved, shapes.PeerQuery(peer=peer))

    async def add_peer(self, peer: str, *, name: str = "", address: str = "") -> shapes.Peer:
        return await self._ask("add_peer", shapes.Peer, shapes.AddPeer(peer=peer, name=name, address=address))

    async def name_peer(self, peer: str, name: str, *, another_device: bool = False) -> shapes.Peer:
        request = shapes.NamePeer(peer=peer, name=name, another_device=another_device)
        return await self._ask("name_peer", shapes.Peer, request)

    async def block_peer(self, peer: str) -> shapes.Peer:
        return await self._ask("block_peer", shapes.Peer, shapes.PeerQuery(peer=peer))

    async def unblock_peer(self, peer: str) -> shapes.Peer:
        return await self._ask("unblock_peer", shapes.Peer, shapes.PeerQuery(peer=peer))

    async def remove_peer(self, peer: str) -> shapes.Peer:
        return await self._ask("remove_peer", shapes.Peer, shapes.PeerQuery(peer=peer))

    async def peer_requests(self) -> list[shapes.PeerRequest]:
        return await self._ask("peer_requests", list[shapes.PeerRequest])

    async def accept_peer(self, peer: str) -> shapes.Peer:
        return await self._ask("accept_peer", shapes.Peer, shapes.PeerQuery(peer=peer))

    async def decline_peer(self, peer: str) -> shapes.Peer:
        return await self._ask("decline_peer", shapes.Peer, shapes.PeerQuery(peer=peer))

    async def forget_address(self, address: str) -> shapes.Forgotten:
        return await self._ask("forget_address", shapes.Forgotten, shapes.ForgetAddress(address=address))

    async def verifications(self) -> list[shapes.Verification]:
        return await self._ask("verifications", list[shapes.Verification])

    async def verify_peer(self, peer: str) -> shapes.Verification:
        return await self._ask("verify_peer", shapes.Verification, shapes.PeerQuery(peer=peer))

    async def confirm_verification(self, peer: str, *, matches: bool) -> shapes.Peer:
        request = shapes.ConfirmVerification(peer=peer, matches=matches)
        return await self._ask("confirm_verification", shapes.Peer, request)

    async def import_revocation(self, revocation: str) -> shapes.Peer:
        request = shapes.ImportRevocation(revocation=revocation)
        return await self._ask("import_revocation", shapes.Peer, request)

    # Invites

    async def create_invite(self, *, expires_s: int = shapes.DAY_S, uses: int = 1) -> shapes.Invite:
        request = shapes.CreateInvite(expires_s=expires_s, uses=uses)
        return await self._ask("create_invite", shapes.Invite, request)

    async def invites(self) -> list[shapes.InviteInfo]:
        return await self._ask("invites", list[shapes.InviteInfo])

    async def revoke_invite(self, invite_id: str) -> shapes.InviteInfo:
        return await self._ask("revoke_invite", shapes.InviteInfo, shapes.RevokeInvite(id=invite_id))

    # Messages

    async def send(
        self,
        to: str,
        text: str,
        *,
        wait: WaitFor | None = None,
        timeout_s: float = 10.0,
        expires_s: int | None = None,
        traffic: shapes.Traffic = "interactive",
    ) -> shapes.Sent:
        """Returns once the message is safely stored by our node; with `wait`, once it got there or the time is out."""
        request = shapes.SendMessage(
            to=to, text=text, wait=wait, timeout_s=timeout_s, expires_s=expires_s, traffic=traffic
        )
        return await self._ask("send", shapes.Sent, request, wait_s=timeout_s if wait else 0)

    async def send_many(
        self,
        messages: Sequence[shapes.Outgoing],
        *,
        wait: WaitFor | None = None,
        timeout_s: float = 10.0,
    ) -> list[shapes.SendResult]:
        """All in one request and one commit; for each, in order, what became of it. `batches` cuts longer lists."""
        request = shapes.SendMany(messages=list(messages), wait=wait, timeout_s=timeout_s)
        return await self._ask("send_many", list[shapes.SendResult], request, wait_s=timeout_s if wait else 0)

    async def messages(
        self, *, peer: str | None = None, since: str | None = None, limit: int = 100
    ) -> list[shapes.Message]:
        request = shapes.ListMessages(peer=peer, since=since, limit=limit)
        return await self._ask("messages", list[shapes.Message], request)

    async def mark_read(self, message_ids: list[str]) -> int:
        return (await self._ask("mark_read", shapes.Marked, shapes.MarkRead(message_ids=message_ids))).marked

    async def follow_messages(
        self, *, peer: str | None = None, since: str | None = None, limit: int = 100
    ) -> AsyncGenerator[shapes.Message, None]:
        """What `messages` gives, then each further message as it is stored here; none twice, none left out.

        The events only ring the bell; the messages are read from the store. So a stream that broke loses nothing.
        """
        async with aclosing(self._events("")) as events:
            async for event in events:
                if event.kind not in BELLS:
                    continue
                full = True
                while full:
                    page = await self.messages(peer=peer, since=since, limit=limit)
                    for message in page:
                        yield message
                    full = len(page) == limit
                    since, limit = page[-1].message_id if page else since, shapes.LIST_MAX

    # Couriers

    async def courier_status(self) -> courier_shapes.CourierStatus:
        return await self._ask("courier_status", courier_shapes.CourierStatus)

    async def rotate_prekeys(self) -> courier_shapes.Prekey:
        """From now on others seal to a new key; what is under way to the older ones can still be opened."""
        return await self._ask("rotate_prekeys", courier_shapes.Prekey)

    # Broadcasts

    async def send_broadcast(
        self,
        text: str,
        *,
        hops: int = 0,
        emergency: bool = False,
        expires_s: int = broadcast_shapes.BROADCAST_EXPIRY_S,
    ) -> broadcast_shapes.BroadcastInfo:
        """Returns once our node has stored it and told it to its neighbours."""
        request = broadcast_shapes.SendBroadcast(
            text=text, hops=hops, emergency=emergency, expires_s=expires_s
        )
        return await self._ask("send_broadcast", broadcast_shapes.BroadcastInfo, request)

    async def broadcasts(
        self, *, since: str | None = None, limit: int = 100
    ) -> list[broadcast_shapes.BroadcastInfo]:
        request = broadcast_shapes.ListBroadcasts(since=since, limit=limit)
        return await self._ask("broadcasts", list[broadcast_shapes.BroadcastInfo], request)

    async def follow_broadcasts(
        self, *, since: str | None = None, limit: int = 100
    ) -> AsyncGenerator[broadcast_shapes.BroadcastInfo, None]:
        """What `broadcasts` gives, then each further one as it is stored here; as `follow_messages`."""
        async with aclosing(self._events("")) as events:
            async for event in events:
                if event.kind not in BROADCAST_BELLS:
                    continue
                full = True
                while full:
                    page = await self.broadcasts(since=since, limit=limit)
                    for one in page:
                        yield one
                    full = len(page) == limit
                    since, limit = page[-1].broadcast_id if page else since or "", shapes.LIST_MAX

    # Paths and policies

    async def ping(self, peer: str, *, count: int = 4, timeout_s: float = 5.0) -> shapes.Pong:
        request = shapes.Ping(peer=peer, count=count, timeout_s=timeout_s)
        return await self._ask("ping", shapes.Pong, request, wait_s=count * timeout_s)

    async def explain_policy(self, request: shapes.ExplainPolicy) -> shapes.PolicyAnswer:
        return await self._ask("explain_policy", shapes.PolicyAnswer, request)

    # The directory

    async def find(self, peer: str) -> directory_shapes.FoundPeer:
        """Asks around, for up to two minutes."""
        request = directory_shapes.FindPeer(peer=peer)
        return await self._ask("find", directory_shapes.FoundPeer, request, wait_s=DIRECTORY_WAIT_S)

    async def directory_status(self) -> directory_shapes.DirectoryStatus:
        return await self._ask("directory_status", directory_shapes.DirectoryStatus)

    async def publish_record(self) -> directory_shapes.Published:
        """Brings our record to the nodes that keep it, now."""
        return await self._ask("publish_record", directory_shapes.Published, wait_s=DIRECTORY_WAIT_S)

    async def holders(self, key: str) -> list[directory_shapes.HolderInfo]:
        """Who says that it holds what this key (64 hex digits) names."""
        request = directory_shapes.AskHolders(key=key)
        return await self._ask("holders", list[directory_shapes.HolderInfo], request, wait_s=DIRECTORY_WAIT_S)

    # The network

    async def mesh_map(self) -> mesh_shapes.MeshMap:
        return await self._ask("mesh_map", mesh_shapes.MeshMap)

    async def mesh_ties(self, peer: str, *, timeout_s: float = 5.0) -> mesh_shapes.Ties:
        """As that node itself tells them."""
        request = mesh_shapes.AskTies(peer=peer, timeout_s=timeout_s)
        return await self._ask("mesh_ties", mesh_shapes.Ties, request, wait_s=timeout_s)

    async def trace_peer(self, peer: str, *, timeout_s: float = 10.0) -> mesh_shapes.TraceInfo:
        request = mesh_shapes.TracePeer(peer=peer, timeout_s=timeout_s)
        return await self._ask("trace_peer", mesh_shapes.TraceInfo, request, wait_s=timeout_s)

    async def trace_message(self, message_id: str) -> mesh_shapes.MessageTrace:
        request = mesh_shapes.TraceMessage(message_id=message_id)
        return await self._ask("trace_message", mesh_shapes.MessageTrace, request)

    async def net_stats(self) -> mesh_shapes.NetStats:
        return await self._ask("net_stats", mesh_shapes.NetStats)

    async def reach(self) -> reach_shapes.ReachInfo:
        return await self._ask("reach", reach_shapes.ReachInfo)

    async def trust(self) -> list[mesh_shapes.TrustInfo]:
        return await self._ask("trust", list[mesh_shapes.TrustInfo])

    async def trust_why(self, peer: str) -> mesh_shapes.TrustInfo:
        return await self._ask("trust_why", mesh_shapes.TrustInfo, shapes.PeerQuery(peer=peer))

    # Events

    async def events(self, *, after: str = "") -> AsyncGenerator[shapes.Event, None]:
        """All that happens from now on, or from after the event with the id `after`.

        A stream that breaks is resumed where it broke; NoDaemonError once the node stays away.
        """
        async with aclosing(self._events(after)) as events:
            async for event in events:
                if event is not STARTED:
                    yield event

    async def _events(self, after: str) -> AsyncGenerator[shapes.Event, None]:
        """`events`, and STARTED whenever the stream stands: what happens from then on will be seen."""
        reader = EventReader(after)
        failures = RESUME_TRIES_MAX  # nobody waits for a node that never answered
        while True:
            try:
                async with aclosing(self._stream(reader)) as stream:
                    async for event in stream:
                        failures = 0
                        yield event
            except (LinkError, NoDaemonError, TimeoutError):
                if failures >= RESUME_TRIES_MAX:
                    raise NoDaemonError from None
            failures += 1
            await asyncio.sleep(min(RESUME_FIRST_S * failures, RESUME_LAST_S))
            reader.restart()

    async def _stream(self, reader: EventReader) -> AsyncGenerator[shapes.Event, None]:
        caller = await self._dial()
        try:
            resume = (("last-event-id", reader.last_id),) if reader.last_id else ()
            async with asyncio.timeout(ANSWER_S):
                status = await caller.begin("GET", EVENTS_PATH, headers=resume)
                if status != HTTPStatus.OK:
                    raise _error(b"".join([chunk async for chunk in caller.chunks()]), status)
            yield STARTED
            chunks = caller.chunks()
            while True:
                async with asyncio.timeout(STREAM_SILENCE_S):
                    chunk = await anext(chunks, b"")
                if not chunk:
                    return
                for event in reader.feed(chunk):
                    yield event
        except RemoteError as error:
            raise ControlError("bad_answer", f"the node's events make no sense: {error}") from None
        finally:
            await caller.close()

    # One question

    async def _ask(
        self, operation: str, answer: type[A], request: shapes.Request | None = None, *, wait_s: float = 0.0
    ) -> A:
        route = route_of(operation)
        target, body = route.path, None
        if route.method == "POST":
            body = b"" if request is None else msgspec.json.encode(request)
        elif request is not None:
            target += f"?{_query(request)}"
        status, answered = await self._exchange(route.method, target, body, ANSWER_S + wait_s)
        return _read(status, answered, answer)

    async def _exchange(
        self, method: str, target: str, body: bytes | None, limit_s: float
    ) -> tuple[int, bytes]:
        caller = await self._caller()
        try:
            async with asyncio.timeout(limit_s):
                status, answer = await caller.ask(method, target, body)
        except TimeoutError:
            raise ControlError("no_answer", f"the node did not answer within {limit_s:g} s") from None
        except LinkError as error:
            raise ControlError("broke_off", str(error)) from None
        finally:
            if caller.reusable and len(self._idle) < IDLE_CONNECTIONS_MAX:
                self._idle.append(caller)
            else:
                await caller.close()
        return status, answer

    async def _caller(self) -> Caller:
        while self._idle:
            caller = self._idle.pop()
            if caller.reusable:
                return caller
            await caller.close()
        return await self._dial()

    async def _dial(self) -> Caller:
        endpoint = self._fixed
        if endpoint is None:
            path = find_socket(self._data_dir)
            if path is None:
                raise NoDaemonError
            endpoint = Endpoint(socket=path)
        try:
            return await dial(endpoint)
        except PermissionError:
            raise ControlError("no_access", "the node here belongs to another user of this machine") from None
        except OSError:
            raise NoDaemonError from None


def batches(messages: Iterable[shapes.Outgoing]) -> Iterator[list[shapes.Outgoing]]:
    """As many at a time as `MeshClient.send_many` may ask for at once."""
    batch: list[shapes.Outgoing] = []
    chars = 0
    for message in messages:
        size = OUTGOING_CHARS + len(message.to) + len(message.text)
        if batch and (len(batch) == shapes.SEND_MANY_MAX or chars + size > BATCH_CHARS_MAX):
            yield batch
            batch, chars = [], 0
        batch.append(message)
        chars += size
    if batch:
        yield batch


def _query(request: shapes.Request) -> str:
    """Text, numbers and truth as the server reads them back; None is left out."""
    fields = {name: value for name, value in msgspec.to_builtins(request).items() if value is not None}
    return urlencode(
        {name: str(value).lower() if isinstance(value, bool) else value for name, value in fields.items()}
    )


def _read(status: int, body: bytes, answer: type[A]) -> A:
    if status != HTTPStatus.OK:
        raise _error(body, status)
    try:
        return msgspec.json.decode(body, type=answer)
    except msgspec.DecodeError as error:
        raise ControlError("bad_answer", f"the node's answer makes no sense: {error}") from None


def _error(body: bytes, status: int) -> ControlError:
    try:
        problem = msgspec.json.decode(body, type=shapes.ErrorAnswer).error
    except msgspec.DecodeError:
        return ControlError("bad_answer", f"the node answered with HTTP status {status} and no reason")
    return ControlError(problem.code, problem.message, tuple(problem.candidates), trace=problem.trace)
