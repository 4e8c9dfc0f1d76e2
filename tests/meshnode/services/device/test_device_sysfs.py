import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshnode.services.device.sysfs import FILE_BYTES_MAX, Heat, Power, Sysfs

Write = Callable[[str, str | bytes], None]
JUNK = [b"\xff\xfe\x00junk", b"", b"-5", b"101", b"1e99", b"9" * 5_000, b"9" * 24, b"four", b"\x00" * 64]


def a_battery(write: Write, name: str = "BAT0", *, capacity: str = "40", status: str = "Discharging") -> None:
    write(f"power_supply/{name}/type", "Battery\n")
    write(f"power_supply/{name}/capacity", f"{capacity}\n")
    write(f"power_supply/{name}/status", f"{status}\n")


def test_a_machine_without_sysfs_says_nothing_and_counts_nothing(tmp_path: Path) -> None:
    sysfs = Sysfs(tmp_path)
    assert not sysfs.has_power_supplies()
    assert (sysfs.power(), sysfs.heat()) == (Power(None, None), Heat(None, critical=False))
    assert not sysfs.bad


def test_a_draining_battery_is_read(tmp_path: Path, write: Write) -> None:
    a_battery(write)
    assert Sysfs(tmp_path).power() == Power(40.0, discharging=True)


def test_two_batteries_are_weighed_by_what_they_hold(tmp_path: Path, write: Write) -> None:
    a_battery(write, "BAT0", capacity="100", status="Full")
    a_battery(write, "BAT1", capacity="20")
    write("power_supply/BAT0/energy_full", "10000000")
    write("power_supply/BAT1/energy_full", "30000000")
    assert Sysfs(tmp_path).power() == Power(40.0, discharging=True)


def test_the_battery_of_a_mouse_is_not_ours(tmp_path: Path, write: Write) -> None:
    a_battery(write, "hidpp_battery_0", capacity="5")
    write("power_supply/hidpp_battery_0/scope", "Device")
    assert Sysfs(tmp_path).power() == Power(None, None)


def test_an_empty_slot_is_no_battery(tmp_path: Path, write: Write) -> None:
    a_battery(write)
    write("power_supply/BAT0/present", "0")
    assert Sysfs(tmp_path).power() == Power(None, None)


@pytest.mark.parametrize(
    ("status", "online", "discharging"),
    [("Charging", "0", False), ("Unknown", "1", False), ("Unknown", "0", True), ("Discharging", "1", True)],
)
def test_the_batterys_word_counts_before_the_chargers(
    tmp_path: Path, write: Write, *, status: str, online: str, discharging: bool
) -> None:
    a_battery(write, status=status)
    write("power_supply/AC/type", "Mains")
    write("power_supply/AC/online", online)
    assert Sysfs(tmp_path).power().discharging is discharging


def test_a_battery_that_does_not_say_and_no_charger_leave_it_open(tmp_path: Path, write: Write) -> None:
    write("power_supply/BAT0/type", "Battery")
    assert Sysfs(tmp_path).power() == Power(None, None)


def test_the_hottest_zone_counts(tmp_path: Path, write: Write) -> None:
    write("thermal/thermal_zone0/temp", "45000")
    write("thermal/thermal_zone1/temp", "61500")
    write("thermal/cooling_device0/temp", "99000")
    assert Sysfs(tmp_path).heat() == Heat(61.5, critical=False)


def test_a_zone_above_its_own_critical_trip_point_is_critical(tmp_path: Path, write: Write) -> None:
    write("thermal/thermal_zone0/temp", "71000")
    write("thermal/thermal_zone0/trip_point_0_type", "passive")
    write("thermal/thermal_zone0/trip_point_0_temp", "50000")
    write("thermal/thermal_zone0/trip_point_1_type", "critical")
    write("thermal/thermal_zone0/trip_point_1_temp", "70000")
    assert Sysfs(tmp_path).heat() == Heat(71.0, critical=True)


def test_a_trip_point_of_zero_means_none(tmp_path: Path, write: Write) -> None:
    write("thermal/thermal_zone0/temp", "71000")
    write("thermal/thermal_zone0/trip_point_0_type", "critical")
    write("thermal/thermal_zone0/trip_point_0_temp", "0")
    assert Sysfs(tmp_path).heat() == Heat(71.0, critical=False)


@pytest.mark.parametrize("junk", JUNK)
def test_junk_is_none_and_counted(tmp_path: Path, write: Write, junk: bytes) -> None:
    write("power_supply/BAT0/type", "Battery")
    write("power_supply/BAT0/capacity", junk)
    sysfs = Sysfs(tmp_path)
    assert sysfs.power().percent is None
    assert sysfs.bad.total() == 1


def test_an_impossible_temperature_is_left_out(tmp_path: Path, write: Write) -> None:
    write("thermal/thermal_zone0/temp", "-274000")
    write("thermal/thermal_zone1/temp", "30000")
    sysfs = Sysfs(tmp_path)
    assert sysfs.heat().celsius == 30.0
    assert sysfs.bad["out_of_range"] == 1


def test_a_huge_file_is_not_read_to_its_end(tmp_path: Path, write: Write) -> None:
    write("power_supply/BAT0/type", b"Battery" + b" " * FILE_BYTES_MAX)
    sysfs = Sysfs(tmp_path)
    assert sysfs.power() == Power(None, None)
    assert sysfs.bad["too_long"] == 1


def test_a_pipe_in_place_of_a_file_does_not_keep_us_waiting(tmp_path: Path, write: Write) -> None:
    a_battery(write)
    (tmp_path / "sys/class/power_supply/BAT0/capacity").unlink()
    os.mkfifo(tmp_path / "sys/class/power_supply/BAT0/capacity")
    assert Sysfs(tmp_path).power() == Power(None, discharging=True)


def test_a_file_in_place_of_a_folder_is_counted(tmp_path: Path, write: Write) -> None:
    write("thermal", "not a folder")
    sysfs = Sysfs(tmp_path)
    assert sysfs.heat() == Heat(None, critical=False)
    assert sysfs.bad["unreadable"] == 1


def test_the_kind_of_an_interface_is_read(tmp_path: Path, write: Write) -> None:
    write("net/wlan0/type", "1")
    write("net/wlan0/wireless/beacon", "0")
    write("net/wlan0/uevent", "DEVTYPE=wlan\nINTERFACE=wlan0\n")
    write("net/wlan0/device/vendor", "0x8086")
    sysfs = Sysfs(tmp_path)
    assert (sysfs.interface_type("wlan0"), sysfs.device_type("wlan0")) == (1, "wlan")
    assert sysfs.is_wireless("wlan0")
    assert sysfs.is_hardware("wlan0")
    assert (sysfs.interface_type("gone0"), sysfs.device_type("gone0")) == (None, "")


def test_an_interface_name_never_leads_out_of_the_folder(tmp_path: Path, write: Write) -> None:
    write("secret/type", "7")
    assert Sysfs(tmp_path).interface_type("../secret") is None


@given(
    content=st.binary(max_size=64),
    file=st.sampled_from(["capacity", "status", "type", "present", "energy_full"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_no_content_of_any_file_breaks_the_reading(
    tmp_path: Path, write: Write, content: bytes, file: str
) -> None:
    a_battery(write)
    write(f"power_supply/BAT0/{file}", content)
    power = Sysfs(tmp_path).power()
    assert power.percent is None or 0 <= power.percent <= 100
