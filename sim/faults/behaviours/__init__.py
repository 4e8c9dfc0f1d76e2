"""How a host may misbehave, by name. What a plan may say is what stands in `BEHAVIOURS`; each new one is a line there."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sim.faults.behaviours.frames import Corrupt, Delay, Drop, Flood, Replay
from sim.faults.behaviours.handshake_flood import HandshakeFlood
from sim.faults.behaviours.impersonate import Impersonate
from sim.faults.behaviours.relays import BlackHole, FalseHops, FloodRouted, ReplayRouted, Swallow
from sim.faults.behaviours.spot import Behaviour, Spot

__all__ = ["AT_FRAMES", "BEHAVIOURS", "Behaviour", "Spot"]

AT_FRAMES: Mapping[str, Callable[[Spot], Behaviour]] = MappingProxyType(
    {"drop": Drop, "replay": Replay, "corrupt": Corrupt, "flood": Flood, "delay": Delay}
)
"""Those that somebody in the middle can do too."""

AT_RELAYS: Mapping[str, Callable[[Spot], Behaviour]] = MappingProxyType(
    {
        "swallow": Swallow,
        "false_hops": FalseHops,
        "black_hole": BlackHole,
        "replay_routed": ReplayRouted,
        "flood_routed": FloodRouted,
    }
)
"""Those of cores that relay."""

BEHAVIOURS: Mapping[str, Callable[[Spot], Behaviour]] = MappingProxyType(
    {**AT_FRAMES, **AT_RELAYS, "handshake_flood": HandshakeFlood, "impersonate": Impersonate}
)
