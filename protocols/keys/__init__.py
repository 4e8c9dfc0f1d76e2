"""What one seed becomes: identity, static keys, storage key; its recovery phrase and its file."""

from protocols.keys.identity import SEED_BYTES, Identity, verify
from protocols.keys.phrase import phrase_from_seed, seed_from_phrase
from protocols.keys.secret_box import open_secret, seal_secret
from protocols.keys.seed_file import SealCost, decode_seed_file, encode_seed_file, seed_file_is_sealed
from protocols.keys.suite import REAL, RealSuite, SigningKey, Suite

__all__ = [
    "REAL",
    "SEED_BYTES",
    "Identity",
    "RealSuite",
    "SealCost",
    "SigningKey",
    "Suite",
    "decode_seed_file",
    "encode_seed_file",
    "open_secret",
    "phrase_from_seed",
    "seal_secret",
    "seed_file_is_sealed",
    "seed_from_phrase",
    "verify",
]
