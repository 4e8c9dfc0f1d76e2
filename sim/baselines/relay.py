"""Which broadcasts a node hands on, by rules as others have them. Sans-IO: it is told what came, and says what to do."""

from dataclasses import dataclass

__all__ = ["HOPS_UNLIMITED", "WAIT_LEAST_MS", "Relay", "Rule", "Wait"]

HOPS_UNLIMITED = 255  # in a frame's hop field; it is not counted down

# How long a relay waits before it sends, so that neighbours don't all send at once, by how many it hears.
# After BitChat, which takes 10 to 40 ms where few hear each other and 100 to 220 ms where ten or more do.
WAIT_MS = ((2, (10, 40)), (5, (60, 150)), (9, (80, 180)))
WAIT_MS_CROWDED = (100, 220)
WAIT_LEAST_MS = 10


@dataclass(frozen=True, slots=True)
class Rule:
    hops_max: int = HOPS_UNLIMITED
    hops_dense_max: int = HOPS_UNLIMITED  # that a node leaves to a message if it hears `dense_from` or more
    dense_from: int = 6
    copies_enough: int | None = None  # heard in all while it waits: then it does not send at all
    chance: float = 1.0  # that it sends


@dataclass(frozen=True, slots=True)
class Wait:
    """Send it on after a time drawn between these."""

    ms: tuple[int, int]
    hops_left: int


class Relay:
    """One node's part. Of each message it keeps how many copies it has heard."""

    __slots__ = ("_copies", "_rule", "_waiting")

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._copies: dict[int, int] = {}
        self._waiting: set[int] = set()

    def knows(self, message: int) -> bool:
        return message in self._copies

    def originate(self, message: int) -> int:
        """Its hops."""
        self._copies[message] = 1
        return self._rule.hops_max

    def hear(self, message: int, hops_left: int, *, neighbours: int, draw: float) -> Wait | None:
        """`draw`: from 0 to 1, for rules that leave it to chance."""
        rule = self._rule
        if (copies := self._copies.get(message)) is not None:
            self._copies[message] = copies + 1
            if rule.copies_enough is not None and copies + 1 >= rule.copies_enough:
                self._waiting.discard(message)
            return None
        self._copies[message] = 1
        if neighbours >= rule.dense_from:
            hops_left = min(hops_left, rule.hops_dense_max)
        if hops_left <= 1 or draw >= rule.chance:
            return None
        self._waiting.add(message)
        return Wait(wait_ms(neighbours), hops_left - (hops_left != HOPS_UNLIMITED))

    def waited(self, message: int) -> bool:
        """The wait is over: whether it is sent."""
        waited = message in self._waiting
        self._waiting.discard(message)
        return waited


def wait_ms(neighbours: int) -> tuple[int, int]:
    return next((span for most, span in WAIT_MS if neighbours <= most), WAIT_MS_CROWDED)
