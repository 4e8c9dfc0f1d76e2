from collections.abc import Callable, Sequence
from functools import partial

import pytest

from protocols.errors import LocalError
from sim.models.chance import Chance
from sim.models.way import Trouble, Troubled, Way
from sim.models.wire import (
    EARLY_BYTES_MAX,
    UNSENT_BYTES_MAX,
    UNSENT_FACTOR_MAX,
    Conditions,
    SimLink,
)
from sim.timeline import NS_PER_MS, NS_PER_S, Timeline
from transports.api import FRAME_BYTES_MAX, Link, LinkTraits

MS, S = NS_PER_MS, NS_PER_S
CALM = Conditions(delay_min_ns=10 * MS)
TRAITS = LinkTraits("quic", 1_200, has_reliable_lane=True)


class Owner:
    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self.frames: list[bytes] = []
        self.times: list[int] = []
        self.batches = 0
        self.writable = 0
        self.lost: list[tuple[int, str]] = []

    def link_received(self, link: Link, frames: list[bytes]) -> None:
        self.batches += 1
        self.frames += frames
        self.times += [self._timeline.now_ns] * len(frames)

    def link_writable(self, link: Link) -> None:
        self.writable += 1

    def link_lost(self, link: Link, reason: str) -> None:
        self.lost.append((self._timeline.now_ns, reason))


class Wire:
    """Alice's end and Bob's, with an owner at each unless `attached` is False."""

    def __init__(self, conditions: Conditions = CALM, seed: int = 7, *, attached: bool = True) -> None:
        self.timeline, self.air, self.forgotten = Timeline(), Troubled(), list[SimLink]()
        self.there, self.back = Way("alice", "bob", self.air), Way("bob", "alice", self.air)
        self.alice, self.bob = self._end(conditions, self.there, seed), self._end(conditions, self.back, seed)
        self.alice.peer, self.bob.peer = self.bob, self.alice
        self.at_alice, self.at_bob = Owner(self.timeline), Owner(self.timeline)
        if attached:
            self.alice.attach(self.at_alice)
            self.bob.attach(self.at_bob)
            self.run(0)

    def _end(self, conditions: Conditions, way: Way, seed: int) -> SimLink:
        return SimLink(
            self.timeline,
            conditions,
            way,
            TRAITS,
            address=f"quic://{way.receiver}",
            binding=b"the same at both ends",
            dialled=way is self.there,
            chance=Chance(f"{seed}/{way.sender}"),
            forget=self.forgotten.append,
        )

    def run(self, span_ns: int) -> None:
        self.timeline.run(self.timeline.now_ns + span_ns)

    def send_reliable(self, frame: bytes) -> None:
        self.alice.send([frame], reliable=True)

    def fill(self, size: int) -> None:
        for _ in range(0, size, FRAME_BYTES_MAX):
            self.send_reliable(bytes(FRAME_BYTES_MAX))

    def shut_both(self) -> None:
        self.there.shut()
        self.back.shut()


def numbered(count: int, size: int = 4) -> list[bytes]:
    return [number.to_bytes(size, "big") for number in range(count)]


# -- the reliable lane ----------------------------------------------------------------------------------------


def test_a_frame_takes_as_long_as_the_way() -> None:
    wire = Wire()
    wire.alice.send([b"hi"], reliable=True)
    wire.run(9 * MS)
    assert wire.at_bob.frames == []
    wire.run(1 * MS)
    assert wire.at_bob.frames == [b"hi"]


@pytest.mark.parametrize("seed", range(5))
def test_the_reliable_lane_keeps_its_order_though_half_is_lost(seed: int) -> None:
    wire = Wire(Conditions(10 * MS, 20 * MS, loss=0.5), seed)
    for number, frame in enumerate(numbered(200)):
        wire.timeline.at(number * MS, "send", wire.send_reliable, frame)
    wire.run(60 * S)
    assert wire.at_bob.frames == numbered(200)


def test_a_loss_on_the_reliable_lane_costs_a_resending() -> None:
    slow = Wire(Conditions(10 * MS, loss=1.0))
    slow.alice.send([b"hi"], reliable=True)
    slow.run(60 * S)
    assert slow.at_bob.times[0] > 12 * (10 + 10 + 25) * MS


def test_a_closed_way_holds_the_reliable_lane_back_and_drops_datagrams() -> None:
    wire = Wire()
    wire.there.shut()
    wire.alice.send([b"kept"], reliable=True)
    wire.alice.send([b"gone"])
    wire.run(1 * S)
    wire.alice.send([b"later"], reliable=True)
    assert wire.at_bob.frames == []
    wire.there.reopen()
    wire.run(10 * MS)
    assert wire.at_bob.frames == [b"kept", b"later"]
    assert wire.alice.stats.dropped == {"way_closed": 1}


def test_unsent_bytes_fall_as_frames_arrive() -> None:
    wire = Wire()
    wire.alice.send([bytes(100), bytes(50)], reliable=True)
    assert wire.alice.unsent_bytes == 150
    wire.run(10 * MS)
    assert wire.alice.unsent_bytes == 0


def test_whoever_filled_the_lane_is_told_once_that_it_is_half_empty() -> None:
    wire = Wire(Conditions(bytes_per_s=1 << 20))
    for _ in range(40):
        wire.alice.send([bytes(FRAME_BYTES_MAX)], reliable=True)
    assert wire.alice.unsent_bytes > UNSENT_BYTES_MAX
    wire.run(10 * S)
    assert wire.at_alice.writable == 1


def test_an_owner_who_never_heeds_back_pressure_has_a_bug() -> None:
    wire = Wire()
    wire.there.shut()
    with pytest.raises(LocalError, match="does not heed unsent_bytes"):
        wire.fill((UNSENT_FACTOR_MAX + 1) * UNSENT_BYTES_MAX)


@pytest.mark.parametrize(
    ("size", "reliable"), [(0, True), (0, False), (FRAME_BYTES_MAX + 1, True), (1_201, False)]
)
def test_a_frame_that_no_lane_takes_is_our_own_mistake(size: int, *, reliable: bool) -> None:
    with pytest.raises(LocalError):
        Wire().alice.send([bytes(size)], reliable=reliable)


# -- datagrams ------------------------------------------------------------------------------------------------


def test_a_share_of_the_datagrams_is_lost_and_counted() -> None:
    wire = Wire(Conditions(loss=0.3))
    wire.alice.send(numbered(1_000))
    wire.run(1 * S)
    lost = wire.alice.stats.dropped["lost"]
    assert 250 < lost < 350
    assert len(wire.at_bob.frames) == 1_000 - lost


def test_all_that_troubles_a_way_adds_up() -> None:
    wire = Wire(Conditions(10 * MS, loss=0.5))
    wire.there.hinder(Trouble(0.5, 20 * MS))
    wire.air.hinder(Trouble(0.5, 30 * MS))
    wire.alice.send(numbered(8_000))
    wire.run(1 * S)
    assert 850 < len(wire.at_bob.frames) < 1_150  # an eighth
    assert set(wire.at_bob.times) == {60 * MS}


def test_troubles_go_in_any_order_and_leave_nothing_behind() -> None:
    way, first, second = Way("a", "b", Troubled()), Trouble(0.1, 5), Trouble(0.3, 7)
    for trouble in (first, second, first):
        way.hinder(trouble)
    for trouble in (first, second, first):
        way.ease(trouble)
    assert (way.loss, way.delay_ns, way.idle) == (0.0, 0, True)


def test_datagrams_may_overtake_each_other() -> None:
    wire = Wire(Conditions(0, 50 * MS))
    for frame in numbered(50):
        wire.alice.send([frame])
    wire.run(5 * S)
    assert wire.at_bob.frames != numbered(50)
    assert sorted(wire.at_bob.frames) == numbered(50)


def test_a_doubled_datagram_comes_twice() -> None:
    wire = Wire(Conditions(duplicate=1.0))
    wire.alice.send([b"twin"])
    wire.run(1 * S)
    assert wire.at_bob.frames == [b"twin", b"twin"]


def test_bytes_wait_for_their_turn_where_the_way_is_narrow() -> None:
    wire = Wire(Conditions(bytes_per_s=1_000))
    wire.alice.send([bytes(500)], reliable=True)
    wire.alice.send([bytes(500)])
    wire.run(10 * S)
    assert wire.at_bob.times == [500 * MS, 1 * S]


def test_datagrams_that_find_the_queue_full_are_dropped_one_by_one() -> None:
    wire = Wire(Conditions(bytes_per_s=1_000, queue_bytes=1_000))
    wire.alice.send([bytes(400)] * 3)
    wire.alice.send([bytes(400)])
    wire.run(10 * S)
    assert len(wire.at_bob.frames) == 2
    assert wire.alice.stats.dropped == {"datagram_queue_full": 2}


# -- its end --------------------------------------------------------------------------------------------------


def test_silence_kills_a_link_at_both_ends() -> None:
    wire = Wire()
    wire.run(1 * S)
    wire.shut_both()
    wire.run(60 * S)
    assert wire.at_alice.lost == wire.at_bob.lost == [(9 * S, "timed_out")]
    assert wire.forgotten == [wire.bob, wire.alice]
    assert not wire.there.links
    assert not wire.back.links


def test_a_way_that_opens_in_time_saves_the_link() -> None:
    wire = Wire()
    for _ in range(5):  # each silence is a new one
        wire.shut_both()
        wire.run(7 * S)
        wire.there.reopen()
        wire.back.reopen()
        wire.run(1 * S)
    wire.alice.send([b"still here"], reliable=True)
    wire.run(1 * S)
    assert wire.at_bob.frames == [b"still here"]
    assert wire.at_alice.lost == wire.at_bob.lost == []


def test_two_causes_must_both_go_before_a_way_is_open() -> None:
    wire = Wire()
    wire.there.shut()
    wire.there.shut()
    wire.alice.send([b"hi"], reliable=True)
    wire.there.reopen()
    wire.run(1 * S)
    assert wire.at_bob.frames == []
    wire.there.reopen()
    wire.run(1 * S)
    assert wire.at_bob.frames == [b"hi"]


def test_of_a_link_that_is_cut_one_way_the_deaf_end_dies_first() -> None:
    wire = Wire()
    wire.there.shut()
    wire.bob.send([b"do you hear me?"], reliable=True)
    wire.run(60 * S)
    assert wire.at_alice.frames == [b"do you hear me?"]
    assert wire.at_bob.lost == [(8 * S, "timed_out")]
    assert wire.at_alice.lost == [(16 * S, "timed_out")]


def test_a_good_bye_comes_behind_what_was_sent() -> None:
    wire = Wire(Conditions(10 * MS, 50 * MS, loss=0.3))
    wire.alice.send(numbered(20), reliable=True)
    wire.alice.shut("enough")
    wire.run(10 * S)
    assert wire.at_bob.frames == numbered(20)
    assert [reason for _, reason in wire.at_bob.lost] == ["peer_closed"]
    assert [reason for _, reason in wire.at_alice.lost] == ["enough"]


def test_a_good_bye_into_a_closed_way_is_not_heard() -> None:
    wire = Wire()
    wire.there.shut()
    wire.alice.shut("enough")
    wire.there.reopen()
    wire.run(60 * S)
    assert wire.at_bob.lost == [(8 * S, "timed_out")]


def test_of_a_killed_process_only_the_neighbour_hears_and_by_silence() -> None:
    wire = Wire()
    wire.alice.vanish()
    wire.run(60 * S)
    assert wire.at_alice.lost == []
    assert wire.at_bob.lost == [(8 * S, "timed_out")]


def test_what_had_not_left_when_a_process_was_killed_never_leaves() -> None:
    wire = Wire(Conditions(10 * MS, bytes_per_s=1_000))
    wire.alice.send([bytes(100)], reliable=True)
    wire.alice.send([bytes(900)], reliable=True)
    wire.run(105 * MS)  # the first is on its way
    wire.alice.vanish()
    wire.run(60 * S)
    assert wire.at_bob.frames == [bytes(100)]


def test_after_the_end_nothing_follows() -> None:
    wire = Wire()
    wire.bob.send([b"too late"], reliable=True)
    wire.alice.shut("enough")
    wire.alice.shut("again")
    wire.alice.send([b"never"], reliable=True)
    wire.run(60 * S)
    assert wire.at_alice.frames == wire.at_bob.frames == []
    assert len(wire.at_alice.lost) == len(wire.at_bob.lost) == 1


# -- its owner ------------------------------------------------------------------------------------------------


def test_frames_that_came_before_the_owner_are_handed_over() -> None:
    wire = Wire(attached=False)
    wire.alice.send([b"first"], reliable=True)
    wire.run(1 * S)
    wire.bob.attach(wire.at_bob)
    assert wire.at_bob.frames == []  # not from within `attach`
    wire.run(0)
    assert wire.at_bob.frames == [b"first"]


def test_a_link_that_nobody_takes_is_closed_when_it_has_brought_too_much() -> None:
    wire = Wire(attached=False)
    wire.alice.attach(wire.at_alice)
    for _ in range(EARLY_BYTES_MAX // FRAME_BYTES_MAX + 1):
        wire.alice.send([bytes(FRAME_BYTES_MAX)], reliable=True)
    wire.run(1 * S)
    assert [reason for _, reason in wire.at_alice.lost] == ["peer_closed"]
    wire.bob.attach(wire.at_bob)
    wire.run(0)
    assert [reason for _, reason in wire.at_bob.lost] == ["nobody_listens"]


def test_an_owner_who_comes_after_the_end_gets_the_frames_and_the_end() -> None:
    wire = Wire(attached=False)
    wire.alice.send([b"hi"], reliable=True)
    wire.alice.shut("enough")
    wire.run(1 * S)
    wire.bob.attach(wire.at_bob)
    wire.run(0)
    assert wire.at_bob.frames == [b"hi"]
    assert [reason for _, reason in wire.at_bob.lost] == ["peer_closed"]


def test_both_ends_count_what_passes() -> None:
    wire = Wire()
    wire.alice.send([bytes(10), bytes(20)])
    wire.alice.send([bytes(30)], reliable=True)
    wire.run(1 * S)
    assert (wire.alice.stats.bytes_out, wire.alice.stats.datagrams_out) == (60, 3)
    assert (wire.bob.stats.bytes_in, wire.bob.stats.datagrams_in) == (60, 3)


def test_the_round_trip_is_measured_as_it_is_just_now() -> None:
    wire = Wire()
    assert wire.alice.stats.rtt_ns == 20 * MS
    wire.there.hinder(Trouble(delay_ns=100 * MS))
    for _ in range(50):
        wire.alice.send([b"x"])
    assert 200 * MS < (wire.alice.stats.rtt_ns or 0) <= 220 * MS


def test_bytes_are_paid_for_at_both_ends() -> None:
    wire = Wire()
    paid: list[tuple[str, int, int]] = []

    def pay(who: str, out: int, into: int) -> None:
        paid.append((who, out, into))

    wire.alice.spend, wire.bob.spend = partial(pay, "alice"), partial(pay, "bob")
    wire.alice.send([bytes(10)])
    wire.run(1 * S)
    assert paid == [("alice", 10, 0), ("bob", 0, 10)]


# -- tampers --------------------------------------------------------------------------------------------------


class Shout:
    """Doubles what is sent, in capitals, and listens."""

    def __init__(self) -> None:
        self.overheard: list[bytes] = []

    def sent(self, link: SimLink, frames: Sequence[bytes], *, reliable: bool) -> Sequence[bytes]:
        return [frame.upper() for frame in frames] * 2

    def heard(self, link: SimLink, frames: Sequence[bytes]) -> None:
        self.overheard += frames


def test_a_tamper_sends_what_it_likes_and_hears_what_comes_back() -> None:
    wire, shout = Wire(), Shout()
    wire.there.tampers = (shout,)
    wire.alice.send([b"hi"], reliable=True)
    wire.bob.send([b"pardon?"], reliable=True)
    wire.run(1 * S)
    assert wire.at_bob.frames == [b"HI", b"HI"]
    assert wire.at_alice.frames == shout.overheard == [b"pardon?"]


def test_injected_frames_pass_all_tampers() -> None:
    wire = Wire()
    wire.there.tampers = (Shout(),)
    wire.alice.inject([b"quiet"], reliable=True)
    wire.run(1 * S)
    assert wire.at_bob.frames == [b"quiet"]


def test_a_frame_that_no_honest_end_sends_ends_the_link() -> None:
    wire = Wire()
    wire.alice.inject([bytes(FRAME_BYTES_MAX + 1)], reliable=True)
    wire.run(1 * S)
    assert wire.at_bob.frames == []
    assert [reason for _, reason in wire.at_bob.lost] == ["oversize_frame"]
    assert wire.bob.stats.dropped == {"oversize_frame": 1}


def test_an_injector_can_not_fill_the_lane_without_end() -> None:
    wire = Wire()
    wire.there.shut()
    for _ in range(100):
        wire.alice.inject([bytes(FRAME_BYTES_MAX)], reliable=True)
    assert wire.alice.unsent_bytes <= UNSENT_BYTES_MAX + FRAME_BYTES_MAX


# -- one seed, one run ----------------------------------------------------------------------------------------


@pytest.fixture
def digest_of() -> Callable[[int], str]:
    def run(seed: int) -> str:
        wire = Wire(Conditions(5 * MS, 20 * MS, loss=0.2, duplicate=0.1, bytes_per_s=50_000), seed)
        for number, frame in enumerate(numbered(100, 200)):
            wire.alice.send([frame], reliable=number % 2 == 0)
            wire.bob.send([frame])
        wire.run(20 * S)
        return wire.timeline.digest()

    return run


def test_the_same_seed_gives_the_same_wire(digest_of: Callable[[int], str]) -> None:
    assert digest_of(1) == digest_of(1) != digest_of(2)


def test_chance_is_even_and_exponential_as_it_says() -> None:
    chance = Chance("even")
    draws = [chance.random() for _ in range(20_000)]
    assert 0.0 <= min(draws) < 0.001 < 0.999 < max(draws) < 1.0
    assert 0.49 < sum(draws) / len(draws) < 0.51
    spans = [chance.exponential() for _ in range(20_000)]
    assert 0.97 < sum(spans) / len(spans) < 1.03
    assert {chance.below(3) for _ in range(100)} == {0, 1, 2}
