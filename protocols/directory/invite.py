"""An invite: a link that lets its bearer reach a node and become its contact. Not signed: whoever hands it over is
trusted for it, and a forger could as well make a whole one of his own.

`meshnode://invite/` and base32 (either case, so that a QR code may use its dense mode) of a canonical list
`[version, node, x25519, secret, expires_at, uses, addresses, name]` followed by the first 4 bytes of its SHA-256.
"""

import hashlib
from dataclasses import dataclass, field

from protocols.codec import Value, decode, encode
from protocols.errors import RefusedError, RemoteError
from protocols.ids import NODE_ID_BYTES, NodeId, from_base32, to_base32

INVITE_SCHEME = "meshnode://invite/"
VERSION = 1
INVITE_BYTES_MAX = 1_024  # a QR code of that size still scans
CHECK_BYTES = 4
SECRET_BYTES = 16
KEY_BYTES = 32
ADDRESSES_MAX = 8
ADDRESS_BYTES_MAX = 128
NAME_BYTES_MAX = 64
NUMBER_MAX = 2**53
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
    body = encode(
        [
            VERSION,
            invite.node,
            invite.x25519,
            invite.secret,
            invite.expires_at,
            invite.uses,
            list(invite.addresses),
            invite.name,
        ]
    )
    return INVITE_SCHEME + to_base32(body + _check(body))


def parse_invite(text: str) -> Invite:
    """Raises RefusedError with a sentence for the person who pasted it; expiry is the caller's to judge."""
    text = text.strip()
    if not text.lower().startswith(INVITE_SCHEME):
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
    if isinstance(value, list) and value and value[0] != VERSION:
        raise RefusedError(
            "newer_invite", "the invite comes from a newer version of meshnode; update this one"
        )
    return _read(value)


def _read(value: Value) -> Invite:
    match value:
        case [_, bytes(node), bytes(x25519), bytes(secret), int(expires_at), int(uses), _, str(name)] if (
            (len(node), len(x25519), len(secret)) == (NODE_ID_BYTES, KEY_BYTES, SECRET_BYTES)
            and 0 <= expires_at <= NUMBER_MAX
            and 1 <= uses <= NUMBER_MAX
            and len(name.encode()) <= NAME_BYTES_MAX
        ):
            return Invite(NodeId(node), x25519, secret, expires_at, uses, _addresses(value[6]), name)
        case _:
            raise RefusedError("bad_invite", DAMAGED)


def _addresses(value: Value) -> tuple[str, ...]:
    if isinstance(value, list) and len(value) <= ADDRESSES_MAX:
        texts = [each for each in value if isinstance(each, str) and len(each.encode()) <= ADDRESS_BYTES_MAX]
        if len(texts) == len(value):
            return tuple(texts)
    raise RefusedError("bad_invite", DAMAGED)


def _check(body: bytes) -> bytes:
    return hashlib.sha256(b"meshnode/invite/1" + body).digest()[:CHECK_BYTES]
