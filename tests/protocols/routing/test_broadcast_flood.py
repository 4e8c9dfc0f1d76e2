"""One node's part in a flood: to whom, when, and when not."""

from random import Random
from typing import Any

import pytest

from protocols.envelope import Envelope, TrafficClass, decode_envelope
from protocols.ids import NodeId
from protocols.keys import Identity
from protocols.routing.broadcast import BroadcastLimits, Broadcasts, make_broadcast
from protocols.routing.broadcast.rates import Rates
from protocols.routing.broadcast.seen import Seen
from sim.crypto import HashSuite

SUITE = HashSuite()
PEERS = [NodeId(bytes([number]) * 32) for number in range(1, 60)]
AT_MS = 1_800_000_000_000
LATER_NS = 1_000_000_000
MINUTE_NS = 60_000_000_000


def frame_of(
    text: str = "hello", *, source: str = "a", traffic: int = TrafficClass.INTERACTIVE, hops: int = 0
) -> tuple[Envelope, bytes]:
    frame = make_broadcast(
        Identity(source.encode() * 32, SUITE),
        kind="text",
        body=text.encode(),
        at_ms=AT_MS,
        expires_ms=AT_MS + 60_000,
        traffic=traffic,
        salt=bytes(8),
        hops=hops,
    )
    return decode_envelope(frame), frame


def node(neighbours: int = 8, **limits: Any) -> Broadcasts:
    made = Broadcasts(die=Random("flood"), limits=BroadcastLimits(**limits))
    for peer in PEERS[:neighbours]:
        made.neighbour_up(peer)
    return made


def hear(flood: Broadcasts, peer: int, heard: tuple[Envelope, bytes], now_ns: int = 0) -> bool:
    return flood.receive(PEERS[peer], *heard, now_ns=now_ns)


def receivers(flood: Broadcasts, now_ns: int = LATER_NS) -> list[int]:
    return [PEERS.index(peer) for peer, _ in flood.outgoing(now_ns=now_ns)]


def test_ours_goes_to_all_neighbours_at_once() -> None:
    flood = node(3)
    flood.originate(frame_of()[1], now_ns=0)
    assert receivers(flood, now_ns=0) == [0, 1, 2]
    assert (flood.relays, flood.sends) == (1, 3)


def test_a_relay_waits_and_leaves_out_whoever_has_it() -> None:
    flood, heard = node(4), frame_of()
    assert hear(flood, 0, heard)
    assert receivers(flood, now_ns=0) == []
    assert not hear(flood, 2, heard)
    due_ns = flood.next_timeout()
    assert due_ns is not None
    assert 40_000_000 <= due_ns <= 300_000_000
    flood.handle_timeout(now_ns=due_ns)
    assert receivers(flood, now_ns=due_ns) == [1, 3]
    assert flood.next_timeout() is None


def test_each_hop_costs_one() -> None:
    flood, heard = node(2), frame_of()
    hear(flood, 0, heard)
    ((_, onward),) = flood.outgoing(now_ns=LATER_NS)
    assert onward[3] == heard[1][3] - 1


@pytest.mark.parametrize(
    ("neighbours", "least_ms", "most_ms"), [(1, 10, 40), (3, 40, 150), (9, 40, 300), (30, 80, 300)]
)
def test_the_wait_grows_with_the_neighbours(neighbours: int, least_ms: int, most_ms: int) -> None:
    waits: list[int] = []
    flood = node(neighbours)
    for number in range(40):
        hear(flood, 0, frame_of(str(number), source=chr(97 + number % 20)))
        due_ns = flood.next_timeout()
        assert due_ns is not None
        waits.append(due_ns)
        flood.outgoing(now_ns=MINUTE_NS)
    assert least_ms * 1_000_000 <= min(waits) < max(waits) <= most_ms * 1_000_000


@pytest.mark.parametrize(("neighbours", "enough"), [(4, 3), (8, 3), (40, 3)])
def test_a_relay_is_given_up_once_enough_neighbours_were_heard(neighbours: int, enough: int) -> None:
    flood, heard = node(neighbours), frame_of()
    for peer in range(enough - 1):
        hear(flood, peer, heard)
        hear(flood, peer, heard)  # the same once more counts for nothing
    assert flood.suppressed == 0
    hear(flood, enough - 1, heard)
    assert flood.suppressed == 1
    assert receivers(flood) == []
    assert flood.next_timeout() is None


def test_whoever_may_be_the_only_bridge_never_gives_up() -> None:
    flood, heard = node(2, copies_enough=1), frame_of()
    hear(flood, 0, heard)
    assert receivers(flood) == [1]


def test_an_emergency_waits_not_and_goes_first() -> None:
    flood = node(3)
    hear(flood, 0, frame_of("news"))
    hear(flood, 0, frame_of("fire", traffic=TrafficClass.EMERGENCY))
    sent = [frame for _, frame in flood.outgoing(now_ns=0)]
    assert [frame[2] for frame in sent] == [TrafficClass.EMERGENCY] * 2
    flood.originate(frame_of("ours")[1], now_ns=LATER_NS)
    hear(flood, 0, frame_of("flood", traffic=TrafficClass.EMERGENCY), LATER_NS)
    classes = [frame[2] for _, frame in flood.outgoing(now_ns=LATER_NS)]
    assert classes == sorted(classes, reverse=True)
    assert classes[0] == TrafficClass.EMERGENCY


def test_a_scope_ends_where_its_hops_do_and_nobody_stretches_it() -> None:
    flood, (envelope, frame) = node(4), frame_of(hops=2)
    stretched = envelope._replace(hops_left=30)
    flood.receive(PEERS[0], stretched, frame, now_ns=0, scope=2)
    flood.receive(PEERS[1], stretched, frame, now_ns=0)
    assert [sent[3] for _, sent in flood.outgoing(now_ns=LATER_NS)] == [1, 1]
    last = frame_of("other", hops=1)
    assert hear(flood, 0, last)
    assert receivers(flood) == []
    assert flood.counts["hops_spent"] == 1


def test_the_copy_with_most_hops_left_counts() -> None:
    flood, (envelope, frame) = node(4), frame_of(hops=5)
    hear(flood, 0, (envelope._replace(hops_left=2), frame))
    hear(flood, 1, (envelope._replace(hops_left=4), frame))
    assert [sent[3] for _, sent in flood.outgoing(now_ns=LATER_NS)] == [3, 3]


def test_what_sync_taught_goes_to_those_who_did_not_offer_it() -> None:
    flood, (envelope, frame) = node(5), frame_of()
    assert flood.taught(envelope, frame, have=tuple(PEERS[:4]), now_ns=0)
    assert not flood.taught(envelope, frame, have=(), now_ns=0)
    assert receivers(flood) == [4]


def test_what_was_noted_is_known_and_goes_nowhere() -> None:
    flood, heard = node(), frame_of()
    flood.note(heard[0].id, now_ns=0)
    assert flood.is_known(heard[0].id)
    assert not hear(flood, 0, heard)
    assert receivers(flood) == []


def test_neighbours_that_have_gone_get_nothing() -> None:
    flood, heard = node(3), frame_of()
    hear(flood, 0, heard)
    flood.neighbour_down(PEERS[1])
    flood.neighbour_down(PEERS[1])
    assert receivers(flood) == [2]
    assert flood.relays == 1


def test_with_nobody_else_around_nothing_is_relayed() -> None:
    flood = node(1)
    hear(flood, 0, frame_of())
    assert receivers(flood) == []
    assert flood.relays == 0


def test_a_source_that_shouts_too_often_is_heard_but_not_relayed() -> None:
    flood = node(3, source_burst=2)
    assert all(hear(flood, 0, frame_of(str(number))) for number in range(3))
    assert hear(flood, 0, frame_of("else", source="b"))
    assert flood.counts["source_too_often"] == 1
    assert len(receivers(flood)) == 2 * 3
    assert hear(flood, 0, frame_of("a minute later"), MINUTE_NS)
    assert len(receivers(flood, 2 * MINUTE_NS)) == 2


def test_emergencies_of_one_source_are_few() -> None:
    flood = node(3, emergency_per_minute=2)
    for number in range(3):
        hear(flood, 0, frame_of(str(number), traffic=TrafficClass.EMERGENCY))
    assert len(receivers(flood, 0)) == 2 * 2


def test_a_neighbour_that_brings_too_much_is_not_relayed_for() -> None:
    flood = node(3, neighbour_burst=2)
    for number in range(3):
        hear(flood, 0, frame_of("x", source=chr(97 + number)))
    assert hear(flood, 1, frame_of("x", source="z"))
    assert flood.counts["neighbour_too_often"] == 1
    assert len(receivers(flood)) == 3 * 2


@pytest.mark.parametrize("limits", [{"waiting_max": 2}, {"waiting_bytes_max": 600}])
def test_a_full_queue_drops_the_newest_but_no_emergency(limits: dict[str, int]) -> None:
    flood = node(3, **limits)
    for number in range(4):
        assert hear(flood, 0, frame_of(str(number), source=chr(97 + number)))
    assert flood.counts["queue_full"] == 2
    hear(flood, 0, frame_of("fire", traffic=TrafficClass.EMERGENCY))
    assert len(receivers(flood, 0)) == 2


def test_what_nobody_fetches_is_bounded() -> None:
    flood = node(3, waiting_max=2)
    for number in range(4):
        flood.originate(frame_of(str(number))[1], now_ns=0)
    assert flood.counts["queue_full"] == 2


def test_neighbours_are_bounded() -> None:
    flood = node(4, neighbours_max=3)
    flood.neighbour_up(PEERS[0])
    assert flood.counts["too_many_neighbours"] == 1


def test_ids_are_forgotten_by_count_and_by_age() -> None:
    seen = Seen(ids_max=2, age_ns=100)
    seen.add(b"a", 0)
    seen.add(b"b", 10)
    seen.add(b"c", 20)
    assert [one in seen for one in (b"a", b"b", b"c")] == [False, True, True]
    seen.add(b"d", 115)
    assert [one in seen for one in (b"b", b"c", b"d")] == [False, True, True]
    assert len(seen) == 2


def test_rates_are_kept_of_a_bounded_number() -> None:
    rates = Rates(per_minute=60, burst=2, nodes_max=2)
    assert [rates.allow(PEERS[0], 0) for _ in range(3)] == [True, True, False]
    assert rates.allow(PEERS[0], LATER_NS)
    assert not rates.allow(PEERS[1], 0, tokens=3)
    rates.allow(PEERS[2], LATER_NS)
    assert [rates.allow(PEERS[0], LATER_NS) for _ in range(3)] == [True, True, False], "it was forgotten"
