"""The recovery phrase: a seed as 24 English words with a checksum (BIP-39)."""

from mnemonic import Mnemonic

from protocols.errors import LocalError, RefusedError
from protocols.keys.identity import SEED_BYTES

WORDS = 24  # 256 bits of seed and 8 of checksum, 11 a word


def phrase_from_seed(seed: bytes) -> str:
    if len(seed) != SEED_BYTES:
        raise LocalError(f"a seed has {SEED_BYTES} bytes")
    return Mnemonic("english").to_mnemonic(seed)


def seed_from_phrase(phrase: str) -> bytes:
    """Case and spacing don't matter. Raises RefusedError with a sentence that names the wrong word."""
    book = Mnemonic("english")
    words = phrase.lower().split()
    if len(words) != WORDS:
        raise RefusedError("bad_phrase", f"a recovery phrase has {WORDS} words, this one has {len(words)}")
    for place, word in enumerate(words, 1):
        if word not in book.wordlist:
            raise RefusedError(
                "bad_phrase", f"word {place}, {word[:20]!r}, is not in the list; check its spelling"
            )
    try:
        return bytes(book.to_entropy(words))
    except ValueError:
        raise RefusedError(
            "bad_phrase", "the words don't belong together; check their order and each of them"
        ) from None
