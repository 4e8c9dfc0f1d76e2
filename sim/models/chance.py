"""A die of eight bytes, for what there is very much of: each end of each link has its own.

SplitMix64: not for secrets. A `random.Random` holds 2.5 kB; ten thousand hosts with eight links each would hold 400 MB.
"""

import hashlib
from math import log

MASK = 0xFFFF_FFFF_FFFF_FFFF
STEP, MIX_1, MIX_2 = 0x9E37_79B9_7F4A_7C15, 0xBF58_476D_1CE4_E5B9, 0x94D0_49BB_1331_11EB
UNIT = 2.0**-53


class Chance:
    __slots__ = ("_state",)

    def __init__(self, text: str) -> None:
        """The same text gives the same draws."""
        self._state = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")

    def random(self) -> float:
        """At least 0, below 1."""
        self._state = mixed = (self._state + STEP) & MASK
        mixed = ((mixed ^ (mixed >> 30)) * MIX_1) & MASK
        mixed = ((mixed ^ (mixed >> 27)) * MIX_2) & MASK
        return ((mixed ^ (mixed >> 31)) >> 11) * UNIT

    def below(self, end: int) -> int:
        """0 to `end` - 1; `end` far below 2**53."""
        return int(self.random() * end)

    def exponential(self) -> float:
        """With a mean of 1."""
        return -log(1.0 - self.random())
