"""X25519 keys as the engine uses them."""

from dataclasses import dataclass, field
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from protocols.errors import LocalError, RemoteError

X25519_BYTES = 32


class AgreementKey(Protocol):
    """A private key that agrees with public ones. A port: who runs many nodes in one process may bring another."""

    @property
    def public(self) -> bytes:
        """32 bytes."""
        ...

    def agree(self, public: bytes) -> bytes:
        """The secret that both ends find, 32 bytes. Raises RemoteError("bad_key")."""
        ...


@dataclass(frozen=True, slots=True)
class X25519Pair:
    """Loading a private key derives its public one each time (31 µs): keep the pair of a static key."""

    private: X25519PrivateKey = field(repr=False)
    public: bytes

    @classmethod
    def load(cls, private: bytes) -> "X25519Pair":
        """From a raw private key. Raises LocalError for another length."""
        if len(private) != X25519_BYTES:
            raise LocalError(f"an X25519 key has {X25519_BYTES} bytes")
        key = X25519PrivateKey.from_private_bytes(private)
        return cls(key, key.public_key().public_bytes_raw())

    def agree(self, public: bytes) -> bytes:
        try:
            return self.private.exchange(X25519PublicKey.from_public_bytes(public))
        except ValueError:  # the all-zero secret of a low-order point
            raise RemoteError("bad_key") from None
