"""What the control API asks, answered by the node: translation, and nothing else."""

import asyncio
import base64
import binascii
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from meshnode import __version__
from meshnode.checks import run_checks
from meshnode.control import (
    broadcast_shapes,
    courier_shapes,
    directory_shapes,
    mesh_shapes,
    reach_shapes,
    shapes,
)
from meshnode.control.backend import Sample
from meshnode.control.events import EventHub
from meshnode.control.problems import problem_of
from meshnode.courier_desk import prekey_of, status_of
from meshnode.directory_desk import found_of, holder_of
from meshnode.directory_desk import status_of as directory_status_of
from meshnode.figures import samples_of
from meshnode.letters import TRAFFIC, send_all
from meshnode.mesh import LinkState
from meshnode.mesh_desk import MeshDesk
from meshnode.node import Node
from meshnode.services.broadcasts import StoredBroadcast
from meshnode.services.messages import StoredMessage
from meshnode.services.peers import AwaitedView, PeerView, VerificationView
from meshnode.settings import effective
from meshnode.times import rfc3339
from policies.transport import LinkView, explain
from protocols.errors import LinkError, RefusedError, RemoteError
from protocols.ids import (
    MessageId,
    NodeId,
    fingerprint,
    message_id_text,
    node_id_text,
    parse_message_id,
    parse_node_id,
    short_id,
)

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
PING_BYTES = 32
INVITE_ADDRESSES_MAX = 4  # more make a QR code too dense for a phone's camera
VERIFY_WAIT_S = 30.0  # for the other node's half of the code


class NodeBackend:
    """`meshnode.control.backend.Backend`. `config_text` and `flags`: what the settings were made from."""

    def __init__(self, node: Node, data_dir: Path, config_text: str, flags: Mapping[str, object]) -> None:
        self._node, self._data_dir = node, data_dir
        self._config_text, self._flags = config_text, dict(flags)
        self._mesh = MeshDesk(node)

    @property
    def events(self) -> EventHub:
        return self._node.events

    # -- the node ---------------------------------------------------------------------------------------------

    async def metrics(self) -> list[Sample]:
        return await samples_of(self._node)

    async def health(self) -> shapes.Health:
        problems = {name: state for name, state in self._node.world.storage.health().items() if state != "ok"}
        problems |= {name: each.detail for name, each in self._node.transports.items() if each.detail}
        if self._node.discovery_problem:
            problems["discovery"] = self._node.discovery_problem
        if self._node.record.problem:
            problems["record"] = self._node.record.problem
        return shapes.Health(status="degraded" if problems else "ok", problems=problems)

    async def identity(self) -> shapes.Identity:
        me = self._node.node_id
        return shapes.Identity(
            node_id=node_id_text(me), short=short_id(me), name=self._node.name, fingerprint=fingerprint(me)
        )

    async def status(self) -> shapes.Status:
        node = self._node
        counts = await node.messages.counts()
        return shapes.Status(
            node_id=node_id_text(node.node_id),
            name=node.name,
            version=__version__,
            uptime_s=round((node.world.clock.now_ns() - node.started_ns) / NS_PER_S, 3),
            peers=len(node.peers.owner.peers()),
            links=len(node.driver.mesh.links.all()),
            transports=await self.transports(),
            services=node.driver.hub.services(),
            store=dict(node.world.storage.health()),
            connected=len(node.driver.connected()),
            queued=counts.queued,
            requests=len(node.peers.owner.requests()),
            energy=node.driver.mesh.manager.energy.level.name.lower(),
        )

    async def stop(self) -> shapes.Stopping:
        self._node.stopping.set()
        return shapes.Stopping()

    async def config(self) -> list[shapes.Setting]:
        found = effective(self._config_text, self._flags)
        return [
            shapes.Setting(name=name, value=value, source=source) for name, (value, source) in found.items()
        ]

    async def doctor(self) -> list[shapes.Check]:
        free = shutil.disk_usage(self._data_dir).free
        return run_checks(self._node, free)

    async def transports(self) -> list[shapes.TransportInfo]:
        links = self._node.driver.mesh.links.all()
        return [
            shapes.TransportInfo(
                name=name,
                state="up" if status.listening else "down",
                listening=status.listening,
                links=sum(link.up.traits().transport == name for link in links),
                detail=status.detail,
                dropped=dict(status.transport.dropped),
            )
            for name, status in self._node.transports.items()
        ]

    # -- peers ------------------------------------------------------------------------------------------------

    async def peers(self) -> list[shapes.Peer]:
        """Those whom nobody has met yet come last."""
        owner = self._node.peers.owner
        return [*map(self._peer, owner.peers()), *map(_awaited, owner.awaited())]

    async def resolve(self, request: shapes.PeerQuery) -> shapes.Resolved:
        peer = self._resolve(request.peer)
        return shapes.Resolved(node_id=node_id_text(peer), short=short_id(peer), name=self._name(peer))

    async def add_peer(self, request: shapes.AddPeer) -> shapes.Peer:
        addresses = (request.address,) if request.address else ()
        text = request.peer
        if "://" not in text:
            known = self._known(text)
            text = text if known is None else node_id_text(known)
        view = await self._node.peers.owner.add(text, name=request.name, addresses=addresses)
        return _awaited(view) if isinstance(view, AwaitedView) else self._peer(view)

    async def name_peer(self, request: shapes.NamePeer) -> shapes.Peer:
        peer = self._resolve(request.peer)
        return self._peer(
            await self._node.peers.owner.name(peer, request.name, another_device=request.another_device)
        )

    async def block_peer(self, request: shapes.PeerQuery) -> shapes.Peer:
        return self._peer(await self._node.peers.owner.block(self._resolve(request.peer)))

    async def unblock_peer(self, request: shapes.PeerQuery) -> shapes.Peer:
        peer = self._resolve(request.peer)
        view = await self._node.peers.owner.unblock(peer)
        self._look_for(peer)
        return self._peer(view)

    async def remove_peer(self, request: shapes.PeerQuery) -> shapes.Peer:
        peer = self._resolve(request.peer)
        found = self._peer(await self._node.peers.owner.remove(peer))
        self._node.driver.part(peer, "removed")
        return found

    async def peer_requests(self) -> list[shapes.PeerRequest]:
        found = await self._node.messages.requests()
        return [
            shapes.PeerRequest(
                node_id=node_id_text(each.peer),
                self_name=self._node.peers.owner.view(each.peer).self_name,
                messages=each.messages,
                bytes=each.nbytes,
                first_at=rfc3339(each.first_at_ns),
            )
            for each in found
        ]

    async def accept_peer(self, request: shapes.PeerQuery) -> shapes.Peer:
        peer = self._resolve(request.peer)
        view = await self._node.peers.owner.accept(peer)
        await self._node.messages.accept_request(peer)
        self._look_for(peer)
        return self._peer(view)

    async def decline_peer(self, request: shapes.PeerQuery) -> shapes.Peer:
        peer = self._resolve(request.peer)
        await self._node.messages.drop_request(peer)
        return self._peer(await self._node.peers.owner.decline(peer))

    async def forget_address(self, request: shapes.ForgetAddress) -> shapes.Forgotten:
        dialer = self._node.driver.mesh.dialer
        forgotten = await self._node.peers.owner.forget_address(request.address)
        dialer.drop(forgotten.address)
        for peer in forgotten.peers:
            dialer.drop(peer)  # it remembers addresses of its own; below it begins anew
            self._look_for(peer)
        return shapes.Forgotten(
            address=forgotten.address,
            awaited=forgotten.awaited,
            peers=[node_id_text(peer) for peer in forgotten.peers],
        )

    async def verifications(self) -> list[shapes.Verification]:
        return [_verification(view) for view in self._node.peers.verifying.pending()]

    async def verify_peer(self, request: shapes.PeerQuery) -> shapes.Verification:
        peer = self._resolve(request.peer)
        async with asyncio.timeout(VERIFY_WAIT_S):
            return _verification(await self._node.peers.verifying.start(peer))

    async def confirm_verification(self, request: shapes.ConfirmVerification) -> shapes.Peer:
        peer = self._resolve(request.peer)
        await self._node.peers.verifying.confirm(peer, matches=request.matches)
        return self._peer(self._node.peers.owner.view(peer))

    async def import_revocation(self, request: shapes.ImportRevocation) -> shapes.Peer:
        try:
            signed = base64.b64decode(request.revocation, validate=True)
            return self._peer(await self._node.peers.owner.import_revocation(signed))
        except (binascii.Error, RemoteError):
            raise RefusedError(
                "bad_revocation", "that is no revocation; paste what 'meshctl id revoke' printed"
            ) from None

    # -- invites ----------------------------------------------------------------------------------------------

    async def create_invite(self, request: shapes.CreateInvite) -> shapes.Invite:
        node = self._node
        if not node.record.addresses:
            raise RefusedError(
                "no_address",
                "this node listens nowhere, so nobody could follow an invite; see 'meshctl doctor'",
            )
        invite, view = await node.peers.invitations.issue(
            expires_s=request.expires_s,
            uses=request.uses,
            addresses=node.record.addresses[:INVITE_ADDRESSES_MAX],
        )
        return shapes.Invite(invite=str(invite), id=view.id, expires_at=_at(view.expires_at), uses=view.uses)

    async def invites(self) -> list[shapes.InviteInfo]:
        return [
            shapes.InviteInfo(
                id=view.id, expires_at=_at(view.expires_at), uses=view.uses, uses_left=view.uses_left
            )
            for view in self._node.peers.invitations.list()
            if view.state == "open"
        ]

    async def revoke_invite(self, request: shapes.RevokeInvite) -> shapes.InviteInfo:
        view = await self._node.peers.invitations.revoke(request.id)
        return shapes.InviteInfo(
            id=view.id, expires_at=_at(view.expires_at), uses=view.uses, uses_left=view.uses_left
        )

    # -- messages ---------------------------------------------------------------------------------------------

    async def send(self, request: shapes.SendMessage) -> shapes.Sent:
        (outcome,) = await self._sent([request], request.wait, request.timeout_s)
        if isinstance(outcome, RefusedError):
            raise outcome
        return outcome

    async def send_many(self, request: shapes.SendMany) -> list[shapes.SendResult]:
        outcomes = await self._sent(request.messages, request.wait, request.timeout_s)
        return [
            shapes.SendResult(error=problem_of(each))
            if isinstance(each, RefusedError)
            else shapes.SendResult(sent=each)
            for each in outcomes
        ]

    async def _sent(
        self, asked: Sequence[shapes.Outgoing], wait: shapes.WaitFor | None, timeout_s: float
    ) -> list[shapes.Sent | RefusedError]:
        node = self._node
        return await send_all(
            node.messages, node.world.clock, self._resolve, asked, wait=wait, timeout_s=timeout_s
        )

    async def messages(self, request: shapes.ListMessages) -> list[shapes.Message]:
        found = await self._node.messages.messages(
            with_=None if request.peer is None else self._resolve(request.peer),
            since=parse_message_id(request.since) if request.since else None,
            limit=request.limit,
            oldest=request.since == "",
        )
        return [self.message(each) for each in found]

    async def mark_read(self, request: shapes.MarkRead) -> shapes.Marked:
        ids: list[MessageId] = [parse_message_id(text) for text in request.message_ids]
        return shapes.Marked(marked=await self._node.messages.mark_read(ids))

    # -- couriers ---------------------------------------------------------------------------------------------

    async def courier_status(self) -> courier_shapes.CourierStatus:
        return status_of(self._node.courier.view(), self._name)

    async def rotate_prekeys(self) -> courier_shapes.Prekey:
        return prekey_of(await self._node.courier.rotate_prekeys())

    # -- broadcasts -------------------------------------------------------------------------------------------

    async def send_broadcast(self, request: broadcast_shapes.SendBroadcast) -> broadcast_shapes.BroadcastInfo:
        sent = await self._node.broadcasts.send(
            request.text, hops=request.hops, emergency=request.emergency, expires_s=request.expires_s
        )
        return self._broadcast(sent)

    async def broadcasts(
        self, request: broadcast_shapes.ListBroadcasts
    ) -> list[broadcast_shapes.BroadcastInfo]:
        found = await self._node.broadcasts.broadcasts(
            since=parse_message_id(request.since) if request.since else None,
            limit=request.limit,
            oldest=request.since == "",
        )
        return [self._broadcast(each) for each in found]

    def _broadcast(self, stored: StoredBroadcast) -> broadcast_shapes.BroadcastInfo:
        return broadcast_shapes.BroadcastInfo(
            broadcast_id=message_id_text(stored.broadcast_id),
            source=node_id_text(stored.source),
            from_name=self._name(stored.source) or short_id(stored.source),
            text=stored.text,
            at=rfc3339(stored.at_ms * NS_PER_MS),
            expires_at=rfc3339(stored.expires_ms * NS_PER_MS),
            emergency=stored.emergency,
            hops=stored.hops,
            ours=stored.ours,
            stranger=stored.stranger,
        )

    # -- paths and policies -----------------------------------------------------------------------------------

    async def ping(self, request: shapes.Ping) -> shapes.Pong:
        node, peer = self._node, self._resolve(request.peer)
        if not node.driver.is_connected(peer):
            node.driver.want(peer)
        took_ms: list[float] = []
        for _ in range(request.count):
            payload = node.world.entropy(PING_BYTES)
            began_ns = node.world.clock.now_ns()
            try:
                await node.info.ping(peer, payload, timeout_s=request.timeout_s)
            except (TimeoutError, LinkError):
                continue
            took_ms.append((node.world.clock.now_ns() - began_ns) / NS_PER_MS)
        return shapes.Pong(
            sent=request.count,
            received=len(took_ms),
            rtt_ms=_round_trips(took_ms),
            path=[link.up.address for link in node.driver.mesh.links.of(peer)],
        )

    async def explain_policy(self, request: shapes.ExplainPolicy) -> shapes.PolicyAnswer:
        peer = self._resolve(request.peer)
        mesh = self._node.driver.mesh
        changes = {
            "battery_percent": request.battery,
            "discharging": request.discharging,
            "metered": request.metered,
            "censored": request.censored,
        }
        given = {key: value for key, value in changes.items() if value is not None}
        links = mesh.links.of(peer)
        reached = {link.up.address for link in links}
        dialable = [
            LinkView(name=address, transport=address.partition("://")[0], live=False)
            for address in self._node.peers.addresses(peer)
            if address not in reached
        ]
        decision = mesh.manager.decide(
            links,
            TRAFFIC[request.traffic],
            request.size,
            device=mesh.manager.supposed(**given) if given else None,
            dialable=dialable,
        )
        told = explain(decision)
        return shapes.PolicyAnswer(
            transport=decision.link.transport if decision.link else None,
            link=decision.link.name if decision.link else None,
            reason=str(told["reason"]),
            considered=[
                shapes.Considered(transport=each.transport, score=round(each.score, 2), why=each.why)
                for each in decision.considered
            ],
        )

    # -- the directory ----------------------------------------------------------------------------------------

    async def find(self, request: directory_shapes.FindPeer) -> directory_shapes.FoundPeer:
        peer = self._resolve(request.peer)
        return found_of(peer, await self._node.directory.find(peer), self._name)

    async def directory_status(self) -> directory_shapes.DirectoryStatus:
        directory = self._node.directory
        return directory_status_of(directory.view(), dict(directory.counts()))

    async def publish_record(self) -> directory_shapes.Published:
        return directory_shapes.Published(replicas=await self._node.directory.publish())

    async def holders(self, request: directory_shapes.AskHolders) -> list[directory_shapes.HolderInfo]:
        found = await self._node.directory.holders(bytes.fromhex(request.key))
        return [holder_of(each, self._name) for each in found]

    # -- the network ------------------------------------------------------------------------------------------

    async def mesh_map(self) -> mesh_shapes.MeshMap:
        return self._mesh.map()

    async def mesh_ties(self, request: mesh_shapes.AskTies) -> mesh_shapes.Ties:
        return await self._mesh.ties(self._resolve(request.peer), request.timeout_s)

    async def trace_peer(self, request: mesh_shapes.TracePeer) -> mesh_shapes.TraceInfo:
        return await self._mesh.trace(self._resolve(request.peer), request.timeout_s)

    async def trace_message(self, request: mesh_shapes.TraceMessage) -> mesh_shapes.MessageTrace:
        stored = await self._node.messages.get(parse_message_id(request.message_id))
        message = self.message(stored)
        peer = stored.recipient if stored.direction == "out" else stored.sender
        asked = shapes.ExplainPolicy(peer=node_id_text(peer))
        choice = bool(self._node.driver.mesh.links.of(peer))
        return self._mesh.trace_message(message, peer, await self.explain_policy(asked) if choice else None)

    async def net_stats(self) -> mesh_shapes.NetStats:
        return self._mesh.stats()

    async def reach(self) -> reach_shapes.ReachInfo:
        report = self._node.reach.report()
        return reach_shapes.ReachInfo(
            listening=list(self._node.record.local),
            ways=[
                reach_shapes.ReachWay(
                    version=way.version, kind=way.kind, address=way.address, reason=way.reason
                )
                for way in report.ways
            ],
            observers=report.observers,
            published=list(report.published),
            port_mapping=report.mapping,
            meetings=[
                reach_shapes.ReachMeeting(
                    node_id=node_id_text(each.peer),
                    name=self._name(each.peer) or short_id(each.peer),
                    state=each.outcome,
                    reason=each.reason,
                    tries=each.tries,
                    again_in_s=None if each.again_in_ns is None else round(each.again_in_ns / NS_PER_S, 1),
                )
                for each in report.meetings
            ],
        )

    async def trust(self) -> list[mesh_shapes.TrustInfo]:
        return self._mesh.trusted()

    async def trust_why(self, request: shapes.PeerQuery) -> mesh_shapes.TrustInfo:
        return self._mesh.why(self._resolve(request.peer))

    def _look_for(self, peer: NodeId) -> None:
        """Whoever became a contact just now, and may be away."""
        if self._node.peers.is_contact(peer):
            self._node.driver.want(peer)

    # -- translation ------------------------------------------------------------------------------------------

    def _resolve(self, text: str) -> NodeId:
        return self._node.peers.owner.resolve(text)

    def _known(self, text: str) -> NodeId | None:
        """A peer that `peers add` may name by what it is already known as (a short id from mDNS)."""
        try:
            return self._resolve(text)
        except RefusedError:
            return None

    def _name(self, peer: NodeId) -> str:
        return self._node.name if peer == self._node.node_id else self._node.peers.owner.view(peer).name

    def _peer(self, view: PeerView) -> shapes.Peer:
        links = self._node.driver.mesh.links.of(parse_node_id(view.node_id))
        return shapes.Peer(
            node_id=view.node_id,
            name=view.name or view.node_id[:8],
            state=view.state,
            trust=view.trust,
            links=[self._link(link) for link in links],
            pinned_name=view.pinned_name,
            self_name=view.self_name,
            addresses=list(view.addresses),
            last_seen=None if view.last_seen is None else _at(view.last_seen),
            first_met=None if view.first_met is None else _at(view.first_met),
            revoked=view.revoked,
            conflict=view.conflict,
            hybrid=view.hybrid,
        )

    def _link(self, link: LinkState) -> shapes.LinkInfo:
        stats = link.up.stats
        return shapes.LinkInfo(
            transport=link.up.traits().transport,
            address=link.up.address,
            rtt_ms=None if stats.rtt_ns is None else round(stats.rtt_ns / NS_PER_MS, 3),
            up_s=round((self._node.world.clock.now_ns() - link.since_ns) / NS_PER_S, 3),
            bytes_in=stats.bytes_in,
            bytes_out=stats.bytes_out,
        )

    def message(self, stored: StoredMessage) -> shapes.Message:
        return shapes.Message(
            message_id=message_id_text(stored.message_id),
            sender=node_id_text(stored.sender),
            to=node_id_text(stored.recipient),
            text=stored.text,
            at=rfc3339(stored.at_ns),
            direction=stored.direction,
            state=stored.state,
            from_name=self._name(stored.sender),
            to_name=self._name(stored.recipient),
            trace=stored.trace,
            request=stored.requested,
            couriers=stored.couriers,
        )


def _awaited(view: AwaitedView) -> shapes.Peer:
    return shapes.Peer(
        node_id="", name=view.name, state="known", trust="stranger", links=[], addresses=[view.address]
    )


def _verification(view: VerificationView) -> shapes.Verification:
    return shapes.Verification(node_id=view.node_id, name=view.name, state=view.state, code=view.code)


def _at(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _round_trips(took_ms: list[float]) -> shapes.RoundTrips:
    if not took_ms:
        return shapes.RoundTrips(min=None, p50=None, p99=None)
    ordered = sorted(took_ms)

    def at(percent: int) -> float:
        return round(ordered[min(len(ordered) - 1, len(ordered) * percent // 100)], 3)

    return shapes.RoundTrips(min=round(ordered[0], 3), p50=at(50), p99=at(99))
