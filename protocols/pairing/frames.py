"""The three messages of a pairing (docs/wire.md, section 9): version, kind, and 32 bytes."""

import struct
from enum import IntEnum

from protocols.errors import RemoteError

VERSION = 1
BODY_BYTES = 32  # a SHA-256, or a nonce as long as one
FRAME = struct.Struct("!BB32s")


class Kind(IntEnum):
    COMMIT = 1  # the initiator's: a hash of its nonce
    ANSWER = 2  # the responder's nonce
    REVEAL = 3  # the initiator's nonce


def encode_frame(kind: Kind, body: bytes) -> bytes:
    return FRAME.pack(VERSION, kind, body)


def decode_frame(data: bytes, kind: Kind) -> bytes:
    """The body of a frame of the kind that is due. Raises RemoteError."""
    if len(data) != FRAME.size:
        raise RemoteError("bad_pairing", f"{len(data)} bytes")
    version, found, body = FRAME.unpack(data)
    if version != VERSION:
        raise RemoteError("unknown_version", f"pairing version {version}")
    if found != kind:
        raise RemoteError("out_of_turn", f"kind {found} where {kind.name} is due")
    return body
