"""The bytes of handshakes and hints (docs/wire.md, sections 2 and 3). Nothing here proves anything yet."""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from protocols.codec import Value, decode_map, encode
from protocols.errors import RemoteError

INDEX_BYTES = 8
NO_INDEX = bytes(INDEX_BYTES)
BOOT_BYTES = 8
SIGNATURE_BYTES = 64
BINDING_BYTES_MAX = 64  # a link binding is 32 bytes; room for a longer hash
FEATURES_MAX = 16
FEATURE_CHARS_MAX = 32
CLAIM_BYTES_MAX = 4_096  # wire.md section 3
RECORD_BYTES_MAX = 2_048  # of a signed node record (protocols/directory)
CLAIM_VERSION = 1
STEPS = (1, 2, 3)

HANDSHAKE_HEADER = struct.Struct("!BB8s8s")
RECORD_ID = struct.Struct("!8sQ")


class Pattern(IntEnum):
    XX = 1
    XK = 2
    XX_HYBRID = 3
    XK_HYBRID = 4

    @staticmethod
    def choose(*, known: bool, hybrid: bool) -> "Pattern":
        """`known`: the responder's X25519 key is at hand."""
        return Pattern((2 if known else 1) + (2 if hybrid else 0))

    @property
    def hybrid(self) -> bool:
        return self >= Pattern.XX_HYBRID

    @property
    def names_responder(self) -> bool:
        """XK: only somebody who knows the responder can begin."""
        return self in (Pattern.XK, Pattern.XK_HYBRID)

    @property
    def noise_name(self) -> str:
        base = "XK" if self.names_responder else "XX"
        return (
            f"Noise_{base}hfs_25519+MLKEM768_AESGCM_SHA256"
            if self.hybrid
            else f"Noise_{base}_25519_AESGCM_SHA256"
        )


@dataclass(frozen=True, slots=True)
class HandshakeFrame:
    """One message of a handshake as it lies in an envelope's payload."""

    pattern: Pattern
    step: int
    sender: bytes  # the index by which its sender wants to be addressed
    receiver: bytes  # NO_INDEX in step 1
    noise: bytes

    def encode(self) -> bytes:
        return HANDSHAKE_HEADER.pack(self.pattern, self.step, self.sender, self.receiver) + self.noise


def decode_handshake(payload: bytes | memoryview) -> HandshakeFrame:
    """Raises RemoteError("bad_handshake"), or "unknown_pattern" for one from a later version."""
    if len(payload) < HANDSHAKE_HEADER.size:
        raise RemoteError("bad_handshake", "shorter than its header")
    pattern, step, sender, receiver = HANDSHAKE_HEADER.unpack_from(payload)
    if not Pattern.XX <= pattern <= Pattern.XK_HYBRID:
        raise RemoteError("unknown_pattern", str(pattern))
    if step not in STEPS or (receiver == NO_INDEX) != (step == 1):
        raise RemoteError("bad_handshake", f"{step=}")
    return HandshakeFrame(Pattern(pattern), step, sender, receiver, bytes(payload[HANDSHAKE_HEADER.size :]))


@dataclass(frozen=True, slots=True)
class Claim:
    """What the payloads of steps 2 and 3 say of their sender, before any of it is believed."""

    record: bytes
    signature: bytes
    boot: bytes
    binding: bytes
    features: tuple[str, ...]

    def encode(self) -> bytes:
        body: dict[str, Any] = {
            "v": CLAIM_VERSION,
            "rec": self.record,
            "sig": self.signature,
            "boot": self.boot,
            "bind": self.binding,
            "feat": list(self.features),
        }
        return encode(body)


def decode_claim(data: bytes) -> Claim:
    """Raises RemoteError("bad_claim") on wrong fields, "unknown_version", or the codec's reasons.

    Unknown keys are ignored: a later version that changes what is there raises `v`.
    """
    body = decode_map(data, bytes_max=CLAIM_BYTES_MAX)
    if body.get("v") != CLAIM_VERSION:
        raise RemoteError("unknown_version", "of a claim")
    return Claim(
        _bytes(body, "rec", range(RECORD_BYTES_MAX + 1)),
        _bytes(body, "sig", range(SIGNATURE_BYTES, SIGNATURE_BYTES + 1)),
        _bytes(body, "boot", range(BOOT_BYTES, BOOT_BYTES + 1)),
        _bytes(body, "bind", range(BINDING_BYTES_MAX + 1)),
        _features(body.get("feat")),
    )


def _bytes(body: dict[str, Value], key: str, lengths: range) -> bytes:
    value = body.get(key)
    if not isinstance(value, bytes) or len(value) not in lengths:
        raise RemoteError("bad_claim", key)
    return value


def _features(value: Value) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > FEATURES_MAX:
        raise RemoteError("bad_claim", "feat")
    texts = [item for item in value if isinstance(item, str) and len(item) <= FEATURE_CHARS_MAX]
    if len(texts) != len(value):
        raise RemoteError("bad_claim", "feat")
    return tuple(texts)


def decode_hint(payload: bytes | memoryview) -> tuple[bytes, int]:
    """The receiver index and counter of the record that the peer could not open. Raises RemoteError("bad_hint")."""
    if len(payload) != RECORD_ID.size:
        raise RemoteError("bad_hint")
    return RECORD_ID.unpack(payload)
