"""What the owner asks of the book and commands it to do. Every command is on disk before it returns."""

from collections.abc import Callable
from dataclasses import dataclass

from meshnode.ports import Presence
from meshnode.services.peers.desk import Desk
from meshnode.services.peers.limits import CLOCK_SKEW_S
from meshnode.services.peers.names import parse_peer_address, usable_addresses
from meshnode.services.peers.peer import Peer, PeerView, Standing, Trust
from meshnode.services.peers.resolve import resolve
from meshnode.services.peers.runner import Runner
from meshnode.services.peers.tables import Redemption
from protocols.directory import INVITE_SCHEME, Invite, open_revocation, parse_invite
from protocols.errors import RefusedError
from protocols.ids import NodeId, parse_node_id


@dataclass(frozen=True, slots=True)
class AwaitedView:
    """An address at which the first to prove an identity will be taken for the one meant."""

    address: str
    name: str


@dataclass(frozen=True, slots=True)
class ForgottenAddress:
    address: str
    awaited: bool  # somebody was awaited there
    peers: tuple[NodeId, ...]  # it had been given for these


class Owner:
    def __init__(
        self, desk: Desk, runner: Runner, presence: Presence, on_address: Callable[[str], None]
    ) -> None:
        self._desk, self._runner, self._presence, self._on_address = desk, runner, presence, on_address

    # -- asking -----------------------------------------------------------------------------------------------

    def resolve(self, text: str) -> NodeId:
        """PEER text -> NodeId, by the rules of `resolve`. Raises PeerTextError or RefusedError."""
        return resolve(self._desk.book, text)

    def view(self, peer: NodeId) -> PeerView:
        """Also of a peer that is not in the book."""
        return self._view(self._desk.book.get(peer) or Peer(peer))

    def peers(self) -> list[PeerView]:
        """Contacts first, then by name."""
        known = self._desk.book.peers()
        return [
            self._view(peer)
            for peer in sorted(known, key=lambda one: (-one.trust, one.name.casefold(), one.node))
        ]

    def awaited(self) -> list[AwaitedView]:
        return [AwaitedView(one.address, one.petname) for one in self._desk.book.awaited()]

    def requests(self) -> list[PeerView]:
        """Strangers who wait for the owner's word."""
        waiting = [peer for peer in self._desk.book.peers() if peer.standing is Standing.REQUESTED]
        return [self._view(peer) for peer in waiting]

    def _view(self, peer: Peer) -> PeerView:
        return self._desk.book.view(peer, connected=self._presence.is_connected(peer.node))

    # -- commanding -------------------------------------------------------------------------------------------

    async def add(
        self, text: str, *, name: str = "", addresses: tuple[str, ...] = ()
    ) -> PeerView | AwaitedView:
        """Add by invite, by NodeId (with `addresses`, if known), or by address alone. Raises RefusedError.

        By address alone is trust on first use: the owner vouches for the address, and whoever first proves an
        identity there becomes a contact. Whoever controls the network at that moment can be that somebody.
        """
        text = text.strip()
        if text.lower().startswith(INVITE_SCHEME):
            return await self._add_invite(parse_invite(text), name)
        if "://" in text:
            return await self._add_address(parse_peer_address(text), name)
        node = parse_node_id(text)
        given = tuple(parse_peer_address(address) for address in addresses)
        self._add_node(node, name, Trust.MET, given)
        return await self._added(node)

    async def _add_invite(self, invite: Invite, name: str) -> PeerView:
        desk, node = self._desk, invite.node
        if invite.is_expired(desk.now_s() - CLOCK_SKEW_S):
            raise RefusedError(
                "invite_expired", "this invite has expired; ask for a new one (or set this clock)"
            )
        if node == desk.book.me:
            raise RefusedError("is_self", "this invite is this node's own; give it to somebody else")
        desk.redemptions.make_room(node, now_s=desk.now_s())
        self._add_node(node, name, Trust.PINNED, usable_addresses(invite.addresses), x25519=invite.x25519)
        desk.tell(desk.book.pin_guest(node, invite.name))
        desk.redemptions.put(Redemption(node, invite.secret, invite.expires_at))
        return await self._added(node)

    async def _add_address(self, address: str, name: str) -> PeerView | AwaitedView:
        desk = self._desk
        there = [
            peer for peer in desk.book.peers() if address in peer.given and desk.book.is_contact(peer.node)
        ]
        if len(there) == 1 and not name:
            return self._view(there[0])
        desk.book.await_address(address, name, now_s=desk.now_s())
        await desk.save()
        self._on_address(address)
        self._desk.emit("address_awaited", {"address": address, "name": name})
        return AwaitedView(address, name)

    def _add_node(
        self, node: NodeId, name: str, trust: Trust, addresses: tuple[str, ...], *, x25519: bytes = b""
    ) -> None:
        book = self._desk.book
        if name:
            book.names.check(node, name)
        book.add(node, trust=trust, addresses=addresses, x25519=x25519)
        if name:
            self._desk.tell(book.name(node, name))

    async def _added(self, node: NodeId) -> PeerView:
        await self._desk.save()
        self._presence.want(node)
        self._runner.greet_if_connected(node)
        return self._told("peer_added", node)

    async def forget_address(self, text: str) -> ForgottenAddress:
        """Call nobody at this address any more, unless a peer's own record names it. Raises RefusedError."""
        address = parse_peer_address(text)
        awaited, peers = self._desk.book.forget_address(address)
        if not awaited and not peers:
            raise RefusedError(
                "unknown_address", f"nobody is awaited at {address}, and it was given for no peer"
            )
        await self._desk.save()
        return ForgottenAddress(address, awaited, tuple(peers))

    async def name(self, peer: NodeId, petname: str, *, another_device: bool = False) -> PeerView:
        """Pin a name; `another_device` when it is already somebody's, who has several. Raises RefusedError."""
        self._desk.tell(self._desk.book.name(peer, petname, another_device=another_device))
        await self._desk.save()
        return self._told("peer_named", peer)

    async def accept(self, peer: NodeId) -> PeerView:
        """The owner accepts its request. Raises RefusedError."""
        self._desk.book.mark_contact(peer)
        await self._desk.save()
        self._runner.greet_if_connected(peer)
        return self._told("peer_accepted", peer)

    async def decline(self, peer: NodeId) -> PeerView:
        """Drop its request; it stays a stranger and may ask again (else: block)."""
        self._desk.book.drop_request(peer)
        await self._desk.save()
        return self._told("peer_declined", peer)

    async def block(self, peer: NodeId) -> PeerView:
        """In force at once, kept for good. Raises RefusedError."""
        self._desk.book.block(peer)
        self._runner.let_go(peer)
        await self._desk.save()
        return self._told("peer_blocked", peer)

    async def unblock(self, peer: NodeId) -> PeerView:
        self._desk.book.unblock(peer)
        await self._desk.save()
        return self._told("peer_unblocked", peer)

    async def remove(self, peer: NodeId) -> PeerView:
        """Forget it, and what it owed us. A revocation stays. Raises RefusedError."""
        view = self.view(peer)
        self._desk.book.remove(peer)
        self._desk.redemptions.drop(peer)
        self._desk.verifications.drop(peer)
        await self._desk.save()
        self._desk.emit("peer_removed", {"node_id": view.node_id, "name": view.name})
        return view

    async def import_revocation(self, signed: bytes) -> PeerView:
        """The owner brings a revocation; contacts hear of it. Raises RemoteError, RefusedError."""
        revocation = open_revocation(signed, self._desk.suite)
        events = self._desk.book.revoke(revocation, signed, by_owner=True)
        self._desk.tell(events)
        await self._desk.save()
        self._runner.revoked([revocation.node] if events else [])
        return self.view(revocation.node)

    def _told(self, event: str, peer: NodeId) -> PeerView:
        view = self.view(peer)
        self._desk.emit(event, {"node_id": view.node_id, "name": view.name, "trust": view.trust})
        return view
