"""AEAD keys (Noise, section 5.1), one library object for each key: making one costs as much as sealing with it."""

import struct
from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from protocols.errors import LocalError, RemoteError

KEY_BYTES = 32
TAG_BYTES = 16
REKEY_NONCE = 2**64 - 1
NONCE_MAX = REKEY_NONCE - 1

Data: TypeAlias = bytes | bytearray | memoryview


class Aead(Protocol):
    def encrypt(self, nonce: bytes, data: Data, associated_data: bytes | None) -> bytes: ...
    def decrypt(self, nonce: bytes, data: Data, associated_data: bytes | None) -> bytes: ...


# How to make the library's object, and how 32 zero bits and the counter become its nonce (Noise, section 12).
CIPHERS: Mapping[str, tuple[Callable[[Data], Aead], Callable[[int, int], bytes]]] = {
    "AESGCM": (AESGCM, struct.Struct(">IQ").pack),
    "ChaChaPoly": (ChaCha20Poly1305, struct.Struct("<IQ").pack),
}


class CipherState:
    """One key. The nonce is the caller's: sessions number their records, handshakes count from zero."""

    __slots__ = ("_aead", "_key", "_name", "_nonce")

    def __init__(self, name: str, key: bytes) -> None:
        make, self._nonce = CIPHERS[name]
        self._name = name
        self._key = bytearray(key)  # ours and the library's one copy, so that `wipe` reaches it
        self._aead: Aead | None = make(self._key)

    def __repr__(self) -> str:
        return f"CipherState({self._name})"

    def encrypt(self, nonce: int, associated: bytes, plaintext: Data) -> bytes:
        """Raises LocalError once wiped, or for a nonce that the specification keeps back."""
        if self._aead is None or not 0 <= nonce <= NONCE_MAX:
            raise LocalError("this key must not seal any more")
        return self._aead.encrypt(self._nonce(0, nonce), plaintext, associated)

    def decrypt(self, nonce: int, associated: bytes, ciphertext: Data) -> bytes:
        """Raises RemoteError("bad_seal"); LocalError once wiped."""
        if self._aead is None:
            raise LocalError("this key is wiped")
        if not 0 <= nonce <= NONCE_MAX:
            raise RemoteError("bad_seal", "reserved nonce")
        try:
            return self._aead.decrypt(self._nonce(0, nonce), ciphertext, associated)
        except InvalidTag:
            raise RemoteError("bad_seal") from None

    def rekeyed(self) -> "CipherState":
        """The key that follows this one (Noise, section 4.2: REKEY). This one goes on working until wiped."""
        if self._aead is None:
            raise LocalError("this key is wiped")
        key = self._aead.encrypt(self._nonce(0, REKEY_NONCE), bytes(KEY_BYTES), b"")[:KEY_BYTES]
        return CipherState(self._name, key)

    def wipe(self) -> None:
        """Overwrite the key and let go of the library's object, which clears its own schedule. Twice is harmless."""
        self._key[:] = bytes(len(self._key))
        self._aead = None
