"""A node's signed word that it holds something: "I have what this key names, until then"."""

from dataclasses import dataclass

from protocols.codec import Value
from protocols.directory.fields import is_bytes, is_number
from protocols.directory.kademlia.places import KEY_BYTES
from protocols.directory.signed import open_body, sign_body
from protocols.errors import LocalError, RemoteError
from protocols.ids import NodeId
from protocols.keys import REAL, Identity, Suite

LABEL = b"meshnode/holding/1"
VERSION = 1
HOLDING_BYTES_MAX = 256


@dataclass(frozen=True, slots=True)
class Holding:
    node: NodeId
    key: bytes  # 32
    sequence: int  # of this node for this key: the higher one is newer
    expires_at: int  # seconds since 1970
    held: bool  # False: no more; kept until it expires, lest the older word comes back
    raw: bytes


def sign_holding(identity: Identity, key: bytes, *, sequence: int, expires_at: int, held: bool) -> bytes:
    """Raises LocalError where a field is beyond its limit."""
    if not (is_bytes(key, KEY_BYTES) and is_number(sequence) and is_number(expires_at)):
        raise LocalError("a statement needs a key of 32 bytes, a sequence and an expiry")
    body: dict[str, Value] = {"key": key, "seq": sequence, "exp": expires_at, "held": held}
    return sign_body(identity, LABEL, VERSION, body)


def open_holding(raw: bytes, suite: Suite = REAL) -> Holding:
    """Verify, then read. Raises RemoteError; the expiry is the caller's to judge."""
    node, body = open_body(raw, LABEL, VERSION, bytes_max=HOLDING_BYTES_MAX, suite=suite)
    key, sequence, expires_at, held = body.get("key"), body.get("seq"), body.get("exp"), body.get("held")
    if not (is_bytes(key, KEY_BYTES) and is_number(sequence) and is_number(expires_at)):
        raise RemoteError("bad_holding", "key, seq or exp")
    if not isinstance(held, bool):
        raise RemoteError("bad_holding", "held")
    return Holding(node, key, sequence, expires_at, held, raw)
