"""Secrets at rest, under the node's storage key: nonce (12) ‖ AES-256-GCM, bound to a label and to what they are for."""

from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protocols.errors import RemoteError

NONCE_BYTES = 12  # random: some 2**32 secrets under one key are safe, and a node keeps dozens
TAG_BYTES = 16


def seal_secret(
    key: bytes, label: bytes, place: bytes, secret: bytes, entropy: Callable[[int], bytes]
) -> bytes:
    """`place`: where it lies, so that one secret can't be put in another's place."""
    nonce = entropy(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, secret, label + b"\0" + place)


def open_secret(key: bytes, label: bytes, place: bytes, sealed: bytes) -> bytes:
    """Raises RemoteError("bad_seal"): it was changed, or another identity's key sealed it."""
    if len(sealed) < NONCE_BYTES + TAG_BYTES:
        raise RemoteError("bad_seal", "shorter than its seal")
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], label + b"\0" + place)
    except InvalidTag:
        raise RemoteError("bad_seal") from None
