"""Both roles of the handshake, from step 1 to a session.

    initiator                                     responder
    connect ── step 1 ──────────────────────────▶ a HalfOpen; nothing proved, nothing promised
            ◀─────────────────────────── step 2 ──
    proves the responder: Session, unconfirmed
            ── step 3 ──────────────────────────▶ proves the initiator: Session
            ◀──────────────── an empty record ────
    confirmed

Only the initiator has timers: it repeats step 1 until step 2 comes and step 3 until a record of the responder
opens. The responder answers a repeated question with the same bytes, so it never sends more often than it is asked.
A message that Noise refuses ends its handshake: its state is spent. Forging one takes the index, which is random.
An unconfirmed session ends when the repetitions of step 3 run out: a responder that refuses us says nothing.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from protocols.envelope import ENVELOPE_BYTES_MAX, Envelope, Kind, TrafficClass
from protocols.errors import LinkError, LocalError, RemoteError
from protocols.ids import UNKNOWN_NODE, NodeId
from protocols.keys import Identity
from protocols.noise import Handshake, Kem
from protocols.session.deadlines import Deadlines
from protocols.session.events import Event, HandshakeFailed, HandshakeId, SessionEnded, SessionEstablished
from protocols.session.frames import INDEX_BYTES, NO_INDEX, HandshakeFrame, Pattern, decode_handshake
from protocols.session.halfopen import HalfOpen, HalfOpenTable
from protocols.session.limits import NO_ROUTE, SessionLimits
from protocols.session.outbox import Outbox, Way
from protocols.session.proof import INITIATOR, RESPONDER, Expected, Passport, Proved
from protocols.session.rates import RouteRates
from protocols.session.roster import Roster
from protocols.session.session import Session
from protocols.timers import earliest

PROLOGUE_LABEL = b"meshnode/session/1"


@dataclass(slots=True)
class Dial:
    """A handshake that we began, until its session is confirmed."""

    id: HandshakeId
    way: Way
    binding: bytes
    pattern: Pattern
    noise: Handshake
    frame: HandshakeFrame  # what is repeated: step 1, then step 3
    sent: int = 1
    session: Session | None = None  # unconfirmed

    @property
    def peer(self) -> NodeId | None:
        return None if self.way.peer == UNKNOWN_NODE else self.way.peer


class Handshakes:
    """Feed it handshake envelopes; sessions come out in `roster`, messages in `outbox`."""

    def __init__(
        self,
        identity: Identity,
        passport: Passport,
        *,
        kem: Kem | None,
        entropy: Callable[[int], bytes],
        limits: SessionLimits,
        answer_strangers: bool,
        roster: Roster,
        outbox: Outbox,
        count: Callable[[str], None],
    ) -> None:
        self.answer_strangers = answer_strangers
        self.half_open = HalfOpenTable(limits)
        self._node = identity.node_id
        self._static, self._make_key = identity.x25519_key, identity.suite.agreement_key
        self._passport = passport
        self._kem = kem
        self._entropy = entropy
        self._limits = limits
        self._roster = roster
        self._outbox = outbox
        self._count = count
        self._dials: dict[bytes, Dial] = {}
        self._resends: Deadlines[bytes] = Deadlines()
        self._rates = RouteRates(per_s=limits.answers_per_route_per_s, routes_max=limits.routes_max)

    def dial(
        self, way: Way, *, x25519: bytes | None, hybrid: bool, binding: bytes, now_ns: int
    ) -> HandshakeId:
        if not way.local and way.peer == UNKNOWN_NODE:
            raise LocalError("a handshake over a path needs to know whom it is for")
        if x25519 is not None and way.peer == UNKNOWN_NODE:
            raise LocalError("an X25519 key without its NodeId")
        if hybrid and self._kem is None:
            raise LocalError("a hybrid handshake without ML-KEM")
        if len(self._dials) >= self._limits.dials_max:
            raise LinkError(f"{len(self._dials)} handshakes are under way")
        pattern = Pattern.choose(known=x25519 is not None, hybrid=hybrid)
        prologue = _prologue(
            pattern,
            UNKNOWN_NODE if way.local else self._node,
            way.peer if x25519 is not None else UNKNOWN_NODE,
        )
        noise = Handshake(
            pattern.noise_name,
            initiator=True,
            prologue=prologue,
            static=self._static,
            remote_static=x25519,
            entropy=self._entropy,
            kem=self._kem,
            make_key=self._make_key,
        )
        index = self._fresh_index()
        frame = HandshakeFrame(pattern, 1, index, NO_INDEX, noise.write_message())
        self._dials[index] = dial = Dial(HandshakeId(index), way, binding, pattern, noise, frame)
        self._send(dial.frame, way)
        self._resends.set(index, now_ns + self._limits.resend_after_ns[0])
        return dial.id

    def receive(self, envelope: Envelope, *, way: Way, binding: bytes, now_ns: int) -> list[Event]:
        """Raises RemoteError for what changes nothing."""
        frame = decode_handshake(envelope.payload)
        link = binding if way.local else b""
        if frame.step == 1:
            self._answer(frame, way, link, now_ns)
            return []
        if frame.step == 2:
            return self._conclude(frame, way, link, now_ns)
        return self._complete(frame, way, link, now_ns)

    def confirm(self, session: Session) -> None:
        """The peer used the session's keys: step 3 need not be repeated."""
        session.confirmed = True
        del self._dials[session.index]
        self._resends.drop(session.index)

    def route_lost(self, route: int) -> None:
        self.half_open.route_lost(route)
        for dial in list(self._dials.values()):
            if dial.way.local and dial.way.route == route and dial.session is None:
                self._forget(dial)

    def next_timeout(self) -> int | None:
        return earliest(self._resends.first(), self.half_open.next_timeout())

    def handle_timeout(self, *, now_ns: int) -> list[Event]:
        for _ in range(self.half_open.expire(now_ns)):
            self._count("half_open_timed_out")
        events: list[Event] = []
        for index in self._resends.take(now_ns):
            dial = self._dials[index]
            if dial.session is not None and dial.session.closed:
                del self._dials[index]
            elif dial.sent < len(self._limits.resend_after_ns):
                self._send(dial.frame, dial.way)
                self._resends.set(index, now_ns + self._limits.resend_after_ns[dial.sent])
                dial.sent += 1
            elif dial.session is not None:
                del self._dials[index]
                self._roster.end(dial.session)
                events.append(SessionEnded(dial.session, "unconfirmed"))
            else:
                events.append(self._fail(dial, "timed_out"))
        return events

    def _answer(self, frame: HandshakeFrame, way: Way, link: bytes, now_ns: int) -> None:
        """Step 1 as responder."""
        if not self.answer_strangers and not frame.pattern.names_responder:
            raise RemoteError("stranger")
        if frame.pattern.hybrid and self._kem is None:
            raise RemoteError("no_kem")
        if not self._rates.allow(way.route, now_ns):
            raise RemoteError("too_many_handshakes")
        question = (way.route if way.local else NO_ROUTE, way.peer, hashlib.sha256(frame.encode()).digest())
        if (asked := self.half_open.asked(question)) is not None:
            self._send(asked.answer, way)
            return
        noise = Handshake(
            frame.pattern.noise_name,
            initiator=False,
            prologue=_prologue(
                frame.pattern, way.peer, self._node if frame.pattern.names_responder else UNKNOWN_NODE
            ),
            static=self._static,
            entropy=self._entropy,
            kem=self._kem,
            make_key=self._make_key,
        )
        if noise.read_message(frame.noise):
            raise RemoteError("bad_handshake", "step 1 carries nothing")
        index = self._fresh_index()
        message = noise.write_message(
            lambda handshake_hash: self._passport.claim(
                RESPONDER,
                initiator=way.peer,
                responder=self._node,
                transcript=frame.sender + index + handshake_hash,
                binding=link,
            )
        )
        answer = HandshakeFrame(frame.pattern, 2, index, frame.sender, message)
        if self.half_open.add(HalfOpen(index, question, way, noise, answer), now_ns=now_ns):
            self._count("half_open_full")
        self._send(answer, way)

    def _conclude(self, frame: HandshakeFrame, way: Way, link: bytes, now_ns: int) -> list[Event]:
        """Step 2 as initiator."""
        dial = self._dials.get(frame.receiver)
        if dial is None:
            raise RemoteError("unknown_handshake")
        if dial.session is not None:
            raise RemoteError("duplicate")
        if frame.pattern != dial.pattern or not _same_way(way, dial.way):
            raise RemoteError("wrong_way")
        try:
            payload = dial.noise.read_message(frame.noise)
            proved = self._passport.check_responder(
                payload,
                initiator=UNKNOWN_NODE if way.local else self._node,
                transcript=dial.id + frame.sender + dial.noise.hash_before_payload,
                remote_static=dial.noise.remote_static,
            )
            bound = self._passport.accept(proved, Expected(dial.peer, dial.pattern.hybrid, link))
        except RemoteError as error:
            return [self._fail(dial, error.reason)]
        message = dial.noise.write_message(
            lambda handshake_hash: self._passport.claim(
                INITIATOR,
                initiator=self._node,
                responder=proved.record.node,
                transcript=dial.id + frame.sender + handshake_hash,
                binding=dial.binding,
            )
        )
        dial.way = Way(way.route, way.local, proved.record.node)
        dial.frame = HandshakeFrame(dial.pattern, 3, dial.id, frame.sender, message)
        dial.session = self._session(dial.noise, proved, dial.id, frame, initiator=True, now_ns=now_ns)
        dial.sent = 1
        self._send(dial.frame, dial.way)
        self._resends.set(dial.id, now_ns + self._limits.resend_after_ns[0])
        return [
            SessionEstablished(dial.session, way.route, bound, dial.id),
            *self._roster.admit(dial.session, now_ns=now_ns),
        ]

    def _complete(self, frame: HandshakeFrame, way: Way, link: bytes, now_ns: int) -> list[Event]:
        """Step 3 as responder."""
        half = self.half_open.get(frame.receiver)
        if half is None:
            return self._confirm_again(frame, way)
        if (
            frame.pattern != half.answer.pattern
            or frame.sender != half.answer.receiver
            or not _same_way(way, half.way)
        ):
            raise RemoteError("wrong_way")
        self.half_open.drop(half.index)
        payload = half.noise.read_message(frame.noise)
        proved = self._passport.check_initiator(
            payload,
            transcript=frame.sender + half.index + half.noise.hash_before_payload,
            remote_static=half.noise.remote_static,
        )
        claimed = None if way.local else half.way.peer
        bound = self._passport.accept(proved, Expected(claimed, frame.pattern.hybrid, link))
        session = self._session(half.noise, proved, half.index, frame, initiator=False, now_ns=now_ns)
        self._send_confirmation(session, way)
        return [
            SessionEstablished(session, way.route, bound, None),
            *self._roster.admit(session, now_ns=now_ns),
        ]

    def _confirm_again(self, frame: HandshakeFrame, way: Way) -> list[Event]:
        """Step 3 came again, so the confirmation was lost. Smaller than what asked for it, and never once the
        peer has shown that it uses the session.
        """
        session = self._roster.get(frame.receiver)
        if session is None or session.initiator:
            raise RemoteError("unknown_handshake")
        if session.bytes_opened == 0:
            self._send_confirmation(session, way)
        raise RemoteError("duplicate")

    def _send_confirmation(self, session: Session, way: Way) -> None:
        envelope = session.seal(
            b"", traffic=TrafficClass.INTERACTIVE, local=way.local, size_max=ENVELOPE_BYTES_MAX
        )
        self._outbox.put_sealed(envelope, Way(way.route, way.local, session.peer))

    def _session(
        self,
        noise: Handshake,
        proved: Proved,
        index: bytes,
        frame: HandshakeFrame,
        *,
        initiator: bool,
        now_ns: int,
    ) -> Session:
        return Session(
            proved,
            own_node=self._node,
            index=index,
            peer_index=frame.sender,
            initiator=initiator,
            hybrid=frame.pattern.hybrid,
            handshake_hash=noise.handshake_hash,
            ciphers=noise.split(),
            hops=self._limits.hops,
            now_ns=now_ns,
        )

    def _fail(self, dial: Dial, reason: str) -> HandshakeFailed:
        self._forget(dial)
        self._count(reason)
        return HandshakeFailed(dial.id, dial.peer, reason)

    def _forget(self, dial: Dial) -> None:
        del self._dials[dial.id]
        self._resends.drop(dial.id)

    def _send(self, frame: HandshakeFrame, way: Way) -> None:
        self._outbox.put(Kind.HANDSHAKE, frame.encode(), way)

    def _fresh_index(self) -> bytes:
        while True:
            index = self._entropy(INDEX_BYTES)
            if index != NO_INDEX and not (
                index in self._dials or index in self.half_open or index in self._roster
            ):
                return index


def _prologue(pattern: Pattern, initiator: NodeId, responder: NodeId) -> bytes:
    return PROLOGUE_LABEL + bytes([pattern]) + initiator + responder


def _same_way(came: Way, expected: Way) -> bool:
    """Over a link only that link will do; over a path the sender's name must be right, whatever the route."""
    if came.local or expected.local:
        return came.local == expected.local and came.route == expected.route
    return came.peer == expected.peer
