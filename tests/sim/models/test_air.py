from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import LocalError, SettingsError
from sim.models.air import (
    ALWAYS,
    ASLEEP,
    BLE_ADVERTISING,
    BLE_CONNECTION,
    BLE_EXTENDED,
    FRAMES_WAITING_MAX,
    IDEAL,
    LISTEN_TRIES_MAX,
    LORA,
    Air,
    AirKind,
    Beacon,
    BitRate,
    Chirps,
    Hearing,
    Windows,
    edge_loss,
    sees_after_ns,
)
from sim.models.movement import ContactChange
from sim.timeline import NS_PER_MS, NS_PER_S, NS_PER_US, Timeline

BYTE_NS = 8_000  # at 1 Mbit/s
PLAIN_RADIO = AirKind("plain", BitRate(1_000_000), 1_000)


class Sky:
    """Some hosts on one air, and what each received: (when, sender, frame)."""

    def __init__(self, kind: AirKind, hosts: int, *, loss: float = 0.0, windows: Windows = ALWAYS) -> None:
        self.timeline = Timeline()
        self.air = Air(kind, self.timeline, Random("air"), loss=loss)
        self.got: list[list[tuple[int, int, bytes]]] = [[] for _ in range(hosts)]
        self.paid = [[0, 0] for _ in range(hosts)]
        for host in range(hosts):
            self._add(host, windows)

    def _add(self, host: int, windows: Windows) -> None:
        def heard(sender: int, frame: bytes) -> None:
            self.got[host].append((self.timeline.now_ns, sender, frame))

        def pay(out: int, into: int) -> None:
            self.paid[host][0] += out
            self.paid[host][1] += into

        assert self.air.add(heard, windows=windows, spend=pay) == host

    def at(self, when_ns: int, host: int, frame: bytes) -> None:
        self.timeline.at(when_ns, "send", self.air.transmit, host, frame)

    def run(self) -> None:
        self.timeline.run(3_600 * NS_PER_S)


def row(kind: AirKind, hosts: int) -> Sky:
    """Each hears the next and the one before."""
    sky = Sky(kind, hosts)
    for host in range(hosts - 1):
        sky.air.meet(host, host + 1)
    return sky


def test_a_frame_reaches_all_in_range_at_the_end_of_its_airtime_and_nobody_else() -> None:
    sky = row(PLAIN_RADIO, 4)
    sky.at(5, 1, b"hello")
    sky.run()
    assert sky.got == [[(5 + 5 * BYTE_NS, 1, b"hello")], [], [(5 + 5 * BYTE_NS, 1, b"hello")], []]
    assert sky.air.counts == {"sent": 1, "received": 2}
    assert sky.air.airtime_ns == 5 * BYTE_NS


def test_two_that_overlap_destroy_each_other_where_both_are_heard_and_only_there() -> None:
    sky = row(PLAIN_RADIO, 5)
    sky.at(0, 1, b"first")
    sky.at(BYTE_NS, 3, b"other")
    sky.run()
    assert sky.got[2] == []
    assert sky.got[0] == [(5 * BYTE_NS, 1, b"first")]
    assert sky.got[4] == [(6 * BYTE_NS, 3, b"other")]
    assert sky.air.counts["collided"] == 2


def test_one_that_begins_as_another_ends_harms_nobody() -> None:
    sky = row(PLAIN_RADIO, 3)
    sky.at(0, 0, b"first")
    sky.at(5 * BYTE_NS, 2, b"other")
    sky.run()
    assert [frame for _, _, frame in sky.got[1]] == [b"first", b"other"]


def test_who_is_much_nearer_is_heard_all_the_same() -> None:
    sky = Sky(AirKind("captures", BitRate(1_000_000), 100, capture_ratio=2.0), 3)
    sky.air.meet(0, 1, Hearing(distance_m=10))
    sky.air.meet(1, 2, Hearing(distance_m=20))
    sky.at(0, 2, b"far")
    sky.at(BYTE_NS, 0, b"near")
    sky.run()
    assert [frame for _, _, frame in sky.got[1]] == [b"near"]


def test_who_sends_does_not_hear() -> None:
    sky = row(PLAIN_RADIO, 2)
    sky.at(0, 0, b"long frame")
    sky.at(BYTE_NS, 1, b"me")
    sky.run()
    assert sky.got == [[], []]
    assert sky.air.counts["sending"] == 2


def test_a_frame_that_begins_while_one_sends_is_missed_though_it_ends_later() -> None:
    sky = row(PLAIN_RADIO, 2)
    sky.at(0, 0, b"me")
    sky.at(BYTE_NS, 1, b"long frame")
    sky.run()
    assert sky.got == [[], []]


def test_a_sleeping_radio_hears_nothing_and_one_that_falls_asleep_loses_the_frame() -> None:
    sky = Sky(PLAIN_RADIO, 4)
    for host in (1, 2, 3):
        sky.air.meet(0, host)
    sky.air.tune(1, ASLEEP)
    sky.air.tune(2, Windows(3 * BYTE_NS, NS_PER_S))
    sky.at(0, 0, b"hello")
    sky.run()
    assert [len(got) for got in sky.got] == [0, 0, 0, 1]
    assert sky.air.counts["asleep"] == 2


def test_loss_at_the_edge_adds_to_that_of_the_air() -> None:
    sky = Sky(IDEAL, 3, loss=0.5)
    sky.air.meet(0, 1)
    sky.air.meet(0, 2, Hearing(loss=0.5))
    for number in range(1_000):
        sky.at(number * NS_PER_S, 0, b"x")
    sky.run()
    assert 450 < len(sky.got[1]) < 550
    assert 200 < len(sky.got[2]) < 300
    assert sky.air.counts["lost"] == 2_000 - len(sky.got[1]) - len(sky.got[2])


def test_the_edge_is_hard_or_soft() -> None:
    assert [edge_loss(metres, 10, soft_share=0.5) for metres in (0, 5, 7.5, 10, 11)] == [0, 0, 0.5, 1, 1]
    assert [edge_loss(metres, 10, soft_share=0) for metres in (10, 11)] == [0, 1]


def test_each_pays_for_what_it_sends_and_receives() -> None:
    sky = row(PLAIN_RADIO, 3)
    sky.at(0, 1, b"hello")
    sky.run()
    assert sky.paid == [[0, 5], [5, 0], [0, 5]]


def test_hearing_follows_contacts_and_what_is_on_the_way_still_arrives() -> None:
    sky = Sky(PLAIN_RADIO, 2)
    sky.air.follow([ContactChange(0, True, 0, 1)])
    assert (len(sky.air), sky.air.degree(0)) == (2, 1)
    sky.at(0, 0, b"hello")
    sky.timeline.at(BYTE_NS, "part", sky.air.follow, [ContactChange(BYTE_NS, False, 0, 1)])
    sky.at(NS_PER_S, 0, b"again")
    sky.run()
    assert [frame for _, _, frame in sky.got[1]] == [b"hello"]
    sky.air.part(0, 1)
    assert sky.air.degree(1) == 0


def test_frames_of_one_sender_go_one_after_the_other_and_too_many_are_dropped() -> None:
    sky = row(PLAIN_RADIO, 2)
    for number in range(FRAMES_WAITING_MAX + 3):
        sky.air.transmit(0, bytes([number]))
    sky.run()
    assert [frame[0] for _, _, frame in sky.got[1]] == list(range(FRAMES_WAITING_MAX + 1))
    assert sky.air.counts["queue_full"] == 2


@pytest.mark.parametrize("size", [0, 1_001])
def test_a_frame_that_the_radio_cannot_send_is_its_owners_fault(size: int) -> None:
    with pytest.raises(LocalError, match="1 to 1000 bytes"):
        row(PLAIN_RADIO, 2).air.transmit(0, bytes(size))


def test_advertisements_of_one_sender_are_twenty_to_thirty_milliseconds_apart() -> None:
    sky = row(BLE_ADVERTISING, 2)
    for _ in range(20):
        sky.air.transmit(0, bytes(31))
    sky.run()
    times = [when_ns for when_ns, _, _ in sky.got[1]]
    gaps = [later - before for before, later in pairwise(times)]
    assert all(20 * NS_PER_MS <= gap < 30 * NS_PER_MS for gap in gaps)
    assert len({*gaps}) > 1


def test_a_connection_sends_at_its_own_events_only() -> None:
    sky = row(BLE_CONNECTION, 2)
    for number in range(5):
        sky.at(number * 7 * NS_PER_MS, 0, bytes(400))
    sky.run()
    starts = [when_ns - BLE_CONNECTION.airtime.ns(400) for when_ns, _, _ in sky.got[1]]
    assert len({start % (30 * NS_PER_MS) for start in starts}) == 1
    assert [later - before for before, later in pairwise(starts)] == [30 * NS_PER_MS] * 4


def test_a_lora_sender_is_on_the_air_one_percent_of_the_time() -> None:
    sky = row(LORA[7], 2)
    for _ in range(11):
        sky.air.transmit(0, bytes(50))
    sky.run()
    airtime_ns = LORA[7].airtime.ns(50)
    assert sky.got[1][10][0] - sky.got[1][0][0] == 1_000 * airtime_ns


def test_who_listens_first_waits_until_the_other_has_ended() -> None:
    sky = row(LORA[7], 3)
    sky.at(0, 0, bytes(50))
    sky.at(NS_PER_MS, 1, b"after you")
    sky.run()
    assert [len(frame) for _, _, frame in sky.got[1]] == [50]
    assert [frame for _, _, frame in sky.got[0]] == [b"after you"]


def test_a_frame_that_never_finds_the_channel_free_is_dropped() -> None:
    eager = AirKind("eager", BitRate(1_000), 1_000, backoff_ns=(NS_PER_MS, NS_PER_MS))
    sky = row(eager, 2)
    sky.at(0, 0, bytes(1_000))
    sky.at(1, 1, b"never")
    sky.at(2, 1, b"later")
    sky.run()
    assert sky.air.counts["channel_busy"] == 2
    assert sky.air.counts["sent"] == 1
    assert sky.timeline.events >= 2 * LISTEN_TRIES_MAX


def test_airtimes_are_those_of_the_books() -> None:
    assert BLE_ADVERTISING.airtime.ns(31) == 376 * NS_PER_US
    assert Chirps(7).ns(10) == 41_216 * NS_PER_US  # Semtech's calculator
    assert Chirps(12).ns(10) == 991_232 * NS_PER_US
    assert BLE_CONNECTION.airtime.ns(502) == 2 * (261 * 8 + 380) * NS_PER_US
    assert BLE_EXTENDED.airtime.ns(255) < 3 * NS_PER_MS
    assert [LORA[each].airtime.ns(50) for each in (7, 8)] < [LORA[each].airtime.ns(50) for each in (9, 12)]


def test_ten_thousand_hosts_cost_by_neighbours_not_by_hosts() -> None:
    sky = row(PLAIN_RADIO, 10_000)
    sky.at(0, 5_000, b"x")
    sky.run()
    assert sky.timeline.events == 2


# -- scanning -------------------------------------------------------------------------------------------------


@given(
    on_ns=st.integers(0, 50),
    more_ns=st.integers(1, 50),
    phase_ns=st.integers(0, 200),
    start_ns=st.integers(0, 1_000),
    span_ns=st.integers(1, 60),
)
def test_windows_cover_a_span_if_they_cover_each_moment_of_it(
    on_ns: int, more_ns: int, phase_ns: int, start_ns: int, span_ns: int
) -> None:
    windows = Windows(on_ns, on_ns + more_ns, phase_ns)
    moments = [windows.cover(at_ns, at_ns + 1) for at_ns in range(start_ns, start_ns + span_ns)]
    assert windows.cover(start_ns, start_ns + span_ns) == all(moments)


@pytest.mark.parametrize(("on_ns", "every_ns"), [(-1, 5), (6, 5), (0, 0)])
def test_impossible_windows_are_refused(on_ns: int, every_ns: int) -> None:
    with pytest.raises(SettingsError, match="can't listen"):
        Windows(on_ns, every_ns)


def delays_s(duty: float, *, loss: float = 0.0) -> list[float]:
    die = Random("delays")
    found = [
        sees_after_ns(Windows.of_duty(duty, die), Beacon(), die, now_ns=NS_PER_S, loss=loss)
        for _ in range(500)
    ]
    return sorted(each / NS_PER_S for each in found if each is not None)


def test_who_always_listens_sees_a_newcomer_within_one_beacon() -> None:
    delays = delays_s(1.0)
    assert len(delays) == 500
    assert delays[-1] <= 0.2504
    assert 0.1 < delays[250] < 0.15


def test_the_less_one_listens_the_later_one_sees() -> None:
    medians = [delays_s(duty)[250] for duty in (1.0, 0.5, 0.1, 0.02)]
    assert medians == sorted(medians)
    assert 1.0 < medians[2] < 3.0  # a tenth of each 4,096 ms: the next window mostly
    assert medians[3] > 4.0


def test_loss_delays_as_well() -> None:
    assert delays_s(1.0, loss=0.5)[250] > delays_s(1.0)[250]


def test_who_sleeps_or_shows_nothing_is_never_met() -> None:
    die = Random("never")
    assert sees_after_ns(ASLEEP, Beacon(), die, now_ns=0) is None
    assert sees_after_ns(ALWAYS, None, die, now_ns=0) is None
    in_step = Beacon(interval_ns=NS_PER_S, jitter_ns=0)
    missed = sum(
        sees_after_ns(Windows(NS_PER_MS, NS_PER_S), in_step, Random(seed), now_ns=0) is None
        for seed in range(10)
    )
    assert missed >= 9
