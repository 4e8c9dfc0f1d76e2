"""A prekey that others may seal to while its owner is away, signed by its owner."""

import hashlib
from dataclasses import dataclass

from protocols.courier.limits import BUNDLE_BYTES_MAX, BUNDLE_LIFE_S, CLOCK_SKEW_S, PREKEY_ID_BYTES
from protocols.directory.fields import KEY_BYTES, is_bytes, is_number
from protocols.directory.signed import open_body, sign_body
from protocols.errors import RemoteError
from protocols.ids import NodeId
from protocols.keys import REAL, Identity, Suite
from protocols.noise.kem import PUBLIC_BYTES

LABEL = b"meshnode/prekeys/1"
ID_LABEL = b"meshnode/prekey-id/1"
VERSION = 1


def prekey_id(x25519: bytes, kem: bytes) -> bytes:
    """Names the public halves; whoever seals mixes it in, and nobody sends it in the clear."""
    return hashlib.sha256(ID_LABEL + x25519 + kem).digest()[:PREKEY_ID_BYTES]


@dataclass(frozen=True, slots=True)
class Bundle:
    node: NodeId
    sequence: int  # wall-clock milliseconds, or one above the last: the higher one is newer
    expires_s: int
    x25519: bytes
    kem: bytes  # ML-KEM-768, 1,184 bytes; b"": its owner has none

    @property
    def prekey_id(self) -> bytes:
        return prekey_id(self.x25519, self.kem)

    def is_usable(self, now_s: int) -> bool:
        """Whether something may still be sealed to it. One that expires too far ahead was made by a wrong clock."""
        return now_s < self.expires_s <= now_s + BUNDLE_LIFE_S + CLOCK_SKEW_S


def sign_bundle(identity: Identity, *, sequence: int, expires_s: int, x25519: bytes, kem: bytes) -> bytes:
    return sign_body(
        identity, LABEL, VERSION, {"seq": sequence, "exp": expires_s, "x25519": x25519, "kem": kem}
    )


def open_bundle(data: bytes, suite: Suite = REAL) -> Bundle:
    """Verify, then read. Raises RemoteError; sequence and expiry are the caller's to judge."""
    node, body = open_body(data, LABEL, VERSION, bytes_max=BUNDLE_BYTES_MAX, suite=suite)
    sequence, expires_s = body.get("seq"), body.get("exp")
    x25519, kem = body.get("x25519"), body.get("kem")
    if not (is_number(sequence) and is_number(expires_s)):
        raise RemoteError("bad_bundle", "seq or exp")
    if not is_bytes(x25519, KEY_BYTES):
        raise RemoteError("bad_bundle", "x25519")
    if not (is_bytes(kem, PUBLIC_BYTES) or is_bytes(kem, 0)):
        raise RemoteError("bad_bundle", "kem")
    return Bundle(node, sequence, expires_s, x25519, kem)
