from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from meshnode.services.device import DeviceReader, Interface, PsutilSystem
from policies.device import DeviceState, NetworkInterface

Write = Callable[[str, str | bytes], None]


class Hand(Protocol):
    found: list[Interface]
    battery_found: tuple[float | None, bool | None]
    fails: bool

    def interfaces(self) -> list[Interface]: ...
    def load(self) -> float | None: ...
    def memory_available(self) -> int | None: ...
    def battery(self) -> tuple[float | None, bool | None]: ...


def networks(root: Path, system: Hand, *interfaces: Interface) -> tuple[NetworkInterface, ...]:
    system.found = list(interfaces)
    return DeviceReader(root, system=system).read_now().networks


async def test_a_laptop_on_battery_is_read_as_one_state(tmp_path: Path, write: Write, system: Hand) -> None:
    write("power_supply/BAT0/type", "Battery")
    write("power_supply/BAT0/capacity", "40")
    write("power_supply/BAT0/status", "Discharging")
    write("thermal/thermal_zone0/temp", "51000")
    write("net/wlp3s0/phy80211", "")
    system.found = [Interface("wlp3s0", up=True, addresses=("192.0.2.2",))]
    assert await DeviceReader(tmp_path, system=system, censored=True).read() == DeviceState(
        battery_percent=40.0,
        discharging=True,
        thermal_c=51.0,
        load=0.5,
        memory_available=1 << 30,
        networks=(NetworkInterface("wlp3s0", "wifi", up=True, addresses=("192.0.2.2",)),),
        censored=True,
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("wlan0", "wifi"),
        ("wwan0", "cellular"),
        ("rmnet_data0", "cellular"),
        ("tun0", "vpn"),
        ("wg-home", "vpn"),
        ("wg0", "vpn"),
        ("enp3s0", "wired"),
        ("eth0", "wired"),
        ("docker0", "other"),
        ("veth12ab", "other"),
    ],
)
def test_a_name_alone_tells_the_usual_kinds(tmp_path: Path, system: Hand, name: str, kind: str) -> None:
    [network] = networks(tmp_path, system, Interface(name, up=True, addresses=("192.0.2.2",)))
    assert network.kind == kind


def test_what_the_driver_says_counts_before_the_name(tmp_path: Path, write: Write, system: Hand) -> None:
    write("net/home/uevent", "DEVTYPE=wireguard")
    write("net/eth7/uevent", "DEVTYPE=bridge")
    write("net/strange/device/vendor", "1")
    write("net/radio/uevent", "DEVTYPE=wwan")
    names = ["home", "eth7", "strange", "radio"]
    found = networks(tmp_path, system, *(Interface(name, up=True, addresses=()) for name in names))
    assert [each.kind for each in found] == ["vpn", "other", "wired", "cellular"]


def test_loopback_is_known_by_its_type_or_its_addresses(tmp_path: Path, write: Write, system: Hand) -> None:
    write("net/lo/type", "772")
    found = networks(
        tmp_path,
        system,
        Interface("lo", up=True, addresses=()),
        Interface("lo0", up=True, addresses=("127.0.0.1", "::1")),
    )
    assert [each.kind for each in found] == ["loopback", "loopback"]


def test_an_interface_without_a_cable_is_down(tmp_path: Path, write: Write, system: Hand) -> None:
    write("net/eth0/operstate", "lowerlayerdown")
    write("net/eth1/operstate", "unknown")
    found = networks(
        tmp_path, system, Interface("eth0", up=True, addresses=()), Interface("eth1", up=True, addresses=())
    )
    assert [each.up for each in found] == [False, True]


@pytest.mark.parametrize(
    ("interfaces", "metered"),
    [
        ([Interface("wwan0", up=True, addresses=("192.0.2.2",))], True),
        ([Interface("wwan0", True, ("192.0.2.2",)), Interface("wlan0", True, ("192.0.2.3",))], None),
        ([Interface("wwan0", True, ("192.0.2.2",)), Interface("wlan0", False, ("192.0.2.3",))], True),
        ([Interface("wlan0", up=True, addresses=("172.20.10.4", "fe80::1%wlan0"))], True),
        ([Interface("eth0", up=True, addresses=("192.168.1.4",))], None),
        ([Interface("wwan0", up=True, addresses=())], None),
        ([], None),
    ],
)
def test_a_tariff_is_guessed_from_the_kind_of_network(
    tmp_path: Path, system: Hand, *, interfaces: list[Interface], metered: bool | None
) -> None:
    system.found = interfaces
    assert DeviceReader(tmp_path, system=system).read_now().metered is metered


def test_the_owners_word_on_tariffs_counts_before_any_guess(tmp_path: Path, system: Hand) -> None:
    system.found = [Interface("wwan0", up=True, addresses=("192.0.2.2",))]
    assert DeviceReader(tmp_path, system=system, metered=False).read_now().metered is False


def test_without_sysfs_the_system_is_asked_for_its_battery(tmp_path: Path, system: Hand) -> None:
    system.battery_found = (77.0, False)
    state = DeviceReader(tmp_path, system=system).read_now()
    assert (state.battery_percent, state.discharging) == (77.0, False)


def test_a_system_that_refuses_everything_still_gives_a_state(tmp_path: Path, system: Hand) -> None:
    system.fails = True
    reader = DeviceReader(tmp_path, system=system, saver=True)
    assert reader.read_now() == DeviceState(saver=True)
    assert reader.bad == {"system": 4}


def test_this_very_machine_can_be_read(tmp_path: Path) -> None:
    state = DeviceReader(tmp_path, system=PsutilSystem()).read_now()
    assert state.memory_available
    assert state.load is not None
    assert any(network.kind == "loopback" for network in state.networks)
