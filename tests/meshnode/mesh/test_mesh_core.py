"""The core: nodes meet, talk, lose links, restart, and find one another again."""

from collections.abc import Callable
from typing import Any

import pytest

from meshnode.mesh import (
    ChannelClosed,
    DeviceChanged,
    Dial,
    LinkReceived,
    PeerConnected,
    PeerDisconnected,
    SendOn,
)
from policies.device import DeviceState
from protocols.envelope import TrafficClass
from transports.api import LinkTraits

MS, SECOND = 1_000_000, 1_000_000_000
MINUTE = 60 * SECOND


def events(node: Any, kind: type) -> list[Any]:
    return [each for each in node.happened if isinstance(each, kind)]


def test_a_node_that_knows_another_connects_and_both_prove_who_they_are(air: Any) -> None:
    alice, bob = air.node("alice"), air.node("bob")
    alice.meets(bob)
    air.run(SECOND)
    assert [each.peer for each in events(alice, PeerConnected)] == [bob.id]
    assert [each.record.name for each in events(bob, PeerConnected)] == ["alice"]


def test_a_call_reaches_the_other_node_and_its_answer_comes_back(air: Any) -> None:
    alice, bob = air.node("alice"), air.node("bob")
    alice.meets(bob)
    air.run(SECOND)
    alice.calls(bob, b"one", b"two")
    air.run(SECOND)
    assert bob.received == [b"one", b"two"]
    assert alice.answers == [b"2"]


def test_nothing_overtakes_the_last_step_of_a_handshake(air: Any) -> None:
    alice, bob = air.node("alice"), air.node("bob")
    carried: list[SendOn] = []
    carry: Callable[[Any, SendOn], None] = air.carry

    def watch(sender: Any, effect: SendOn) -> None:
        if sender is alice:
            carried.append(effect)
        carry(sender, effect)

    air.carry = watch
    alice.meets(bob)
    for _ in range(100):
        air.run(MS)
        if alice.is_connected(bob):
            break
    before = len(carried)
    alice.calls(bob, b"at once")
    assert [effect.reliable for effect in carried[before:]] == [True]
    air.run(SECOND)
    before = len(carried)
    alice.calls(bob, b"later")
    assert not carried[before].reliable


def test_strangers_meet_at_an_address_without_knowing_each_other(air: Any) -> None:
    alice, bob = air.node("alice"), air.node("bob")
    alice.mesh.expect(bob.address, [bob.address], keep=True, now_ns=0)
    alice.flush()
    air.run(SECOND)
    assert alice.is_connected(bob)
    assert bob.is_connected(alice)


def test_a_node_that_hides_answers_nobody_who_does_not_know_it(air: Any) -> None:
    alice, bob = air.node("alice"), air.node("bob", visible=False)
    alice.mesh.expect(bob.address, [bob.address], keep=False, now_ns=0)
    alice.flush()
    air.run(30 * SECOND)
    assert not alice.is_connected(bob)
    alice.meets(bob)
    air.run(SECOND)
    assert alice.is_connected(bob)


def test_a_blocked_peer_gets_no_session(air: Any) -> None:
    alice, bob = air.node("alice"), air.node("bob")
    bob.blocked.add(alice.id)
    alice.meets(bob)
    air.run(20 * SECOND)
    assert not bob.is_connected(alice)
    assert not events(bob, PeerConnected)


def test_nodes_that_dial_each_other_at_once_keep_one_link_and_lose_nothing(air: Any) -> None:
    alice, bob = air.node("alice"), air.node("bob")
    alice.meets(bob)
    bob.meets(alice)
    air.run(SECOND)
    alice.calls(bob, b"from alice")
    bob.calls(alice, b"from bob")
    air.run(SECOND)
    assert (alice.received, bob.received) == ([b"from bob"], [b"from alice"])
    assert len(alice.mesh.links.of(bob.id)) == len(bob.mesh.links.of(alice.id)) == 1


def test_of_two_handshakes_that_crossed_one_session_is_left_and_nobody_shakes_hands_again(air: Any) -> None:
    nodes = [air.node(name) for name in ("alice", "bob", "carol", "dave")]
    for one in nodes:
        for other in nodes:
            if one is not other:
                one.meets(other)
    air.run(5 * MINUTE)
    for one in nodes:
        others = [other for other in nodes if other is not one]
        assert [len(one.mesh._channels.of(other.id)) for other in others] == [1, 1, 1]
    before = [one.mesh.channel(nodes[0].id) for one in nodes[1:]]
    air.run(5 * MINUTE)
    assert [one.mesh.channel(nodes[0].id) for one in nodes[1:]] == before


def test_a_call_that_is_open_keeps_the_session_that_another_took_the_place_of(air: Any) -> None:
    alice, bob = air.node("alice"), air.node("bob")
    alice.meets(bob)
    air.run(10 * SECOND)  # two handshakes closer together would count as crossed
    old = alice.mesh.channel(bob.id)
    call = old.rpc.call(
        "post", "box", b"", deadline_ms=0, traffic=TrafficClass.INTERACTIVE, end=False, now_ns=0
    )
    alice.mesh.touch(old)
    alice.flush()
    alice.mesh._on_forgotten(old.session, alice.mesh.links.of(bob.id)[0], air.now_ns)
    alice.flush()
    air.run(2 * MINUTE)
    assert alice.mesh.channel(bob.id) is not old
    assert not old.closed
    old.rpc.end(call)
    alice.mesh.touch(old)
    alice.flush()
    air.run(2 * MINUTE)
    assert old.closed


def test_a_dropped_link_is_redialled_and_the_session_carries_on(air: Any) -> None:
    alice, bob = air.node("alice"), air.node("bob")
    alice.meets(bob)
    air.run(SECOND)
    before = alice.mesh.channel(bob.id)
    air.cut(next(iter(alice.wires.values())))
    air.run(5 * SECOND)
    assert alice.mesh.channel(bob.id) is before
    assert not events(alice, ChannelClosed)
    alice.calls(bob, b"again")
    air.run(SECOND)
    assert bob.received == [b"again"]


def test_what_was_under_way_when_the_link_broke_arrives_over_the_next(air: Any) -> None:
    alice, bob = air.node("alice"), air.node("bob")
    alice.meets(bob)
    air.run(SECOND)
    messages = [b"%05d" % number + bytes(5_000) for number in range(100)]
    alice.calls(bob, *messages, traffic=TrafficClass.BULK)
    air.cut(next(iter(alice.wires.values())))
    air.run(10 * SECOND)
    assert bob.received == messages


def test_a_peer_that_restarted_is_recognised_and_a_new_session_takes_over(air: Any) -> None:
    alice, bob = air.node("alice"), air.node("bob")
    alice.meets(bob)
    air.run(SECOND)
    bob.crash()
    air.run(SECOND)
    assert [each.reason for each in events(alice, PeerDisconnected)] == ["cut"]
    bob.start()
    air.run(5 * SECOND)
    assert [each.reason for each in events(alice, ChannelClosed)] == ["peer_restarted"]
    alice.calls(bob, b"welcome back")
    air.run(SECOND)
    assert bob.received == [b"welcome back"]


def test_a_restarted_node_that_hides_is_reached_again_without_a_hint(air: Any) -> None:
    alice, bob = air.node("alice"), air.node("bob", visible=False)
    alice.meets(bob)
    air.run(SECOND)
    bob.crash()
    bob.start()
    air.run(20 * SECOND)
    alice.calls(bob, b"still there?")
    air.run(SECOND)
    assert bob.received == [b"still there?"]


def test_a_node_that_is_away_is_called_again_until_it_answers(air: Any) -> None:
    alice, bob = air.node("alice"), air.node("bob")
    air.dark.add(bob.address)
    alice.meets(bob)
    air.run(10 * MINUTE)
    assert not alice.is_connected(bob)
    air.dark.clear()
    air.run(2 * MINUTE)
    assert alice.is_connected(bob)


def test_a_session_whose_peer_stays_away_is_forgotten_in_the_end(air: Any) -> None:
    alice, bob = air.node("alice"), air.node("bob")
    alice.meets(bob)
    air.run(SECOND)
    bob.crash()
    air.run(40 * MINUTE)
    assert [each.reason for each in events(alice, ChannelClosed)] == ["away_too_long"]


def test_a_link_that_nobody_binds_is_closed_and_leaves_nothing(air: Any) -> None:
    alice, bob = air.node("alice"), air.node("bob")

    def mute_alice(sender: Any, frame: bytes) -> bytes:
        return b"" if sender is alice else frame

    air.middle = mute_alice
    alice.mesh.expect(bob.address, [bob.address], keep=False, now_ns=0)
    alice.flush()
    air.run(30 * SECOND)
    assert not bob.wires
    assert not bob.mesh.links.all()


def test_rubbish_from_a_stranger_costs_a_counter_and_in_the_end_the_link(air: Any) -> None:
    alice, bob = air.node("alice"), air.node("bob")
    wire = air.join(alice, bob, None, bob.address)
    for number in range(200):
        bob.handle(air_received(wire, bob, bytes([number]) * (number + 1)))
    assert bob.mesh.counts["bad_envelope"] + bob.mesh.counts["unknown_version"] > 60
    assert wire.ends[bob] not in {link.id for link in bob.mesh.links.all()}


def air_received(wire: Any, node: Any, frame: bytes) -> Any:

    return LinkReceived(wire.ends[node], [frame])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("loss", [0.05, 0.2])
def test_calls_arrive_whole_and_in_order_over_datagrams_that_get_lost(
    make_air: Callable[..., Any], seed: int, loss: float
) -> None:
    air = make_air(seed=seed, loss=loss, traits=LinkTraits("memory", 1_200, has_reliable_lane=False))
    alice, bob = air.node("alice"), air.node("bob")
    alice.meets(bob)
    air.run(30 * SECOND)
    messages = [b"%05d" % number for number in range(300)]
    alice.calls(bob, *messages)
    air.run(2 * MINUTE)
    assert bob.received == messages
    assert alice.answers == [b"300"]


def test_two_runs_of_one_seed_send_the_same_frames(make_air: Callable[..., Any]) -> None:
    def run() -> tuple[int, list[bytes], int]:
        air = make_air(seed=7, loss=0.1, traits=LinkTraits("memory", 1_200, has_reliable_lane=False))
        alice, bob = air.node("alice"), air.node("bob")
        alice.meets(bob)
        air.run(10 * SECOND)
        alice.calls(bob, *[bytes([n]) * 100 for n in range(50)])
        air.run(20 * SECOND)
        return air.frames, bob.received, air.now_ns

    assert run() == run()


def test_the_first_records_of_a_session_never_overtake_its_handshake(air: Any) -> None:
    alice, bob = air.node("alice"), air.node("bob")
    alice.meets(bob)
    air.run(SECOND)
    for number in range(40):
        alice.calls(bob, b"%d" % number)
    air.run(SECOND)
    assert "early_record" not in bob.mesh.session_drops
    assert len(bob.received) == 40


def test_on_an_empty_battery_one_dial_at_a_time_is_enough(air: Any) -> None:
    alice = air.node("alice")
    alice.handle(DeviceChanged(DeviceState(battery_percent=3.0, discharging=True)))
    air.dark |= {f"memory://{number}" for number in range(8)}
    for number in range(8):
        alice.mesh.expect(f"memory://{number}", [f"memory://{number}"], keep=True, now_ns=0)
    wanted = [each for each in alice.mesh.flush(now_ns=0) if isinstance(each, Dial)]
    assert len(wanted) == 1


def test_bulk_waits_while_the_battery_is_low_and_goes_once_there_is_mains(air: Any) -> None:
    alice, bob = air.node("alice"), air.node("bob")
    alice.meets(bob)
    air.run(SECOND)
    alice.handle(DeviceChanged(DeviceState(battery_percent=10.0, discharging=True)))
    big = bytes(300_000)  # a little of it may fill up records that leave anyway
    alice.calls(bob, big, traffic=TrafficClass.BULK)
    air.run(10 * SECOND)
    assert bob.received == []
    alice.calls(bob, b"small")
    air.run(SECOND)
    assert bob.received == [b"small"]
    alice.handle(DeviceChanged(DeviceState(battery_percent=10.0, discharging=False)))
    air.run(SECOND)
    assert bob.received == [b"small", big]


def test_a_stranger_may_make_us_hold_little_and_few(air: Any) -> None:
    alice, bob = air.node("alice"), air.node("bob")
    bob.trusting = False
    alice.meets(bob)
    air.run(SECOND)
    for_stranger, for_contact = (
        bob.mesh.channel(alice.id).connection.limits,
        alice.mesh.channel(bob.id).connection.limits,
    )
    assert for_stranger.data_window_bytes <= 1 << 20 < for_contact.data_window_bytes
    alice.calls(bob, *[bytes(1_000) for _ in range(2_000)], traffic=TrafficClass.BULK)
    air.run(10 * SECOND)
    assert len(bob.received) == 2_000
