"""What the operating system tells through psutil, wrapped in one place and imported only when asked."""

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

INTERFACES_MAX = 128  # beyond that it is a container host, and the first in the alphabet will do
ADDRESSES_MAX = 16  # per interface; IPv6 privacy addresses pile up to about eight


@dataclass(frozen=True, slots=True)
class Interface:
    name: str
    up: bool
    addresses: tuple[str, ...]  # IP literals; a link-local IPv6 one with its %scope


class System(Protocol):
    """The port: real below, written by hand in a test."""

    def interfaces(self) -> Sequence[Interface]: ...
    def load(self) -> float | None:
        """One-minute average per core."""
        ...

    def memory_available(self) -> int | None: ...
    def battery(self) -> tuple[float | None, bool | None]:
        """(percent, discharging), where there is no sysfs to read."""
        ...


class PsutilSystem:
    def interfaces(self) -> Sequence[Interface]:
        import psutil  # noqa: PLC0415 - 10 ms that command lines should not pay

        stats = psutil.net_if_stats()
        found: list[Interface] = []
        for name, entries in sorted(psutil.net_if_addrs().items())[:INTERFACES_MAX]:
            addresses = [
                _with_scope(entry.address, name)
                for entry in entries
                if entry.family in {socket.AF_INET, socket.AF_INET6}
            ]
            up = name not in stats or stats[name].isup
            found.append(Interface(name, up, tuple(sorted(addresses)[:ADDRESSES_MAX])))
        return found

    def load(self) -> float | None:
        import psutil  # noqa: PLC0415

        return psutil.getloadavg()[0] / (psutil.cpu_count() or 1)

    def memory_available(self) -> int | None:
        import psutil  # noqa: PLC0415

        return int(psutil.virtual_memory().available)

    def battery(self) -> tuple[float | None, bool | None]:
        import psutil  # noqa: PLC0415

        read = getattr(psutil, "sensors_battery", None)  # missing on systems psutil cannot ask
        battery = read() if read else None
        if battery is None:
            return None, None
        plugged: bool | None = battery.power_plugged
        return float(battery.percent), None if plugged is None else not plugged


def _with_scope(address: str, interface: str) -> str:
    if "%" in address or not ipaddress.ip_address(address).is_link_local or ":" not in address:
        return address
    return f"{address}%{interface}"
