from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.device import DeviceState
from policies.energy import EnergyLevel, EnergyView, decide_energy
from protocols.errors import SettingsError
from sim.models.battery import (
    PHONE,
    PHONE_CAPACITY_MJ,
    RADIO_ON,
    RADIOS,
    Battery,
    Charge,
    Consumer,
    DeviceCosts,
    Radio,
    RadioUse,
)

SECOND_NS = 1_000_000_000
HOUR_NS = 3_600 * SECOND_NS
CONSUMERS: tuple[Consumer, ...] = ("device", "ble", "wifi", "lora")

radios = st.sampled_from(sorted(RADIOS))
uses = st.one_of(
    st.none(),
    st.builds(
        RadioUse, scan_ppm=st.integers(0, 1_000_000), advertises=st.booleans(), links=st.integers(0, 8)
    ),
)
packets = st.lists(st.tuples(radios, st.booleans(), st.integers(0, 2_000)), max_size=20)
steps = st.lists(st.tuples(st.integers(0, HOUR_NS), radios, uses, st.integers(0, 10**9)), max_size=20)
plans = st.lists(
    st.tuples(st.integers(0, HOUR_NS), st.integers(1, HOUR_NS), st.integers(0, 2_000_000)), max_size=5
)


def plan(gaps: list[tuple[int, int, int]]) -> list[Charge]:
    charges: list[Charge] = []
    at_ns = 0
    for gap_ns, lasts_ns, power_uw in gaps:
        charges.append(Charge(at_ns + gap_ns, at_ns + gap_ns + lasts_ns, power_uw))
        at_ns += gap_ns + lasts_ns
    return charges


def spent_nj(battery: Battery, now_ns: int) -> list[int]:
    return [battery.spent_nj(consumer, now_ns) for consumer in CONSUMERS]


def drained(power_uw: int, *charges: Charge, capacity_mj: int = 1_000) -> Battery:
    """Nothing but a device with this draw."""
    return Battery(DeviceCosts(device_uw=power_uw), capacity_mj=capacity_mj, charges=charges)


# -- what it costs --------------------------------------------------------------------------------------------


def test_a_draw_is_power_times_time() -> None:
    battery = drained(10_000)  # 10 mW of 1 J: 100 s
    assert battery.left_mj(50 * SECOND_NS) == 500
    assert battery.level(50 * SECOND_NS) == 50
    assert battery.empty_at_ns(50 * SECOND_NS) == 100 * SECOND_NS


@pytest.mark.parametrize("radio", sorted(RADIOS))
def test_a_radio_costs_what_its_table_says(radio: Radio) -> None:
    costs = RADIOS[radio]
    battery = Battery(PHONE, capacity_mj=PHONE_CAPACITY_MJ)
    battery.use(radio, RadioUse(scan_ppm=500_000, advertises=True, links=3), now_ns=0)
    battery.send(radio, size=200, packets=2, now_ns=SECOND_NS)
    battery.receive(radio, size=50, now_ns=SECOND_NS)
    per_second_uw = costs.idle_uw + costs.scan_uw // 2 + costs.advertise_uw + 3 * costs.link_uw
    assert battery.spent_nj(radio, SECOND_NS) == (
        per_second_uw * 1_000
        + costs.send_packet_nj * 2
        + costs.send_byte_nj * 200
        + costs.receive_packet_nj
        + costs.receive_byte_nj * 50
    )
    assert battery.spent_nj("device", SECOND_NS) == PHONE.device_uw * 1_000


def test_a_radio_that_is_off_costs_nothing_and_neither_does_a_device() -> None:
    battery = Battery(PHONE, capacity_mj=PHONE_CAPACITY_MJ)
    battery.use("wifi", RADIO_ON, now_ns=0)
    battery.use("wifi", None, now_ns=SECOND_NS)
    assert battery.spent_nj("wifi", HOUR_NS) == RADIOS["wifi"].idle_uw * 1_000
    battery.switch(on=False, now_ns=HOUR_NS)
    spent = spent_nj(battery, HOUR_NS)
    assert spent_nj(battery, 2 * HOUR_NS) == spent
    battery.switch(on=True, now_ns=2 * HOUR_NS)
    battery.work(77, now_ns=2 * HOUR_NS)
    assert battery.spent_nj("device", 3 * HOUR_NS) == spent[0] + PHONE.device_uw * 3_600_000 + 77


def test_radios_rank_as_they_should_for_a_small_message() -> None:
    """A short message is cheapest over BLE; listening all the time is dearest over wifi; LoRa's bytes are dearest."""
    small = {name: costs.send_packet_nj + 100 * costs.send_byte_nj for name, costs in RADIOS.items()}
    assert small["ble"] < small["wifi"] < small["lora"]
    assert RADIOS["ble"].scan_uw < RADIOS["lora"].scan_uw < RADIOS["wifi"].scan_uw


# -- sums -----------------------------------------------------------------------------------------------------


@given(sent=packets, seed=st.integers(0, 100))
def test_the_order_within_a_moment_changes_nothing(sent: list[tuple[Radio, bool, int]], seed: int) -> None:
    shuffled = sent.copy()
    Random(seed).shuffle(shuffled)
    outcomes: list[tuple[list[int], int, int | None]] = []
    for order in (sent, shuffled):
        battery = Battery(PHONE, capacity_mj=PHONE_CAPACITY_MJ)
        for radio, sends, size in order:
            (battery.send if sends else battery.receive)(radio, size=size, now_ns=5)
        outcomes.append((spent_nj(battery, 9), battery.left_mj(9), battery.empty_at_ns(9)))
    assert outcomes[0] == outcomes[1]


def run(battery: Battery, story: list[tuple[int, Radio, RadioUse | None, int]], looks: int) -> int:
    now_ns = 0
    for span_ns, radio, use, size in story:
        for look in range(looks):
            battery.level(now_ns + span_ns * look // looks)
        now_ns += span_ns
        battery.use(radio, use, now_ns=now_ns)
        battery.send(radio, size=size, now_ns=now_ns)
    return now_ns


@given(story=steps, charging=plans, capacity_mj=st.integers(1, 10_000), looks=st.integers(1, 5))
def test_how_often_it_is_looked_at_changes_nothing(
    story: list[tuple[int, Radio, RadioUse | None, int]],
    charging: list[tuple[int, int, int]],
    capacity_mj: int,
    looks: int,
) -> None:
    seldom, often = (Battery(PHONE, capacity_mj=capacity_mj, charges=plan(charging)) for _ in range(2))
    now_ns = run(seldom, story, 0)
    run(often, story, looks)
    assert spent_nj(seldom, now_ns) == spent_nj(often, now_ns)
    assert seldom.left_mj(now_ns) == often.left_mj(now_ns)
    assert seldom.empty_at_ns(now_ns) == often.empty_at_ns(now_ns)


@given(story=steps, charging=plans, capacity_mj=st.integers(1, 10_000))
def test_what_is_left_is_never_below_nothing_or_above_all(
    story: list[tuple[int, Radio, RadioUse | None, int]],
    charging: list[tuple[int, int, int]],
    capacity_mj: int,
) -> None:
    battery = Battery(PHONE, capacity_mj=capacity_mj, level_percent=50, charges=plan(charging))
    now_ns = 0
    for step in story:
        now_ns += step[0]
        run_at(battery, step, now_ns)
        assert 0 <= battery.left_mj(now_ns) <= capacity_mj
        assert 0 <= battery.level(now_ns) <= 100
        assert (battery.level(now_ns) == 0) == battery.is_empty(now_ns)


def run_at(battery: Battery, step: tuple[int, Radio, RadioUse | None, int], now_ns: int) -> None:
    _, radio, use, size = step
    battery.use(radio, use, now_ns=now_ns)
    battery.receive(radio, size=size, now_ns=now_ns)


@given(story=steps)
def test_without_a_charger_what_was_spent_is_what_is_gone(
    story: list[tuple[int, Radio, RadioUse | None, int]],
) -> None:
    battery = Battery(PHONE, capacity_mj=10**9)
    now_ns = run(battery, story, 1)
    gone_mj = 10**9 - battery.left_mj(now_ns)
    total_nj = sum(spent_nj(battery, now_ns))
    assert 0 <= gone_mj * 1_000_000 - total_nj + 1_000_000 <= 2_000_000  # each was rounded down


# -- empty ----------------------------------------------------------------------------------------------------


@given(
    charging=plans,
    capacity_mj=st.integers(1, 3_000),
    level=st.integers(1, 100),
    power_uw=st.integers(1, 1_000_000),
)
def test_it_is_empty_at_the_very_nanosecond_that_was_told(
    charging: list[tuple[int, int, int]], capacity_mj: int, level: int, power_uw: int
) -> None:
    def fresh() -> Battery:
        costs = DeviceCosts(device_uw=power_uw)
        return Battery(costs, capacity_mj=capacity_mj, level_percent=level, charges=plan(charging))

    empty_ns = fresh().empty_at_ns(0)
    assert empty_ns is not None
    assert not fresh().is_empty(empty_ns - 1)
    assert fresh().is_empty(empty_ns)


def test_a_device_that_draws_nothing_is_never_empty() -> None:
    battery = drained(10_000)
    battery.switch(on=False, now_ns=0)
    assert battery.empty_at_ns(0) is None


def test_the_last_packet_goes_out_and_an_empty_battery_gives_nothing() -> None:
    battery = drained(0, capacity_mj=1)
    battery.send("lora", size=10_000, now_ns=0)
    assert battery.is_empty(0)
    assert battery.empty_at_ns(0) == 0
    assert battery.spent_nj("lora", 0) == 1_000_000
    battery.send("lora", size=1, now_ns=1)
    assert battery.spent_nj("lora", 1) == 1_000_000


def test_an_empty_battery_draws_nothing_until_a_charger_gives_more_than_the_device_draws() -> None:
    weak, strong = (
        Charge(200 * SECOND_NS, 300 * SECOND_NS, 5_000),
        Charge(400 * SECOND_NS, 500 * SECOND_NS, 15_000),
    )
    battery = drained(10_000, weak, strong)
    assert battery.is_empty(100 * SECOND_NS)
    assert battery.is_empty(400 * SECOND_NS)
    assert battery.spent_nj("device", 400 * SECOND_NS) == 1_000_000_000
    assert battery.left_mj(500 * SECOND_NS) == 500
    assert battery.empty_at_ns(500 * SECOND_NS) == 550 * SECOND_NS


def test_a_charger_that_gives_just_the_draw_does_not_fill_what_is_empty() -> None:
    battery = drained(10_000, Charge(200 * SECOND_NS, 300 * SECOND_NS, 10_000))
    assert battery.is_empty(250 * SECOND_NS)
    assert battery.spent_nj("device", 250 * SECOND_NS) == 1_000_000_000


# -- charging -------------------------------------------------------------------------------------------------


def test_charging_ends_at_full_and_counts_for_when_it_will_be_empty() -> None:
    battery = drained(10_000, Charge(50 * SECOND_NS, 200 * SECOND_NS, 20_000))
    assert battery.empty_at_ns(0) == 300 * SECOND_NS
    assert battery.level(100 * SECOND_NS) == 100
    assert battery.level(200 * SECOND_NS) == 100
    assert battery.level(250 * SECOND_NS) == 50


def test_a_charger_is_seen_while_it_is_attached() -> None:
    battery = drained(10_000, Charge(50 * SECOND_NS, 60 * SECOND_NS, 0))
    assert battery.charger_at_ns(0) == 50 * SECOND_NS
    assert battery.discharging(50 * SECOND_NS - 1)
    assert not battery.discharging(50 * SECOND_NS)
    assert battery.charger_at_ns(55 * SECOND_NS) == 55 * SECOND_NS
    assert battery.discharging(60 * SECOND_NS)
    assert battery.charger_at_ns(60 * SECOND_NS) is None


def test_charges_before_its_time_are_over() -> None:
    battery = Battery(PHONE, capacity_mj=1_000, charges=[Charge(0, 5, 10)], now_ns=10)
    assert battery.discharging(10)
    assert battery.level(11) == 100


# -- what the policy sees -------------------------------------------------------------------------------------


def test_the_policy_sees_level_and_charger_and_the_rest_as_it_was() -> None:
    battery = drained(10_000, Charge(90 * SECOND_NS, 95 * SECOND_NS, 0))
    base = DeviceState(metered=True)
    state = battery.device_state(85 * SECOND_NS, base)
    assert state == DeviceState(metered=True, battery_percent=15.0, discharging=True)
    assert decide_energy(EnergyView(state)).level is EnergyLevel.SAVER
    assert battery.device_state(91 * SECOND_NS).discharging is False
    assert decide_energy(EnergyView(battery.device_state(91 * SECOND_NS))).level is EnergyLevel.FULL


def test_mains_counts_what_is_spent_and_says_nothing_of_a_battery() -> None:
    mains = Battery(DeviceCosts(device_uw=3_000_000), capacity_mj=None)
    mains.send("wifi", size=100, now_ns=HOUR_NS)
    assert mains.spent_nj("device", HOUR_NS) == 3_000_000 * 3_600_000
    assert mains.spent_nj("wifi", HOUR_NS) == 69_000 + 23_800
    assert mains.device_state(HOUR_NS) == DeviceState()
    assert mains.empty_at_ns(HOUR_NS) is None
    assert mains.level(HOUR_NS) == 100
    assert not mains.is_empty(HOUR_NS)
    assert not mains.discharging(HOUR_NS)


def test_a_phone_lasts_weeks_asleep_and_days_with_both_radios_up() -> None:
    battery = Battery(PHONE, capacity_mj=PHONE_CAPACITY_MJ)
    asleep_ns = battery.empty_at_ns(0)
    battery.use("ble", RadioUse(scan_ppm=500_000, advertises=True, links=4), now_ns=0)
    battery.use("wifi", RadioUse(scan_ppm=100_000), now_ns=0)
    busy_ns = battery.empty_at_ns(0)
    assert asleep_ns is not None
    assert busy_ns is not None
    assert 20 * 24 * HOUR_NS < asleep_ns < 40 * 24 * HOUR_NS
    assert 5 * 24 * HOUR_NS < busy_ns < 15 * 24 * HOUR_NS


@pytest.mark.parametrize(
    "make",
    [
        lambda: Battery(PHONE, capacity_mj=0),
        lambda: Battery(PHONE, capacity_mj=10**12 + 1),
        lambda: Battery(PHONE, capacity_mj=1, level_percent=101),
        lambda: drained(1, Charge(5, 5, 1)),
        lambda: drained(1, Charge(5, 6, -1)),
        lambda: drained(1, Charge(5, 9, 1), Charge(8, 10, 1)),
        lambda: drained(1, *(Charge(n, n + 1, 1) for n in range(10_001))),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(SettingsError):
        make()


def test_asking_for_the_past_is_a_bug_that_is_told() -> None:
    battery = drained(1)
    battery.level(10)
    with pytest.raises(AssertionError, match="the past"):
        battery.level(9)
