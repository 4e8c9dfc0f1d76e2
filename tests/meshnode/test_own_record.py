"""Our own record: reachable addresses, sequence numbers that never go back, ports that stay."""

import pytest

from meshnode.own_record import LIFE_S, STATE_FILE, OwnRecord, reachable
from meshnode.store import MemoryStorage
from policies.device import NetworkInterface
from protocols.directory import open_record
from protocols.errors import StoreError
from protocols.keys import Identity

IDENTITY = Identity.from_seed(bytes(32))
LOOPBACK = NetworkInterface("lo", "loopback", addresses=("127.0.0.1", "::1"))
WIFI = NetworkInterface("wlan0", "wifi", addresses=("192.168.1.7", "fe80::1%wlan0", "2001:db8::7"))


class Clock:
    def __init__(self, wall_s: int = 1_800_000_000) -> None:
        self.now, self.wall = 0, wall_s * 1_000_000_000

    def now_ns(self) -> int:
        return self.now

    def wall_ns(self) -> int:
        return self.wall


def own(storage: MemoryStorage, clock: Clock) -> OwnRecord:
    record = OwnRecord(IDENTITY, storage, clock, name="pi", features=("mlkem768",))
    record.keep_address("quic://0.0.0.0:0", "quic://0.0.0.0:7420")
    return record


def test_a_wildcard_becomes_the_addresses_of_that_family_without_loopback_and_link_local() -> None:
    bound = ("quic://0.0.0.0:7420", "quic://[::]:7421")
    assert reachable(bound, (LOOPBACK, WIFI)) == ("quic://192.168.1.7:7420", "quic://[2001:db8::7]:7421")


def test_a_machine_without_a_network_still_names_loopback() -> None:
    assert reachable(("quic://0.0.0.0:7420",), (LOOPBACK,)) == ("quic://127.0.0.1:7420",)


def test_an_address_that_was_asked_for_is_named_as_it_is() -> None:
    assert reachable(("quic://127.0.0.1:9",), (WIFI,)) == ("quic://127.0.0.1:9",)


def test_an_interface_that_is_down_is_not_named() -> None:
    down = NetworkInterface("eth0", "wired", up=False, addresses=("10.0.0.1",))
    assert reachable(("quic://0.0.0.0:1",), (down,)) == ()


def test_a_record_is_signed_once_and_again_only_when_something_changed() -> None:
    record = own(MemoryStorage(), Clock())
    assert record.refresh((WIFI,), ("messages",))
    assert not record.refresh((WIFI,), ("messages",))
    assert record.refresh((LOOPBACK,), ("messages",))
    assert open_record(record.current()).addresses == ("quic://127.0.0.1:7420",)


def test_a_record_is_signed_anew_when_half_its_life_is_over() -> None:
    clock = Clock()
    record = own(MemoryStorage(), clock)
    record.refresh((WIFI,), ())
    clock.now += LIFE_S * 1_000_000_000 // 2 + 1
    assert record.refresh((WIFI,), ())


def test_time_spent_asleep_counts_for_the_age_of_a_record() -> None:
    clock = Clock()
    record = own(MemoryStorage(), clock)
    record.refresh((WIFI,), ())
    clock.wall += (LIFE_S // 2 + 1) * 1_000_000_000
    assert record.refresh((WIFI,), ())


def test_sequence_numbers_go_up_even_when_the_clock_starts_in_1970() -> None:
    storage = MemoryStorage()
    first = own(storage, Clock())
    first.refresh((WIFI,), ())
    after_reboot = own(storage, Clock(wall_s=5))
    after_reboot.refresh((WIFI,), ())
    assert open_record(after_reboot.current()).sequence > open_record(first.current()).sequence
    assert open_record(after_reboot.current()).expires_at > 1_800_000_000


def test_the_port_that_was_bound_is_remembered_for_the_next_start() -> None:
    storage = MemoryStorage()
    own(storage, Clock()).refresh((WIFI,), ())
    assert own(storage, Clock()).kept_address("quic://0.0.0.0:0") == "quic://0.0.0.0:7420"
    assert own(storage, Clock()).kept_address("quic://[::]:0") is None


@pytest.mark.parametrize("damage", [b"", b"\xff\xff", b"\x81\xa1v\x02"])
def test_a_damaged_or_newer_state_file_costs_only_the_ports(damage: bytes) -> None:
    storage = MemoryStorage()
    storage.write_file(STATE_FILE, damage)
    record = OwnRecord(IDENTITY, storage, Clock(), name="", features=())
    assert record.kept_address("quic://0.0.0.0:0") is None
    assert record.refresh((WIFI,), ())


def test_an_address_without_host_and_port_is_named_as_it_is() -> None:
    assert reachable(("ble://a1b2",), (WIFI,)) == ("ble://a1b2",)


class FullStorage(MemoryStorage):
    full = True

    def write_file(self, name: str, data: bytes) -> None:
        if self.full:
            raise StoreError("the disk is full")
        super().write_file(name, data)


def test_a_full_disk_keeps_no_new_address_from_being_signed_and_is_tried_again() -> None:
    storage = FullStorage()
    record = own(storage, Clock())
    assert record.refresh((WIFI,), ())
    assert (open_record(record.current()).addresses, record.problem) == (record.addresses, "the disk is full")
    storage.full = False
    assert not record.refresh((WIFI,), ())
    assert record.problem == ""
    assert own(storage, Clock()).kept_address("quic://0.0.0.0:0") == "quic://0.0.0.0:7420"


def test_addresses_from_outside_stand_first_each_once_and_are_few() -> None:
    record = own(MemoryStorage(), Clock())
    record.refresh((WIFI,), ())
    record.outside = ("quic://45.0.1.2:7420", "quic://192.168.1.7:7420")
    assert record.refresh((WIFI,), ())
    assert record.addresses == ("quic://45.0.1.2:7420", "quic://192.168.1.7:7420")
    assert record.local == ("quic://192.168.1.7:7420",)
    assert open_record(record.current()).addresses == record.addresses
    record.outside = tuple(f"quic://45.0.1.{number}:7420" for number in range(9))
    record.refresh((WIFI,), ())
    assert record.addresses == (*record.outside[:4], "quic://192.168.1.7:7420")
