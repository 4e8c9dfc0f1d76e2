"""The node's seed on disk, and what a person does with it outside a running daemon.

`identity.seed` holds the 32-byte seed (mode 0600, optionally sealed by a passphrase). Its formats live in
`protocols.keys`.
"""

from collections.abc import Callable
from pathlib import Path

from meshnode.realworld import real_entropy, real_wall_ns
from meshnode.store import DirectoryLock, DiskStorage
from meshnode.store.files import read_file
from meshnode.world import Storage
from protocols.directory import sign_revocation
from protocols.errors import RefusedError, StoreError
from protocols.ids import NodeId, short_id
from protocols.keys import (
    REAL,
    Identity,
    Suite,
    decode_seed_file,
    encode_seed_file,
    phrase_from_seed,
    seed_file_is_sealed,
    seed_from_phrase,
)

SEED_FILE = "identity.seed"
SEED_FILE_BYTES_MAX = 4_096
SEED_BYTES = 32
PASSPHRASE_FILE_BYTES_MAX = 4_096  # a passphrase is a line; more is another file
NS_PER_S = 1_000_000_000


def load_or_create_identity(
    storage: Storage, passphrase: str | None, entropy: Callable[[int], bytes], suite: Suite = REAL
) -> tuple[Identity, bool]:
    """The identity of this data directory, made on first use. Returns (identity, is it new).

    Raises RefusedError for a missing or wrong passphrase, StoreError when the disk refuses.
    """
    data = storage.read_file(SEED_FILE, bytes_max=SEED_FILE_BYTES_MAX)
    if data is not None:
        return Identity.from_seed(_open(data, passphrase), suite), False
    seed = entropy(SEED_BYTES)
    storage.write_file(SEED_FILE, encode_seed_file(seed, passphrase, entropy))
    return Identity.from_seed(seed, suite), True


def export_phrase(data_dir: Path, passphrase: str | None) -> str:
    """The 24 words that are this identity. Raises RefusedError where there is none, or for a wrong passphrase."""
    return phrase_from_seed(_seed_of(data_dir, passphrase))


def restore_identity(data_dir: Path, phrase: str, passphrase: str | None, *, force: bool = False) -> NodeId:
    """Write the identity that the phrase names. Refuses to replace another one unless forced, and a running node."""
    seed = seed_from_phrase(phrase)
    storage = DiskStorage(data_dir)
    with DirectoryLock(data_dir):
        present = storage.read_file(SEED_FILE, bytes_max=SEED_FILE_BYTES_MAX)
        if present is not None and not force:
            raise RefusedError(
                "identity_present",
                f"{data_dir} already holds an identity; choose another --data-dir, or --force to replace it for good",
            )
        storage.write_file(SEED_FILE, encode_seed_file(seed, passphrase, real_entropy))
    return Identity.from_seed(seed).node_id


def revoke_identity(data_dir: Path, passphrase: str | None) -> bytes:
    """A signed revocation of this identity, to be handed to any contact (`meshctl peers revoked FILE`)."""
    identity = Identity.from_seed(_seed_of(data_dir, passphrase))
    return sign_revocation(identity, real_wall_ns() // NS_PER_S)


def read_passphrase(path: Path | None) -> str | None:
    """The first line of the file; None where no file is given. Raises StoreError where there is none in it."""
    if path is None:
        return None
    try:
        data = read_file(path, PASSPHRASE_FILE_BYTES_MAX)
    except StoreError as error:
        raise StoreError(f"no passphrase could be read: {error}") from None
    if data is None:
        raise StoreError(f"there is no passphrase file {path}; correct --passphrase-file")
    try:
        passphrase = data.decode().split("\n", 1)[0].rstrip("\r")
    except UnicodeDecodeError:
        raise StoreError(f"{path} is not text in UTF-8; write the passphrase on its first line") from None
    if not passphrase:
        raise StoreError(f"{path} holds no passphrase; write it on its first line")
    return passphrase


def default_name(node: NodeId) -> str:
    return short_id(node)


def _seed_of(data_dir: Path, passphrase: str | None) -> bytes:
    data = DiskStorage(data_dir).read_file(SEED_FILE, bytes_max=SEED_FILE_BYTES_MAX)
    if data is None:
        raise RefusedError("no_identity", f"{data_dir} holds no identity yet; 'meshnode run' makes one")
    return _open(data, passphrase)


def _open(data: bytes, passphrase: str | None) -> bytes:
    if seed_file_is_sealed(data) and passphrase is None:
        raise RefusedError(
            "passphrase_needed", "the identity is sealed; give its passphrase with --passphrase-file"
        )
    return decode_seed_file(data, passphrase)
