"""Two neighbours, and liars: what is said, asked and given, by hand."""

import hashlib
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from protocols.errors import RemoteError
from protocols.ids import NodeId
from protocols.sync import Kept, Suspicious, Sync, SyncLimits
from protocols.sync.frames import Cell, Ids, Summary, Want, decode_body, fingerprint
from protocols.sync.limits import BUCKET_MS

NS_PER_S = 1_000_000_000
HOUR_NS = 3_600 * NS_PER_S
AT_MS = 1_800_000_000_000
BUCKET = AT_MS // BUCKET_MS
ALICE, BOB, CAROL = (NodeId(letter * 32) for letter in (b"a", b"b", b"c"))


def kept(number: int, **changes: Any) -> Kept:
    fields: dict[str, Any] = {
        "id": hashlib.sha256(f"id {number}".encode()).digest()[:16],
        "source": CAROL,
        "at_ms": AT_MS,
        "life_ns": HOUR_NS,
        "left_ns": HOUR_NS,
        "scoped": False,
        "frame": f"frame {number}".encode(),
        **changes,
    }
    return Kept(**fields)


def key_of(number: int) -> bytes:
    return kept(number).id[:8]


class Pair:
    """Alice and Bob, who hear each other at once. Frames for Bob are lost while `loses` says so."""

    def __init__(self, **limits: Any) -> None:
        self.now_ns = 0
        made = SyncLimits(**limits)
        self.alice, self.bob = Sync(die=Random("a"), limits=made), Sync(die=Random("b"), limits=made)
        self.events: list[Suspicious] = []
        self.bodies: list[bytes] = []
        self.given: list[bytes] = []
        self.loses: Callable[[bytes], bool] = lambda _frame: False
        self._frames: dict[bytes, Kept] = {}

    def has(self, sync: Sync, *numbers: int, **changes: Any) -> None:
        for number in numbers:
            one = kept(number, **changes)
            if one.frame is not None:
                self._frames[one.frame] = one
            sync.add(one, now_ns=self.now_ns)

    def meet(self) -> None:
        self.alice.neighbour_up(BOB, now_ns=self.now_ns)
        self.bob.neighbour_up(ALICE, now_ns=self.now_ns)

    def part(self) -> None:
        self.alice.neighbour_down(BOB, now_ns=self.now_ns)
        self.bob.neighbour_down(ALICE, now_ns=self.now_ns)

    def run(self, span_ns: int) -> None:
        end_ns = self.now_ns + span_ns
        while True:
            self._talk()
            dues = [due for sync in (self.alice, self.bob) if (due := sync.next_timeout()) is not None]
            if not dues or min(dues) > end_ns:
                break
            self.now_ns = max(self.now_ns, min(dues))
            for sync in (self.alice, self.bob):
                if (due := sync.next_timeout()) is not None and due <= self.now_ns:
                    self.events += sync.handle_timeout(now_ns=self.now_ns)
        self.now_ns = end_ns

    def _talk(self) -> None:
        moved = True
        while moved:
            moved = False
            for here, there, me in ((self.alice, self.bob, ALICE), (self.bob, self.alice, BOB)):
                for _, body in here.outgoing():
                    moved = True
                    self.bodies.append(body)
                    self.events += there.receive(me, body, now_ns=self.now_ns)
                for _, frame in here.frames():
                    moved = True
                    self.given.append(frame)
                    if not self.loses(frame):
                        there.add(self._frames[frame], now_ns=self.now_ns)


def alone(**limits: Any) -> Sync:
    """Alice, to whom Bob is a stranger of whom only bodies are seen."""
    sync = Sync(die=Random("a"), limits=SyncLimits(**limits))
    sync.neighbour_up(BOB, now_ns=0)
    return sync


def said(sync: Sync) -> list[Any]:
    return [decode_body(body) for _, body in sync.outgoing()]


# -- two who mean well ------------------------------------------------------------------------------------------


def test_each_gets_what_it_lacks_once_and_soon_after_they_met() -> None:
    pair = Pair()
    pair.has(pair.alice, 1, 2, 3)
    pair.has(pair.bob, 3, 4)
    pair.meet()
    pair.run(2 * NS_PER_S)
    assert all(sync.knows(kept(number).id) for sync in (pair.alice, pair.bob) for number in (1, 2, 3, 4))
    assert sorted(pair.given) == [b"frame 1", b"frame 2", b"frame 4"]
    assert not pair.events


def test_those_who_have_the_same_say_a_word_now_and_then() -> None:
    pair = Pair()
    pair.has(pair.alice, 1, 2)
    pair.has(pair.bob, 1, 2)
    pair.meet()
    pair.run(HOUR_NS // 2)
    assert not pair.given
    assert 10 <= len(pair.bodies) <= 30
    assert all(len(body) == 13 for body in pair.bodies)


def test_something_new_makes_them_eager_again() -> None:
    pair = Pair()
    pair.meet()
    pair.run(HOUR_NS // 2)
    pair.has(pair.alice, 1)
    pair.run(10 * NS_PER_S)
    assert pair.bob.knows(kept(1).id)


def test_a_lost_frame_is_asked_for_again() -> None:
    pair = Pair()
    pair.has(pair.alice, 1)
    pair.loses = lambda _frame: len(pair.given) < 3
    pair.meet()
    pair.run(15 * NS_PER_S)
    assert pair.bob.knows(kept(1).id)
    assert len(pair.given) == 3


def test_a_thousand_of_ten_minutes_are_found_by_halves_of_halves() -> None:
    pair = Pair(source_kept_max=2_000)
    pair.has(pair.alice, *range(1_000))
    pair.has(pair.bob, *range(20, 990))
    pair.meet()
    pair.run(5 * NS_PER_S)
    assert len(pair.bob) == 1_000
    assert len(pair.given) == 30
    assert sum(map(len, pair.bodies)) < 12_000, "their ids alone are 8,000"


def test_a_whole_window_comes_as_fast_as_it_may_be_asked_for() -> None:
    pair = Pair(source_kept_max=2_000)
    pair.has(pair.alice, *range(1_000))
    pair.meet()
    pair.run(120 * NS_PER_S)
    assert len(pair.bob) == 1_000
    assert len(pair.given) == 1_000


def test_who_is_asked_for_a_lot_is_asked_for_a_little_at_a_time() -> None:
    sync = alone(wait_ns=0)
    sync.receive(BOB, Ids(Cell(BUCKET), answer=True, keys=[key_of(n) for n in range(100)]).encode(), now_ns=0)
    sync.handle_timeout(now_ns=0)
    (want,) = said(sync)
    assert len(want.keys) == 32
    sync.add(next(kept(n) for n in range(100) if key_of(n) == want.keys[0]), now_ns=1)
    sync.handle_timeout(now_ns=1)
    assert len(said(sync)[0].keys) == 1


def test_only_one_neighbour_is_asked_for_the_same_at_a_time() -> None:
    sync = alone(wait_ns=0)
    sync.neighbour_up(CAROL, now_ns=0)
    for peer in (BOB, CAROL):
        sync.receive(peer, Ids(Cell(BUCKET), answer=True, keys=[key_of(1)]).encode(), now_ns=0)
    sync.handle_timeout(now_ns=0)
    assert [peer for peer, _ in sync.outgoing()] == [BOB]
    assert sync.teachers(BOB, kept(1).id) == (BOB, CAROL)
    assert sync.teachers(CAROL, kept(1).id) is None
    sync.handle_timeout(now_ns=4 * NS_PER_S)
    assert CAROL in [peer for peer, body in sync.outgoing() if body[0] == 4]


def test_whom_is_left_is_asked_when_a_neighbour_goes() -> None:
    sync = alone(wait_ns=0)
    sync.neighbour_up(CAROL, now_ns=0)
    for peer in (BOB, CAROL):
        sync.receive(peer, Ids(Cell(BUCKET), answer=True, keys=[key_of(1)]).encode(), now_ns=0)
    sync.receive(BOB, Ids(Cell(BUCKET), answer=True, keys=[key_of(2)]).encode(), now_ns=0)
    sync.handle_timeout(now_ns=0)
    sync.outgoing()
    sync.neighbour_down(BOB, now_ns=1)
    sync.handle_timeout(now_ns=1)
    assert [(peer, decode_body(body)) for peer, body in sync.outgoing()] == [(CAROL, Want([key_of(1)]))]


def test_what_a_flood_brings_in_that_moment_is_not_asked_for() -> None:
    sync = alone()
    sync.receive(BOB, Ids(Cell(BUCKET), answer=True, keys=[key_of(1)]).encode(), now_ns=0)
    sync.add(kept(1), now_ns=0)
    sync.handle_timeout(now_ns=NS_PER_S)
    assert not [body for body in said(sync) if isinstance(body, Want)]


# -- what is kept -----------------------------------------------------------------------------------------------


def test_what_had_its_time_is_offered_no_more_and_not_taken_again() -> None:
    pair = Pair()
    pair.has(pair.alice, 1, life_ns=60 * NS_PER_S, left_ns=60 * NS_PER_S)
    pair.now_ns = 120 * NS_PER_S
    pair.meet()
    pair.run(60 * NS_PER_S)
    assert not pair.given
    assert len(pair.alice) == 0
    assert pair.alice.knows(kept(1).id)
    pair.run(3 * HOUR_NS)
    pair.has(pair.alice, 2)
    assert not pair.alice.knows(kept(1).id)


def test_what_came_too_late_to_be_offered_is_known_all_the_same() -> None:
    pair = Pair()
    pair.has(pair.alice, 1, left_ns=-1)
    assert len(pair.alice) == 0
    assert pair.alice.knows(kept(1).id)


def test_at_the_limit_the_oldest_of_whoever_has_most_goes() -> None:
    sync = alone(kept_max=4)
    loud, quiet = NodeId(b"l" * 32), NodeId(b"q" * 32)
    sync.add(kept(0, source=quiet), now_ns=0)
    for number in range(1, 6):
        sync.add(kept(number, source=loud), now_ns=0)
    assert len(sync) == 4
    sync.receive(BOB, Want([key_of(number) for number in range(6)]).encode(), now_ns=0)
    assert [frame for _, frame in sync.frames()] == [b"frame 0", b"frame 3", b"frame 4", b"frame 5"]


@pytest.mark.parametrize("limits", [{"source_kept_max": 2}, {"kept_bytes_max": 14}])
def test_a_source_has_its_share_and_all_have_so_many_bytes(limits: dict[str, int]) -> None:
    sync = alone(**limits)
    for number in range(5):
        sync.add(kept(number), now_ns=0)
    assert len(sync) == 2


def test_ids_are_known_up_to_a_number() -> None:
    sync = alone(known_max=3, kept_max=2)
    for number in range(5):
        sync.add(kept(number), now_ns=0)
    assert [sync.knows(kept(number).id) for number in range(5)] == [False, False, True, True, True]
    one = alone(known_max=1)
    one.add(kept(1), now_ns=0)
    one.add(kept(2), now_ns=0)
    assert [one.knows(kept(number).id) for number in (1, 2)] == [False, True]


def test_what_one_gave_away_for_room_is_not_taught_to_it_again() -> None:
    pair = Pair(kept_max=3)
    pair.has(pair.alice, 1, 2, 3)
    pair.has(pair.bob, 1, 2, 3, 4)
    pair.meet()
    pair.run(HOUR_NS)
    assert pair.given == [b"frame 4"]


def test_a_scope_is_no_reason_to_compare_for_ever() -> None:
    pair = Pair()
    pair.has(pair.alice, 1, scoped=True, left_ns=600 * NS_PER_S)
    pair.has(pair.bob, 1, scoped=True, left_ns=600 * NS_PER_S, frame=None)
    pair.meet()
    pair.run(900 * NS_PER_S)
    pair.bodies.clear()
    pair.run(HOUR_NS // 2)
    assert not pair.given
    assert {len(body) for body in pair.bodies} == {1}


# -- liars ------------------------------------------------------------------------------------------------------


def test_who_asks_for_the_same_again_and_again_gets_it_eight_times() -> None:
    sync = alone()
    sync.add(kept(1), now_ns=0)
    events = [event for _ in range(12) for event in sync.receive(BOB, Want([key_of(1)]).encode(), now_ns=0)]
    assert len(sync.frames()) == 8
    assert events == [Suspicious(BOB, "asks_again")], "told once a minute"
    assert sync.counts["asks_again"] == 4
    sync.neighbour_down(BOB, now_ns=1)
    sync.neighbour_up(BOB, now_ns=2)
    sync.receive(BOB, Want([key_of(1)]).encode(), now_ns=2)
    assert not sync.frames(), "coming again wipes nothing out"


def test_who_asks_for_more_than_a_window_waits() -> None:
    sync = alone(pieces_burst=2, sent_ids_max=2)
    for number in range(4):
        sync.add(kept(number), now_ns=0)
    events = sync.receive(BOB, Want([key_of(number) for number in range(4)]).encode(), now_ns=0)
    assert len(sync.frames()) == 2
    assert events == [Suspicious(BOB, "asks_too_much")]


def test_who_offers_and_never_sends_is_found_out_and_passed_over() -> None:
    sync, events, now_ns = alone(), list[Suspicious](), 0
    for start in range(0, 200, 20):
        offer = Ids(Cell(BUCKET), answer=True, keys=[key_of(number) for number in range(start, start + 20)])
        sync.receive(BOB, offer.encode(), now_ns=now_ns)
        for _ in range(40):
            now_ns += NS_PER_S
            events += sync.handle_timeout(now_ns=now_ns)
            sync.outgoing()
    assert Suspicious(BOB, "offers_in_vain") in events
    assert sync.counts["offer_passed_over"] > 0
    assert sync.counts["frames_asked"] < 200


def test_losses_make_no_liar() -> None:
    pair = Pair(source_kept_max=2_000)
    pair.has(pair.alice, *range(300))
    luck = Random("luck")
    pair.loses = lambda _frame: luck.random() < 0.3
    pair.meet()
    pair.run(180 * NS_PER_S)
    assert len(pair.bob) == 300
    assert not pair.events


def test_who_compares_all_the_time_is_not_answered() -> None:
    sync = alone()
    sync.add(kept(1), now_ns=0)
    events = [event for _ in range(10) for event in sync.receive(BOB, Summary({}).encode(), now_ns=0)]
    assert len(said(sync)) == 4
    assert events == [Suspicious(BOB, "compares_too_often")]


def test_answers_are_few_however_much_is_asked() -> None:
    sync = alone(bodies_burst=3)
    for number in range(6):
        sync.add(kept(number, at_ms=AT_MS + number * BUCKET_MS), now_ns=0)
    sync.receive(BOB, Summary({}).encode(), now_ns=0)
    assert len(said(sync)) == 3
    assert sync.counts["held_back"] == 3


def test_what_is_wanted_is_bounded() -> None:
    sync = alone(wanted_max=10)
    sync.receive(BOB, Ids(Cell(BUCKET), answer=True, keys=[key_of(n) for n in range(20)]).encode(), now_ns=0)
    assert sync.counts["too_much_wanted"] == 10


def test_what_has_gone_can_not_be_given() -> None:
    sync = alone()
    sync.receive(BOB, Want([key_of(1)]).encode(), now_ns=0)
    assert not sync.frames()
    assert sync.counts["asked_for_what_went"] == 1


def test_an_empty_cell_and_a_false_print_lead_nowhere() -> None:
    sync = alone()
    sync.receive(BOB, Summary({1: fingerprint([b"12345678"]), 2: bytes(8)}).encode(), now_ns=0)
    assert said(sync) == [Ids(Cell(1), answer=False, keys=[])]


def test_a_body_that_makes_no_sense_is_refused_and_one_of_nobody_counted() -> None:
    sync = alone()
    with pytest.raises(RemoteError, match="bad_sync"):
        sync.receive(BOB, b"\xff", now_ns=0)
    sync.receive(CAROL, Want([]).encode(), now_ns=0)
    assert sync.counts["no_neighbour"] == 1


def test_neighbours_and_their_accounts_are_bounded() -> None:
    sync = Sync(die=Random("a"), limits=SyncLimits(past_max=2))
    for number in range(300):
        sync.neighbour_up(NodeId(number.to_bytes(32, "big")), now_ns=0)
    assert sync.counts["too_many_neighbours"] == 44
    sync.neighbour_up(NodeId(bytes(32)), now_ns=0)
    for number in range(300):
        sync.neighbour_down(NodeId(number.to_bytes(32, "big")), now_ns=0)
    assert sync.next_timeout() is None


def test_who_is_busy_with_us_leaves_room_for_another_who_has_it() -> None:
    sync = alone(wait_ns=0, asked_max=1)
    offer = Ids(Cell(BUCKET), answer=True, keys=[key_of(1), key_of(2)]).encode()
    sync.receive(BOB, offer, now_ns=0)
    sync.handle_timeout(now_ns=0)
    sync.neighbour_up(CAROL, now_ns=0)
    sync.receive(CAROL, offer, now_ns=1)
    sync.handle_timeout(now_ns=1)
    wants = {peer: body[1:] for peer, body in sync.outgoing() if body[0] == 4}
    assert sorted(wants.values()) == sorted([key_of(1), key_of(2)])
    assert [*wants] == [BOB, CAROL]


def test_the_busy_who_goes_takes_its_offers_along() -> None:
    sync = alone(wait_ns=0, asked_max=1)
    sync.receive(BOB, Ids(Cell(BUCKET), answer=True, keys=[key_of(1), key_of(2)]).encode(), now_ns=0)
    sync.handle_timeout(now_ns=0)
    sync.neighbour_down(BOB, now_ns=1)
    sync.handle_timeout(now_ns=60 * NS_PER_S)
    assert sync.next_timeout() is None


def test_the_same_comes_twice_and_is_kept_once() -> None:
    sync = alone()
    sync.add(kept(1), now_ns=0)
    sync.add(kept(1), now_ns=1)
    assert len(sync) == 1
