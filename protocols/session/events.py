"""What happened, as frozen facts."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, NewType, TypeAlias

from protocols.ids import NodeId
from protocols.session.session import Session

HandshakeId = NewType("HandshakeId", bytes)


@dataclass(frozen=True, slots=True)
class SessionEstablished:
    """The peer proved its identity. As initiator we may seal at once; that the peer agrees shows with its first record."""

    session: Session
    route: int  # where the proof came from; a good first guess for the way back
    bound: bool  # the handshake ran on that very link, and both ends see the same link
    handshake: HandshakeId | None  # what `connect` returned; None where the peer began


@dataclass(frozen=True, slots=True)
class SessionReplaced:
    """The peer restarted. `old` is over and its keys are gone; what it had not acknowledged goes again on `new`."""

    old: Session
    new: Session


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """`session` is over and its keys are gone."""

    session: Session
    reason: Literal["unconfirmed", "superseded", "worn_out", "crowded_out"]


class RecordOpened(NamedTuple):
    """Authentic, in no particular order, and only once. A tuple because thousands are made each second."""

    session: Session
    counter: int
    plaintext: bytes  # frames, then zeros
    traffic: int
    route: int
    local: bool  # it came over the link itself, from whoever is at its other end


@dataclass(frozen=True, slots=True)
class HandshakeFailed:
    """A handshake that we began ended without a session."""

    handshake: HandshakeId
    peer: NodeId | None  # whom we dialled, where that was known
    reason: str  # "timed_out", or why the answer was refused


@dataclass(frozen=True, slots=True)
class PeerForgot:
    """Somebody says that the peer does not know this session. Unproved: begin a handshake, end nothing."""

    session: Session


@dataclass(frozen=True, slots=True)
class Dropped:
    """Bytes that changed nothing; counted in `SessionTable.dropped` under the same word."""

    reason: str


Event: TypeAlias = (
    SessionEstablished
    | SessionReplaced
    | SessionEnded
    | RecordOpened
    | HandshakeFailed
    | PeerForgot
    | Dropped
)
