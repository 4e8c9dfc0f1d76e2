"""Two nodes arrive at seven digits, or at nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import LocalError, RemoteError
from protocols.ids import NodeId
from protocols.pairing import Pairing, State
from protocols.pairing.session import TIME_NS_MAX

if TYPE_CHECKING:
    from conftest import MakePair, Pair

MALLORY = NodeId(b"m" * 32)


def refused(pairing: Pairing, message: bytes, now_ns: int = 0) -> str:
    with pytest.raises(RemoteError) as caught:
        pairing.receive(message, now_ns=now_ns)
    assert (pairing.state, pairing.digits, pairing.next_timeout()) == (State.ABORTED, None, None)
    return caught.value.reason


def test_both_show_the_same_seven_digits_in_two_groups(pair: Pair) -> None:
    mine, theirs = pair.run()
    assert mine is not None
    assert mine == theirs
    assert re.fullmatch(r"\d{3} \d{4}", mine)


def test_the_digits_of_a_known_pairing_never_change(pair: Pair) -> None:
    assert pair.run() == ("381 7503", "381 7503"), "another value here means another wire format"


def test_each_attempt_has_digits_of_its_own(make_pair: MakePair) -> None:
    codes = [make_pair(seed).run()[0] for seed in range(50)]
    assert len(dict.fromkeys(codes)) == 50


def test_the_responder_shows_nothing_before_the_initiator_is_bound_to_its_nonce(pair: Pair) -> None:
    answer = pair.bob.receive(pair.alice.start(), now_ns=0)
    assert (pair.bob.digits, pair.bob.state) == (None, State.ANSWERED)
    pair.alice.receive(answer, now_ns=0)
    assert (pair.bob.digits, pair.alice.state) == (None, State.SHOWN)


def test_two_sessions_with_somebody_in_between_do_not_fit_together(make_pair: MakePair) -> None:
    pair = make_pair(bobs_session=b"x" * 32)
    reveal = pair.alice.receive(pair.bob.receive(pair.alice.start(), now_ns=0), now_ns=0)
    assert refused(pair.bob, reveal) == "broken_commitment"


def test_a_pairing_is_with_one_node_and_no_other(make_pair: MakePair) -> None:
    pair = make_pair(bobs_peer=MALLORY)
    reveal = pair.alice.receive(pair.bob.receive(pair.alice.start(), now_ns=0), now_ns=0)
    assert refused(pair.bob, reveal) == "broken_commitment"


def test_whoever_plays_both_ends_honestly_still_shows_different_digits(make_pair: MakePair) -> None:
    """Mallory pairs with each of them over a session of its own: the people see two codes."""
    towards_alice, towards_bob = make_pair(1, alices_session=b"1" * 32, bobs_session=b"1" * 32), make_pair(2)
    assert towards_alice.run()[0] != towards_bob.run()[1]


def test_a_nonce_that_differs_from_the_commitment_is_caught(make_pair: MakePair) -> None:
    pair, other = make_pair(1), make_pair(2)
    answer = pair.bob.receive(pair.alice.start(), now_ns=0)
    other.alice.start()
    assert refused(pair.bob, other.alice.receive(answer, now_ns=0)) == "broken_commitment"


def test_only_the_initiator_starts_and_once(pair: Pair) -> None:
    pair.alice.start()
    with pytest.raises(LocalError):
        pair.alice.start()
    with pytest.raises(LocalError):
        pair.bob.start()


def test_a_node_does_not_pair_with_itself() -> None:
    with pytest.raises(LocalError):
        Pairing(me=MALLORY, peer=MALLORY, handshake_hash=b"", initiator=True, entropy=bytes, now_ns=0)


def test_an_initiator_that_has_not_started_hears_nothing(make_pair: MakePair) -> None:
    commit = make_pair(1).alice.start()
    assert refused(make_pair(2).alice, commit) == "out_of_turn"


def test_a_commitment_that_comes_twice_ends_it(pair: Pair) -> None:
    commit = pair.alice.start()
    pair.bob.receive(commit, now_ns=0)
    assert refused(pair.bob, commit) == "out_of_turn"


def test_anything_after_the_digits_takes_them_back(pair: Pair) -> None:
    pair.run()
    assert refused(pair.alice, b"") == "out_of_turn"


def test_what_was_aborted_stays_so(pair: Pair) -> None:
    commit = pair.alice.start()
    refused(pair.bob, b"")
    assert refused(pair.bob, commit) == "out_of_turn"


def test_a_version_that_is_not_known_is_not_guessed_at(pair: Pair) -> None:
    assert refused(pair.bob, b"\x02" + pair.alice.start()[1:]) == "unknown_version"


def test_a_message_after_its_time_ends_it(pair: Pair) -> None:
    commit = pair.alice.start()
    assert pair.bob.next_timeout() == TIME_NS_MAX
    assert refused(pair.bob, commit, now_ns=TIME_NS_MAX) == "timed_out"


def test_the_people_too_must_be_done_in_time(pair: Pair) -> None:
    pair.run()
    assert pair.alice.next_timeout() == pair.bob.next_timeout() == TIME_NS_MAX


def test_neither_nonce_nor_digits_are_in_the_repr(pair: Pair) -> None:
    pair.run()
    assert repr(pair.alice) == "Pairing(SHOWN)"


@given(message=st.binary(max_size=80), step=st.integers(0, 2))
def test_any_bytes_in_any_state_are_a_refusal_or_a_move(message: bytes, step: int) -> None:
    dice = iter((b"1" * 32, b"2" * 32))
    pairing = Pairing(
        me=MALLORY,
        peer=NodeId(b"b" * 32),
        handshake_hash=b"h",
        initiator=step == 1,
        entropy=lambda _: next(dice),
        now_ns=0,
    )
    if step == 1:
        pairing.start()
    elif step == 2:
        pairing.receive(b"\x01\x01" + bytes(32), now_ns=0)
    try:
        pairing.receive(message, now_ns=0)
    except RemoteError:
        assert pairing.state is State.ABORTED
    else:
        assert message[:1] == b"\x01"
        assert len(message) == 34


@given(at=st.integers(0, 33), flip=st.integers(1, 255), which=st.sampled_from(["commit", "reveal"]))
def test_a_changed_commitment_or_nonce_never_leads_to_digits(at: int, flip: int, which: str) -> None:
    ends = [
        Pairing(
            me=me,
            peer=peer,
            handshake_hash=b"h",
            initiator=first,
            entropy=lambda n, me=me: me[:1] * n,
            now_ns=0,
        )
        for me, peer, first in ((MALLORY, NodeId(b"b" * 32), True), (NodeId(b"b" * 32), MALLORY, False))
    ]
    alice, bob = ends

    def bend(message: bytes) -> bytes:
        return message[:at] + bytes([message[at] ^ flip]) + message[at + 1 :]

    commit = alice.start()
    with pytest.raises(RemoteError):  # noqa: PT012 - the change shows at once or at the reveal
        answer = bob.receive(bend(commit) if which == "commit" else commit, now_ns=0)
        reveal = alice.receive(answer, now_ns=0)
        bob.receive(bend(reveal) if which == "reveal" else reveal, now_ns=0)
    assert bob.digits is None
