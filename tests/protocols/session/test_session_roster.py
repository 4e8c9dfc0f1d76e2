"""Which session serves a peer, and when one is over."""

from typing import TYPE_CHECKING

import pytest

from protocols.errors import LocalError
from protocols.session import Session, SessionEnded, SessionLimits, SessionReplaced

if TYPE_CHECKING:
    from conftest import Net, Node

MS = 1_000_000
SECOND = 1_000 * MS


def cross(net: "Net", a: "Node", b: "Node") -> None:
    """Both begin before either hears of the other."""
    a.dial(b, known=True)
    b.dial(a, known=True)
    net.settle()


def hashes(node: "Node", peer: "Node") -> list[bytes]:
    return [session.handshake_hash for session in node.table.sessions_of(peer.id)]


def ended(node: "Node") -> list[tuple[Session, str]]:
    return [(event.session, event.reason) for event in node.events if isinstance(event, SessionEnded)]


def test_two_that_dial_each_other_at_once_prefer_the_session_of_the_lower_node_id(
    net: "Net", alice: "Node", bob: "Node"
) -> None:
    cross(net, alice, bob)
    assert len(alice.table) == len(bob.table) == 2
    assert alice.session(bob).handshake_hash == bob.session(alice).handshake_hash
    assert alice.session(bob).initiator is (alice.id < bob.id)


def test_of_two_handshakes_that_one_node_began_at_once_both_prefer_the_same(
    net: "Net", alice: "Node", bob: "Node"
) -> None:
    for _ in range(3):
        alice.dial(bob, known=True)
    net.settle()
    assert alice.session(bob).handshake_hash == bob.session(alice).handshake_hash == min(hashes(alice, bob))


def test_the_other_one_still_opens_records_and_ends_when_nothing_came_for_a_while(
    net: "Net", alice: "Node", bob: "Node"
) -> None:
    cross(net, alice, bob)
    kept, other = alice.table.sessions_of(bob.id)
    net.wait(29 * SECOND)
    at_bob = next(session for session in bob.table if session.handshake_hash == other.handshake_hash)
    alice.hear(bob.seal(at_bob, b"late"), route=1)
    assert alice.opened() == [b"late"]
    net.wait(29 * SECOND)
    assert ended(alice) == []
    net.wait(2 * SECOND)
    assert ended(alice) == [(other, "superseded")]
    assert list(alice.table) == [kept]
    assert other.closed
    assert not kept.closed


def test_a_later_handshake_takes_over_and_the_older_session_lingers(
    net: "Net", alice: "Node", bob: "Node"
) -> None:
    net.meet(alice, bob)
    first = alice.session(bob)
    net.wait(6 * SECOND)
    net.meet(bob, alice)
    for one, other in ((alice, bob), (bob, alice)):
        assert one.session(other) is one.established()[-1].session
    assert alice.table.sessions_of(bob.id)[1] is first
    net.wait(31 * SECOND)
    assert ended(alice) == [(first, "superseded")]


def test_a_peer_that_restarted_ends_its_old_sessions_at_once(net: "Net", alice: "Node", bob: "Node") -> None:
    cross(net, alice, bob)
    old = bob.table.sessions_of(alice.id)
    alice = net.node("alice", boot=2)
    net.meet(alice, bob)
    replaced = [event for event in bob.events if isinstance(event, SessionReplaced)]
    assert [event.old for event in replaced] == old
    assert {event.new for event in replaced} == {bob.session(alice)}
    assert list(bob.table) == [bob.session(alice)]
    assert all(session.closed for session in old)


def test_when_the_preferred_session_is_closed_the_next_one_serves_and_stays(
    net: "Net", alice: "Node", bob: "Node"
) -> None:
    cross(net, alice, bob)
    kept, other = alice.table.sessions_of(bob.id)
    alice.table.close(kept, now_ns=net.now_ns)
    assert alice.session(bob) is other
    net.wait(60 * SECOND)
    assert alice.session(bob) is other


def test_a_closed_session_is_forgotten_and_never_seals_again(net: "Net", alice: "Node", bob: "Node") -> None:
    net.meet(alice, bob)
    session = alice.session(bob)
    alice.table.close(session, now_ns=net.now_ns)
    alice.table.close(session, now_ns=net.now_ns)
    assert alice.table.preferred(bob.id) is None
    assert alice.table.sessions_of(bob.id) == []
    with pytest.raises(LocalError):
        alice.seal(session, b"hello")


def test_an_unconfirmed_session_that_was_closed_repeats_nothing(
    net: "Net", alice: "Node", bob: "Node"
) -> None:
    bob.blocked.append(alice.id)
    alice.dial(bob, known=True)
    net.settle()
    alice.table.close(alice.session(bob), now_ns=net.now_ns)
    sent = len(net.sent)
    net.wait(40 * SECOND)
    assert len(net.sent) == sent
    assert ended(alice) == []
    assert alice.table.next_timeout() is None


def test_one_peer_keeps_only_so_many_sessions(net: "Net", alice: "Node") -> None:
    bob = net.node("bob", limits=SessionLimits(sessions_per_peer_max=2))
    for _ in range(3):
        net.meet(alice, bob)
        net.wait(6 * SECOND)
    assert len(bob.table) == 2
    assert ended(bob) == [(bob.established()[0].session, "crowded_out")]
    assert bob.session(alice) is bob.established()[2].session


def test_a_full_table_gives_up_the_longest_unheard_session_that_others_began(net: "Net") -> None:
    bob = net.node("bob", limits=SessionLimits(sessions_max=3))
    ours, quiet, lively, late = (net.node(name) for name in ("ours", "quiet", "lively", "late"))
    net.meet(bob, ours)
    net.wait(1 * SECOND)
    for node in (quiet, lively):
        net.meet(node, bob)
        net.wait(1 * SECOND)
    bob.hear(lively.seal(lively.session(bob), b"hello"), route=1)
    net.meet(late, bob)
    assert [session.peer for session in bob.table] == [ours.id, lively.id, late.id]
    assert [(session.peer, reason) for session, reason in ended(bob)] == [(quiet.id, "crowded_out")]


def test_closed_sessions_are_remembered_within_bounds(net: "Net", alice: "Node") -> None:
    bob = net.node("bob", limits=SessionLimits(sessions_max=1))
    records: list[bytes] = []
    for _ in range(2):
        net.meet(alice, bob)
        records.append(alice.seal(alice.established()[-1].session, b"hello"))
        bob.table.close(bob.session(alice), now_ns=net.now_ns)
    for record in records:
        bob.hear(record, route=1)
    assert bob.drops() == ["unknown_session", "closed_session"]
    net.wait(31 * SECOND)
    bob.hear(records[1], route=1)
    assert bob.drops()[-1] == "unknown_session"


def test_sessions_are_listed_in_the_order_in_which_they_came(net: "Net", bob: "Node") -> None:
    others = [net.node(name) for name in ("zoe", "amy", "kim")]
    for node in others:
        net.meet(node, bob)
    assert [session.peer for session in bob.table] == [node.id for node in others]
    for session in bob.table:
        bob.table.close(session, now_ns=net.now_ns)
    assert len(bob.table) == 0


def test_a_session_worn_out_ends_and_says_so(net: "Net", bob: "Node") -> None:
    alice = net.node("alice", limits=SessionLimits(counters_max=3))
    net.meet(alice, bob)
    session = alice.session(bob)
    for _ in range(3):
        bob.hear(alice.seal(session, b"x"), route=1)
    assert len(bob.opened()) == 3
    assert alice.table.next_timeout() == net.now_ns
    net.wait(0)
    assert ended(alice) == [(session, "worn_out")]


def test_what_ends_in_one_go_ends_once(net: "Net", bob: "Node") -> None:
    """Worn out and superseded at the same instant."""
    alice = net.node("alice", limits=SessionLimits(counters_max=1, linger_ns=0))
    cross(net, alice, bob)
    other = alice.table.sessions_of(bob.id)[1]
    alice.seal(other, b"x")
    net.wait(0)
    assert [session for session, _ in ended(alice)].count(other) == 1


def test_a_sessions_repr_shows_no_key(net: "Net", alice: "Node", bob: "Node") -> None:
    net.meet(alice, bob)
    text = repr(alice.session(bob))
    assert bob.id.hex()[:8] in text
    assert "key" not in text.lower()
