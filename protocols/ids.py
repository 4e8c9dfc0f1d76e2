"""Identities of nodes and messages, and the forms in which people read and type them.

A NodeId is the node's Ed25519 public key (32 bytes). Its text form is base32 (RFC 4648 alphabet, lower case,
no padding) of the key followed by a checksum: the first 3 bytes of SHA-256("meshnode/node-id/1" || key).
32 + 3 bytes are exactly 56 characters. The short form is the first 8 characters and carries no checksum.
"""

import base64
import hashlib
import re
from typing import NewType

from protocols.errors import RefusedError

NodeId = NewType("NodeId", bytes)
MessageId = NewType("MessageId", bytes)

NODE_ID_BYTES = 32
MESSAGE_ID_BYTES = 16
NODE_ID_CHARS = 56
SHORT_ID_CHARS = 8
SHORT_ID_BYTES = 5  # of the NodeId, which these characters stand for
MESSAGE_ID_CHARS = 26
CHECKSUM_BYTES = 3  # one typing error in 16 million goes unseen
UNKNOWN_NODE = NodeId(bytes(NODE_ID_BYTES))  # stands where a NodeId is not known yet; never a valid key
SHORT_ID = re.compile(r"[a-z2-7]{8}")


def to_base32(data: bytes) -> str:
    """Base32 in lower case without padding."""
    return base64.b32encode(data).decode().rstrip("=").lower()


def from_base32(text: str) -> bytes:
    """The reverse of `to_base32`, either case. Raises ValueError on anything but its exact output."""
    try:
        data = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except ValueError as error:
        raise ValueError(f"not base32: {error}") from None
    if to_base32(data) != text.lower():
        raise ValueError("not base32: stray bits at the end")
    return data


def _checksum(node: bytes) -> bytes:
    return hashlib.sha256(b"meshnode/node-id/1" + node).digest()[:CHECKSUM_BYTES]


def node_id_text(node: NodeId) -> str:
    """The 56 characters that people copy."""
    return to_base32(node + _checksum(node))


def short_id(node: NodeId) -> str:
    """The first 8 characters of the text form: enough to tell one's peers apart, not to prove anything."""
    return to_base32(node[:SHORT_ID_BYTES])


def fingerprint(node: NodeId) -> str:
    """SHA-256 of the NodeId in hex."""
    return hashlib.sha256(node).hexdigest()


def parse_node_id(text: str) -> NodeId:
    """Read the 56-character form. Raises RefusedError with a sentence for the person who typed it."""
    try:
        data = from_base32(text.strip())
    except ValueError:
        data = b""
    node, check = data[:NODE_ID_BYTES], data[NODE_ID_BYTES:]
    if len(data) != NODE_ID_BYTES + CHECKSUM_BYTES or check != _checksum(node):
        raise RefusedError(
            "bad_node_id", f"{text!r} is not a node id; copy all {NODE_ID_CHARS} characters of it"
        )
    return NodeId(node)


def message_id_text(message: MessageId) -> str:
    return to_base32(message)


def parse_message_id(text: str) -> MessageId:
    """Read the 26-character form. Raises RefusedError."""
    try:
        data = from_base32(text.strip())
    except ValueError:
        data = b""
    if len(data) != MESSAGE_ID_BYTES:
        raise RefusedError("bad_message_id", f"{text!r} is not a message id ({MESSAGE_ID_CHARS} characters)")
    return MessageId(data)
