"""Whom we called lately."""

from meshnode.called import HOSTS_MAX, CalledHosts


def test_a_host_is_known_at_whatever_port_it_comes_from() -> None:
    called = CalledHosts()
    called.note("quic://45.0.1.10:7420")
    assert "quic://45.0.1.10:20000" in called
    assert "quic://45.0.1.11:7420" not in called


def test_an_ipv6_host_is_one_however_it_is_written() -> None:
    called = CalledHosts()
    called.note("quic://[2A00:0::1]:7420")
    assert "quic://[2a00::1]:1" in called


def test_an_address_of_another_kind_is_known_as_it_stands() -> None:
    called = CalledHosts()
    called.note("ble://a-phone")
    assert "ble://a-phone" in called
    assert "ble://b-phone" not in called


def test_the_host_that_was_called_longest_ago_is_forgotten() -> None:
    called = CalledHosts()
    for number in range(HOSTS_MAX + 1):
        called.note(f"quic://10.{number >> 16}.{number >> 8 & 255}.{number & 255}:1")
        called.note("quic://192.168.0.1:1")
    assert "quic://10.0.0.0:1" not in called
    assert "quic://10.0.0.9:1" in called
    assert "quic://192.168.0.1:1" in called
