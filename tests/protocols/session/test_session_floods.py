"""What strangers can cost us, and what damaged handshakes do."""

from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.envelope import Kind, decode_envelope
from protocols.errors import RemoteError
from protocols.noise import Handshake
from protocols.session import SessionEstablished, SessionLimits
from protocols.session.deadlines import Deadlines
from protocols.session.frames import HandshakeFrame, Pattern, decode_handshake
from protocols.session.rates import RouteRates

if TYPE_CHECKING:
    from conftest import Net, Node

MS = 1_000_000
SECOND = 1_000 * MS
LINK = 7
DRAWN_FOR_ONE_NODE = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def stranger_step_1(number: int) -> bytes:
    """A step 1 of an XX handshake over a link, each from another stranger."""
    dice = Random(f"stranger/{number}")
    noise = Handshake(
        Pattern.XX.noise_name,
        initiator=True,
        prologue=b"meshnode/session/1\x01" + bytes(64),
        static=dice.randbytes(32),
        entropy=dice.randbytes,
    )
    frame = HandshakeFrame(Pattern.XX, 1, dice.randbytes(8), bytes(8), noise.write_message())
    return bytes([1, Kind.HANDSHAKE, 0x80, 1]) + dice.randbytes(16) + frame.encode()


def test_ten_thousand_strangers_on_one_link_do_not_keep_an_honest_node_out(
    net: "Net", alice: "Node", bob: "Node"
) -> None:
    limits = SessionLimits()
    flood = [stranger_step_1(number) for number in range(50)]
    alice.dial(bob, known=True, link=net.link(alice, bob))
    for number in range(10_000):
        bob.hear(flood[number % 50][:22] + number.to_bytes(8, "big") + flood[number % 50][30:], route=66)
        assert bob.table.half_open <= limits.half_open_per_route_max + 1
        if number == 5_000:
            net.settle()
        net.now_ns += MS // 10
    bob.table.outgoing()
    assert alice.session(bob).confirmed
    assert bob.table.dropped["too_many_handshakes"] > 9_900
    assert bob.table.dropped["half_open_full"] > 0


def test_strangers_on_many_links_do_not_push_out_the_one_of_a_quiet_link(net: "Net", alice: "Node") -> None:
    bob = net.node("bob", limits=SessionLimits(half_open_max=8, half_open_per_route_max=4))
    alice.dial(bob, known=True)
    ((_, _, step_1),) = alice.table.outgoing()
    bob.hear(step_1, route=1)
    ((_, _, step_2),) = bob.table.outgoing()
    for number in range(60):
        bob.hear(stranger_step_1(number), route=100 + number % 4)
        assert bob.table.half_open <= 8
    alice.hear(step_2, route=1)
    ((_, _, step_3),) = alice.table.outgoing()
    bob.hear(step_3, route=1)
    assert bob.session(alice).peer == alice.id


def test_half_open_handshakes_are_forgotten_in_time(net: "Net", bob: "Node") -> None:
    for number in range(5):
        bob.hear(stranger_step_1(number), route=1)
    net.wait(9_999 * MS)
    assert bob.table.half_open == 5
    net.wait(1 * MS)
    assert bob.table.half_open == 0
    assert bob.table.dropped == {"half_open_timed_out": 5}
    assert bob.table.next_timeout() is None


def test_a_full_outbox_drops_its_oldest(net: "Net", bob: "Node") -> None:
    alice = net.node("alice", limits=SessionLimits(outgoing_max=2))
    ids = [alice.dial(bob, known=True) for _ in range(3)]
    waiting = [decode_envelope(data).payload[2:10] for _, _, data in alice.table.outgoing()]
    assert waiting == ids[1:]


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("over_link", [False, True])
@settings(DRAWN_FOR_ONE_NODE, max_examples=25)
@given(step=st.integers(1, 3), at=st.integers(0, 100_000), flip=st.integers(1, 255))
def test_no_changed_byte_of_a_handshake_yields_a_session_at_its_receiver(
    net: "Net", *, known: bool, hybrid: bool, over_link: bool, step: int, at: int, flip: int
) -> None:
    alice, bob = net.node("alice"), net.node("bob")
    net.link(alice, bob, LINK)
    alice.dial(bob, known=known, hybrid=hybrid, link=LINK if over_link else None)
    sender, receiver = alice, bob
    for _ in range(step - 1):
        ((_, _, message),) = sender.table.outgoing()
        receiver.hear(message, route=LINK)
        sender, receiver = receiver, sender
    ((_, _, message),) = sender.table.outgoing()
    damaged = bytearray(message)
    # The envelope's class, hops and id are no part of the handshake: relays may change two of them.
    start = 20 if over_link else 84
    damaged[start + at % (len(damaged) - start)] ^= flip
    receiver.hear(bytes(damaged), route=LINK)
    for data in receiver.table.outgoing():
        sender.hear(data[2], route=LINK)
    for data in sender.table.outgoing():
        receiver.hear(data[2], route=LINK)
    assert not [event for event in receiver.events if isinstance(event, SessionEstablished)]


@settings(DRAWN_FOR_ONE_NODE)
@given(
    pattern=st.integers(0, 6),
    step=st.integers(0, 4),
    receiver=st.sampled_from([bytes(8), b"x" * 8]),
    noise=st.binary(max_size=2_600),
    local=st.booleans(),
)
def test_any_bytes_as_a_handshake_are_counted_or_answered_and_never_raised(
    net: "Net",
    alice: "Node",
    bob: "Node",
    pattern: int,
    step: int,
    receiver: bytes,
    noise: bytes,
    *,
    local: bool,
) -> None:
    net.now_ns += SECOND
    header = bytes([1, Kind.HANDSHAKE, 0x80 if local else 0, 1]) + bytes(16)
    names = b"" if local else alice.id + bob.id
    bob.hear(header + names + bytes([pattern, step]) + b"s" * 8 + receiver + noise, route=1)
    bob.table.outgoing()
    assert len(bob.table) == 0
    assert bob.table.half_open <= 16


@given(
    noise=st.binary(min_size=32, max_size=1_300),
    pattern=st.sampled_from(list(Pattern)),
    step=st.sampled_from([2, 3]),
)
@settings(DRAWN_FOR_ONE_NODE)
def test_rubbish_for_a_live_handshake_ends_it_or_changes_nothing(
    net: "Net", noise: bytes, pattern: Pattern, step: int
) -> None:
    alice, bob = net.node("alice"), net.node("bob")
    handshake = alice.dial(bob, known=True)
    alice.table.outgoing()
    frame = HandshakeFrame(pattern, step, b"s" * 8, handshake, noise)
    alice.hear(bytes([1, 1, 0, 1]) + bytes(16) + bob.id + alice.id + frame.encode(), route=1)
    assert len(alice.table) == 0
    assert len(alice.failures()) + len(alice.drops()) == 1


def test_a_step_1_that_carries_words_is_refused(net: "Net", bob: "Node") -> None:
    bob.hear(stranger_step_1(1) + b"words", route=1)
    assert bob.drops() == ["bad_handshake"]
    assert bob.table.half_open == 0


def test_an_index_is_never_given_twice_nor_all_zeros(net: "Net", alice: "Node", bob: "Node") -> None:
    first = alice.dial(bob, known=True)
    drawn = [bytes(8), bytes(first), b"a fresh1"]
    true_entropy = alice.table._handshakes._entropy

    def rigged(count: int) -> bytes:
        return drawn.pop(0) if count == 8 else true_entropy(count)

    alice.table._handshakes._entropy = rigged
    assert alice.dial(bob, known=True) == b"a fresh1"


def test_rates_allow_a_seconds_worth_at_once_and_then_one_by_one() -> None:
    rates = RouteRates(per_s=4, routes_max=2)
    assert [rates.allow(1, 0) for _ in range(5)] == [True] * 4 + [False]
    assert not rates.allow(1, 249 * MS)
    assert rates.allow(1, 250 * MS)
    assert not rates.allow(1, 251 * MS)
    assert [rates.allow(1, 10 * SECOND) for _ in range(5)] == [True] * 4 + [False]


def test_rates_forget_the_route_that_was_longest_unused() -> None:
    rates = RouteRates(per_s=1, routes_max=2)
    assert rates.allow(1, 0)
    assert rates.allow(2, 0)
    assert not rates.allow(1, 0)
    assert rates.allow(3, 0)
    assert not rates.allow(1, 0)
    assert rates.allow(2, 0)


@given(
    st.lists(
        st.tuples(st.sampled_from(["set", "drop", "take"]), st.integers(0, 5), st.integers(0, 20)),
        max_size=40,
    )
)
def test_deadlines_agree_with_a_plain_list(moves: list[tuple[str, int, int]]) -> None:
    deadlines: Deadlines[int] = Deadlines()
    model: dict[int, int] = {}
    for move, key, time in moves:
        if move == "set":
            deadlines.set(key, time)
            model.pop(key, None)
            model[key] = time
        elif move == "drop":
            deadlines.drop(key)
            model.pop(key, None)
        else:
            due = sorted((key for key in model if model[key] <= time), key=lambda key: model[key])
            assert deadlines.take(time) == due
            model = {key: at for key, at in model.items() if key not in due}
        assert deadlines.first() == min(model.values(), default=None)


def test_a_frame_of_a_handshake_has_the_bytes_that_the_document_says() -> None:
    frame = HandshakeFrame(Pattern.XK_HYBRID, 2, b"s" * 8, b"r" * 8, b"noise")
    assert frame.encode() == b"\x04\x02ssssssssrrrrrrrrnoise"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "bad_handshake"),
        (b"\x01\x01" + bytes(15), "bad_handshake"),
        (b"\x05\x01" + bytes(16), "unknown_pattern"),
        (b"\x00\x01" + bytes(16), "unknown_pattern"),
        (b"\x01\x04" + bytes(8) + b"r" * 8, "bad_handshake"),
        (b"\x01\x02" + bytes(16), "bad_handshake"),
        (b"\x01\x01" + bytes(8) + b"r" * 8, "bad_handshake"),
    ],
)
def test_a_malformed_frame_is_refused(payload: bytes, reason: str) -> None:
    with pytest.raises(RemoteError) as caught:
        decode_handshake(payload)
    assert caught.value.reason == reason
