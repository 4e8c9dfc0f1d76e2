"""To everybody around: signed by its source, flooded once, given up where enough copies were heard."""

from protocols.routing.broadcast.flood import Broadcasts
from protocols.routing.broadcast.frames import (
    BODY_BYTES_MAX,
    EVERYBODY,
    SALT_BYTES,
    Broadcast,
    make_broadcast,
    open_broadcast,
)
from protocols.routing.broadcast.life import Life, life_of
from protocols.routing.broadcast.limits import (
    BROADCAST_BYTES_MAX,
    DEFAULT,
    FRAME_BYTES_MAX,
    HOPS_DEFAULT,
    LIFE_MS_MAX,
    SCOPE_HOPS_MAX,
    BroadcastLimits,
)
from protocols.routing.broadcast.rates import Rates

__all__ = [
    "BODY_BYTES_MAX",
    "BROADCAST_BYTES_MAX",
    "DEFAULT",
    "EVERYBODY",
    "FRAME_BYTES_MAX",
    "HOPS_DEFAULT",
    "LIFE_MS_MAX",
    "SALT_BYTES",
    "SCOPE_HOPS_MAX",
    "Broadcast",
    "BroadcastLimits",
    "Broadcasts",
    "Life",
    "Rates",
    "life_of",
    "make_broadcast",
    "open_broadcast",
]
