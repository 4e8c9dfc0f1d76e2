"""The real world: the one file where clocks, the system's randomness and real radios are touched."""

import os
import random
import time
from pathlib import Path

from meshnode.services.device import DeviceReader
from meshnode.settings import NodeSettings
from meshnode.store import DiskStorage
from meshnode.world import World
from protocols.noise import mlkem_or_none
from transports.discovery import Discovery
from transports.discovery.mdns import MdnsDiscovery
from transports.portmap import UpnpMapper
from transports.quic import QuicTransport


class RealClock:
    def now_ns(self) -> int:
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        return time.time_ns()


def real_entropy(size: int) -> bytes:
    return os.urandom(size)


def real_wall_ns() -> int:
    return time.time_ns()


def real_dice(concern: str) -> random.Random:
    """A die nobody can guess from outside; `concern` matters only where runs are repeated."""
    return random.Random(os.urandom(16) + concern.encode())  # seeded once, never for keys


def real_world(data_dir: Path, settings: NodeSettings) -> World:
    """Everything a daemon on this machine touches."""
    clock = RealClock()
    engine = None if settings.links.quic_engine == "auto" else settings.links.quic_engine
    reader = DeviceReader(metered=settings.links.metered, censored=settings.links.censored)

    def discovery() -> Discovery:
        return MdnsDiscovery(entropy=real_entropy)

    return World(
        clock=clock,
        dice=real_dice,
        entropy=real_entropy,
        kem=mlkem_or_none(),
        storage=DiskStorage(data_dir),
        transports={"quic": lambda: QuicTransport(clock, real_entropy, engine=engine)},
        discovery=discovery if settings.links.mdns else None,
        device=reader.read,
        port_mapper=UpnpMapper,
    )
