"""Tying a further link to a session."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import LocalError, RemoteError
from protocols.session import LinkBinding
from protocols.session.binding import ANSWERS_MAX, MESSAGE_BYTES

LINK, OTHER_LINK = b"L" * 32, b"M" * 32


def ends(first: bytes = LINK, second: bytes = LINK) -> tuple[LinkBinding, LinkBinding]:
    return LinkBinding(first, entropy=Random("a").randbytes), LinkBinding(
        second, entropy=Random("b").randbytes
    )


def refusal(end: LinkBinding, message: bytes) -> str:
    with pytest.raises(RemoteError) as caught:
        end.receive(message)
    return caught.value.reason


def converse(sender: LinkBinding, receiver: LinkBinding, message: bytes | None) -> int:
    messages = 0
    while message is not None:
        messages += 1
        message = receiver.receive(message)
        sender, receiver = receiver, sender
    return messages


def test_both_ends_are_bound_after_three_messages_and_then_fall_silent() -> None:
    alice, bob = ends()
    question = alice.start()
    answer = bob.receive(question)
    assert answer is not None
    assert not bob.bound
    closing = alice.receive(answer)
    assert alice.bound
    assert closing is not None
    assert not bob.bound
    last = bob.receive(closing)
    assert bob.bound
    assert last is not None
    assert alice.receive(last) is None


def test_it_works_when_both_begin() -> None:
    alice, bob = ends()
    from_alice, from_bob = alice.start(), bob.start()
    assert converse(bob, alice, from_bob) + converse(alice, bob, from_alice) < 12
    assert alice.bound
    assert bob.bound


@pytest.mark.parametrize("lost", range(4))
def test_a_lost_message_is_made_good_by_beginning_again(lost: int) -> None:
    alice, bob = ends()
    sender, receiver, message = alice, bob, alice.start()
    for number in range(lost + 1):
        if number < lost:
            answer = receiver.receive(message)
            if answer is None:
                break
            sender, receiver, message = receiver, sender, answer
    for end, other in ((alice, bob), (bob, alice)):
        if not end.bound:
            converse(end, other, end.start())
    assert alice.bound
    assert bob.bound


def test_somebody_in_between_holds_two_links_that_look_different() -> None:
    alice, bob = ends(LINK, OTHER_LINK)
    assert refusal(bob, alice.start()) == "wrong_binding"
    assert refusal(alice, bob.start()) == "wrong_binding"


def test_an_echo_of_another_nonce_binds_nothing() -> None:
    alice, bob = ends()
    answer = bob.receive(alice.start())
    assert answer is not None
    assert refusal(LinkBinding(LINK, entropy=Random("c").randbytes), answer) == "wrong_echo"


def test_a_peer_that_only_ever_asks_is_not_answered_for_ever() -> None:
    alice, bob = ends()
    for _ in range(ANSWERS_MAX):
        assert bob.receive(alice.start()) is not None
    assert refusal(bob, alice.start()) == "too_many_binds"


@given(st.binary(max_size=100))
def test_any_bytes_are_refused_and_bind_nothing(message: bytes) -> None:
    alice, _ = ends()
    assert refusal(alice, message) == ("wrong_binding" if len(message) == MESSAGE_BYTES else "bad_bind")
    assert not alice.bound


@given(at=st.integers(0, MESSAGE_BYTES - 1), flip=st.integers(1, 255))
def test_no_changed_answer_binds_unless_only_its_own_nonce_changed(at: int, flip: int) -> None:
    alice, bob = ends()
    answer = bytearray(bob.receive(alice.start()) or b"")
    answer[at] ^= flip
    if at >= 16:
        assert refusal(alice, bytes(answer)) in ("wrong_binding", "wrong_echo")
    assert alice.bound is False


def test_a_binding_has_32_bytes() -> None:
    with pytest.raises(LocalError):
        LinkBinding(b"", entropy=Random("a").randbytes)
