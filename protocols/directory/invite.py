"""An invite: a link that lets its bearer reach a node and become its contact. Not signed: whoever hands it over is
trusted for it, and a forger could as well make a whole one of his own.

`meshnode://invite/` and base32 (either case, so that a QR code may use its dense mode) of a canonical list
`[version, node, x25519, secret, expires_at, uses, addresses, name]` followed by the first 4 bytes of its SHA-256.
"""

import hashlib
from dataclasses import dataclass, field

from protocols.codec import Value, decode, encode
from protocols.directory.fields import KEY_BYTES, is_bytes, is_number, is_text, texts_of
from protocols.errors import LocalError, RefusedError, RemoteError
from protocols.ids import NODE_ID_BYTES, NodeId, from_base32, to_base32

INVITE_SCHEME = "meshnode://invite/"
VERSION = 1
FIELDS = 8
INVITE_BYTES_MAX = 1_024  # a QR code of that size still scans
CHECK_BYTES = 4
SECRET_BYTES = 16
ADDRESSES_MAX = 8
ADDRESS_BYTES_MAX = 128
NAME_BYTES_MAX = 64
DAMAGED = "the invite is damaged; ask for a new one"


@dataclass(frozen=True, slots=True)
class Invite:
    node: NodeId
    x25519: bytes
    secret: bytes = field(repr=False)  # 16; the inviter keeps only its hash
    expires_at: int  # seconds since 1970
    uses: int
    addresses: tuple[str, ...]
    name: str  # what the inviter calls itself

    def is_expired(self, wall_s: int) -> bool:
        return wall_s >= self.expires_at

    def __str__(self) -> str:
        return format_invite(self)


def format_invite(invite: Invite) -> str:
    """Raises LocalError where a field is beyond its limit: nobody could read that link."""
    value: list[Value] = [
        VERSION,
        invite.node,
        invite.x25519,
        invite.secret,
        invite.expires_at,
        invite.uses,
        list(invite.addresses),
        invite.name,
    ]
    body = encode(value)
    if len(body) > INVITE_BYTES_MAX or _read(value) is None:
        raise LocalError("a field of this invite is beyond its limit")
    return INVITE_SCHEME + to_base32(body + _check(body))


def parse_invite(text: str) -> Invite:
    """Raises RefusedError with a sentence for the person who pasted it; expiry is the caller's to judge."""
    text = text.strip()
    if not text[: len(INVITE_SCHEME)].lower().startswith(INVITE_SCHEME):
        raise RefusedError("bad_invite", f"an invite begins with {INVITE_SCHEME}; copy the whole link")
    if len(text) > len(INVITE_SCHEME) + 2 * INVITE_BYTES_MAX:
        raise RefusedError("bad_invite", "that is too long for an invite; copy the link alone")
    try:
        data = from_base32(text[len(INVITE_SCHEME) :])
    except ValueError:
        data = b""
    body, check = data[:-CHECK_BYTES], data[-CHECK_BYTES:]
    if not body or check != _check(body):
        raise RefusedError("bad_invite", "the invite is incomplete or mistyped; copy the whole link again")
    try:
        value = decode(body, bytes_max=INVITE_BYTES_MAX)
    except RemoteError:
        raise RefusedError("bad_invite", DAMAGED) from None
    if isinstance(value, list) and value and is_number(value[0]) and value[0] != VERSION:
        raise RefusedError(
            "newer_invite", "the invite comes from a newer version of meshnode; update this one"
        )
    invite = _read(value)
    if invite is None:
        raise RefusedError("bad_invite", DAMAGED)
    return invite


def _read(value: Value) -> Invite | None:
    """None for what is no invite of this version."""
    if not isinstance(value, list) or len(value) != FIELDS or not is_number(value[0]) or value[0] != VERSION:
        return None
    _, node, x25519, secret, expires_at, uses, addresses, name = value
    texts = texts_of(addresses, ADDRESSES_MAX, ADDRESS_BYTES_MAX)
    if (
        texts is None
        or not (
            is_bytes(node, NODE_ID_BYTES) and is_bytes(x25519, KEY_BYTES) and is_bytes(secret, SECRET_BYTES)
        )
        or not (is_number(expires_at) and is_number(uses) and uses > 0 and is_text(name, NAME_BYTES_MAX))
    ):
        return None
    return Invite(NodeId(node), x25519, secret, expires_at, uses, texts, name)


def _check(body: bytes) -> bytes:
    return hashlib.sha256(b"meshnode/invite/1" + body).digest()[:CHECK_BYTES]
