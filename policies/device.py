"""What a policy may know of the device it runs on."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["DeviceState", "NetworkInterface", "NetworkKind"]

NetworkKind: TypeAlias = Literal["wired", "wifi", "cellular", "loopback", "vpn", "other"]


@dataclass(frozen=True, slots=True)
class NetworkInterface:
    name: str
    kind: NetworkKind
    up: bool = True
    addresses: tuple[
        str, ...
    ] = ()  # IP literals without prefix length, sorted; a link-local one keeps its %scope


@dataclass(frozen=True, slots=True)
class DeviceState:
    """The device at one moment, small enough to write by hand in a test.

    None means that nobody could say: there is no battery, no sensor, or it could not be read. Policies take None
    as "no reason to hold back".
    """

    battery_percent: float | None = None  # 0 to 100; several batteries are weighed by their capacity
    discharging: bool | None = None
    thermal_c: float | None = None  # the hottest zone
    thermal_critical: bool = (
        False  # the system itself calls it critical, or a zone is above its own trip point
    )
    metered: bool | None = None  # bytes cost money
    saver: bool = False  # the owner asks to save energy
    load: float | None = None  # one-minute load average divided by the number of cores
    memory_available: int | None = None  # bytes
    networks: tuple[NetworkInterface, ...] = ()  # by name
    censored: bool = False  # the owner says that this network looks for, and blocks, what is not the web
