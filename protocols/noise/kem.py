"""ML-KEM-768 (FIPS 203) behind a port: its encapsulation draws its own randomness, so the simulator brings another."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from cryptography.exceptions import UnsupportedAlgorithm

from protocols.errors import RemoteError

PUBLIC_BYTES = 1_184
CIPHERTEXT_BYTES = 1_088
SECRET_BYTES = 32
SEED_BYTES = 64  # FIPS 203, section 7.1: d and z


@dataclass(frozen=True, slots=True)
class KemKeyPair:
    public: bytes  # 1,184
    private: Any = field(repr=False)  # opaque to all but the Kem that made it


class Kem(Protocol):
    def keypair(self, entropy: Callable[[int], bytes]) -> KemKeyPair: ...

    def encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        """(ciphertext of 1,088 bytes, secret of 32). Raises RemoteError("bad_kem_key")."""
        ...

    def decapsulate(self, pair: KemKeyPair, ciphertext: bytes) -> bytes:
        """The secret; for a forged ciphertext another one that tells nothing (implicit rejection)."""
        ...


class MlKem768:
    """By `cryptography`; its import fails where the library was built without ML-KEM."""

    def __init__(self) -> None:
        from cryptography.hazmat.primitives.asymmetric import mlkem  # noqa: PLC0415 - not in every build

        self._private, self._public = mlkem.MLKEM768PrivateKey, mlkem.MLKEM768PublicKey

    def keypair(self, entropy: Callable[[int], bytes]) -> KemKeyPair:
        private = self._private.from_seed_bytes(entropy(SEED_BYTES))
        return KemKeyPair(private.public_key().public_bytes_raw(), private)

    def encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        try:
            secret, ciphertext = self._public.from_public_bytes(public).encapsulate()
        except ValueError as error:
            raise RemoteError("bad_kem_key", str(error)) from None
        return ciphertext, secret

    def decapsulate(self, pair: KemKeyPair, ciphertext: bytes) -> bytes:
        try:
            return pair.private.decapsulate(ciphertext)
        except ValueError as error:
            raise RemoteError("bad_kem_ciphertext", str(error)) from None


def mlkem_or_none() -> MlKem768 | None:
    """None where this platform's `cryptography` has no ML-KEM: the node then offers no hybrid."""
    try:
        kem = MlKem768()
        kem.keypair(bytes)
    except (ImportError, AttributeError, UnsupportedAlgorithm):
        return None
    return kem
