"""What one seed becomes: identity, static keys, storage key; its recovery phrase and its file."""

from protocols.keys.identity import SEED_BYTES, Identity, verify
from protocols.keys.phrase import phrase_from_seed, seed_from_phrase
from protocols.keys.seed_file import SealCost, decode_seed_file, encode_seed_file, seed_file_is_sealed

__all__ = [
    "SEED_BYTES",
    "Identity",
    "SealCost",
    "decode_seed_file",
    "encode_seed_file",
    "phrase_from_seed",
    "seed_file_is_sealed",
    "seed_from_phrase",
    "verify",
]
