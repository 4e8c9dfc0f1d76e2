"""What is sealed opens once, and only there."""

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.envelope import ENVELOPE_BYTES_MAX, VIA_BYTES, Kind, TrafficClass, decode_envelope
from protocols.errors import LocalError, RemoteError
from protocols.session import PeerForgot, RecordOpened, SessionLimits, padded_length
from protocols.session.limits import EPOCH_BITS, EPOCHS_AHEAD_MAX

if TYPE_CHECKING:
    from conftest import Net, Node

MS = 1_000_000
SECOND = 1_000 * MS
MINUTE = 60 * SECOND
DRAWN_FOR_ONE_PAIR = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
EPOCH = 1 << EPOCH_BITS


@pytest.fixture
def pair(net: "Net", alice: "Node", bob: "Node") -> "tuple[Node, Node]":
    net.meet(alice, bob)
    return alice, bob


def jump(node: "Node", peer: "Node", counter: int) -> None:
    """As if so many records had been sealed."""
    session = node.session(peer)
    session._sending.next_counter = counter


def test_a_record_says_which_session_counter_class_and_way_it_came(
    net: "Net", pair: "tuple[Node, Node]"
) -> None:
    alice, bob = pair
    session = alice.session(bob)
    counter = session.next_counter
    data = alice.table.seal(
        session, b"frames", traffic=TrafficClass.EMERGENCY, local=True, size_max=1_200, now_ns=net.now_ns
    )
    assert session.next_counter == counter + 1
    (event,) = bob.hear(data, route=7)
    assert event == RecordOpened(
        bob.session(alice), counter, b"frames".ljust(64, b"\0"), TrafficClass.EMERGENCY, 7, local=True
    )


@pytest.mark.parametrize("local", [True, False])
def test_an_envelope_carries_what_routing_needs_and_no_more(
    pair: "tuple[Node, Node]", *, local: bool
) -> None:
    alice, bob = pair
    envelope = decode_envelope(alice.seal(alice.session(bob), b"secret", local=local))
    assert envelope.kind == Kind.RECORD
    assert envelope.hops_left == (1 if local else SessionLimits().hops)
    assert envelope.id[:8] == bob.session(alice).index
    assert (envelope.source, envelope.destination) == ((bytes(32),) * 2 if local else (alice.id, bob.id))
    assert b"secret" not in bytes(envelope.payload)


def test_relays_may_count_hops_down_without_breaking_the_seal(pair: "tuple[Node, Node]") -> None:
    alice, bob = pair
    data = bytearray(alice.seal(alice.session(bob), b"hello"))
    data[3] -= 5
    bob.hear(bytes(data), route=1)
    assert bob.opened() == [b"hello"]


def test_a_record_opens_once(pair: "tuple[Node, Node]") -> None:
    alice, bob = pair
    data = alice.seal(alice.session(bob), b"hello")
    bob.hear(data, route=1)
    bob.hear(data, route=2)
    assert bob.opened() == [b"hello"]
    assert bob.table.dropped == {"replayed": 1}


def test_records_open_in_any_order(pair: "tuple[Node, Node]") -> None:
    alice, bob = pair
    records = [alice.seal(alice.session(bob), bytes([65 + number])) for number in range(20)]
    for record in records[::-1] + records:
        bob.hear(record, route=1)
    assert b"".join(bob.opened()) == b"TSRQPONMLKJIHGFEDCBA"


def test_a_forged_record_does_not_use_up_its_counter(pair: "tuple[Node, Node]") -> None:
    alice, bob = pair
    data = alice.seal(alice.session(bob), b"hello")
    bob.hear(data[:-1] + bytes([data[-1] ^ 1]), route=1)
    assert bob.drops() == ["bad_seal"]
    bob.hear(data, route=1)
    assert bob.opened() == [b"hello"]


def test_a_record_that_claims_another_source_is_dropped(net: "Net", pair: "tuple[Node, Node]") -> None:
    alice, bob = pair
    data = alice.seal(alice.session(bob), b"hello")
    bob.hear(data[:20] + net.node("carol").id + data[52:], route=1)
    assert bob.drops() == ["wrong_source"]


@DRAWN_FOR_ONE_PAIR
@given(at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_no_changed_byte_of_a_record_ever_opens(pair: "tuple[Node, Node]", at: int, flip: int) -> None:
    alice, bob = pair
    before = len(bob.opened())
    data = bytearray(alice.seal(alice.session(bob), b"hello" * 30))
    at %= len(data)
    data[at] ^= flip
    if at == 3:
        return  # hops left: relays change it
    try:
        envelope = decode_envelope(bytes(data))
    except RemoteError:
        return
    bob.table.receive(envelope, route=1, binding=b"", now_ns=0)
    assert len(bob.opened()) == before


@DRAWN_FOR_ONE_PAIR
@given(data=st.binary(max_size=200), kind=st.sampled_from(list(Kind)), flags=st.sampled_from([0, 0x80]))
def test_any_rubbish_for_us_is_counted_and_never_raised(
    pair: "tuple[Node, Node]", data: bytes, kind: int, flags: int
) -> None:
    alice, bob = pair
    header = bytes([1, kind, flags, 1]) + bytes(16) + (b"" if flags else alice.id + bob.id)
    counted = sum(bob.table.dropped.values())
    bob.hear(header + data, route=1)
    assert sum(bob.table.dropped.values()) == counted + 1


@pytest.mark.parametrize("local", [True, False])
@DRAWN_FOR_ONE_PAIR
@given(length=st.integers(0, 3_000))
def test_lengths_show_only_roughly(pair: "tuple[Node, Node]", length: int, *, local: bool) -> None:
    alice, bob = pair
    data = alice.seal(alice.session(bob), bytes(length), local=local)
    assert len(data) == (20 if local else 84) + padded_length(length) + 16


def test_padding_ends_where_the_lane_does(net: "Net", pair: "tuple[Node, Node]") -> None:
    alice, bob = pair

    def seal(length: int) -> bytes:
        return alice.table.seal(
            alice.session(bob), bytearray(length), traffic=0, local=True, size_max=1_200, now_ns=net.now_ns
        )

    assert len(seal(1_160)) == 1_200
    assert len(seal(1_164)) == 1_200
    with pytest.raises(LocalError, match="1165 bytes of frames where 1164 fit"):
        seal(1_165)


def test_no_record_outgrows_an_envelope(net: "Net", pair: "tuple[Node, Node]") -> None:
    alice, bob = pair
    frames = bytes([7]) * 65_520
    data = alice.table.seal(
        alice.session(bob), frames, traffic=0, local=False, size_max=1_000_000, now_ns=net.now_ns
    )
    assert len(data) == ENVELOPE_BYTES_MAX - VIA_BYTES  # relays may have to say towards whom
    bob.hear(data, route=1)
    assert bob.opened() == [frames]


def test_bytes_are_counted_both_ways(pair: "tuple[Node, Node]") -> None:
    alice, bob = pair
    sealed, opened = alice.session(bob).bytes_sealed, bob.session(alice).bytes_opened
    data = alice.seal(alice.session(bob), b"hello")
    bob.hear(data, route=1)
    assert alice.session(bob).bytes_sealed - sealed == len(data)
    assert bob.session(alice).bytes_opened - opened == 64


def test_the_key_changes_at_the_turn_of_an_epoch_and_records_around_it_open_in_any_order(
    pair: "tuple[Node, Node]",
) -> None:
    alice, bob = pair
    jump(alice, bob, EPOCH - 3)
    before = alice.session(bob)._sending._cipher
    records = [alice.seal(alice.session(bob), bytes([65 + number])) for number in range(6)]
    assert alice.session(bob)._sending._cipher is not before
    for index in (0, 4, 3, 1, 5, 2):
        bob.hear(records[index], route=1)
    assert b"".join(bob.opened()) == b"AEDBFC"
    for record in records:
        bob.hear(record, route=1)
    assert len(bob.opened()) == 6
    assert bob.table.dropped == {"replayed": 6}


def test_time_changes_the_key_where_there_was_traffic(net: "Net", pair: "tuple[Node, Node]") -> None:
    alice, bob = pair
    late = alice.seal(alice.session(bob), b"late")
    bob.hear(alice.seal(alice.session(bob), b"before"), route=1)
    net.wait(15 * MINUTE)
    assert alice.session(bob).next_counter == EPOCH
    bob.hear(alice.seal(alice.session(bob), b"after"), route=1)
    bob.hear(late, route=1)
    bob.hear(late, route=1)
    assert bob.opened() == [b"before", b"after", b"late"]
    assert bob.drops() == ["replayed"]


def test_a_silent_session_keeps_its_key(net: "Net", pair: "tuple[Node, Node]") -> None:
    alice, bob = pair
    assert alice.session(bob).next_counter == 0
    net.wait(60 * MINUTE)
    assert alice.session(bob).next_counter == 0
    alice.seal(alice.session(bob), b"x")
    net.wait(60 * MINUTE)
    assert alice.session(bob).next_counter == EPOCH


def test_records_of_an_epoch_long_gone_are_dropped(net: "Net", pair: "tuple[Node, Node]") -> None:
    alice, bob = pair
    first = alice.seal(alice.session(bob), b"first")
    for _ in range(2):
        net.wait(15 * MINUTE)
        bob.hear(alice.seal(alice.session(bob), b"x"), route=1)
    bob.hear(first, route=1)
    assert bob.drops() == ["replayed"]


def test_a_receiver_follows_over_silent_epochs_but_not_for_ever(
    net: "Net", pair: "tuple[Node, Node]"
) -> None:
    alice, bob = pair
    kept: list[bytes] = []
    for _ in range(EPOCHS_AHEAD_MAX + 1):
        kept.append(alice.seal(alice.session(bob), b"lost"))
        net.wait(15 * MINUTE)
    kept.append(alice.seal(alice.session(bob), b"too far"))
    bob.hear(kept[-1], route=1)
    assert bob.drops() == ["far_epoch"]
    bob.hear(kept[-2], route=1)
    bob.hear(kept[-3], route=1)
    bob.hear(kept[-4], route=1)
    bob.hear(kept[-1], route=1)
    assert bob.opened() == [b"lost", b"lost", b"too far"]
    assert bob.drops() == ["far_epoch", "replayed"]


def test_a_forged_counter_far_ahead_changes_nothing(pair: "tuple[Node, Node]") -> None:
    alice, bob = pair
    data = bytearray(alice.seal(alice.session(bob), b"hello"))
    good = bytes(data)
    data[12:20] = (5 * EPOCH).to_bytes(8, "big")
    bob.hear(bytes(data), route=1)
    assert bob.drops() == ["bad_seal"]
    bob.hear(good, route=1)
    assert bob.opened() == [b"hello"]


def test_a_peer_that_forgot_the_session_says_so_and_is_believed_once_in_a_while(
    net: "Net", alice: "Node", bob: "Node"
) -> None:
    net.meet(alice, bob)
    bob = net.node("bob", boot=2)

    def send_record() -> list[PeerForgot]:
        before = len(alice.events)
        bob.hear(alice.seal(alice.session(bob), b"hello"), route=1)
        net.settle()
        return [event for event in alice.events[before:] if isinstance(event, PeerForgot)]

    session = alice.session(bob)
    assert send_record() == [PeerForgot(session)]
    assert send_record() == []
    assert alice.drops() == ["too_many_hints"]
    net.wait(2 * SECOND)
    assert send_record() == [PeerForgot(session)]
    assert not session.closed
    net.meet(alice, bob)
    assert send_record() == []
    assert bob.opened() == [b"hello"]


def test_a_hint_over_a_link_works_as_well(net: "Net", alice: "Node", bob: "Node") -> None:
    link = net.link(alice, bob)
    net.meet(alice, bob, link=link)
    bob = net.node("bob", boot=2)
    bob.hear(alice.seal(alice.session(bob), b"hello", local=True), route=link)
    net.settle()
    assert alice.events[-1] == PeerForgot(alice.session(bob))


def test_hints_are_rate_limited_for_each_route(net: "Net", bob: "Node") -> None:
    header = bytes([1, Kind.RECORD, 0x80, 1])
    for number in range(100):
        bob.hear(header + number.to_bytes(16, "big") + bytes(80), route=1)
    assert len(bob.table.outgoing()) == 10
    bob.hear(header + bytes(96), route=2)
    assert len(bob.table.outgoing()) == 1
    net.wait(100 * MS)
    bob.hear(header + bytes(96), route=1)
    assert len(bob.table.outgoing()) == 1
    assert bob.table.dropped == {"unknown_session": 102}


def test_a_hint_is_smaller_than_what_provoked_it(net: "Net", bob: "Node") -> None:
    record = bytes([1, Kind.RECORD, 0x80, 1]) + bytes(16) + bytes(80)
    bob.hear(record, route=1)
    ((_, _, hint),) = bob.table.outgoing()
    assert len(hint) < len(record)


def test_a_node_that_hides_hints_only_to_whoever_names_it(net: "Net", alice: "Node") -> None:
    bob = net.node("bob", answer_strangers=False)
    bob.hear(bytes([1, Kind.RECORD, 0x80, 1]) + bytes(96), route=1)
    assert bob.table.outgoing() == []
    bob.hear(bytes([1, Kind.RECORD, 0, 1]) + bytes(16) + alice.id + bob.id + bytes(80), route=1)
    assert len(bob.table.outgoing()) == 1


def test_a_hint_must_name_a_record_that_we_sent_to_its_source(net: "Net", pair: "tuple[Node, Node]") -> None:
    alice, bob = pair
    carol = net.node("carol")
    record = decode_envelope(alice.seal(alice.session(bob), b"hello"))
    unsent = record.id[:8] + (9).to_bytes(8, "big")
    for source, payload in ((bob, unsent), (bob, bytes(16)), (carol, record.id)):
        alice.hear(bytes([1, 3, 0, 1]) + bytes(16) + source.id + alice.id + payload, route=1)
    alice.hear(bytes([1, 3, 0, 1]) + bytes(16) + bob.id + alice.id + record.id + b"x", route=1)
    assert alice.drops() == ["wrong_hint"] * 3 + ["bad_hint"]
    alice.hear(bytes([1, 3, 0, 1]) + bytes(16) + bob.id + alice.id + record.id, route=1)
    assert alice.events[-1] == PeerForgot(alice.session(bob))


def test_records_for_a_session_that_we_closed_bring_no_hint(net: "Net", pair: "tuple[Node, Node]") -> None:
    alice, bob = pair
    bob.table.close(bob.session(alice), now_ns=net.now_ns)
    bob.hear(alice.seal(alice.session(bob), b"hello"), route=1)
    assert bob.drops() == ["closed_session"]
    assert bob.table.outgoing() == []


def test_two_sessions_that_share_a_peers_index_do_not_disturb_each_other(net: "Net", alice: "Node") -> None:
    """A peer chooses its index, so it may choose somebody else's."""
    bob, carol = net.node("bob"), net.node("carol")
    net.meet(alice, bob)
    net.meet(alice, carol)
    at_bob, at_carol = alice.session(bob), alice.session(carol)
    at_carol.peer_index = at_bob.peer_index
    alice.table.close(at_carol, now_ns=net.now_ns)
    record = decode_envelope(alice.seal(at_bob, b"hello"))
    alice.hear(bytes([1, 3, 0, 1]) + bytes(16) + bob.id + alice.id + record.id, route=1)
    assert alice.events[-1] == PeerForgot(at_bob)


def test_closing_wipes_every_key(net: "Net", pair: "tuple[Node, Node]") -> None:
    alice, bob = pair
    sender, receiver = alice.session(bob), bob.session(alice)
    bob.hear(alice.seal(sender, b"x"), route=1)
    net.wait(15 * MINUTE)
    first = sender._sending._cipher
    bob.hear(alice.seal(sender, b"y"), route=1)
    kept = [sender._sending._cipher, receiver._receiving._current.cipher]
    assert receiver._receiving._previous is not None
    kept.append(receiver._receiving._previous.cipher)
    alice.table.close(sender, now_ns=net.now_ns)
    bob.table.close(receiver, now_ns=net.now_ns)
    for cipher in [first, *kept]:
        with pytest.raises(LocalError):
            cipher.encrypt(1, b"", b"")


def test_a_forged_next_epoch_leaves_no_key_behind_and_costs_no_session(pair: "tuple[Node, Node]") -> None:
    alice, bob = pair
    for number in range(20):
        record = bytearray(alice.seal(alice.session(bob), b"x"))
        record[12:20] = (EPOCH * (1 + number % EPOCHS_AHEAD_MAX)).to_bytes(8, "big")
        bob.hear(bytes(record), route=1)
    assert bob.table.dropped == {"bad_seal": 20}
    bob.hear(alice.seal(alice.session(bob), b"hello"), route=1)
    assert bob.opened() == [b"hello"]
