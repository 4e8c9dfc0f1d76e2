"""ML-KEM-768's place in the simulator: the real one draws the system's randomness when it encapsulates.

Sizes and behaviour are its own, the secrecy is not: whoever reads the public key and the ciphertext knows the secret.
"""

import hashlib
from collections.abc import Callable

from protocols.noise import Kem, KemKeyPair
from protocols.noise.kem import CIPHERTEXT_BYTES, PUBLIC_BYTES, SECRET_BYTES


class SimKem:
    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy

    def keypair(self, entropy: Callable[[int], bytes]) -> KemKeyPair:
        public = hashlib.shake_128(entropy(32)).digest(PUBLIC_BYTES)
        return KemKeyPair(public, public)

    def encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        ciphertext = hashlib.shake_128(self._entropy(32)).digest(CIPHERTEXT_BYTES)
        return ciphertext, _secret(public, ciphertext)

    def decapsulate(self, pair: KemKeyPair, ciphertext: bytes) -> bytes:
        return _secret(pair.public, ciphertext)


def _secret(public: bytes, ciphertext: bytes) -> bytes:
    return hashlib.blake2b(ciphertext, key=public[:64], digest_size=SECRET_BYTES).digest()


def is_a_kem(kem: SimKem) -> Kem:
    """Pyright holds it to the port."""
    return kem
