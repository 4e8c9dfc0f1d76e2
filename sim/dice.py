"""Chance from one seed: a die for each concern of each node.

Each is seeded with a text, which is stable where `hash` is not; so leaving one fault or one node out leaves every
other draw as it was, and a failing run can be shrunk.
"""

import hashlib
from collections.abc import Callable
from random import Random


class Dice:
    """`seed` may be any text; `Dice(7)` and `Dice("7")` are the same."""

    def __init__(self, seed: int | str) -> None:
        self.seed = str(seed)

    def die(self, concern: str, owner: str = "") -> Random:
        return Random(f"{self.seed}/{concern}/{owner}")

    def of(self, owner: str) -> Callable[[str], Random]:
        """What a node is handed as its dice."""
        return lambda concern: self.die(concern, owner)

    def entropy(self, owner: str) -> "Entropy":
        return Entropy(f"{self.seed}/entropy/{owner}".encode())


class Entropy:
    """What a node is handed instead of the system's: a counter under a keyed hash. 100 bytes, not a die's 2,500."""

    __slots__ = ("_count", "_key")

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.blake2b(key, digest_size=32).digest()
        self._count = 0

    def __call__(self, size: int) -> bytes:
        blocks: list[bytes] = []
        for _ in range(0, size, 64):
            self._count += 1
            blocks.append(hashlib.blake2b(self._count.to_bytes(8, "big"), key=self._key).digest())
        return b"".join(blocks)[:size]
