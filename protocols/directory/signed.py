"""The outer form of everything that a NodeId signs: canonical `[version, node, body, signature]`.

The signature covers version and body under a label of the kind, and is verified before the body is parsed. A version
that we do not know is refused ("unknown_version"): what a newer one means can't be guessed. Within a version, keys of
the body that we do not know are ignored.
"""

from protocols.codec import Value, decode, decode_map, encode
from protocols.errors import RemoteError
from protocols.ids import NODE_ID_BYTES, NodeId
from protocols.keys import REAL, Identity, Suite, verify

SIGNATURE_BYTES = 64


def sign_body(identity: Identity, label: bytes, version: int, body: dict[str, Value]) -> bytes:
    packed = encode(body)
    return encode([version, identity.node_id, packed, identity.sign(label, bytes([version]) + packed)])


def open_body(
    data: bytes, label: bytes, version: int, *, bytes_max: int, suite: Suite = REAL
) -> tuple[NodeId, dict[str, Value]]:
    """Raises RemoteError: "bad_encoding", "too_long", "unknown_version", "bad_signature"."""
    match decode(data, bytes_max=bytes_max):
        case [int(found), bytes(node), bytes(body), bytes(signature)] if (
            len(node) == NODE_ID_BYTES and len(signature) == SIGNATURE_BYTES and not isinstance(found, bool)
        ):
            pass
        case _:
            raise RemoteError("bad_encoding", "not a signed body")
    if found != version:
        raise RemoteError("unknown_version", f"{found}")
    if not verify(NodeId(node), label, bytes([version]) + body, signature, suite):
        raise RemoteError("bad_signature")
    return NodeId(node), decode_map(body, bytes_max=bytes_max)
