"""Who is refused, and why."""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from protocols.codec import decode_map, encode
from protocols.errors import RemoteError
from protocols.ids import NodeId
from protocols.keys import Identity, Suite
from protocols.session import SessionLimits
from protocols.session.frames import decode_claim
from protocols.session.proof import INITIATOR, RESPONDER, Expected, Passport

if TYPE_CHECKING:
    from conftest import Net, Node

MS = 1_000_000
SECOND = 1_000 * MS
HASH = b"i" * 16 + b"h" * 32  # both indexes, and the handshake hash


def nobody(_: NodeId) -> bool:
    return False


def passport(node: "Node", **changes: Any) -> Passport:
    options: dict[str, Any] = {
        "own_record": node.record,
        "boot": node.boot,
        "features": (),
        "is_blocked": nobody,
        "remember_hybrid": nobody,
        "limits": SessionLimits(),
    }
    return Passport(node.identity, **{**options, **changes})


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(RemoteError) as caught:
        call()
    return caught.value.reason


def step_2(bob: "Node", alice: "Node", **changes: bytes) -> bytes:
    claim = passport(bob).claim(RESPONDER, initiator=alice.id, responder=bob.id, transcript=HASH, binding=b"")
    return encode({**decode_map(claim, bytes_max=4_096), **changes})


def check(alice: "Node", bob: "Node", payload: bytes, transcript: bytes = HASH) -> Any:
    return passport(alice).check_responder(
        payload, initiator=alice.id, transcript=transcript, remote_static=bob.x25519
    )


def test_a_proof_covers_the_handshake_the_role_and_both_names(alice: "Node", bob: "Node") -> None:
    good = step_2(bob, alice)
    assert check(alice, bob, good).record.node == bob.id
    assert refusal(lambda: check(alice, bob, good, b"x" * 32)) == "bad_proof"
    assert (
        refusal(
            lambda: passport(alice).check_responder(
                good, initiator=NodeId(bytes(32)), transcript=HASH, remote_static=bob.x25519
            )
        )
        == "bad_proof"
    )
    assert (
        refusal(lambda: passport(alice).check_initiator(good, transcript=HASH, remote_static=bob.x25519))
        == "bad_proof"
    )


def test_an_initiators_proof_names_the_responder_it_means(net: "Net", alice: "Node", bob: "Node") -> None:
    carol = net.node("carol")
    claim = passport(alice).claim(
        INITIATOR, initiator=alice.id, responder=bob.id, transcript=HASH, binding=b""
    )
    assert (
        passport(bob).check_initiator(claim, transcript=HASH, remote_static=alice.x25519).boot == alice.boot
    )
    assert (
        refusal(lambda: passport(carol).check_initiator(claim, transcript=HASH, remote_static=alice.x25519))
        == "bad_proof"
    )


def test_the_record_must_name_the_key_that_noise_proved(alice: "Node", bob: "Node") -> None:
    payload = step_2(bob, alice)
    for proved in (alice.x25519, None):
        assert (
            refusal(
                lambda key=proved: passport(alice).check_responder(
                    payload, initiator=alice.id, transcript=HASH, remote_static=key
                )
            )
            == "wrong_key"
        )


def test_somebody_elses_record_does_not_help(alice: "Node", bob: "Node") -> None:
    assert refusal(lambda: check(alice, bob, step_2(bob, alice, rec=alice.record()))) == "wrong_key"


def test_a_record_that_nobody_signed_is_refused(alice: "Node", bob: "Node") -> None:
    record = bytearray(bob.record())
    record[-1] ^= 1
    assert refusal(lambda: check(alice, bob, step_2(bob, alice, rec=bytes(record))))


def test_identical_records_are_verified_once_and_remembered_within_bounds(
    net: "Net", alice: "Node", monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[bytes] = []
    monkeypatch.setattr("protocols.session.proof.open_record", _counting(verified))
    guard = passport(alice, limits=SessionLimits(records_known_max=2))
    others = [net.node(name) for name in ("bob", "carol", "dave")]

    def ask(node: "Node") -> None:
        guard.check_responder(
            step_2(node, alice), initiator=alice.id, transcript=HASH, remote_static=node.x25519
        )

    for node in (others[0], others[0], others[1], others[0], others[2], others[0]):
        ask(node)
    assert len(verified) == 3
    ask(others[1])
    assert len(verified) == 4, "the least recently used one was forgotten"


def _counting(seen: list[bytes]) -> Callable[[bytes, Suite], object]:
    from protocols.directory import open_record  # noqa: PLC0415 - the true one, before it is replaced

    def counted(data: bytes, suite: Suite) -> object:
        seen.append(data)
        return open_record(data, suite)

    return counted


@pytest.mark.parametrize("known", [True, False])
def test_the_peer_must_be_the_one_that_was_dialled(
    net: "Net", alice: "Node", bob: "Node", *, known: bool
) -> None:
    carol = net.node("carol")
    alice.dial(bob, known=known, link=net.link(alice, carol))
    net.wait(8 * SECOND)
    assert alice.failures() == (["timed_out"] if known else ["wrong_peer"])
    assert len(alice.table) == len(carol.table) == 0


def test_an_initiator_must_be_whom_its_envelopes_name(net: "Net", alice: "Node", bob: "Node") -> None:
    """Somebody relays another's handshake under its own name: the prologues differ, so nothing opens."""
    alice.dial(bob, known=True)
    ((_, _, step_1),) = alice.table.outgoing()
    bob.hear(step_1[:20] + b"m" * 32 + step_1[52:], route=1)
    assert len(bob.drops()) == 1
    assert bob.table.half_open == 0


def test_an_initiator_who_proves_to_be_another_than_its_envelopes_say_is_refused(
    net: "Net", alice: "Node", bob: "Node"
) -> None:
    guard = passport(bob)
    claim = passport(alice).claim(
        INITIATOR, initiator=alice.id, responder=bob.id, transcript=HASH, binding=b""
    )
    proved = guard.check_initiator(claim, transcript=HASH, remote_static=alice.x25519)
    other = net.node("carol").id
    assert refusal(lambda: guard.accept(proved, Expected(other, hybrid=False, link=b""))) == "wrong_peer"


def test_a_blocked_initiator_gets_no_session_and_no_word(net: "Net", alice: "Node", bob: "Node") -> None:
    bob.blocked.append(alice.id)
    alice.dial(bob, known=True)
    net.settle()
    sent = [data for sender, data in net.sent if sender is bob]
    assert len(sent) == 1, "step 2, before anybody was known"
    assert bob.drops() == ["blocked"]
    assert len(bob.table) == bob.table.half_open == 0


def test_a_blocked_responder_is_left_alone(net: "Net", alice: "Node", bob: "Node") -> None:
    alice.blocked.append(bob.id)
    net.meet(alice, bob)
    assert alice.failures() == ["blocked"]
    assert len(alice.table) == len(bob.table) == 0


@pytest.mark.parametrize("known", [False, True])
def test_two_that_offer_mlkem_never_meet_without_it(net: "Net", *, known: bool) -> None:
    alice, bob = net.node("alice", offers_hybrid=True), net.node("bob", offers_hybrid=True)
    net.meet(alice, bob, known=known, hybrid=False)
    assert alice.failures() == ["downgraded"]
    assert len(alice.table) == len(bob.table) == 0
    net.meet(alice, bob, known=known, hybrid=True)
    assert alice.session(bob).hybrid
    assert bob.session(alice).hybrid


def test_a_responder_too_refuses_to_be_downgraded(net: "Net") -> None:
    """Alice's software says nothing of the kind about herself, until the proof."""
    bob = net.node("bob", offers_hybrid=True)
    alice = net.node("alice")
    alice.dial(bob, known=True)
    ((_, _, step_1),) = alice.table.outgoing()
    bob.hear(step_1, route=1)
    ((_, _, step_2),) = bob.table.outgoing()
    alice.hear(step_2, route=1)
    guard = passport(bob)
    alice.offers_hybrid = True
    claim = passport(alice).claim(
        INITIATOR, initiator=alice.id, responder=bob.id, transcript=HASH, binding=b""
    )
    proved = guard.check_initiator(claim, transcript=HASH, remote_static=alice.x25519)
    assert refusal(lambda: guard.accept(proved, Expected(None, hybrid=False, link=b""))) == "downgraded"


@pytest.mark.parametrize("who", ["initiator", "responder"])
def test_a_peer_once_seen_with_mlkem_is_never_accepted_without(
    net: "Net", alice: "Node", bob: "Node", who: str
) -> None:
    if who == "initiator":
        alice.hybrid_peers.append(bob.id)
    else:
        bob.hybrid_peers.append(alice.id)
    net.meet(alice, bob, hybrid=False)
    if who == "initiator":
        assert alice.failures() == ["downgraded"]
    else:
        assert bob.drops() == ["downgraded"]
    assert len(bob.table) == 0


def test_one_that_offers_mlkem_meets_one_that_does_not(net: "Net", bob: "Node") -> None:
    alice = net.node("alice", offers_hybrid=True)
    net.meet(alice, bob)
    assert not alice.session(bob).hybrid


def test_a_link_that_both_ends_see_differently_is_refused(net: "Net", alice: "Node", bob: "Node") -> None:
    link = net.link(alice, bob)
    net.bindings[link, "bob"] = b"somebody in between shows another"[:32]
    net.meet(alice, bob, link=link)
    assert alice.failures() == ["wrong_binding"]
    assert len(alice.table) == len(bob.table) == 0


def test_the_responder_too_compares_the_link(net: "Net", alice: "Node", bob: "Node") -> None:
    link = net.link(alice, bob)
    alice.dial(bob, known=True, link=link, binding=b"what alice sees is not what bob s"[:32])
    net.settle()
    assert bob.drops() == ["wrong_binding"]
    assert len(bob.table) == 0


def test_a_link_without_a_binding_gives_a_session_but_binds_nothing(
    net: "Net", alice: "Node", bob: "Node"
) -> None:
    link = net.link(alice, bob)
    net.bindings[link, "alice"] = net.bindings[link, "bob"] = b""
    alice.dial(bob, known=True, link=link, binding=b"")
    net.settle()
    assert [event.bound for event in alice.established() + bob.established()] == [False, False]


def test_a_proof_of_an_identity_needs_its_seed(alice: "Node", bob: "Node") -> None:
    mallory = Identity.from_seed(Random("mallory").randbytes(32))
    payload = step_2(bob, alice, sig=mallory.sign(b"meshnode/proof/1", RESPONDER + alice.id + bob.id + HASH))
    assert refusal(lambda: check(alice, bob, payload)) == "bad_proof"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"v": 2}, "unknown_version"),
        ({"sig": b"short"}, "bad_claim"),
        ({"boot": b"seven!!"}, "bad_claim"),
        ({"bind": bytes(65)}, "bad_claim"),
        ({"rec": bytes(2_049)}, "bad_claim"),
        ({"rec": "text"}, "bad_claim"),
        ({"feat": "voice"}, "bad_claim"),
        ({"feat": ["x"] * 17}, "bad_claim"),
        ({"feat": ["x" * 33]}, "bad_claim"),
        ({"feat": [1]}, "bad_claim"),
        ({"more": bytes(4_000)}, "too_long"),
    ],
)
def test_a_malformed_claim_is_refused(
    alice: "Node", bob: "Node", changes: dict[str, Any], reason: str
) -> None:
    assert refusal(lambda: decode_claim(step_2(bob, alice, **changes))) == reason


def test_what_a_later_version_adds_to_a_claim_is_ignored(alice: "Node", bob: "Node") -> None:
    assert check(alice, bob, step_2(bob, alice, more=b"of the same")).record.node == bob.id
