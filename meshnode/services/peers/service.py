"""The peers service: the owner's commands, what the rest of the node asks, and the shell around the cores.

The book in memory answers at once; the disk follows. What is promised to others (a use of an invite, a revocation
taken) and what the owner commands (names, blocks, invites) is on disk before the answer. What others merely did
(last seen, records, `mark_contact`) is written in the background: a crash in between loses at most a moment of it,
the next handshake or message brings it again, and until then such a peer is a stranger whose messages wait in the
request box. Nothing that was accepted is lost by that.
"""

from collections.abc import Callable, Mapping

from meshnode.ports import Emit, Presence, Rpc
from meshnode.services.peers.answers import Answers
from meshnode.services.peers.desk import Desk
from meshnode.services.peers.frames import SERVICE
from meshnode.services.peers.invitations import Invitations
from meshnode.services.peers.owner import Owner
from meshnode.services.peers.runner import Runner
from meshnode.services.peers.store import load_tables
from meshnode.services.peers.verifying import Verifying
from meshnode.world import Clock, Database
from protocols.directory import NodeRecord
from protocols.errors import RefusedError
from protocols.ids import NodeId
from protocols.keys import Identity


class PeersService:
    """`start` once, then keep `run` alive; everything else may be called between the two and after."""

    def __init__(
        self,
        store: Database,
        rpc: Rpc,
        presence: Presence,
        identity: Identity,
        emit: Emit,
        clock: Clock,
        entropy: Callable[[int], bytes],
        own_record: Callable[[], bytes],
        session_hash: Callable[[NodeId], bytes | None],
        *,
        name: str,
        on_blocked: Callable[[NodeId], None],
        on_address: Callable[[str], None],
    ) -> None:
        """`session_hash`: the handshake hash of the live session with a peer. `name`: what invites say we are called.
        `on_blocked`: close its sessions. `on_address`: dial this, the owner waits for whoever is there.
        """
        self._store, self._rpc, self._presence = store, rpc, presence
        self._on_address = on_address
        self._desk = Desk(identity, store, emit, clock, entropy)
        self._runner = Runner(self._desk, rpc, presence, own_record, on_blocked)
        self._answers = Answers(self._desk, self._runner, session_hash)
        self.owner = Owner(self._desk, self._runner, presence, on_address)
        self.invitations = Invitations(self._desk, identity, name)
        self.verifying = Verifying(self._desk, rpc, session_hash)

    async def start(self) -> None:
        """Load the book and answer peers from now on. Raises StoreError."""
        tables, skipped = await load_tables(self._store)
        self._desk.furnish(tables)
        self._desk.counts["rows_skipped"] += skipped
        self._rpc.register(SERVICE, self._answers.handle)
        self._presence.watch(self._watched)
        for issuer in self._desk.redemptions.worth_looking_for(now_s=self._desk.now_s()):
            self._presence.want(issuer)
        for awaited in self._desk.book.awaited():
            self._on_address(awaited.address)
        self._runner.greet_connected()

    async def run(self) -> None:
        """The background work, until cancelled."""
        await self._runner.run()

    def counts(self) -> Mapping[str, int]:
        """Reason -> how often a peer broke the rules or was refused, and how often the disk refused us."""
        return dict(self._desk.counts)

    # -- Standings, and what the mesh asks --------------------------------------------------------------------

    def is_blocked(self, peer: NodeId) -> bool:
        return self._desk.book.is_blocked(peer)

    def is_contact(self, peer: NodeId) -> bool:
        return self._desk.book.is_contact(peer)

    def mark_contact(self, peer: NodeId) -> None:
        """Counts at once, reaches the disk in the background. Raises RefusedError when the book is full."""
        self._desk.book.mark_contact(peer)
        self._runner.greet_if_connected(peer)
        self._desk.bell.set()

    def x25519(self, peer: NodeId) -> bytes | None:
        known = self._desk.book.get(peer)
        return known.x25519 or None if known else None

    def addresses(self, peer: NodeId) -> list[str]:
        known = self._desk.book.get(peer)
        return list(known.addresses) if known else []

    def hybrid(self, peer: NodeId) -> bool:
        """False only where its record says that it can't, and it never did."""
        return self._desk.book.may_speak_hybrid(peer)

    def record(self, peer: NodeId) -> bytes:
        """The newest record it signed; b"" where none was seen."""
        known = self._desk.book.get(peer)
        return known.record if known else b""

    def heard_of(self, record: NodeRecord, raw: bytes) -> bool:
        """A verified record that somebody else brought. True: of a contact, and newer than what was known."""
        book = self._desk.book
        before = book.get(record.node)
        if before is None or not book.is_contact(record.node) or record.sequence <= before.sequence:
            return False
        self._desk.tell(book.learn(record, raw, now_s=self._desk.now_s()))
        self._desk.bell.set()
        return True

    def passed_by(self, peer: NodeId) -> None:
        """A stranger with whom we had to do for a moment only: it is forgotten, unless it waits for something."""
        self._desk.book.forget_idle(peer)
        self._desk.bell.set()

    def seen_hybrid(self, peer: NodeId) -> bool:
        known = self._desk.book.get(peer)
        return known is not None and known.hybrid_seen

    def remember_hybrid(self, peer: NodeId) -> None:
        self._desk.book.remember_hybrid(peer)
        self._desk.bell.set()

    def known(self) -> list[NodeId]:
        """Everybody in the book, strangers too."""
        return [peer.node for peer in self._desk.book.peers()]

    def contacts(self) -> list[NodeId]:
        """Whom the owner wants to be reachable for."""
        return [peer.node for peer in self._desk.book.peers() if self._desk.book.is_contact(peer.node)]

    # -- what happens around us -------------------------------------------------------------------------------

    def peer_seen(
        self, peer: NodeId, record: NodeRecord, record_bytes: bytes, *, hybrid: bool, dialled: str | None
    ) -> None:
        """A session was established and brought this (verified) record; `dialled`: the address we called, if we did.

        To be called before `Presence` tells its watchers. A revoked or blocked peer leaves no trace: the caller
        closes its session (`is_blocked`).
        """
        book, now_s = self._desk.book, self._desk.now_s()
        if book.is_blocked(peer):
            return
        self._desk.tell(book.learn(record, record_bytes, now_s=now_s))
        try:
            self._desk.tell(book.seen(peer, hybrid=hybrid, dialled=dialled, now_s=now_s))
        except RefusedError as error:  # the book is full: the address goes on waiting
            self._desk.counts[error.code] += 1
        self._desk.bell.set()

    def note_request(self, peer: NodeId) -> None:
        """Something from this stranger waits in the request box."""
        self._desk.book.note_request(peer)
        self._desk.bell.set()

    def own_record_changed(self) -> None:
        """Tell the connected contacts."""
        self._runner.record_changed()

    def _watched(self, peer: NodeId, up: bool) -> None:  # noqa: FBT001 - the shape of Presence.watch
        if up:
            self._runner.greet(peer)
            return
        self._desk.book.left(peer, now_s=self._desk.now_s())
        self._desk.verifications.drop(peer)
        self._runner.peer_gone(peer)
