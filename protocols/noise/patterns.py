"""Handshake patterns as data (Noise, section 7), and the names of protocols."""

from collections.abc import Container, Mapping
from dataclasses import dataclass

from protocols.errors import LocalError


@dataclass(frozen=True, slots=True)
class Pattern:
    """`pre`: static keys that are known beforehand, as (initiator's, responder's). `messages`: tokens, in turn."""

    pre: tuple[bool, bool]
    messages: tuple[tuple[str, ...], ...]

    @property
    def one_way(self) -> bool:
        return len(self.messages) == 1

    def knows(self, *, initiators: bool) -> bool:
        """Whether that side's static key is known to the other before the first message."""
        return self.pre[0 if initiators else 1]

    def uses(self, *, initiators: bool) -> bool:
        """Whether that side has a static key in this pattern: known before, or sent."""
        sent = self.messages[0 if initiators else 1 :: 2]
        return self.knows(initiators=initiators) or any("s" in tokens for tokens in sent)


PATTERNS: Mapping[str, Pattern] = {
    "N": Pattern((False, True), (("e", "es"),)),
    "X": Pattern((False, True), (("e", "es", "s", "ss"),)),
    "NN": Pattern((False, False), (("e",), ("e", "ee"))),
    "XX": Pattern((False, False), (("e",), ("e", "ee", "s", "es"), ("s", "se"))),
    "XK": Pattern((False, True), (("e", "es"), ("e", "ee"), ("s", "se"))),
    "IK": Pattern((False, True), (("e", "es", "s", "ss"), ("e", "ee", "se"))),
    "KK": Pattern((True, True), (("e", "es", "ss"), ("e", "ee", "se"))),
    "XXhfs": Pattern((False, False), (("e", "e1"), ("e", "ee", "ekem1", "s", "es"), ("s", "se"))),
    "XKhfs": Pattern((False, True), (("e", "es", "e1"), ("e", "ee", "ekem1"), ("s", "se"))),
}


@dataclass(frozen=True, slots=True)
class ProtocolName:
    pattern: Pattern
    hybrid: bool
    cipher: str
    hash: str


def parse_name(name: str, ciphers: Container[str], hashes: Container[str]) -> ProtocolName:
    """`Noise_XX_25519_AESGCM_SHA256` or `Noise_XXhfs_25519+MLKEM768_AESGCM_SHA256`. Raises LocalError."""
    parts = name.split("_")
    if len(parts) == 5 and parts[0] == "Noise" and parts[1] in PATTERNS:
        hybrid = parts[1].endswith("hfs")
        agreement = "25519+MLKEM768" if hybrid else "25519"
        if parts[2] == agreement and parts[3] in ciphers and parts[4] in hashes:
            return ProtocolName(PATTERNS[parts[1]], hybrid, parts[3], parts[4])
    raise LocalError(f"{name} is no protocol of this engine")
