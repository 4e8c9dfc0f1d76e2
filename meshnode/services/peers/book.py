"""The contact book: what the owner thinks of whom, and what each peer says of itself.

Sans-IO and synchronous: the tables in memory are the truth while the node runs. The wall clock comes in as Unix
seconds and is kept for display only; nothing is decided by it but which stranger was seen longest ago.
"""

from collections import Counter
from dataclasses import replace
from typing import Literal, TypeAlias

from meshnode.services.peers.events import (
    AddressChangedHands,
    Event,
    NameConflict,
    PeerMetAtAddress,
    PeerRevoked,
)
from meshnode.services.peers.limits import (
    AWAITED_ADDRESSES_MAX,
    BLOCKED_MAX,
    CONTACTS_MAX,
    REVOCATIONS_MAX,
    STRANGERS_MAX,
)
from meshnode.services.peers.names import shown_name, usable_addresses
from meshnode.services.peers.peer import HYBRID, Peer, PeerView, Standing, Trust, view_of
from meshnode.services.peers.petnames import Petnames
from meshnode.services.peers.tables import Awaited, Tables
from protocols.directory import NodeRecord, Revocation
from protocols.errors import RefusedError
from protocols.ids import NodeId, short_id

CONFLICTS_TOLD_MAX = 16  # events of one naming; the flag in each peer's view tells the rest

Shelf: TypeAlias = Literal["contact", "stranger", "blocked"]


class ContactBook:
    """Changes return what an onlooker should hear of; the caller has the tables written."""

    def __init__(self, me: NodeId, tables: Tables) -> None:
        self.me = me
        self._peers, self._revocations, self._awaited = tables.peers, tables.revocations, tables.awaited
        self.names = Petnames(tables.peers)
        self._shelves: Counter[Shelf] = Counter(_shelf(peer) for peer in self._peers.values())

    # -- asking -----------------------------------------------------------------------------------------------

    def get(self, node: NodeId) -> Peer | None:
        return self._peers.get(node)

    def peers(self) -> list[Peer]:
        return self._peers.values()

    def is_revoked(self, node: NodeId) -> bool:
        return node in self._revocations

    def is_blocked(self, node: NodeId) -> bool:
        """Blocked by the owner, or revoked: either way nothing of it is wanted."""
        peer = self._peers.get(node)
        return self.is_revoked(node) or (peer is not None and peer.standing is Standing.BLOCKED)

    def is_contact(self, node: NodeId) -> bool:
        peer = self._peers.get(node)
        return peer is not None and peer.is_contact and not self.is_revoked(node)

    def pinned_under(self, name: str) -> list[NodeId]:
        """The devices of whom the owner calls so; revoked ones only where no other is left."""
        devices = list(self.names.devices(name))
        return [node for node in devices if not self.is_revoked(node)] or devices

    def view(self, peer: Peer, *, connected: bool) -> PeerView:
        return view_of(
            peer,
            connected=connected,
            revoked=self.is_revoked(peer.node),
            conflict=bool(self.names.impersonated_by(peer)),
        )

    def name_of(self, node: NodeId) -> str:
        peer = self._peers.get(node)
        return peer.name if peer else ""

    def revocations(self) -> list[bytes]:
        """All that are kept, signed, in the order in which they were learnt."""
        return self._revocations.values()

    def awaited(self) -> list[Awaited]:
        """The owner typed these addresses, nobody answered there yet."""
        return self._awaited.values()

    # -- what peers say and do --------------------------------------------------------------------------------

    def learn(self, record: NodeRecord, raw: bytes, *, now_s: int) -> list[Event]:
        """A record whose signature was checked, from the peer itself.

        The newer sequence wins, an equal one changes nothing. Raises RefusedError for a revoked identity.
        """
        if record.node == self.me:
            return []
        if self.is_revoked(record.node):
            raise RefusedError(
                "revoked", "the owner of this identity declared its key lost; ask for the new one"
            )
        peer = self._peers.get(record.node)
        if peer is None:
            if not self._room_for_stranger():
                return []
            peer = Peer(record.node, met_at=now_s, seen_at=now_s)
        if record.sequence <= peer.sequence:
            return []
        fresh = replace(
            peer,
            record=raw,
            sequence=record.sequence,
            self_name=shown_name(record.name),
            record_addresses=usable_addresses(record.addresses),
            features=tuple(word for word in record.features if word.isprintable()),
            x25519=record.x25519,
        )
        self._put(fresh)
        return self._conflict_of(fresh) if fresh.self_name != peer.self_name else []

    def seen(self, node: NodeId, *, hybrid: bool, dialled: str | None, now_s: int) -> list[Event]:
        """A session was established; `dialled` is the address at which we called it, if we did."""
        if node == self.me or self.is_revoked(node):
            return []
        peer = self._peers.get(node)
        if peer is None:
            if not self._room_for_stranger():
                return []
            peer = Peer(node)
        met_at = now_s if peer.met_at is None else peer.met_at
        self._put(replace(peer, met_at=met_at, seen_at=now_s, hybrid_seen=peer.hybrid_seen or hybrid))
        return [] if dialled is None else self._answered(node, dialled)

    def left(self, node: NodeId, *, now_s: int) -> None:
        if (peer := self._peers.get(node)) is not None:
            self._put(replace(peer, seen_at=now_s))

    def remember_hybrid(self, node: NodeId) -> None:
        if (peer := self._peers.get(node)) is not None and not peer.hybrid_seen:
            self._put(replace(peer, hybrid_seen=True))

    def may_speak_hybrid(self, node: NodeId) -> bool:
        """False only where its record says that it can't, and it never did."""
        peer = self._peers.get(node)
        return peer is None or peer.hybrid_seen or not peer.record or HYBRID in peer.features

    def note_request(self, node: NodeId) -> None:
        """A stranger wrote to us and waits in the request box."""
        peer = self._peers.get(node)
        if peer is None or peer.trust is not Trust.STRANGER or peer.standing is not Standing.OPEN:
            return
        self._put(replace(peer, standing=Standing.REQUESTED))

    def revoke(self, revocation: Revocation, raw: bytes, *, by_owner: bool) -> list[Event]:
        """A revocation whose signature was checked. Kept for contacts, and for anybody where the owner brings it.

        Raises RefusedError when the table is full.
        """
        node = revocation.node
        peer = self._peers.get(node)
        known = peer is not None and peer.trust is not Trust.STRANGER
        if self.is_revoked(node) or not (by_owner or known):
            return []
        if len(self._revocations) >= REVOCATIONS_MAX:
            raise RefusedError(
                "too_many_revocations", "the table of revocations is full; block this peer instead"
            )
        self._revocations.put(node, raw)
        return [PeerRevoked(node, peer.name if peer else "")]

    # -- what the owner says ----------------------------------------------------------------------------------

    def mark_contact(self, node: NodeId) -> None:
        """The owner wrote to it or accepted its request. A block stays. Raises RefusedError when the book is full."""
        peer = self._peers.get(node) or Peer(node)
        if node == self.me or (peer.trust >= Trust.MET and peer.standing is not Standing.REQUESTED):
            return
        self._raise_trust(peer, Trust.MET)

    def forget_idle(self, node: NodeId) -> None:
        """A stranger that waits for nothing; anybody else stays."""
        peer = self._peers.get(node)
        if peer is not None and _is_idle_stranger(peer):
            self._drop(peer)

    def drop_request(self, node: NodeId) -> None:
        """The owner declined what waited in the request box; the peer may ask again."""
        peer = self._peers.get(node)
        if peer is not None and peer.standing is Standing.REQUESTED:
            self._put(replace(peer, standing=Standing.OPEN))

    def add(
        self, node: NodeId, *, trust: Trust, addresses: tuple[str, ...] = (), x25519: bytes = b""
    ) -> None:
        """Raises RefusedError for ourselves, for a blocked or revoked node, and when the book is full."""
        if node == self.me:
            raise RefusedError(
                "is_self", "this is this node itself; give another one's invite, id or address"
            )
        if self.is_revoked(node):
            raise RefusedError(
                "revoked", "the owner of this identity declared its key lost; ask for the new one"
            )
        peer = self._peers.get(node) or Peer(node)
        if peer.standing is Standing.BLOCKED:
            raise RefusedError("blocked", f"{short_id(node)} is blocked; 'meshctl peers unblock' it first")
        given = peer.given_with(addresses)
        self._raise_trust(replace(peer, given=given, x25519=peer.x25519 or x25519), trust)

    def name(self, node: NodeId, petname: str, *, another_device: bool = False) -> list[Event]:
        """Pin `petname` to this NodeId. Raises RefusedError for a bad name, or one that is taken."""
        peer = self._peers.get(node) or Peer(node)
        if node == self.me:
            raise RefusedError("is_self", "this is this node itself; its name is the setting 'name'")
        pinned = self.names.check(node, petname, another_device=another_device)
        self._raise_trust(replace(peer, petname=pinned), Trust.PINNED)
        namesakes = [other for other in self.names.calling_themselves(pinned) if other.node != node]
        return [event for other in namesakes[:CONFLICTS_TOLD_MAX] for event in self._conflict_of(other)]

    def pin_guest(self, node: NodeId, suggestion: str = "") -> list[Event]:
        """Pin a peer that an invite vouches for, under a free name like the suggested, or its own.

        A petname that it has already stays. Raises as `add`.
        """
        self.add(node, trust=Trust.PINNED)
        peer = self._peers.get(node)
        assert peer is not None, "just added"
        if peer.petname:
            return []
        return self.name(node, self.names.free(node, suggestion or peer.self_name))

    def verified(self, node: NodeId) -> None:
        """The owner compared the authentication string. Raises RefusedError when the book is full."""
        self._raise_trust(self._peers.get(node) or Peer(node), Trust.VERIFIED)

    def block(self, node: NodeId) -> None:
        if node == self.me:
            raise RefusedError("is_self", "this is this node itself")
        peer = self._peers.get(node) or Peer(node)
        if peer.standing is not Standing.BLOCKED and self._shelves["blocked"] >= BLOCKED_MAX:
            raise RefusedError("too_many_blocked", f"{BLOCKED_MAX} peers are blocked; unblock one first")
        self._put(replace(peer, standing=Standing.BLOCKED))

    def unblock(self, node: NodeId) -> None:
        """Back to what it was: a contact, or a stranger. Raises RefusedError when the book is full."""
        peer = self._peers.get(node)
        if peer is not None and peer.standing is Standing.BLOCKED:
            fresh = replace(peer, standing=Standing.OPEN)
            self._check_room(fresh)
            self._put(fresh)

    def remove(self, node: NodeId) -> None:
        """Forget it. A revocation stays, and a block must be lifted first, lest forgetting unblocks."""
        peer = self._peers.get(node)
        if peer is None:
            raise RefusedError("unknown_peer", f"{short_id(node)} is not in the book")
        if peer.standing is Standing.BLOCKED:
            raise RefusedError(
                "blocked", f"{short_id(node)} is blocked; removing would unblock it: unblock it first"
            )
        self._drop(peer)

    def await_address(self, address: str, petname: str, *, now_s: int) -> None:
        """Take for a contact whoever proves an identity at this address first. Raises RefusedError."""
        if petname:
            petname = self.names.check(None, petname)
        if address not in self._awaited and len(self._awaited) >= AWAITED_ADDRESSES_MAX:
            raise RefusedError(
                "too_many_addresses", f"{AWAITED_ADDRESSES_MAX} addresses wait already; remove one"
            )
        self._awaited.put(address, Awaited(address, petname, now_s))

    def forget_address(self, address: str) -> tuple[bool, list[NodeId]]:
        """Stop waiting for somebody there, and forget where those are whom the owner or an invite gave it for.

        What a peer's own record names stays. Gives whether somebody was awaited, and who is meant.
        """
        awaited = address in self._awaited
        self._awaited.drop(address)
        there = [peer for peer in self._peers.values() if address in peer.given]
        for peer in there:
            self._put(replace(peer, given=tuple(one for one in peer.given if one != address)))
        return awaited, [peer.node for peer in there]

    # -- inside -----------------------------------------------------------------------------------------------

    def _answered(self, node: NodeId, address: str) -> list[Event]:
        peer = self._peers.get(node)
        if peer is None or peer.standing is Standing.BLOCKED:
            return []
        awaited = self._awaited.get(address)
        before = tuple(one.node for one in self._peers.values() if address in one.given)
        if awaited is None:
            return [AddressChangedHands(address, before, node)] if before and node not in before else []
        self._raise_trust(replace(peer, given=peer.given_with((address,))), Trust.MET)
        self._awaited.drop(address)
        events: list[Event] = []
        if awaited.petname and not peer.petname:
            events += self.name(node, self.names.free(node, awaited.petname))
        met = self._peers.get(node) or peer
        return [*events, PeerMetAtAddress(node, address, met.name)]

    def _conflict_of(self, peer: Peer) -> list[Event]:
        pinned = self.names.impersonated_by(peer)
        return [NameConflict(peer.node, peer.self_name, pinned)] if pinned else []

    def _raise_trust(self, peer: Peer, trust: Trust) -> None:
        standing = Standing.OPEN if peer.standing is Standing.REQUESTED else peer.standing
        fresh = replace(peer, trust=max(peer.trust, trust), standing=standing)
        self._check_room(fresh)
        self._put(fresh)

    def _check_room(self, fresh: Peer) -> None:
        before = self._peers.get(fresh.node)
        if before is not None and _shelf(before) == _shelf(fresh):
            return
        if _shelf(fresh) == "contact" and self._shelves["contact"] >= CONTACTS_MAX:
            raise RefusedError(
                "too_many_contacts", f"the book holds {CONTACTS_MAX} contacts; remove one first"
            )
        if _shelf(fresh) == "stranger" and not self._room_for_stranger():
            raise RefusedError(
                "too_many_strangers", "the request box is full; look through 'meshctl peers requests'"
            )

    def _room_for_stranger(self) -> bool:
        """Make room by forgetting the stranger seen longest ago that waits for nothing; False: all of them wait."""
        if self._shelves["stranger"] < STRANGERS_MAX:
            return True
        idle = [peer for peer in self._peers.values() if _is_idle_stranger(peer)]
        if not idle:
            return False
        self._drop(min(idle, key=lambda peer: (peer.seen_at or 0, peer.node)))
        return True

    def _put(self, peer: Peer) -> None:
        before = self._peers.get(peer.node)
        if before is not None:
            self._shelves[_shelf(before)] -= 1
        self._shelves[_shelf(peer)] += 1
        self._peers.put(peer.node, peer)
        self.names.replace(before, peer)

    def _drop(self, peer: Peer) -> None:
        self._shelves[_shelf(peer)] -= 1
        self._peers.drop(peer.node)
        self.names.replace(peer, None)


def _shelf(peer: Peer) -> Shelf:
    if peer.standing is Standing.BLOCKED:
        return "blocked"
    return "stranger" if peer.trust is Trust.STRANGER else "contact"


def _is_idle_stranger(peer: Peer) -> bool:
    return peer.trust is Trust.STRANGER and peer.standing is Standing.OPEN
