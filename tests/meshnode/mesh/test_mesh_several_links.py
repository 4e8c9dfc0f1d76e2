"""Two neighbours with two links: one falls silent without closing, nothing is lost; bulk uses both; all is told."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from meshnode.mesh import DeviceChanged, Noticed
from policies.device import DeviceState
from protocols.envelope import TrafficClass
from transports.api import LinkTraits

MS, SECOND = 1_000_000, 1_000_000_000
QUIC = LinkTraits("quic", 1_200, has_reliable_lane=True)
WEB = LinkTraits("htx", 0, has_reliable_lane=True, looks_like_web=True)
BLE = LinkTraits("ble", 469, has_reliable_lane=False, on_network=False, cost=0.3)
BLE_STREAMS = LinkTraits("ble", 469, has_reliable_lane=True, on_network=False, cost=0.3)
PAUSE_NS_MAX = 300 * MS


@pytest.fixture
def make_pair(make_air: Callable[..., Any]) -> Callable[..., Any]:
    """Alice and Bob, a quick link (5 ms) and another."""

    def make(
        other: LinkTraits = BLE,
        *,
        delay_ns: int = 15 * MS,
        rates: tuple[int | None, int | None] = (None, None),
        loss: float = 0.0,
    ) -> Any:
        air = make_air(loss=loss)
        alice, bob = air.node("alice"), air.node("bob")
        alice.known[bob.id] = (bob.identity.x25519_public, [])
        quick = air.join(alice, bob, bob.id, "quic://bob", traits=QUIC, delay_ns=5 * MS, bytes_per_s=rates[0])
        air.run(SECOND)
        slow = air.join(
            alice,
            bob,
            bob.id,
            f"{other.transport}://bob",
            traits=other,
            delay_ns=delay_ns,
            bytes_per_s=rates[1],
        )
        air.run(SECOND)
        assert len(alice.mesh.links.of(bob.id)) == len(bob.mesh.links.of(alice.id)) == 2
        return air, alice, bob, quick, slow

    return make


def numbered(count: int) -> list[bytes]:
    return [b"%06d" % number for number in range(count)]


def talk(air: Any, speaker: Any, listener: Any, count: int, *, pause_ns: int = 2 * MS) -> None:
    """One call with so many messages, one each pause."""
    channel = speaker.mesh.channel(listener.id)
    first, *others = numbered(count)
    call = channel.rpc.call(
        "post",
        "box",
        first,
        deadline_ms=0,
        traffic=TrafficClass.INTERACTIVE,
        end=False,
        now_ns=air.now_ns,
    )

    def say(message: bytes) -> None:
        channel.rpc.send(call, message, end=message is others[-1])
        speaker.mesh.touch(channel)
        speaker.flush()

    for number, message in enumerate(others, 1):
        air.at(air.now_ns + number * pause_ns, lambda message=message: say(message))
    speaker.mesh.touch(channel)
    speaker.flush()


def longest_pause_ns(node: Any) -> int:
    return max(later - sooner for sooner, later in pairwise(node.heard_ns))


def switches(node: Any, other: Any) -> list[tuple[str, str | None, str | None]]:
    def short(name: str | None) -> str | None:
        return None if name is None else name.partition(":")[0].replace("memory", "in")

    return [
        (each.cause, short(each.link_from), short(each.link_to))
        for each in node.mesh.manager.switches(other.id)
        if each.traffic == "interactive"
    ]


@pytest.mark.parametrize("other", [BLE, BLE_STREAMS, WEB], ids=["datagrams", "both lanes", "ordered lane"])
@pytest.mark.parametrize("who", ["caller", "callee"])
@pytest.mark.parametrize("deaf", ["both ends", "the speaker", "the listener"])
def test_a_link_falls_silent_amid_500_messages_and_all_arrive_once_in_order_after_a_short_pause(
    make_pair: Callable[..., Any], other: LinkTraits, who: str, deaf: str
) -> None:
    air, alice, bob, quick, _ = make_pair(other)
    speaker, listener = (alice, bob) if who == "caller" else (bob, alice)
    talk(air, speaker, listener, 500)
    air.run(500 * MS)
    assert 100 < len(listener.received) < 400
    quick.deaf = {"both ends": {alice, bob}, "the speaker": {speaker}, "the listener": {listener}}[deaf]
    air.run(10 * SECOND)
    assert listener.received == numbered(500)
    assert speaker.answers == [b"500"]
    assert longest_pause_ns(listener) <= PAUSE_NS_MAX


def test_a_request_and_its_answer_survive_silence_that_begins_between_them(
    make_pair: Callable[..., Any],
) -> None:
    air, alice, bob, quick, _ = make_pair()
    alice.calls(bob, b"one", b"two")
    air.run(6 * MS)  # the request has arrived, the answer is on its way
    assert bob.received == [b"one", b"two"]
    assert alice.answers == []
    quick.go_deaf()
    air.run(PAUSE_NS_MAX)
    assert alice.answers == [b"2"]


@pytest.mark.parametrize("loss", [0.05, 0.2])
def test_loss_alone_switches_nothing(make_pair: Callable[..., Any], loss: float) -> None:
    air, alice, bob, _, _ = make_pair(loss=loss)
    talk(air, alice, bob, 500)
    air.run(20 * SECOND)
    assert bob.received == numbered(500)
    assert len(switches(alice, bob)) <= 2


def test_a_switch_is_remembered_with_its_moment_cause_and_figures_and_noticed(
    make_pair: Callable[..., Any],
) -> None:
    air, alice, bob, quick, _ = make_pair()
    talk(air, alice, bob, 200)
    air.run(100 * MS)
    since_ns = air.now_ns
    quick.go_deaf()
    air.run(SECOND)
    (switch,) = [each for each in alice.mesh.manager.switches(bob.id) if each.traffic == "interactive"]
    assert (switch.cause, switch.reason) == ("silent", "answers")
    assert switch.link_from is not None
    assert switch.link_from.startswith("quic://bob#")
    assert switch.link_to is not None
    assert switch.link_to.startswith("ble://bob#")
    assert since_ns < switch.at_ns <= since_ns + 200 * MS
    assert switch.figures["owed_ms"] >= switch.figures["limit_ms"] >= 120
    (noticed,) = [each for each in alice.noticed if each.name == "link_switched"]
    assert isinstance(noticed, Noticed)
    assert noticed.fields["cause"] == "silent"


def test_a_link_that_answers_again_is_used_again(make_pair: Callable[..., Any]) -> None:
    air, alice, bob, quick, slow = make_pair()
    talk(air, alice, bob, 3_000)
    air.run(SECOND)
    quick.go_deaf()
    air.run(2 * SECOND)
    quick.hear_again()
    air.run(2 * SECOND)
    assert switches(alice, bob) == [("silent", "quic", "ble"), ("answers_again", "ble", "quic")]
    before = slow.sent
    air.run(500 * MS)
    assert slow.sent == before
    air.run(10 * SECOND)
    assert bob.received == numbered(3_000)


def test_a_silent_link_is_asked_less_and_less_often(make_pair: Callable[..., Any]) -> None:
    air, alice, bob, quick, _ = make_pair()
    alice.calls(bob, b"hello")
    quick.go_deaf()
    air.run(20 * SECOND)
    before = quick.sent
    air.run(20 * SECOND)
    assert 0 < quick.sent - before < 2_000, "a PING each 5 s from those who ask"


def test_a_link_that_comes_and_goes_is_left_alone_longer_each_time(make_pair: Callable[..., Any]) -> None:
    air, alice, bob, quick, _ = make_pair()
    talk(air, alice, bob, 4_000, pause_ns=10 * MS)
    for _ in range(40):
        air.run(500 * MS)
        quick.go_deaf()
        air.run(300 * MS)
        quick.hear_again()
    air.run(60 * SECOND)
    assert bob.received == numbered(4_000)
    assert longest_pause_ns(bob) <= PAUSE_NS_MAX
    assert len(switches(alice, bob)) <= 14, "40 falls; each rest is twice as long as the one before"


def test_the_last_good_link_is_never_given_up(make_pair: Callable[..., Any]) -> None:
    air, alice, bob, quick, slow = make_pair()
    talk(air, alice, bob, 500)
    air.run(200 * MS)
    quick.go_deaf()
    slow.go_deaf()
    air.run(3 * SECOND)
    assert len(switches(alice, bob)) == 1
    slow.hear_again()
    air.run(10 * SECOND)
    assert bob.received == numbered(500)


def test_with_one_link_silence_is_borne(air: Any) -> None:
    alice, bob = air.node("alice"), air.node("bob")
    alice.meets(bob)
    air.run(SECOND)
    (wire,) = alice.wires.values()
    alice.calls(bob, b"one")
    wire.go_deaf()
    air.run(5 * SECOND)
    assert alice.mesh.manager.switches(bob.id) == []
    wire.hear_again()
    air.run(20 * SECOND)
    assert bob.received == [b"one"]


def test_a_second_link_that_comes_up_takes_over_from_one_long_silent(
    make_pair: Callable[..., Any], air: Any
) -> None:
    alice, bob = air.node("alice"), air.node("bob")
    alice.known[bob.id] = (bob.identity.x25519_public, [])
    quick = air.join(alice, bob, bob.id, "quic://bob", traits=QUIC)
    air.run(SECOND)
    quick.go_deaf()
    alice.calls(bob, b"one")
    air.run(5 * SECOND)
    assert bob.received == []
    air.join(alice, bob, bob.id, "ble://bob", traits=BLE, delay_ns=15 * MS)
    air.run(500 * MS)
    assert bob.received == [b"one"]


# -- bulk ---------------------------------------------------------------------------------------------------------

MIB = 1 << 20
PIECE = bytes(64 * 1024)


def push(air: Any, alice: Any, bob: Any, nbytes: int, traffic: TrafficClass = TrafficClass.BULK) -> int:
    """Send so much, in calls of a MiB; gives the virtual time until all has arrived."""
    began_ns, before = air.now_ns, len(bob.received)
    for _ in range(nbytes // MIB):
        alice.calls(bob, *[PIECE] * 16, traffic=traffic)
    for _ in range(100_000):
        air.run(10 * MS)
        if len(bob.received) - before == nbytes // len(PIECE):
            return air.now_ns - began_ns
    raise AssertionError(f"only {len(bob.received) - before} arrived")


FAST, SLOWER = 2_000_000, 1_000_000  # bytes each second


def test_bulk_over_two_links_is_quicker_than_over_the_better_alone(make_pair: Callable[..., Any]) -> None:
    air, alice, bob, _, slow = make_pair(WEB, rates=(FAST, SLOWER))
    both_ns = push(air, alice, bob, 16 * MIB)
    air, alice, bob, _, slow = make_pair(WEB, rates=(FAST, SLOWER))
    air.cut(slow)
    alone_ns = push(air, alice, bob, 16 * MIB)
    assert both_ns < 0.8 * alone_ns, f"{both_ns / 1e9:.2f} s, {alone_ns / 1e9:.2f} s alone"


def test_a_much_slower_link_does_not_hold_bulk_up(make_pair: Callable[..., Any]) -> None:
    air, alice, bob, _, slow = make_pair(BLE_STREAMS, delay_ns=45 * MS, rates=(FAST, 20_000))
    both_ns = push(air, alice, bob, 16 * MIB)
    assert slow.sent < 300_000
    air.cut(slow)
    alone_ns = push(air, alice, bob, 16 * MIB)
    assert both_ns < 1.2 * alone_ns, f"{both_ns / 1e9:.2f} s, {alone_ns / 1e9:.2f} s alone"


def test_what_somebody_waits_for_stays_on_the_best_link(make_pair: Callable[..., Any]) -> None:
    air, alice, bob, _, slow = make_pair(WEB, rates=(FAST, SLOWER))
    before = slow.sent
    push(air, alice, bob, 4 * MIB, TrafficClass.INTERACTIVE)
    assert slow.sent - before < 10_000


def test_bulk_never_takes_a_metered_link_beside(make_pair: Callable[..., Any]) -> None:
    air, alice, bob, quick, slow = make_pair(BLE_STREAMS, rates=(FAST, SLOWER))
    for node in (alice, bob):
        node.handle(DeviceChanged(DeviceState(metered=True)))
    before = quick.sent
    push(air, alice, bob, 2 * MIB, TrafficClass.BACKGROUND)
    assert quick.sent - before < 10_000
    assert slow.sent > 2 * MIB


@pytest.mark.parametrize("which", [0, 1], ids=["the better", "the other"])
@pytest.mark.parametrize("how", ["cut", "silent"])
def test_one_of_two_links_dies_amid_bulk_and_nothing_is_lost(
    make_pair: Callable[..., Any], which: int, how: str
) -> None:
    air, alice, bob, quick, slow = make_pair(WEB, rates=(FAST, SLOWER))
    doomed = (quick, slow)[which]
    air.at(air.now_ns + SECOND, lambda: air.cut(doomed) if how == "cut" else doomed.go_deaf())
    push(air, alice, bob, 8 * MIB)
    assert b"".join(bob.received) == bytes(8 * MIB)
