import socket
from ipaddress import ip_address
from types import SimpleNamespace

import psutil
import pytest

from transports.discovery.hosts import HOSTS_MAX, host_addresses, multicast_addresses


def machine(
    monkeypatch: pytest.MonkeyPatch, interfaces: dict[str, list[str]], down: tuple[str, ...] = ()
) -> None:
    """Let the system tell of these interfaces."""

    def entries(addresses: list[str]) -> list[SimpleNamespace]:
        link_layer = SimpleNamespace(family=psutil.AF_LINK, address="02:00:00:00:00:01")
        families = {4: socket.AF_INET, 6: socket.AF_INET6}
        ours = [
            SimpleNamespace(family=families[ip_address(text).version], address=text) for text in addresses
        ]
        return [link_layer, *ours]

    monkeypatch.setattr(
        psutil, "net_if_addrs", lambda: {name: entries(ours) for name, ours in interfaces.items()}
    )
    monkeypatch.setattr(
        psutil, "net_if_stats", lambda: {name: SimpleNamespace(isup=name not in down) for name in interfaces}
    )


def test_loopback_and_what_is_down_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(
        monkeypatch,
        {"lo": ["127.0.0.1", "::1"], "eth0": ["192.0.2.2"], "eth1": ["192.0.2.3"]},
        down=("eth1",),
    )
    assert host_addresses() == ("192.0.2.2",)


def test_an_unplugged_machine_has_its_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, {"lo": ["127.0.0.1", "::1"]})
    assert host_addresses() == ("127.0.0.1", "::1")


def test_a_link_local_address_carries_its_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, {"eth0": ["fe80::1", "fe80::2%eth0", "2001:db8::1"]})
    assert host_addresses() == ("fe80::1%eth0", "fe80::2%eth0", "2001:db8::1")


def test_a_machine_full_of_containers_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, {f"veth{number}": [f"192.0.2.{number}"] for number in range(200)})
    assert len(host_addresses()) == HOSTS_MAX


def test_ipv6_is_joined_once_per_interface() -> None:
    hosts = ("192.0.2.2", "fd00::2", "fe80::1%eth0", "fe80::2%eth0", "fe80::3%wlan0")
    assert multicast_addresses(hosts) == ["192.0.2.2", "fe80::2%eth0", "fe80::3%wlan0"]
    assert multicast_addresses(("::1",)) == ["::1"]
