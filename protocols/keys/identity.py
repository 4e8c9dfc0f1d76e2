"""Keys from one 32-byte seed by HKDF-SHA256 (RFC 5869), each under a label of its own.

The BitChat keys share nothing with the others that an observer could link.
"""

from functools import cached_property

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from protocols.errors import LocalError
from protocols.ids import NodeId
from protocols.keys.suite import REAL, Suite
from protocols.noise import AgreementKey

SEED_BYTES = 32
SALT = b"meshnode/keys/1"
SIGNATURE_BYTES = 64


def _derive(seed: bytes, label: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=SALT, info=label).derive(seed)


def signed_bytes(label: bytes, data: bytes) -> bytes:
    """What a signature covers: no signature made for one purpose is good for another."""
    return label + b"\0" + data


class Identity:
    """One device's keys. Private ones are raw bytes of 32. `suite`: what they sign and agree with."""

    def __init__(self, seed: bytes, suite: Suite = REAL) -> None:
        if len(seed) != SEED_BYTES:
            raise LocalError(f"a seed has {SEED_BYTES} bytes, this one has {len(seed)}")
        self.suite = suite
        self._seed = seed
        self._signing = suite.signing_key(_derive(seed, b"identity"))
        self.node_id = NodeId(self._signing.public)

    @classmethod
    def from_seed(cls, seed: bytes, suite: Suite = REAL) -> "Identity":
        return cls(seed, suite)

    def __repr__(self) -> str:
        return f"Identity({self.node_id.hex()[:8]})"

    def sign(self, label: bytes, data: bytes) -> bytes:
        """64 bytes, for `verify` with the same label."""
        return self._signing.sign(signed_bytes(label, data))

    @cached_property
    def x25519_private(self) -> bytes:
        return _derive(self._seed, b"noise-static")

    @cached_property
    def x25519_key(self) -> AgreementKey:
        return self.suite.agreement_key(self.x25519_private)

    @property
    def x25519_public(self) -> bytes:
        return self.x25519_key.public

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


def verify(node: NodeId, label: bytes, data: bytes, signature: bytes, suite: Suite = REAL) -> bool:
    """Whether `node` signed this under this label. Total: any bytes are an answer."""
    return suite.verify(node, signed_bytes(label, data), signature)
