import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from policies.device import DeviceState
from policies.energy import EnergyView, decide_energy
from policies.transport import (
    LinkView,
    Traffic,
    TransportDecision,
    TransportView,
    decide_transport,
    explain,
)

QUIC = LinkView("quic://192.0.2.3:7420", "quic", rtt_ms=12, bytes_per_s=5e6)
HTX = LinkView(
    "htx://192.0.2.3:443", "htx", live=False, rtt_ms=14, cost=1.2, looks_like_web=True, datagram_bytes_max=0
)
BLE = LinkView(
    "ble://0a",
    "ble",
    rtt_ms=90,
    bytes_per_s=30_000,
    cost=0.3,
    datagram_bytes_max=469,
    has_reliable_lane=False,
    on_network=False,
)
MEMORY = LinkView("memory://a", "memory", rtt_ms=0.01, bytes_per_s=1e9, cost=0.01, on_network=False)
LOW = DeviceState(battery_percent=15, discharging=True)
HALF = DeviceState(battery_percent=50, discharging=True)
ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True)
LINKS = st.builds(
    LinkView,
    name=st.text(max_size=4),
    transport=st.sampled_from(["quic", "ble", "htx", "memory"]),
    live=st.booleans(),
    rtt_ms=st.none() | ANY_FLOAT,
    loss=ANY_FLOAT | st.floats(0, 1),
    bytes_per_s=st.none() | ANY_FLOAT,
    datagram_bytes_max=st.integers(-1, 70_000),
    has_reliable_lane=st.booleans(),
    looks_like_web=st.booleans(),
    on_network=st.booleans(),
    cost=ANY_FLOAT | st.floats(0, 10),
    metered=st.none() | st.booleans(),
    relayed_hops=st.integers(-1, 300),
    silent_ms=ANY_FLOAT | st.just(0.0),
    in_use=st.booleans(),
    failures=st.integers(-1, 1 << 70),
)
DEVICES = st.builds(
    DeviceState,
    battery_percent=st.none() | st.floats(0, 100) | ANY_FLOAT,
    discharging=st.none() | st.booleans(),
    thermal_c=st.none() | ANY_FLOAT,
    metered=st.none() | st.booleans(),
    saver=st.booleans(),
    load=st.none() | ANY_FLOAT,
    censored=st.booleans(),
)
TRAFFIC = st.sampled_from(["interactive", "bulk", "background", "emergency"])
VIEWS = st.builds(
    TransportView,
    links=st.lists(LINKS, max_size=5).map(tuple),
    traffic=TRAFFIC,
    size_bytes=st.integers(-1, 1 << 70),
    device=DEVICES,
    privacy=st.sampled_from(["none", "balanced", "strict"]),
)


def decide(
    *links: LinkView, traffic: Traffic = "interactive", size: int = 200, device: DeviceState | None = None
) -> TransportDecision:
    return decide_transport(TransportView(links, traffic, size, device or DeviceState()))


def chosen(decision: TransportDecision) -> str | None:
    return decision.link and decision.link.transport


def test_the_fast_open_link_is_the_default() -> None:
    decision = decide(BLE, HTX, QUIC)
    assert (chosen(decision), decision.lane, decision.reason) == ("quic", "datagram", "fastest")


def test_a_large_thing_goes_over_the_fast_link_in_order() -> None:
    decision = decide(BLE, HTX, QUIC, traffic="bulk", size=2 << 20)
    assert (chosen(decision), decision.lane) == ("quic", "reliable")


def test_a_large_thing_waits_while_the_battery_is_low() -> None:
    decision = decide(BLE, HTX, QUIC, traffic="bulk", size=2 << 20, device=LOW)
    assert (decision.link, decision.reason) == (None, "save_battery")
    assert [each.score for each in decision.considered] == [0.0, 0.0, 0.0]


def test_a_message_that_somebody_waits_for_goes_at_any_battery() -> None:
    assert chosen(decide(BLE, QUIC, device=replace(LOW, battery_percent=1))) == "quic"


def test_a_small_background_thing_takes_the_thrifty_radio_rather_than_a_new_connection() -> None:
    far = replace(QUIC, live=False)
    decision = decide(BLE, far, traffic="background", size=300, device=HALF)
    assert (chosen(decision), decision.reason) == ("ble", "already_open")


def test_on_a_watched_network_what_looks_like_the_web_is_chosen_although_it_must_be_dialled() -> None:
    decision = decide(QUIC, HTX, device=DeviceState(censored=True))
    assert (chosen(decision), decision.reason) == ("htx", "inconspicuous")


def test_on_a_watched_network_a_radio_is_inconspicuous_too() -> None:
    assert chosen(decide(QUIC, BLE, device=DeviceState(censored=True))) == "ble"


def test_without_a_web_like_link_a_watched_network_still_carries_messages() -> None:
    decision = decide(QUIC, device=DeviceState(censored=True))
    assert (chosen(decision), decision.reason) == ("quic", "only_choice")


def test_strict_privacy_never_uses_a_conspicuous_link_on_a_watched_network() -> None:
    view = TransportView((QUIC,), "emergency", 10, DeviceState(censored=True), privacy="strict")
    assert decide_transport(view).reason == "conspicuous"


def test_where_quic_is_blocked_htx_is_dialled() -> None:
    blocked = replace(QUIC, live=False, failures=2)
    assert chosen(decide(blocked, HTX)) == "htx"


def test_with_both_undialled_quic_comes_before_htx() -> None:
    assert chosen(decide(replace(QUIC, live=False, rtt_ms=None), replace(HTX, rtt_ms=None))) == "quic"


def test_memory_beats_every_radio_and_wire() -> None:
    assert chosen(decide(BLE, QUIC, MEMORY, traffic="bulk", size=2 << 20)) == "memory"


def test_on_a_tariff_a_large_thing_waits_and_a_small_one_goes() -> None:
    metered = DeviceState(metered=True)
    assert decide(QUIC, traffic="bulk", size=2 << 20, device=metered).reason == "metered"
    assert chosen(decide(QUIC, traffic="bulk", size=1 << 20, device=metered)) == "quic"
    assert decide(QUIC, traffic="background", size=1, device=metered).reason == "metered"


def test_a_link_without_a_tariff_is_taken_for_what_can_wait() -> None:
    paid, free = replace(QUIC, name="a", metered=True), replace(QUIC, name="b", metered=False, rtt_ms=14)
    decision = decide(paid, free, traffic="bulk", size=1 << 20)
    assert (decision.link, decision.reason) == (free, "unmetered")


def test_background_work_waits_for_a_device_that_is_busy_or_hot() -> None:
    assert decide(QUIC, traffic="background", device=DeviceState(load=9)).reason == "device_busy"
    assert decide(QUIC, traffic="background", device=DeviceState(thermal_c=90)).reason == "too_hot"


def test_the_energy_level_with_its_memory_counts_where_it_is_handed_in() -> None:
    saver = decide_energy(EnergyView(LOW))
    view = TransportView((QUIC,), "bulk", 1 << 20, DeviceState(), energy=saver)
    assert decide_transport(view).reason == "save_battery"


def test_a_relay_is_passed_over_for_a_direct_link() -> None:
    decision = decide(replace(QUIC, name="a", relayed_hops=2), replace(QUIC, name="b"))
    assert (decision.link and decision.link.name, decision.reason) == ("b", "most_direct")


def test_a_lossy_link_is_passed_over() -> None:
    decision = decide(replace(QUIC, name="a", loss=0.4), replace(QUIC, name="b"))
    assert (decision.link and decision.link.name, decision.reason) == ("b", "least_loss")


def test_a_silent_link_is_passed_over_for_one_that_answers() -> None:
    decision = decide(replace(QUIC, silent_ms=130.0), BLE)
    assert (decision.link, decision.reason) == (BLE, "answers")
    assert "no answer for 130 ms" in decision.considered[1].why


def test_where_all_are_silent_the_best_of_them_is_taken() -> None:
    assert decide(replace(QUIC, silent_ms=9_000.0), replace(BLE, silent_ms=130.0)).link.name == QUIC.name  # type: ignore[union-attr]


def test_silence_says_nothing_of_a_link_that_would_be_dialled() -> None:
    assert decide(replace(HTX, silent_ms=130.0)).considered[0].score == decide(HTX).considered[0].score


def test_a_link_in_use_stays_until_another_is_clearly_better() -> None:
    used = replace(QUIC, name="quic://z", in_use=True)
    nearly, clearly = replace(QUIC, rtt_ms=8), replace(QUIC, rtt_ms=0.5)
    stays = decide(used, nearly)
    assert (stays.link, stays.reason) == (used, "in_use")
    assert decide(used, clearly).link == clearly


def test_bulk_may_go_beside_over_links_about_as_good_and_over_those_never_measured() -> None:
    half, tenth = (replace(QUIC, name=f"quic://{part}", bytes_per_s=5e6 / part) for part in (2, 10))
    unknown = replace(QUIC, name="quic://new", bytes_per_s=None)
    decision = decide(QUIC, half, tenth, unknown, traffic="bulk", size=1 << 20)
    assert decision.link == QUIC
    assert set(decision.beside) == {half, unknown}
    assert decide(QUIC, half).beside == ()


def test_nothing_goes_beside_over_a_link_that_is_refused_silent_undialled_or_watched() -> None:
    metered = replace(QUIC, name="a", metered=True)
    silent = replace(QUIC, name="b", silent_ms=130.0)
    undialled = replace(QUIC, name="c", live=False)
    assert decide(QUIC, metered, silent, undialled, traffic="bulk", size=8 << 20).beside == ()
    web = replace(QUIC, name="d", looks_like_web=True)
    watched = decide(QUIC, web, traffic="bulk", size=1 << 20, device=DeviceState(censored=True))
    assert (watched.link, watched.beside) == (web, ())


def test_a_thriftier_link_wins_among_equals() -> None:
    decision = decide(replace(QUIC, name="a", cost=2.0), replace(QUIC, name="b"), device=LOW)
    assert (decision.link and decision.link.name, decision.reason) == ("b", "saves_energy")


def test_a_tie_goes_to_the_first_name_whatever_the_order() -> None:
    first, second = replace(QUIC, name="a"), replace(QUIC, name="b")
    for decision in (decide(first, second), decide(second, first)):
        assert (decision.link, decision.reason) == (first, "first_by_name")


def test_without_any_link_the_decision_says_so() -> None:
    assert decide().reason == "no_link"
    assert decide(replace(QUIC, datagram_bytes_max=0, has_reliable_lane=False)).reason == "no_lane"


def test_a_link_without_an_ordered_lane_carries_large_things_in_datagrams() -> None:
    assert decide(BLE, size=5_000).lane == "datagram"


def test_a_link_without_datagrams_carries_small_things_in_order() -> None:
    assert decide(HTX, size=50).lane == "reliable"


def test_explain_is_the_documented_json() -> None:
    busy = replace(QUIC, loss=0.05, relayed_hops=1, metered=True)
    dialled = replace(HTX, failures=1, rtt_ms=None)
    told = explain(decide(busy, dialled, device=DeviceState(censored=True)))
    assert told.keys() == {"transport", "link", "reason", "considered"}
    assert (told["transport"], told["link"]) == ("htx", HTX.name)
    assert [list(each) for each in told["considered"]] == [["transport", "score", "why"]] * 2  # type: ignore[attr-defined]
    text = json.dumps(told)
    for word in ("5.0% lost", "failed dials: 1", "relays: 1", "metered", "conspicuous", "unknown"):
        assert word in text
    assert explain(decide())["link"] is None


@given(view=VIEWS)
def test_every_view_has_a_decision_and_the_chosen_has_the_best_score_or_is_in_use(
    view: TransportView,
) -> None:
    decision = decide_transport(view)
    scores = [each.score for each in decision.considered]
    assert len(scores) == len(view.links)
    assert scores == sorted(scores, reverse=True)
    assert all(0.0 <= score <= 100.0 for score in scores)
    json.dumps(explain(decision), allow_nan=False)
    if decision.link is None:
        assert not any(scores)
    else:
        best = decision.considered[0]
        assert best.score > 0
        if decision.reason != "in_use":
            assert (best.transport, best.link) == (decision.link.transport, decision.link.name)
        assert decision.lane == "reliable" or decision.link.datagram_bytes_max > 0
        assert decision.lane == "datagram" or decision.link.has_reliable_lane


@given(
    view=VIEWS.filter(lambda view: len({link.name for link in view.links}) == len(view.links)),
    seed=st.randoms(),
)
def test_the_order_of_the_candidates_decides_nothing(view: TransportView, seed: object) -> None:
    links = list(view.links)
    seed.shuffle(links)  # type: ignore[attr-defined]
    assert repr(decide_transport(replace(view, links=tuple(links)))) == repr(decide_transport(view))


@given(view=VIEWS, slower=st.floats(0, 1_000), base=st.floats(0, 1_000))
def test_a_longer_round_trip_never_raises_a_score(view: TransportView, slower: float, base: float) -> None:
    link = replace(QUIC, rtt_ms=base)
    [before] = decide_transport(replace(view, links=(link,))).considered
    [after] = decide_transport(replace(view, links=(replace(link, rtt_ms=base + slower),))).considered
    assert after.score <= before.score


@given(view=VIEWS, low=st.floats(0, 100), high=st.floats(0, 100))
def test_a_lower_battery_never_sends_what_a_fuller_one_held_back(
    view: TransportView, low: float, high: float
) -> None:
    low, high = sorted((low, high))
    rich = decide_transport(replace(view, device=replace(view.device, battery_percent=high)))
    poor = decide_transport(replace(view, device=replace(view.device, battery_percent=low)))
    assert rich.link is not None or poor.link is None
