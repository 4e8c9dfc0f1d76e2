from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from policies.device import DeviceState
from policies.energy import EnergyLevel, EnergyLimits, EnergyView, decide_energy

LIMITS = EnergyLimits()
NUMBERS = st.none() | st.floats(allow_nan=True, allow_infinity=True) | st.floats(-10, 130)
DEVICES = st.builds(
    DeviceState,
    battery_percent=NUMBERS,
    discharging=st.none() | st.booleans(),
    thermal_c=NUMBERS,
    thermal_critical=st.booleans(),
    saver=st.booleans(),
    load=NUMBERS,
    memory_available=st.none() | st.integers(-1, 1 << 40),
)
LEVELS = st.none() | st.sampled_from(EnergyLevel)


def on_battery(percent: float, **more: object) -> DeviceState:
    return replace(DeviceState(battery_percent=percent, discharging=True), **more)  # type: ignore[arg-type]


def level_of(device: DeviceState, previous: EnergyLevel | None = None) -> EnergyLevel:
    return decide_energy(EnergyView(device, previous)).level


def test_a_machine_without_a_battery_may_do_everything() -> None:
    decision = decide_energy(EnergyView(DeviceState()))
    assert (decision.level, decision.reason) == (EnergyLevel.FULL, "no_battery")
    assert decision.background_allowed
    assert decision.allowance.bulk_allowed


def test_an_empty_battery_on_the_charger_holds_nothing_back() -> None:
    decision = decide_energy(EnergyView(DeviceState(battery_percent=3, discharging=False)))
    assert (decision.level, decision.reason) == (EnergyLevel.FULL, "mains")


def test_the_levels_follow_the_battery_down() -> None:
    levels = [level_of(on_battery(percent)) for percent in (95, 60, 15, 3)]
    assert levels == [EnergyLevel.FULL, EnergyLevel.CAREFUL, EnergyLevel.SAVER, EnergyLevel.CRITICAL]


def test_a_battery_of_unknown_charge_is_spared_while_it_drains() -> None:
    assert level_of(DeviceState(discharging=True)) is EnergyLevel.CAREFUL


def test_the_owners_wish_to_save_counts_on_mains_too() -> None:
    decision = decide_energy(EnergyView(DeviceState(battery_percent=90, discharging=False, saver=True)))
    assert (decision.level, decision.reason) == (EnergyLevel.SAVER, "wish")
    assert not decision.background_allowed


def test_heat_stops_work_whatever_the_battery_says() -> None:
    assert level_of(DeviceState(thermal_c=85)) is EnergyLevel.SAVER
    assert level_of(DeviceState(thermal_c=99)) is EnergyLevel.CRITICAL
    assert decide_energy(EnergyView(DeviceState(thermal_critical=True))).reason == "heat"


def test_a_gauge_that_jitters_at_a_threshold_does_not_make_the_level_flap() -> None:
    level = level_of(on_battery(19.5))
    for percent in (20.5, 19.8, 21.0, 20.1):
        level = level_of(on_battery(percent), level)
        assert level is EnergyLevel.SAVER
    assert level_of(on_battery(23.5), level) is EnergyLevel.CAREFUL


def test_a_device_that_cools_down_slowly_steps_up_past_the_margin_only() -> None:
    assert level_of(DeviceState(thermal_c=93), EnergyLevel.CRITICAL) is EnergyLevel.CRITICAL
    assert level_of(DeviceState(thermal_c=89), EnergyLevel.CRITICAL) is EnergyLevel.SAVER
    assert level_of(DeviceState(thermal_c=70), EnergyLevel.SAVER) is EnergyLevel.FULL


def test_plugging_in_helps_at_once() -> None:
    assert (
        level_of(DeviceState(battery_percent=4, discharging=False), EnergyLevel.CRITICAL) is EnergyLevel.FULL
    )


def test_a_machine_short_of_memory_or_processor_puts_background_work_off() -> None:
    for busy in (DeviceState(memory_available=1 << 20), DeviceState(load=9.0)):
        decision = decide_energy(EnergyView(busy))
        assert decision.level is EnergyLevel.FULL
        assert not decision.background_allowed


@given(device=DEVICES, previous=LEVELS)
def test_every_view_has_a_decision(device: DeviceState, previous: EnergyLevel | None) -> None:
    decision = decide_energy(EnergyView(device, previous))
    assert decision.level in EnergyLevel
    assert decision.allowance.poll_ns > 0


@given(device=DEVICES, previous=LEVELS, high=st.floats(0, 100), low=st.floats(0, 100))
def test_a_lower_battery_never_allows_more(
    device: DeviceState, previous: EnergyLevel | None, high: float, low: float
) -> None:
    low, high = sorted((low, high))
    rich = decide_energy(EnergyView(replace(device, battery_percent=high), previous))
    poor = decide_energy(EnergyView(replace(device, battery_percent=low), previous))
    assert poor.level <= rich.level
    assert poor.background_allowed <= rich.background_allowed
    assert poor.allowance.bulk_allowed <= rich.allowance.bulk_allowed
    assert poor.allowance.keep_alive_ns >= rich.allowance.keep_alive_ns
    assert poor.allowance.discovery_ns >= rich.allowance.discovery_ns
    assert poor.allowance.scan_duty <= rich.allowance.scan_duty
    assert poor.allowance.dials_at_once_max <= rich.allowance.dials_at_once_max


@given(device=DEVICES, previous=LEVELS)
def test_the_same_device_read_again_keeps_its_level(
    device: DeviceState, previous: EnergyLevel | None
) -> None:
    level = level_of(device, previous)
    assert level_of(device, level) is level


@given(device=DEVICES, previous=st.sampled_from(EnergyLevel))
def test_the_level_before_never_makes_things_worse_than_they_were(
    device: DeviceState, previous: EnergyLevel
) -> None:
    assert level_of(device, previous) >= min(previous, level_of(device))
    assert level_of(device, previous) <= level_of(device)


def test_a_worse_level_costs_less_in_every_allowance() -> None:
    ladder = [LIMITS.critical, LIMITS.saver, LIMITS.careful, LIMITS.full]
    for worse, better in pairwise(ladder):
        assert worse.keep_alive_ns >= better.keep_alive_ns
        assert worse.scan_duty <= better.scan_duty
        assert worse.dials_at_once_max <= better.dials_at_once_max
        assert worse.discovery_ns >= better.discovery_ns
