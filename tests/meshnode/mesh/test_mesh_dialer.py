from random import Random

from meshnode.mesh.dialer import Dialer
from protocols.ids import NodeId

BOB = NodeId(bytes(32))
ADDRESS = "quic://192.0.2.1:7420"
SECOND = 1_000_000_000


def resting() -> Dialer:
    """Its one target failed four times, and rests for some seconds."""
    dialer = Dialer(Random("dialer"), own_addresses=frozenset)
    dialer.want(BOB, [ADDRESS], keep=True, now_ns=0)
    now_ns = 0
    for _ in range(4):
        now_ns = dialer.next_timeout() or 0
        assert [dial.address for dial in dialer.dials(now_ns=now_ns)] == [ADDRESS]
        dialer.finished(BOB, now_ns=now_ns, failed="no free connection")
    return dialer


def test_a_peer_that_shows_itself_again_where_it_was_is_called_at_once() -> None:
    dialer = resting()
    due_ns = dialer.next_timeout()
    assert due_ns is not None
    dialer.want(BOB, [ADDRESS], keep=False, now_ns=due_ns - SECOND)
    assert dialer.next_timeout() == due_ns - SECOND


def test_whoever_waits_a_moment_after_a_sighting_is_not_made_to_wait_longer_than_before() -> None:
    dialer = resting()
    due_ns = dialer.next_timeout()
    assert due_ns is not None
    dialer.want(BOB, [ADDRESS], keep=False, now_ns=due_ns - SECOND, after_ns=2 * SECOND)
    assert dialer.next_timeout() == due_ns


def test_a_wish_without_an_address_hurries_nobody() -> None:
    dialer = resting()
    due_ns = dialer.next_timeout()
    assert due_ns is not None
    dialer.want(BOB, [], keep=True, now_ns=due_ns - SECOND)
    assert dialer.next_timeout() == due_ns
