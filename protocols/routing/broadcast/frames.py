"""The bytes of a broadcast (docs/wire.md): a routed envelope that its source signed, but for the hops left.

Its id is a hash of all that is signed. So one id is one content: nobody can send something else under an id that he
saw, and a source that says different things to different neighbours made two broadcasts.
"""

import hashlib
from dataclasses import dataclass, field

from protocols.codec import decode_map, encode
from protocols.envelope import Envelope, Kind, header_bytes
from protocols.errors import LocalError, RemoteError
from protocols.ids import MESSAGE_ID_BYTES, UNKNOWN_NODE, NodeId
from protocols.keys import REAL, Identity, Suite, verify
from protocols.routing.broadcast.limits import BROADCAST_BYTES_MAX, HOPS_DEFAULT, LIFE_MS_MAX, SCOPE_HOPS_MAX

LABEL = b"meshnode/broadcast/1"
ID_LABEL = b"meshnode/broadcast-id/1"
EVERYBODY = UNKNOWN_NODE  # as destination; other values name a topic
SIGNATURE_BYTES = 64
SALT_BYTES = 8  # tells two equal texts of one millisecond apart
KIND_BYTES_MAX = 32
FIELDS_BYTES = 128  # most that the signature's neighbours take: keys, times, salt, kind
BODY_BYTES_MAX = BROADCAST_BYTES_MAX - SIGNATURE_BYTES - FIELDS_BYTES
NUMBER_MAX = 2**53


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Verified. Times are the source's own word, by its clock."""

    id: bytes
    source: NodeId
    topic: NodeId  # EVERYBODY, or 32 bytes that those who follow it know
    traffic: int
    at_ms: int
    expires_ms: int
    hops: int  # its scope; 0: as far as it gets
    kind: str  # "text": the body is UTF-8
    body: bytes = field(repr=False)


def make_broadcast(
    identity: Identity,
    *,
    kind: str,
    body: bytes,
    at_ms: int,
    expires_ms: int,
    traffic: int,
    salt: bytes,
    hops: int = 0,
    topic: NodeId = EVERYBODY,
) -> bytes:
    """A whole envelope, ready to be flooded. Raises LocalError where it would not be taken."""
    signed = encode({"at": at_ms, "exp": expires_ms, "hops": hops, "k": kind, "b": body, "n": salt})
    source = identity.node_id
    broadcast_id = _id_of(traffic, source, topic, signed)
    unsigned_header = header_bytes(Kind.BROADCAST, traffic, 0, broadcast_id, source, topic, local=False)
    payload = identity.sign(LABEL, unsigned_header + signed) + signed
    header = header_bytes(
        Kind.BROADCAST, traffic, hops or HOPS_DEFAULT, broadcast_id, source, topic, local=False
    )
    if len(payload) > BROADCAST_BYTES_MAX or len(salt) != SALT_BYTES:
        raise LocalError(f"a broadcast of {len(payload)} bytes with a salt of {len(salt)}")
    try:
        _read(broadcast_id, source, topic, traffic, signed)
    except RemoteError as error:
        raise LocalError(f"our own broadcast is not acceptable: {error}") from None
    return header + payload


def open_broadcast(envelope: Envelope, suite: Suite = REAL) -> Broadcast:
    """Verify, then read. Raises RemoteError: "bad_broadcast", "bad_signature". Its age is the caller's to judge."""
    payload = bytes(envelope.payload)
    if (
        envelope.kind != Kind.BROADCAST
        or envelope.local
        or envelope.via != UNKNOWN_NODE
        or not SIGNATURE_BYTES < len(payload) <= BROADCAST_BYTES_MAX
    ):
        raise RemoteError("bad_broadcast", "its envelope")
    signature, signed = payload[:SIGNATURE_BYTES], payload[SIGNATURE_BYTES:]
    source, topic, traffic = envelope.source, envelope.destination, envelope.traffic
    if _id_of(traffic, source, topic, signed) != envelope.id:
        raise RemoteError("bad_broadcast", "its id is another's")
    if not verify(source, LABEL, envelope.associated + signed, signature, suite):
        raise RemoteError("bad_signature")
    return _read(envelope.id, source, topic, traffic, signed)


def _id_of(traffic: int, source: NodeId, topic: NodeId, signed: bytes) -> bytes:
    header = header_bytes(Kind.BROADCAST, traffic, 0, bytes(MESSAGE_ID_BYTES), source, topic, local=False)
    return hashlib.sha256(ID_LABEL + header + signed).digest()[:MESSAGE_ID_BYTES]


def _read(broadcast_id: bytes, source: NodeId, topic: NodeId, traffic: int, signed: bytes) -> Broadcast:
    fields = decode_map(signed, bytes_max=BROADCAST_BYTES_MAX)
    match fields:
        case {
            "at": int(at_ms),
            "exp": int(expires_ms),
            "hops": int(hops),
            "k": str(kind),
            "b": bytes(body),
            "n": bytes(salt),
        } if not any(isinstance(fields[key], bool) for key in ("at", "exp", "hops")):
            pass
        case _:
            raise RemoteError("bad_broadcast", "its fields")
    if not (0 <= at_ms < expires_ms <= NUMBER_MAX and expires_ms - at_ms <= LIFE_MS_MAX):
        raise RemoteError("bad_broadcast", "its times")
    if not 0 <= hops <= SCOPE_HOPS_MAX or len(salt) != SALT_BYTES:
        raise RemoteError("bad_broadcast", "hops or salt")
    if not 0 < len(kind.encode()) <= KIND_BYTES_MAX:
        raise RemoteError("bad_broadcast", "kind")
    return Broadcast(broadcast_id, source, topic, traffic, at_ms, expires_ms, hops, kind, body)
