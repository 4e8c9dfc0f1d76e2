"""The node record: what a NodeId says of itself, signed, with a sequence number and an expiry."""

from dataclasses import dataclass

from protocols.codec import Value
from protocols.directory.fields import KEY_BYTES, is_bytes, is_number, is_text, texts_of
from protocols.directory.signed import open_body, sign_body
from protocols.errors import LocalError, RemoteError
from protocols.ids import NodeId
from protocols.keys import REAL, Identity, Suite

LABEL = b"meshnode/record/1"
VERSION = 1
RECORD_BYTES_MAX = 2_048  # it rides in every handshake
ADDRESSES_MAX = 16
ADDRESS_BYTES_MAX = 128
WORDS_MAX = 32  # of services and of features
WORD_BYTES_MAX = 32
NAME_BYTES_MAX = 64


@dataclass(frozen=True, slots=True)
class NodeRecord:
    node: NodeId
    sequence: int  # wall-clock milliseconds at signing, or one above the last: the higher one is newer
    expires_at: int  # seconds since 1970
    x25519: bytes  # static key for Noise
    addresses: tuple[str, ...]  # "quic://192.0.2.1:7420", unchecked text
    services: tuple[str, ...]
    features: tuple[str, ...]  # "mlkem768"
    name: str  # what it calls itself: for display, never for resolving


def sign_record(
    identity: Identity,
    *,
    sequence: int,
    expires_at: int,
    addresses: tuple[str, ...],
    services: tuple[str, ...],
    features: tuple[str, ...],
    name: str,
) -> bytes:
    """Raises LocalError where a field is beyond its limit."""
    body: dict[str, Value] = {
        "seq": sequence,
        "exp": expires_at,
        "x25519": identity.x25519_public,
        "addr": list(addresses),
        "srv": list(services),
        "feat": list(features),
        "name": name,
    }
    signed = sign_body(identity, LABEL, VERSION, body)
    try:
        open_record(signed, identity.suite)
    except RemoteError as error:
        raise LocalError(f"our own record is not acceptable: {error}") from None
    return signed


def open_record(data: bytes, suite: Suite = REAL) -> NodeRecord:
    """Verify, then read. Raises RemoteError; the expiry is the caller's to judge."""
    node, body = open_body(data, LABEL, VERSION, bytes_max=RECORD_BYTES_MAX, suite=suite)
    sequence, expires_at = body.get("seq"), body.get("exp")
    x25519, name = body.get("x25519"), body.get("name")
    if not (is_number(sequence) and is_number(expires_at)):
        raise RemoteError("bad_record", "seq or exp")
    if not is_bytes(x25519, KEY_BYTES):
        raise RemoteError("bad_record", "x25519")
    if not is_text(name, NAME_BYTES_MAX):
        raise RemoteError("bad_record", "name")
    return NodeRecord(
        node,
        sequence,
        expires_at,
        x25519,
        addresses=_texts(body, "addr", ADDRESSES_MAX, ADDRESS_BYTES_MAX),
        services=_texts(body, "srv", WORDS_MAX, WORD_BYTES_MAX),
        features=_texts(body, "feat", WORDS_MAX, WORD_BYTES_MAX),
        name=name,
    )


def supersedes(new: NodeRecord, old: NodeRecord | None) -> bool:
    """Whether `new` should take the place of `old`, of the same node."""
    return old is None or (new.node == old.node and new.sequence > old.sequence)


def _texts(body: dict[str, Value], key: str, count_max: int, bytes_max: int) -> tuple[str, ...]:
    texts = texts_of(body.get(key), count_max, bytes_max)
    if texts is None:
        raise RemoteError("bad_record", key)
    return texts
