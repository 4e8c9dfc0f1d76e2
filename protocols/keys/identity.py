"""Keys from one 32-byte seed by HKDF-SHA256 (RFC 5869), each under a label of its own.

The BitChat keys share nothing with the others that an observer could link. Ed25519 by PyNaCl, which verifies 1.7
times faster than `cryptography` (64 against 110 µs).
"""

from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey

from protocols.errors import LocalError
from protocols.ids import NodeId

SEED_BYTES = 32
SALT = b"meshnode/keys/1"
SIGNATURE_BYTES = 64


def _derive(seed: bytes, label: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=SALT, info=label).derive(seed)


def signed_bytes(label: bytes, data: bytes) -> bytes:
    """What a signature covers: no signature made for one purpose is good for another."""
    return label + b"\0" + data


class Identity:
    """One device's keys. Private ones are raw bytes of 32."""

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise LocalError(f"a seed has {SEED_BYTES} bytes, this one has {len(seed)}")
        self._seed = seed
        self._signing = SigningKey(_derive(seed, b"identity"))
        self.node_id = NodeId(bytes(self._signing.verify_key))

    @classmethod
    def from_seed(cls, seed: bytes) -> "Identity":
        return cls(seed)

    def __repr__(self) -> str:
        return f"Identity({self.node_id.hex()[:8]})"

    def sign(self, label: bytes, data: bytes) -> bytes:
        """64 bytes, for `verify` with the same label."""
        return self._signing.sign(signed_bytes(label, data)).signature

    @cached_property
    def x25519_private(self) -> bytes:
        return _derive(self._seed, b"noise-static")

    @cached_property
    def x25519_public(self) -> bytes:
        return X25519PrivateKey.from_private_bytes(self.x25519_private).public_key().public_bytes_raw()

    @cached_property
    def bitchat_noise_private(self) -> bytes:
        """X25519, for the Noise sessions of the phone apps' network."""
        return _derive(self._seed, b"bitchat-noise")

    @cached_property
    def bitchat_signing_seed(self) -> bytes:
        """Ed25519 seed, for that network's signatures."""
        return _derive(self._seed, b"bitchat-signing")

    @cached_property
    def storage_key(self) -> bytes:
        """AES-256, for backups, bundles and the twin's file."""
        return _derive(self._seed, b"storage")


def verify(node: NodeId, label: bytes, data: bytes, signature: bytes) -> bool:
    """Whether `node` signed this under this label. Total: any bytes are an answer."""
    try:
        VerifyKey(node).verify(signed_bytes(label, data), signature)
    except (CryptoError, ValueError, TypeError):
        return False
    return True
