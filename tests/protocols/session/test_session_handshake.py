"""How a session comes about, and what it says of the peer."""

from typing import TYPE_CHECKING

import pytest

from protocols.envelope import Kind, decode_envelope
from protocols.errors import LinkError, LocalError
from protocols.session import NO_ROUTE, RecordOpened, SessionEnded, SessionEstablished, SessionLimits

if TYPE_CHECKING:
    from conftest import Net, Node

MS = 1_000_000
SECOND = 1_000 * MS


def assert_talk(a: "Node", b: "Node") -> None:
    """One record each way over any path."""
    for one, other in ((a, b), (b, a)):
        other.hear(one.seal(one.session(other), b"hello"), route=1)
        assert other.opened()[-1] == b"hello"


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("over_link", [False, True])
def test_two_nodes_meet_whatever_they_know_and_wherever_they_are(
    net: "Net", alice: "Node", bob: "Node", *, known: bool, hybrid: bool, over_link: bool
) -> None:
    handshake = alice.dial(bob, known=known, hybrid=hybrid, link=net.link(alice, bob) if over_link else None)
    net.settle()
    (at_alice,), (at_bob,) = alice.established(), bob.established()
    assert at_alice.handshake == handshake
    assert at_bob.handshake is None
    assert at_alice.session.handshake_hash == at_bob.session.handshake_hash
    assert (at_alice.session.peer, at_bob.session.peer) == (bob.id, alice.id)
    assert at_alice.session.initiator
    assert not at_bob.session.initiator
    assert at_alice.session.hybrid is at_bob.session.hybrid is hybrid
    assert at_alice.bound is at_bob.bound is over_link
    assert_talk(alice, bob)


def test_a_stranger_on_a_link_is_met_without_being_named(net: "Net", alice: "Node", bob: "Node") -> None:
    alice.dial(None, link=net.link(alice, bob))
    net.settle()
    assert alice.session(bob).peer == bob.id
    assert bob.session(alice).peer == alice.id


def test_a_session_knows_the_peers_record_boot_and_features(net: "Net") -> None:
    alice, bob = net.node("alice", boot=5, features=("voice",)), net.node("bob", boot=6)
    net.meet(alice, bob)
    at_bob = bob.session(alice)
    assert at_bob.record_bytes == alice.record()
    assert at_bob.record.x25519 == alice.x25519
    assert at_bob.boot == (5).to_bytes(8, "big")
    assert at_bob.features == ("voice",)
    assert at_bob.established_ns == net.now_ns


def test_nothing_on_a_link_names_either_node_in_the_clear(net: "Net", alice: "Node", bob: "Node") -> None:
    net.meet(alice, bob, link=net.link(alice, bob))
    for _, data in net.sent:
        assert alice.id not in data
        assert bob.id not in data


def test_nothing_before_message_3_makes_a_session(net: "Net", alice: "Node", bob: "Node") -> None:
    net.tamper = lambda sender, data: [data] if sender is alice or data[1] != Kind.HANDSHAKE else []
    alice.dial(bob, known=True)
    net.settle()
    assert len(bob.table) == len(alice.table) == 0
    assert bob.table.half_open == 1


@pytest.mark.parametrize("lost", range(4))
def test_any_single_lost_message_is_made_good(net: "Net", alice: "Node", bob: "Node", lost: int) -> None:
    left = [lost]

    def lose_one(sender: "Node", data: bytes) -> list[bytes]:
        left[0] -= 1
        return [] if left[0] == -1 else [data]

    net.tamper = lose_one
    alice.dial(bob, known=True)
    net.wait(600 * MS)
    assert alice.session(bob).confirmed
    assert len(alice.established()) == len(bob.established()) == 1
    assert_talk(alice, bob)
    net.wait(20 * SECOND)
    assert not [event for event in alice.events if isinstance(event, SessionEnded)]


def test_a_handshake_that_nobody_answers_is_repeated_with_growing_waits_and_then_fails(
    net: "Net", alice: "Node", bob: "Node"
) -> None:
    sent_ms: list[int] = []
    began_ns = net.now_ns

    def lose_all(sender: "Node", data: bytes) -> list[bytes]:
        sent_ms.append((net.now_ns - began_ns) // MS)
        return []

    net.tamper = lose_all
    alice.dial(bob, known=True)
    net.wait(7_499 * MS)
    assert sent_ms == [0, 500, 1_500, 3_500]
    assert alice.failures() == []
    net.wait(1 * MS)
    assert alice.failures() == ["timed_out"]
    assert alice.table.next_timeout() is None
    assert alice.table.dropped == {"timed_out": 1}


def test_repetitions_differ_in_the_envelopes_id_so_that_relays_let_them_pass(
    net: "Net", alice: "Node", bob: "Node"
) -> None:
    net.tamper = lambda sender, data: []
    alice.dial(bob, known=True)
    net.wait(8 * SECOND)
    envelopes = [decode_envelope(data) for _, data in net.sent]
    assert len({bytes(envelope.payload) for envelope in envelopes}) == 1
    assert len({envelope.id for envelope in envelopes}) == len(envelopes) == 4


def test_a_repeated_step_1_is_answered_with_the_same_step_2(net: "Net", alice: "Node", bob: "Node") -> None:
    alice.dial(bob, known=True)
    ((_, _, step_1),) = alice.table.outgoing()
    bob.hear(step_1, route=1)
    bob.hear(step_1, route=2)
    (_, _, first), (_, _, second) = bob.table.outgoing()
    assert decode_envelope(first).payload == decode_envelope(second).payload
    assert bob.table.half_open == 1


def test_a_repeated_step_3_only_brings_the_confirmation_again(net: "Net", alice: "Node", bob: "Node") -> None:
    net.tamper = lambda sender, data: [data, data] if data[1] == Kind.HANDSHAKE else [data]
    alice.dial(bob, known=True)
    net.settle()
    assert len(alice.established()) == len(bob.established()) == 1
    assert bob.drops() == ["duplicate"]
    assert [event.counter for event in alice.events if isinstance(event, RecordOpened)] == [0, 1]
    step_3 = [data for sender, data in net.sent if sender is alice][-1]
    bob.hear(alice.seal(alice.session(bob), b"hello"), route=1)
    bob.hear(step_3, route=1)
    assert bob.table.outgoing() == []


def test_a_session_that_the_peer_never_confirms_ends(net: "Net", alice: "Node", bob: "Node") -> None:
    bob.blocked.append(alice.id)
    alice.dial(bob, known=True)
    net.wait(7 * SECOND)
    assert not alice.session(bob).confirmed
    net.wait(1 * SECOND)
    assert alice.events[-1] == SessionEnded(alice.established()[0].session, "unconfirmed")
    assert alice.table.preferred(bob.id) is None
    assert alice.established()[0].session.closed


def test_a_record_that_overtakes_step_3_is_dropped_without_a_hint(
    net: "Net", alice: "Node", bob: "Node"
) -> None:
    step_3: list[bytes] = []

    def hold_step_3(sender: "Node", data: bytes) -> list[bytes]:
        if sender is alice and data[1] == Kind.HANDSHAKE and decode_envelope(data).payload[1] == 3:
            step_3.append(data)
            return []
        return [data]

    net.tamper = hold_step_3
    alice.dial(bob, known=True)
    net.settle()
    bob.hear(alice.seal(alice.session(bob), b"early"), route=1)
    assert bob.drops() == ["early_record"]
    assert bob.table.outgoing() == []
    bob.hear(step_3[0], route=1)
    assert_talk(alice, bob)


def test_a_record_confirms_a_session_as_well(net: "Net", alice: "Node", bob: "Node") -> None:
    net.tamper = lambda sender, data: [] if data[1] == Kind.RECORD else [data]
    alice.dial(bob, known=True)
    net.settle()
    assert not alice.session(bob).confirmed
    alice.hear(bob.seal(bob.session(alice), b"hello"), route=1)
    assert alice.session(bob).confirmed
    sent = len(net.sent)
    net.wait(20 * SECOND)
    assert len(net.sent) == sent


def test_a_node_that_hides_answers_no_stranger_and_tells_a_prober_nothing(net: "Net", alice: "Node") -> None:
    bob = net.node("bob", answer_strangers=False)
    link = net.link(alice, bob)
    alice.dial(None, link=link)
    alice.dial(bob, known=False)
    alice.dial(None, hybrid=True, link=link)
    net.wait(8 * SECOND)
    assert alice.failures() == ["timed_out"] * 3
    assert [sender for sender, _ in net.sent if sender is bob] == []
    assert bob.table.dropped == {"stranger": 12}


def test_a_node_that_hides_answers_whoever_knows_its_key(net: "Net", alice: "Node") -> None:
    bob = net.node("bob", answer_strangers=False)
    net.meet(alice, bob, link=net.link(alice, bob))
    assert_talk(alice, bob)


def test_a_node_without_mlkem_stays_silent_to_a_hybrid_handshake(net: "Net", alice: "Node") -> None:
    bob = net.node("bob", kem=None)
    alice.dial(bob, known=True, hybrid=True)
    net.wait(8 * SECOND)
    assert alice.failures() == ["timed_out"]
    assert bob.table.dropped == {"no_kem": 4}
    net.meet(alice, bob)
    assert_talk(alice, bob)


def test_an_answer_must_come_by_the_link_that_was_asked(net: "Net", alice: "Node", bob: "Node") -> None:
    net.link(alice, bob, 7)
    net.link(alice, bob, 8)
    alice.dial(bob, known=True, link=7)
    ((_, _, step_1),) = alice.table.outgoing()
    bob.hear(step_1, route=7)
    ((_, _, step_2),) = bob.table.outgoing()
    alice.hear(step_2, route=8)
    assert alice.drops() == ["wrong_way"]
    alice.hear(step_2, route=7)
    ((_, _, step_3),) = alice.table.outgoing()
    bob.hear(step_3, route=8)
    assert bob.drops() == ["wrong_way"]
    bob.hear(step_3, route=7)
    assert_talk(alice, bob)


def test_over_paths_the_route_may_change_in_the_middle(net: "Net", alice: "Node", bob: "Node") -> None:
    alice.dial(bob, known=True)
    ((route, destination, step_1),) = alice.table.outgoing()
    assert (route, destination) == (NO_ROUTE, bob.id)
    bob.hear(step_1, route=1)
    ((route, destination, step_2),) = bob.table.outgoing()
    assert (route, destination) == (1, alice.id)
    alice.hear(step_2, route=2)
    ((_, _, step_3),) = alice.table.outgoing()
    bob.hear(step_3, route=3)
    assert_talk(alice, bob)


def test_a_handshake_ends_without_a_word_when_its_link_is_lost(
    net: "Net", alice: "Node", bob: "Node"
) -> None:
    net.tamper = lambda sender, data: [data] if sender is alice else []
    alice.dial(bob, known=True, link=net.link(alice, bob))
    alice.dial(bob, known=True)
    net.settle()
    alice.table.route_lost(7)
    bob.table.route_lost(7)
    assert bob.table.half_open == 1
    net.wait(8 * SECOND)
    assert alice.failures() == ["timed_out"]


def test_a_handshake_with_oneself_is_refused(net: "Net", alice: "Node") -> None:
    alice.dial(None, link=7)
    ((_, _, step_1),) = alice.table.outgoing()
    alice.hear(step_1, route=7)
    ((_, _, step_2),) = alice.table.outgoing()
    alice.hear(step_2, route=7)
    assert alice.failures() == ["own_node"]
    assert len(alice.table) == 0


def test_a_handshake_that_claims_to_come_from_us_or_nobody_is_dropped(
    net: "Net", alice: "Node", bob: "Node"
) -> None:
    bob.dial(alice, known=True)
    ((_, _, step_1),) = bob.table.outgoing()
    alice.hear(step_1[:20] + alice.id + step_1[52:], route=1)
    alice.hear(step_1[:20] + bytes(32) + step_1[52:], route=1)
    bob.hear(step_1, route=1)
    assert alice.drops() == ["wrong_source"] * 2
    assert bob.drops() == ["not_for_us"]


def test_dialling_has_its_limit(net: "Net", bob: "Node") -> None:
    alice = net.node("alice", limits=SessionLimits(dials_max=2))
    alice.dial(bob, known=True)
    alice.dial(bob, known=True)
    with pytest.raises(LinkError):
        alice.dial(bob, known=True)


def test_calls_that_make_no_sense_are_our_own_bugs(net: "Net", alice: "Node", bob: "Node") -> None:
    with pytest.raises(LocalError, match="whom it is for"):
        alice.dial(None)
    with pytest.raises(LocalError, match="without its NodeId"):
        alice.table.connect(
            peer=None, x25519=bob.x25519, hybrid=False, route=1, local=True, binding=b"", now_ns=net.now_ns
        )
    with pytest.raises(LocalError, match="without ML-KEM"):
        net.node("carol", kem=None).dial(bob, known=True, hybrid=True)


def test_an_established_event_comes_before_what_it_replaced(net: "Net", alice: "Node", bob: "Node") -> None:
    net.meet(alice, bob)
    net.meet(net.node("alice", boot=2), bob)
    kinds = [type(event).__name__ for event in bob.events]
    assert kinds == ["SessionEstablished", "SessionEstablished", "SessionReplaced"]
    assert isinstance(bob.events[0], SessionEstablished)
