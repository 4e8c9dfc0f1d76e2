"""A sealed object as couriers see it (docs/wire.md, section 11).

    version (1) ‖ suite (1) ‖ receiver (32) ‖ expires at, s (8) ‖ id (16) ‖ ephemeral X25519 (32)
        ‖ [ML-KEM-768 ciphertext, sealed (1,104)] ‖ AES-256-GCM of the padded content

Of the sender, the prekey, the time of writing and the true length nothing is in the clear.
"""

import struct
from dataclasses import dataclass, field

from protocols.courier.limits import CLOCK_SKEW_S, LIFE_S_MAX, PADDED_BYTES_MIN, SEALED_BYTES_MAX
from protocols.errors import RemoteError
from protocols.ids import NodeId
from protocols.noise.cipher import TAG_BYTES
from protocols.noise.kem import CIPHERTEXT_BYTES
from protocols.noise.x25519 import X25519_BYTES
from protocols.session.padding import padded_length

VERSION = 1
CLASSIC, HYBRID = 1, 2  # suites: X25519; X25519 and ML-KEM-768
HEADER = struct.Struct("!BB32sQ16s")
HEADER_BYTES = HEADER.size
ENVELOPED_BYTES = HEADER_BYTES + X25519_BYTES
KEM_BYTES = CIPHERTEXT_BYTES + TAG_BYTES


@dataclass(frozen=True, slots=True)
class Sealed:
    suite: int
    receiver: NodeId
    expires_s: int
    id: bytes
    data: bytes = field(repr=False)  # all of it, as it is handed on

    @property
    def header(self) -> bytes:
        return self.data[:HEADER_BYTES]

    @property
    def size(self) -> int:
        return len(self.data)

    def is_over(self, now_s: int, *, patience_s: int = 0) -> bool:
        return now_s > self.expires_s + patience_s


def is_too_far(expires_s: int, now_s: int) -> bool:
    """Nobody may ask to be carried for longer than the longest life."""
    return expires_s > now_s + LIFE_S_MAX + CLOCK_SKEW_S


def overhead_bytes(suite: int) -> int:
    """What is around the padded content."""
    return ENVELOPED_BYTES + (KEM_BYTES if suite == HYBRID else 0) + TAG_BYTES


def padded_bytes(length: int, suite: int) -> int:
    """Padmé with a floor, cut where an object would be too long."""
    room = SEALED_BYTES_MAX - overhead_bytes(suite)
    return max(length, min(room, max(PADDED_BYTES_MIN, padded_length(length))))


def encode_header(suite: int, receiver: NodeId, expires_s: int, sealed_id: bytes) -> bytes:
    return HEADER.pack(VERSION, suite, receiver, expires_s, sealed_id)


def decode_sealed(data: bytes) -> Sealed:
    """Raises RemoteError: "too_long", "unknown_version" or "bad_sealed". Nothing of it is proved by that."""
    if len(data) > SEALED_BYTES_MAX:
        raise RemoteError("too_long", f"{len(data)} bytes, at most {SEALED_BYTES_MAX}")
    if len(data) < HEADER_BYTES:
        raise RemoteError("bad_sealed", "shorter than its header")
    version, suite, receiver, expires_s, sealed_id = HEADER.unpack_from(data)
    if version != VERSION:
        raise RemoteError("unknown_version", f"sealed version {version}")
    if suite not in {CLASSIC, HYBRID}:
        raise RemoteError("bad_sealed", f"suite {suite}")
    inside = len(data) - overhead_bytes(suite)
    if inside < PADDED_BYTES_MIN or padded_bytes(inside, suite) != inside:
        raise RemoteError("bad_sealed", "not a padded length")
    return Sealed(suite, NodeId(receiver), expires_s, sealed_id, data)
