"""How old a broadcast is, and how long it has left, as far as our own wall clock can tell."""

from dataclasses import dataclass
from typing import Literal

from protocols.routing.broadcast.frames import Broadcast
from protocols.routing.broadcast.limits import FUTURE_MS_MAX, WALL_MS_MIN


@dataclass(frozen=True, slots=True)
class Life:
    age_ms: int
    left_ms: int


def life_of(broadcast: Broadcast, *, wall_ms: int) -> Life | Literal["expired", "from_the_future"]:
    """Where our clock was never set, what comes counts as fresh: better told late than never."""
    span_ms = broadcast.expires_ms - broadcast.at_ms
    if wall_ms < WALL_MS_MIN:
        return Life(0, span_ms)
    if broadcast.at_ms > wall_ms + FUTURE_MS_MAX:
        return "from_the_future"
    if broadcast.expires_ms <= wall_ms:
        return "expired"
    return Life(max(0, wall_ms - broadcast.at_ms), min(span_ms, broadcast.expires_ms - wall_ms))
