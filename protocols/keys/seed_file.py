"""The file that keeps the seed, in the clear or sealed by a passphrase.

`"MNSEED" ‖ version (1) ‖ kind (1) ‖ body`; kind 0: the seed (32) and a checksum, SHA-256 of all before it, first 4
bytes. Kind 1: Argon2id operations u32 ‖ memory in KiB u32 ‖ salt (16) ‖ nonce (12) ‖ AES-256-GCM of the seed with
all before the nonce as associated data. A passphrase is hashed in Unicode's composed form (NFC), so that it opens
the file on a machine whose keyboard composes letters otherwise.
"""

import hashlib
import struct
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id

from protocols.errors import LocalError, RefusedError
from protocols.keys.identity import SEED_BYTES

MAGIC = b"MNSEED"
VERSION = 1
CLEAR, SEALED = 0, 1
HEAD_BYTES = len(MAGIC) + 2
CHECK_BYTES = 4
COST = struct.Struct("!II")
SALT_BYTES, NONCE_BYTES, TAG_BYTES = 16, 12, 16
CLEAR_BYTES = HEAD_BYTES + SEED_BYTES + CHECK_BYTES
SEALED_BYTES = HEAD_BYTES + COST.size + SALT_BYTES + NONCE_BYTES + SEED_BYTES + TAG_BYTES
OPERATIONS_MAX = 16  # a file from elsewhere must not keep us busy for minutes
MEMORY_KIB_MIN = 8  # Argon2's own
MEMORY_KIB_MAX = 1_048_576  # 1 GiB; a Pi with less could not open such a file anyway


@dataclass(frozen=True, slots=True)
class SealCost:
    """Of Argon2id. The default is libsodium's "moderate" with a quarter of the memory, for a Pi,
    and one pass more: 0.11 s measured on a server core.
    """

    operations: int = 4
    memory_kib: int = 65_536

    @property
    def is_sane(self) -> bool:
        """Whether a file may ask for it."""
        return 1 <= self.operations <= OPERATIONS_MAX and MEMORY_KIB_MIN <= self.memory_kib <= MEMORY_KIB_MAX


def encode_seed_file(
    seed: bytes, passphrase: str | None, entropy: Callable[[int], bytes], *, cost: SealCost | None = None
) -> bytes:
    """Raises LocalError for a cost that no reader would pay."""
    assert len(seed) == SEED_BYTES, "a seed has 32 bytes"
    if passphrase is None:
        clear = MAGIC + bytes([VERSION, CLEAR]) + seed
        return clear + hashlib.sha256(clear).digest()[:CHECK_BYTES]
    cost = cost or SealCost()
    if not cost.is_sane:
        raise LocalError(f"{cost} is beyond the limits of a seed file")
    head = (
        MAGIC + bytes([VERSION, SEALED]) + COST.pack(cost.operations, cost.memory_kib) + entropy(SALT_BYTES)
    )
    nonce = entropy(NONCE_BYTES)
    return head + nonce + AESGCM(_key(cost, head, passphrase)).encrypt(nonce, seed, head)


def seed_file_is_sealed(data: bytes) -> bool:
    """Whether opening needs a passphrase. Raises RefusedError for what is no seed file."""
    if len(data) < HEAD_BYTES or not data.startswith(MAGIC):
        raise RefusedError(
            "bad_seed_file", "this is not a seed file; restore the identity from its recovery phrase"
        )
    version, kind = data[len(MAGIC)], data[len(MAGIC) + 1]
    if version != VERSION or kind not in (CLEAR, SEALED):
        raise RefusedError(
            "newer_seed_file", "this seed file was written by a newer version; update meshnode"
        )
    if len(data) != (SEALED_BYTES if kind == SEALED else CLEAR_BYTES):
        raise RefusedError(
            "bad_seed_file", "the seed file is cut or torn; restore the identity from its recovery phrase"
        )
    return kind == SEALED


def decode_seed_file(data: bytes, passphrase: str | None) -> bytes:
    """The seed. Raises RefusedError for a damaged file, a missing or a wrong passphrase."""
    if not seed_file_is_sealed(data):
        clear, check = data[:-CHECK_BYTES], data[-CHECK_BYTES:]
        if hashlib.sha256(clear).digest()[:CHECK_BYTES] != check:
            raise RefusedError(
                "bad_seed_file", "the seed file is damaged; restore the identity from its recovery phrase"
            )
        return clear[HEAD_BYTES:]
    if passphrase is None:
        raise RefusedError("passphrase_needed", "the identity is sealed by a passphrase; give it")
    end = HEAD_BYTES + COST.size + SALT_BYTES
    head, nonce, sealed = data[:end], data[end : end + NONCE_BYTES], data[end + NONCE_BYTES :]
    cost = SealCost(*COST.unpack_from(head, HEAD_BYTES))
    if not cost.is_sane:
        raise RefusedError(
            "bad_seed_file", "the seed file asks for an impossible amount of work; it is damaged"
        )
    try:
        return AESGCM(_key(cost, head, passphrase)).decrypt(nonce, sealed, head)
    except InvalidTag:
        raise RefusedError("wrong_passphrase", "that passphrase does not open this identity") from None


def _key(cost: SealCost, head: bytes, passphrase: str) -> bytes:
    """Raises RefusedError where this machine has not the memory."""
    text = unicodedata.normalize("NFC", passphrase).encode(
        errors="surrogatepass"
    )  # a terminal may hand in half a pair
    salt = head[HEAD_BYTES + COST.size :]
    try:
        return argon2id.kdf(32, text, salt, opslimit=cost.operations, memlimit=cost.memory_kib * 1024)
    except CryptoError:
        raise RefusedError(
            "out_of_memory",
            f"opening the identity takes {cost.memory_kib // 1024} MiB of memory; close other programs",
        ) from None
