"""Peers that have no link: messages over others, and the way back to a link of one's own."""

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from meshnode.mesh import LinkReceived, PeerConnected, PeerDisconnected
from transports.api import LinkTraits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.meshnode.mesh.conftest import Air, Node

SECOND = 1_000_000_000
RADIO = LinkTraits("ble", 469, has_reliable_lane=True, on_network=False, is_radio=True)


def line(air: "Air", names: str) -> "list[Node]":
    """Each knows the address of the next, and nobody else's."""
    nodes = [air.node(name) for name in names]
    for one, other in pairwise(nodes):
        one.meets(other)
    air.run(3 * SECOND)
    return nodes


def knows_of(one: "Node", other: "Node") -> None:
    """Its key, and no address; it wants it."""
    one.known[other.id] = (other.identity.x25519_public, [])
    one.mesh.want(other.id, now_ns=one.world.now_ns)
    one.flush()


def presence_of(one: "Node", other: "Node") -> list[bool]:
    return [
        isinstance(each, PeerConnected)
        for each in one.happened
        if isinstance(each, PeerConnected | PeerDisconnected)
        and each.peer == other.id
        and not (isinstance(each, PeerConnected) and not each.first)
    ]


@pytest.mark.parametrize("length", [3, 5, 9])
def test_a_call_finds_its_way_over_others(air: "Air", length: int) -> None:
    nodes = line(air, "abcdefghi"[:length])
    alice, bob = nodes[0], nodes[-1]
    knows_of(alice, bob)
    air.run(5 * SECOND)
    alice.calls(bob, b"hello", b"over the hills")
    air.run(2 * SECOND)
    assert bob.received == [b"hello", b"over the hills"]
    assert alice.answers == [b"2"]
    assert not alice.mesh.links.of(bob.id)


def test_who_is_called_over_others_may_call_back(air: "Air") -> None:
    alice, _, bob = line(air, "abc")
    knows_of(alice, bob)
    air.run(5 * SECOND)
    bob.calls(alice, b"and you?")
    air.run(2 * SECOND)
    assert alice.received == [b"and you?"]


def test_those_in_between_read_nothing_and_hold_no_session(air: "Air") -> None:
    alice, carol, bob = line(air, "abc")
    knows_of(alice, bob)
    air.run(5 * SECOND)
    heard: list[bytes] = []

    def listen(sender: "Node", frame: bytes) -> bytes:
        if sender is carol:
            heard.append(frame)
        return frame

    air.middle = listen
    alice.calls(bob, b"a word that nobody else may read")
    air.run(2 * SECOND)
    assert bob.received == [b"a word that nobody else may read"]
    assert not any(b"nobody else" in frame for frame in heard)
    assert carol.received == []
    assert carol.mesh.counts["relayed"] > 0


def test_a_lossy_radio_in_between_loses_nothing(make_air: "Callable[..., Air]") -> None:
    air = make_air(seed=3, loss=0.2, traits=RADIO)
    alice, _, _, bob = line(air, "abcd")
    knows_of(alice, bob)
    air.run(10 * SECOND)
    letters = [b"letter %d" % number for number in range(50)]
    alice.calls(bob, *letters)
    air.run(60 * SECOND)
    assert bob.received == letters


def test_a_large_thing_crosses_as_well(air: "Air") -> None:
    alice, _, bob = line(air, "abc")
    knows_of(alice, bob)
    air.run(5 * SECOND)
    alice.calls(bob, bytes(900_000))
    air.run(20 * SECOND)
    assert bob.received == [bytes(900_000)]


def test_a_broken_way_is_repaired_over_another(air: "Air") -> None:
    alice, carol, bob = line(air, "abc")
    dave = air.node("d")
    alice.meets(dave)
    dave.meets(bob)
    knows_of(alice, bob)
    air.run(5 * SECOND)
    for wire in list(carol.wires.values()):
        air.cut(wire)
    carol.crash()
    alice.calls(bob, b"still there?")
    air.run(5 * SECOND)
    assert bob.received == [b"still there?"]


def test_a_link_of_ones_own_takes_over_without_anybody_noticing(air: "Air") -> None:
    alice, _, bob = line(air, "abc")
    knows_of(alice, bob)
    air.run(5 * SECOND)
    session = alice.mesh.channel(bob.id)
    alice.meets(bob)
    air.run(3 * SECOND)
    assert alice.mesh.links.of(bob.id)
    assert alice.mesh.channel(bob.id) is session
    assert presence_of(alice, bob) == [True]
    alice.calls(bob, b"now directly")
    air.run(SECOND)
    assert bob.received == [b"now directly"]


def test_a_lost_link_is_replaced_by_a_way_over_others_and_what_was_under_way_arrives_once(air: "Air") -> None:
    alice, _, bob = line(air, "abc")
    alice.meets(bob)
    air.run(3 * SECOND)
    alice.calls(bob, bytes(200_000))
    air.dark.add(bob.address)
    air.dark.add(alice.address)
    wire = next(wire for wire in alice.wires.values() if wire.other(alice) is bob)
    air.cut(wire)
    air.run(10 * SECOND)
    assert bob.received == [bytes(200_000)]
    assert presence_of(alice, bob) == [True]


def test_who_can_not_be_reached_any_more_is_gone_and_comes_back(air: "Air") -> None:
    alice, carol, bob = line(air, "abc")
    knows_of(alice, bob)
    air.run(5 * SECOND)
    bob.crash()
    air.run(120 * SECOND)
    assert presence_of(alice, bob)[-1] is False
    bob.start()
    carol.meets(bob)
    air.run(60 * SECOND)
    assert presence_of(alice, bob)[-1] is True


def test_two_who_want_each_other_at_once_share_one_session(air: "Air") -> None:
    alice, _, bob = line(air, "abc")
    knows_of(alice, bob)
    knows_of(bob, alice)
    air.run(10 * SECOND)
    one, other = alice.mesh.channel(bob.id), bob.mesh.channel(alice.id)
    assert one is not None
    assert other is not None
    assert one.session.handshake_hash == other.session.handshake_hash


def test_a_stranger_at_the_door_has_nothing_relayed(air: "Air") -> None:
    alice, carol, _ = line(air, "abc")
    frames = _routed_frames(alice, carol)
    mallory = air.node("m")
    wire = air.join(mallory, carol, None, carol.address)
    before = carol.mesh.counts["relayed"]
    for frame in frames:
        _inject(air, carol, wire.ends[carol], frame)
    air.run(SECOND)
    assert carol.mesh.counts["relayed"] == before
    assert carol.mesh.counts["before_binding"] == len(frames)


def test_what_has_no_hops_left_goes_no_further(air: "Air") -> None:
    alice, carol, bob = line(air, "abc")
    frame = _envelope(alice.id, bob.id, hops=1)
    _inject(air, carol, _link(carol, alice), frame)
    air.run(SECOND)
    assert carol.mesh.counts["hops_spent"] == 1
    assert bob.mesh.counts["relayed"] == 0


def test_an_envelope_of_our_own_that_comes_back_is_dropped(air: "Air") -> None:
    alice, carol, bob = line(air, "abc")
    _inject(air, carol, _link(carol, alice), _envelope(carol.id, bob.id, hops=9))
    air.run(SECOND)
    assert carol.mesh.counts["came_back"] == 1


def test_nobody_relays_where_the_owner_says_so(air: "Air") -> None:
    nodes = [air.node(name) for name in "abc"]
    nodes[1].mesh.relay.relaying.relay_for = "nobody"
    for one, other in pairwise(nodes):
        one.meets(other)
    alice, carol, bob = nodes
    air.run(3 * SECOND)
    knows_of(alice, bob)
    air.run(20 * SECOND)
    assert not alice.is_connected(bob)
    assert carol.mesh.counts["relayed"] == 0


def _link(one: "Node", other: "Node") -> int:
    return one.mesh.links.of(other.id)[0].id


def _envelope(source: bytes, destination: bytes, *, hops: int) -> bytes:
    return b"\x01\x02\x00" + bytes([hops]) + bytes(16) + source + destination + b"sealed"


def _routed_frames(source: "Node", destination: "Node") -> "Sequence[bytes]":
    return [_envelope(source.id, destination.id, hops=9)] * 3


def _inject(air: "Air", node: "Node", link: int, frame: bytes) -> None:

    air.soon(lambda: node.handle(LinkReceived(link, [frame])))
