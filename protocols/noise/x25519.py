"""X25519 keys as the engine uses them."""

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocols.errors import LocalError

X25519_BYTES = 32


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
