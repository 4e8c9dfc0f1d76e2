"""All sessions and handshakes of one node, as its owner sees them.

Feed `receive`, drain `outgoing` after each call, heed `next_timeout`. Whatever a peer sends, `receive` does not
raise: it tells what happened, and counts in `dropped` what changed nothing.
"""

from collections.abc import Callable, Iterator

from protocols.envelope import Envelope, Kind
from protocols.errors import RemoteError
from protocols.ids import UNKNOWN_NODE, NodeId
from protocols.keys import Identity
from protocols.noise import Kem
from protocols.session.events import Dropped, Event, HandshakeId, PeerForgot, RecordOpened
from protocols.session.frames import RECORD_ID, decode_hint
from protocols.session.handshakes import Handshakes
from protocols.session.limits import SessionLimits
from protocols.session.outbox import Outbox, Way
from protocols.session.proof import Passport
from protocols.session.rates import RouteRates
from protocols.session.roster import Roster
from protocols.session.session import Session
from protocols.timers import earliest

DEFAULT_LIMITS = SessionLimits()


class SessionTable:
    def __init__(
        self,
        identity: Identity,
        *,
        own_record: Callable[[], bytes],
        boot: bytes,
        kem: Kem | None,
        entropy: Callable[[int], bytes],
        answer_strangers: bool,
        is_blocked: Callable[[NodeId], bool],
        remember_hybrid: Callable[[NodeId], bool],
        features: tuple[str, ...] = (),
        limits: SessionLimits = DEFAULT_LIMITS,
    ) -> None:
        """`own_record`: our signed node record as it is now. `boot`: 8 random bytes, fresh at each start.
        `answer_strangers`: False is `visibility = contacts`. `remember_hybrid`: whether this peer was ever seen
        with ML-KEM. `features`: what our software adds to the protocol.
        """
        self.dropped: dict[str, int] = {}  # reason -> count; the reasons are fixed words
        self._node = identity.node_id
        self._limits = limits
        self._roster = Roster(self._node, limits)
        self._outbox = Outbox(self._node, entropy=entropy, limits=limits)
        self._handshakes = Handshakes(
            identity,
            Passport(
                identity,
                own_record=own_record,
                boot=boot,
                features=features,
                is_blocked=is_blocked,
                remember_hybrid=remember_hybrid,
                limits=limits,
            ),
            kem=kem,
            entropy=entropy,
            limits=limits,
            answer_strangers=answer_strangers,
            roster=self._roster,
            outbox=self._outbox,
            count=self._count,
        )
        self._hint_rates = RouteRates(per_s=limits.hints_per_route_per_s, routes_max=limits.routes_max)

    def __iter__(self) -> Iterator[Session]:
        """Every session, in the order of establishment; ending some while iterating is fine."""
        return iter(self._roster)

    def __len__(self) -> int:
        return len(self._roster)

    @property
    def half_open(self) -> int:
        """Strangers' handshakes that wait for step 3."""
        return len(self._handshakes.half_open)

    def preferred(self, peer: NodeId) -> Session | None:
        """The session to seal on: both ends prefer the same."""
        return self._roster.preferred(peer)

    def sessions_of(self, peer: NodeId) -> list[Session]:
        """The preferred one first."""
        return self._roster.of(peer)

    def connect(
        self,
        *,
        peer: NodeId | None,
        x25519: bytes | None,
        hybrid: bool,
        route: int,
        local: bool,
        binding: bytes,
        now_ns: int,
    ) -> HandshakeId:
        """Begin a handshake: XK where `x25519` is known, else XX.

        `local`: with whoever is at the other end of the link `route`, whose view of ours is `binding`. Otherwise
        over any path, `binding` is empty, and `peer` must be known. Raises LinkError while too many are under way.
        """
        way = Way(route, local, UNKNOWN_NODE if peer is None else peer)
        return self._handshakes.dial(way, x25519=x25519, hybrid=hybrid, binding=binding, now_ns=now_ns)

    def receive(self, envelope: Envelope, *, route: int, binding: bytes, now_ns: int) -> list[Event]:
        """An envelope for us. `binding`: how we see the link `route`, empty where it has none."""
        try:
            if envelope.kind == Kind.RECORD:
                return [self._open(envelope, route, now_ns)]
            way = self._way(envelope, route)
            if envelope.kind == Kind.HANDSHAKE:
                return self._handshakes.receive(envelope, way=way, binding=binding, now_ns=now_ns)
            return [self._believe(envelope, now_ns)]
        except RemoteError as error:
            self._count(error.reason)
            return [Dropped(error.reason)]

    def seal(
        self,
        session: Session,
        frames: bytes | bytearray,
        *,
        traffic: int,
        local: bool,
        size_max: int,
        now_ns: int,
    ) -> bytes:
        """One whole envelope of at most `size_max` bytes; its counter is what `session.next_counter` was before.

        A bytearray is padded in place and spent. Raises LocalError where the frames don't fit or the session is over.
        """
        envelope = session.seal(frames, traffic=traffic, local=local, size_max=size_max)
        if session.next_counter >= self._limits.counters_max:
            self._roster.worn(session, now_ns=now_ns)
        return envelope

    def close(self, session: Session, *, now_ns: int) -> None:
        """Wipe its keys and forget it; the peer isn't told. Twice is harmless.

        Records for it that still come are dropped without a hint for `linger_ns`: the peer shall not take our
        good-bye for forgetfulness.
        """
        self._roster.retire(session, now_ns=now_ns)

    def route_lost(self, route: int) -> None:
        """A link is gone. Handshakes that ran on it end without a word; sessions don't care."""
        self._handshakes.route_lost(route)

    def outgoing(self) -> list[tuple[int, NodeId, bytes]]:
        """(route, destination, envelope) of what the table itself wants sent. The destination is UNKNOWN_NODE for
        a stranger at the other end of a link.
        """
        return self._outbox.drain()

    def next_timeout(self) -> int | None:
        return earliest(self._roster.next_timeout(), self._handshakes.next_timeout())

    def handle_timeout(self, *, now_ns: int) -> list[Event]:
        """Early or late is harmless."""
        return self._handshakes.handle_timeout(now_ns=now_ns) + self._roster.handle_timeout(now_ns=now_ns)

    def _way(self, envelope: Envelope, route: int) -> Way:
        if not envelope.local:
            if envelope.destination != self._node:
                raise RemoteError("not_for_us")
            if envelope.source in (UNKNOWN_NODE, self._node):
                raise RemoteError("wrong_source")
        return Way(route, envelope.local, envelope.source)

    def _open(self, envelope: Envelope, route: int, now_ns: int) -> Event:
        index, counter = RECORD_ID.unpack(envelope.id)
        session = self._roster.get(index)
        if session is None:
            self._tell_unknown(envelope, index, self._way(envelope, route), now_ns)
            raise RemoteError("unknown_session")
        plaintext = session.open(envelope, counter, now_ns=now_ns)
        if not session.confirmed:
            self._handshakes.confirm(session)
        return RecordOpened(session, counter, plaintext, envelope.traffic, route, envelope.local)

    def _tell_unknown(self, envelope: Envelope, index: bytes, way: Way, now_ns: int) -> None:
        """Hint that we can't open this. Not where step 3 is merely late; and a node that hides from strangers
        says nothing to somebody who has not named it.
        """
        if index in self._handshakes.half_open:
            raise RemoteError("early_record")
        if self._roster.is_retired(index):
            raise RemoteError("closed_session")
        if way.local and not self._handshakes.answer_strangers:
            return
        if self._hint_rates.allow(way.route, now_ns):
            self._outbox.put(Kind.UNKNOWN_SESSION, envelope.id, way)

    def _believe(self, envelope: Envelope, now_ns: int) -> Event:
        """A hint must name a record that we could have sent, and then counts once in a while."""
        peer_index, counter = decode_hint(envelope.payload)
        session = self._roster.by_peer_index(peer_index)
        if (
            session is None
            or counter >= session.next_counter
            or (not envelope.local and envelope.source != session.peer)
        ):
            raise RemoteError("wrong_hint")
        if not session.heed_hint(now_ns, self._limits.forgot_ns):
            raise RemoteError("too_many_hints")
        return PeerForgot(session)

    def _count(self, reason: str) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
