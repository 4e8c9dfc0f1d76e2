"""The hash and key chain of a handshake (Noise, section 5.2: SymmetricState)."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any

from protocols.noise.cipher import KEY_BYTES, TAG_BYTES, CipherState

HASHES: Mapping[str, Callable[..., Any]] = {
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
    "BLAKE2s": hashlib.blake2s,
    "BLAKE2b": hashlib.blake2b,
}


class SymmetricState:
    """`hash` is public; the chain and the key under it are not, and end with `wipe`."""

    __slots__ = ("_chain", "_cipher", "_cipher_name", "_hash", "_nonce", "hash")

    def __init__(self, protocol_name: str, *, cipher: str, hash_name: str) -> None:
        self._hash = HASHES[hash_name]
        self._cipher_name = cipher
        size = self._hash().digest_size
        name = protocol_name.encode()
        self.hash: bytes = name.ljust(size, b"\0") if len(name) <= size else self._hash(name).digest()
        self._chain = bytearray(self.hash)
        self._cipher: CipherState | None = None
        self._nonce = 0

    @property
    def tag_bytes(self) -> int:
        """What sealing adds at this point of the handshake."""
        return TAG_BYTES if self._cipher is not None else 0

    def mix_hash(self, data: bytes) -> None:
        self.hash = self._hash(self.hash + data).digest()

    def mix_key(self, secret: bytes) -> None:
        chain, key = self._derive(secret)
        self._chain[:] = chain
        if self._cipher is not None:
            self._cipher.wipe()
        self._cipher, self._nonce = CipherState(self._cipher_name, key[:KEY_BYTES]), 0

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        ciphertext = plaintext
        if self._cipher is not None:
            ciphertext = self._cipher.encrypt(self._nonce, self.hash, plaintext)
            self._nonce += 1
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt_and_hash(self, ciphertext: bytes) -> bytes:
        """Raises RemoteError("bad_seal")."""
        plaintext = ciphertext
        if self._cipher is not None:
            plaintext = self._cipher.decrypt(self._nonce, self.hash, ciphertext)
            self._nonce += 1
        self.mix_hash(ciphertext)
        return plaintext

    def split(self) -> tuple[CipherState, CipherState]:
        """(initiator's sending key, responder's sending key); the chain is wiped."""
        first, second = self._derive(b"")
        self.wipe()
        return CipherState(self._cipher_name, first[:KEY_BYTES]), CipherState(
            self._cipher_name, second[:KEY_BYTES]
        )

    def wipe(self) -> None:
        self._chain[:] = bytes(len(self._chain))
        if self._cipher is not None:
            self._cipher.wipe()

    def _derive(self, secret: bytes) -> tuple[bytes, bytes]:
        """HKDF with two outputs (Noise, section 4.3)."""
        temporary = self._hmac(self._chain, secret)
        first = self._hmac(temporary, b"\x01")
        return first, self._hmac(temporary, first + b"\x02")

    def _hmac(self, key: bytes | bytearray, data: bytes) -> bytes:
        return hmac.new(key, data, self._hash).digest()
