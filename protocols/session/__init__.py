"""End-to-end secrecy between two nodes, over any number of hops (docs/wire.md, sections 3, 4 and 6).

`SessionTable` keeps all sessions and handshakes of one node; `LinkBinding` ties a further link to a session.
"""

from protocols.session.binding import LinkBinding
from protocols.session.events import (
    Dropped,
    Event,
    HandshakeFailed,
    HandshakeId,
    PeerForgot,
    RecordOpened,
    SessionEnded,
    SessionEstablished,
    SessionReplaced,
)
from protocols.session.limits import NO_ROUTE, SessionLimits
from protocols.session.padding import padded_length
from protocols.session.session import Session
from protocols.session.table import SessionTable

__all__ = [
    "NO_ROUTE",
    "Dropped",
    "Event",
    "HandshakeFailed",
    "HandshakeId",
    "LinkBinding",
    "PeerForgot",
    "RecordOpened",
    "Session",
    "SessionEnded",
    "SessionEstablished",
    "SessionLimits",
    "SessionReplaced",
    "SessionTable",
    "padded_length",
]
