"""Whose traffic goes on, and how much of it."""

from dataclasses import replace

import pytest

from policies.energy import EnergyLevel
from policies.relay import (
    Refuse,
    Relay,
    RelayLimits,
    RelayView,
    Spent,
    Traffic,
    allowance_of,
    decide_relay,
    limits_for,
)

LETTER = RelayView(
    traffic="interactive",
    size_bytes=1_000,
    contact=False,
    place="full",
    relay_for="everyone",
    energy=EnergyLevel.FULL,
)
FULL = allowance_of(EnergyLevel.FULL).bytes_per_s


def test_by_default_everybodys_traffic_goes_on() -> None:
    assert decide_relay(LETTER) == Relay(first=False)


def test_a_node_that_relays_for_contacts_refuses_strangers() -> None:
    view = replace(LETTER, relay_for="contacts")
    assert decide_relay(view) == Refuse("relays_for_contacts")
    assert decide_relay(replace(view, contact=True)) == Relay(first=False)


def test_nobody_means_nobody_even_in_an_emergency() -> None:
    view = replace(LETTER, relay_for="nobody", traffic="emergency", contact=True)
    assert decide_relay(view) == Refuse("relays_for_nobody")


def test_nothing_goes_on_for_a_neighbour_without_a_place() -> None:
    assert decide_relay(replace(LETTER, place="none")) == Refuse("no_standing")
    assert decide_relay(replace(LETTER, place="last")) == Relay(first=False)


def test_emergencies_go_first_and_have_a_rate_of_their_own() -> None:
    view = replace(LETTER, traffic="emergency", energy=EnergyLevel.CRITICAL)
    assert decide_relay(view) == Relay(first=True)
    assert decide_relay(replace(view, spent=Spent(in_all=8_000))) == Refuse("too_much_in_all")


@pytest.mark.parametrize(
    ("energy", "traffic", "goes"),
    [
        (EnergyLevel.CAREFUL, "bulk", True),
        (EnergyLevel.SAVER, "interactive", True),
        (EnergyLevel.SAVER, "bulk", False),
        (EnergyLevel.SAVER, "background", False),
        (EnergyLevel.CRITICAL, "interactive", False),
    ],
)
def test_a_battery_that_runs_low_carries_less_for_others(
    energy: EnergyLevel, traffic: Traffic, *, goes: bool
) -> None:
    decision = decide_relay(replace(LETTER, energy=energy, traffic=traffic))
    assert decision == (Relay(first=False) if goes else Refuse("save_battery"))


def test_each_lower_level_leaves_less() -> None:
    rates = [allowance_of(level).bytes_per_s for level in sorted(EnergyLevel)]
    assert rates == sorted(rates)
    assert rates[0] == 0


def test_one_alone_may_have_all_of_it() -> None:
    spent = Spent(in_all=FULL - 1_000, of_neighbour=FULL - 1_000, of_source=FULL - 1_000)
    assert decide_relay(replace(LETTER, spent=spent)) == Relay(first=False)
    assert decide_relay(replace(LETTER, spent=replace(spent, in_all=FULL))) == Refuse("too_much_in_all")


def test_where_two_are_served_neither_gets_more_than_half() -> None:
    spent = Spent(in_all=FULL // 2, of_neighbour=FULL // 2)
    view = replace(LETTER, neighbours_busy=2, spent=spent)
    assert decide_relay(view) == Refuse("too_much_of_neighbour")
    assert decide_relay(replace(view, spent=replace(spent, of_neighbour=0))) == Relay(first=False)


def test_many_share_evenly_with_some_play() -> None:
    view = replace(LETTER, neighbours_busy=20, spent=Spent(in_all=FULL // 10, of_neighbour=FULL // 10))
    assert decide_relay(view) == Refuse("too_much_of_neighbour")
    assert decide_relay(replace(view, spent=Spent(FULL // 10, FULL // 10 - 1_000))) == Relay(first=False)


def test_one_source_gets_a_share_through_however_many_neighbours() -> None:
    share = int(FULL * RelayLimits().source_share)
    view = replace(LETTER, sources_busy=3, spent=Spent(in_all=share, of_source=share))
    assert decide_relay(view) == Refuse("too_much_of_source")


def test_an_owner_may_set_the_rate_and_no_level_goes_above_it() -> None:
    limits = limits_for(20_000)
    rates = [allowance_of(level, limits).bytes_per_s for level in sorted(EnergyLevel)]
    assert rates == [0, 20_000, 20_000, 20_000]
    assert allowance_of(EnergyLevel.CRITICAL, limits).emergency_bytes_per_s == 8_192
    assert allowance_of(EnergyLevel.FULL, limits_for(1 << 30)).bytes_per_s == 1 << 30
    assert decide_relay(replace(LETTER, size_bytes=20_001), limits) == Refuse("too_much_in_all")
