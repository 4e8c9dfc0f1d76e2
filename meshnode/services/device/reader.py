"""DeviceReader: sysfs and psutil put together into a DeviceState. It never fails: what can't be read is None.

No file tells whether a network is metered. The owner's word counts; else we guess from the kind of interface: cellular
and nothing better is metered, and so is a network with the addresses that phones give out when they share theirs.
Every other network is "nobody could say".
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TypeVar

from meshnode.services.device.sysfs import Power, Sysfs
from meshnode.services.device.system import Interface, PsutilSystem, System
from policies.device import DeviceState, NetworkInterface, NetworkKind

T = TypeVar("T")

CELLULAR = re.compile(
    r"(wwan|wwp|rmnet|ccmni|pdp_ip|ppp)[\w-]*"
)  # Linux, Qualcomm, MediaTek, iOS, old modems
VPN = re.compile(r"(tun|tap|wg|utun|tailscale|zt|ipsec)[\w-]*")
WIFI = re.compile(r"(wlan|wlp|wlx|wl)[\w-]*")
WIRED = re.compile(r"(eth|en|em)[\w-]*")
VIRTUAL_TYPES = {"bridge", "vlan", "bond", "veth", "dummy", "macvlan"}
HOTSPOTS = (
    ip_network("172.20.10.0/28"),  # iOS personal hotspot, always
    ip_network("192.168.43.0/24"),  # Android's tethering up to version 10
    ip_network("192.168.42.0/24"),  # the same over USB
)
LOOPBACK_TYPE = 772  # ARPHRD_LOOPBACK


class DeviceReader:
    def __init__(
        self,
        root: Path = Path("/"),
        *,
        system: System | None = None,
        metered: bool | None = None,
        censored: bool = False,
        saver: bool = False,
        executor: Executor | None = None,
    ) -> None:
        """`metered`, `censored` and `saver` are the owner's wishes; `executor` None: the event loop's own threads."""
        self._sysfs = Sysfs(root)
        self._system = system or PsutilSystem()
        self._metered, self._censored, self._saver = metered, censored, saver
        self._executor = executor

    @property
    def bad(self) -> Mapping[str, int]:
        """Kind -> count of readings that exist and made no sense."""
        return self._sysfs.bad

    async def read(self) -> DeviceState:
        """Off the event loop: a battery behind a slow controller takes tens of milliseconds to answer."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self.read_now)

    def read_now(self) -> DeviceState:
        power = self._power()
        heat = self._sysfs.heat()
        networks = tuple(self._network(each) for each in self._ask(self._system.interfaces, ()))
        return DeviceState(
            battery_percent=power.percent,
            discharging=power.discharging,
            thermal_c=heat.celsius,
            thermal_critical=heat.critical,
            metered=guess_metered(networks) if self._metered is None else self._metered,
            saver=self._saver,
            load=self._ask(self._system.load, None),
            memory_available=self._ask(self._system.memory_available, None),
            networks=networks,
            censored=self._censored,
        )

    def _power(self) -> Power:
        if self._sysfs.has_power_supplies():
            return self._sysfs.power()
        return Power(*self._ask(self._system.battery, (None, None)))

    def _ask(self, question: Callable[[], T], otherwise: T) -> T:
        """Psutil raises OSError where the system won't tell (a container, a hardened kernel)."""
        try:
            return question()
        except (OSError, RuntimeError, ValueError):
            self._sysfs.bad["system"] += 1
            return otherwise

    def _network(self, interface: Interface) -> NetworkInterface:
        name = interface.name
        up = interface.up and self._sysfs.operstate(name) not in {"down", "lowerlayerdown", "notpresent"}
        return NetworkInterface(name, self._kind(name, interface.addresses), up, interface.addresses)

    def _kind(self, name: str, addresses: tuple[str, ...]) -> NetworkKind:
        device_type = self._sysfs.device_type(name)
        if self._sysfs.interface_type(name) == LOOPBACK_TYPE or _all_loopback(addresses):
            return "loopback"
        if self._sysfs.is_wireless(name) or device_type == "wlan" or WIFI.fullmatch(name):
            return "wifi"
        if device_type == "wwan" or CELLULAR.fullmatch(name):
            return "cellular"
        if device_type == "wireguard" or VPN.fullmatch(name):
            return "vpn"
        if device_type in VIRTUAL_TYPES:
            return "other"
        return "wired" if self._sysfs.is_hardware(name) or WIRED.fullmatch(name) else "other"


def guess_metered(networks: tuple[NetworkInterface, ...]) -> bool | None:
    """True: surely or probably; None: nobody could say. Never False: a cable may end at a satellite."""
    ways = [
        each for each in networks if each.up and each.addresses and each.kind in {"wired", "wifi", "cellular"}
    ]
    better = [each for each in ways if each.kind != "cellular" and not _is_hotspot(each)]
    return True if ways and not better else None


def _is_hotspot(interface: NetworkInterface) -> bool:
    hosts = [ip_address(text.partition("%")[0]) for text in interface.addresses]
    return any(host in network for host in hosts for network in HOTSPOTS if host.version == 4)


def _all_loopback(addresses: tuple[str, ...]) -> bool:
    return bool(addresses) and all(ip_address(text.partition("%")[0]).is_loopback for text in addresses)
