"""What a handshake promises, what it refuses, and what is left of it afterwards."""

from collections.abc import Callable
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import LocalError, RemoteError
from protocols.noise import Handshake, Kem, KemKeyPair, mlkem_or_none
from protocols.noise.handshake import MESSAGE_BYTES_MAX, State
from protocols.noise.patterns import PATTERNS

PLAIN = "25519_AESGCM_SHA256"
HYBRID = "25519+MLKEM768_AESGCM_SHA256"
STATICS = {True: b"i" * 32, False: b"r" * 32}  # by "is the initiator"
LOW_ORDER = bytes(32)  # X25519 of it is all zeros, whatever the private key


def public_of(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


class SmallKem:
    """A stand-in of the right sizes, so that a test may run thousands of hybrid handshakes. Not secret at all."""

    def keypair(self, entropy: Callable[[int], bytes]) -> KemKeyPair:
        seed = entropy(64)
        return KemKeyPair(seed.ljust(1_184, b"\1"), seed)

    def encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        if public[64:] != b"\1" * 1_120:
            raise RemoteError("bad_kem_key")
        return public[:64].ljust(1_088, b"\2"), public[:32]

    def decapsulate(self, pair: KemKeyPair, ciphertext: bytes) -> bytes:
        return ciphertext[:32]


def name_of(pattern: str) -> str:
    return f"Noise_{pattern}_{HYBRID if pattern.endswith('hfs') else PLAIN}"


def half(
    pattern: str, *, initiator: bool, seed: object = 0, kem: Kem | None = None, prologue: bytes = b""
) -> Handshake:
    knows = PATTERNS[pattern].knows(initiators=not initiator)
    return Handshake(
        name_of(pattern),
        initiator=initiator,
        prologue=prologue,
        static=STATICS[initiator],
        remote_static=public_of(STATICS[not initiator]) if knows else None,
        entropy=Random(f"{initiator}/{seed}").randbytes,
        kem=kem or SmallKem(),
    )


def pair(pattern: str = "XX") -> tuple[Handshake, Handshake]:
    return half(pattern, initiator=True), half(pattern, initiator=False)


def play(initiator: Handshake, responder: Handshake, steps: int | None = None) -> None:
    """So many messages, or all of them."""
    count = 0
    while not initiator.finished and count != steps:
        writer, reader = (initiator, responder) if initiator.my_turn else (responder, initiator)
        assert reader.read_message(writer.write_message(b"payload")) == b"payload"
        count += 1


def refusal(handshake: Handshake, message: bytes) -> str:
    with pytest.raises(RemoteError) as caught:
        handshake.read_message(message)
    return caught.value.reason


@pytest.mark.parametrize("pattern", list(PATTERNS))
def test_both_ends_hold_the_same_keys_in_the_end(pattern: str) -> None:
    initiator, responder = pair(pattern)
    play(initiator, responder)
    assert responder.finished
    assert initiator.handshake_hash == responder.handshake_hash
    (sending, _), (_, receiving) = initiator.split(), responder.split()
    assert receiving.decrypt(3, b"a", sending.encrypt(3, b"a", b"hello")) == b"hello"


@pytest.mark.parametrize("pattern", ["XX", "XK", "XXhfs", "XKhfs", "KK"])
def test_each_end_learns_or_keeps_the_others_static_key(pattern: str) -> None:
    initiator, responder = pair(pattern)
    play(initiator, responder)
    assert initiator.remote_static == public_of(STATICS[False])
    assert responder.remote_static == public_of(STATICS[True])


def test_a_static_key_that_the_pattern_brings_is_unknown_until_it_came() -> None:
    responder = Handshake(
        name_of("XX"), initiator=False, static=b"r" * 32, remote_static=b"x" * 32, entropy=Random(1).randbytes
    )
    assert responder.remote_static is None


@pytest.mark.skipif(mlkem_or_none() is None, reason="this build of cryptography has no ML-KEM")
@pytest.mark.parametrize("pattern", ["XXhfs", "XKhfs"])
def test_the_hybrid_runs_with_the_real_kem(pattern: str) -> None:
    kem = mlkem_or_none()
    initiator, responder = half(pattern, initiator=True, kem=kem), half(pattern, initiator=False, kem=kem)
    play(initiator, responder)
    (sending, _), (_, receiving) = initiator.split(), responder.split()
    assert receiving.decrypt(0, b"", sending.encrypt(0, b"", b"hello")) == b"hello"


def test_a_payload_may_be_made_from_the_hash_before_it() -> None:
    initiator, responder = pair()
    seen: list[bytes] = []

    def proof(handshake_hash: bytes) -> bytes:
        seen.append(handshake_hash)
        return handshake_hash[::-1]

    payload = responder.read_message(initiator.write_message(proof))
    assert seen == [initiator.hash_before_payload] == [responder.hash_before_payload]
    assert payload[::-1] == seen[0]


def test_a_payload_that_can_not_be_made_ends_the_handshake() -> None:
    initiator, _ = pair()

    def fail(_: bytes) -> bytes:
        raise LocalError("no proof")

    with pytest.raises(LocalError, match="no proof"):
        initiator.write_message(fail)
    assert initiator.state is State.BROKEN


def test_another_prologue_is_noticed_at_the_first_seal() -> None:
    initiator = half("XK", initiator=True, prologue=b"one")
    responder = half("XK", initiator=False, prologue=b"two")
    assert refusal(responder, initiator.write_message()) == "bad_seal"


def test_a_broken_handshake_takes_and_gives_nothing_more() -> None:
    initiator, responder = pair("XK")
    good = initiator.write_message()
    assert refusal(responder, good[:-1]) == "bad_seal"
    assert (responder.my_turn, responder.finished) == (False, False)
    assert refusal(responder, good) == "out_of_turn"
    with pytest.raises(LocalError):
        responder.write_message()
    with pytest.raises(LocalError):
        responder.split()


def test_nobody_writes_out_of_turn() -> None:
    initiator, responder = pair()
    with pytest.raises(LocalError):
        responder.write_message()
    initiator.write_message()
    with pytest.raises(LocalError):
        initiator.write_message()


def test_reading_out_of_turn_changes_nothing() -> None:
    initiator, responder = pair()
    assert refusal(initiator, b"early") == "out_of_turn"
    play(initiator, responder)
    assert refusal(responder, b"late") == "out_of_turn"
    assert initiator.finished


def test_keys_are_given_once_and_only_when_finished() -> None:
    initiator, responder = pair()
    with pytest.raises(LocalError):
        initiator.split()
    play(initiator, responder)
    initiator.split()
    with pytest.raises(LocalError):
        initiator.split()
    assert initiator.finished, "it still may be asked for its hash"
    assert len(initiator.handshake_hash) == 32


def test_a_one_way_pattern_gives_no_key_for_the_other_way() -> None:
    initiator, responder = pair("X")
    play(initiator, responder)
    for state in (initiator.split()[1], responder.split()[0]):
        with pytest.raises(LocalError):
            state.encrypt(0, b"", b"")


def test_secrets_are_gone_after_the_split_and_after_a_refusal() -> None:
    initiator, responder = pair("XKhfs")
    play(initiator, responder)
    initiator.split()
    broken = half("XK", initiator=False)
    refusal(broken, bytes(48))
    for handshake in (initiator, broken):
        assert (handshake._static, handshake._ephemeral, handshake._kem_pair) == (None, None, None)
        assert not any(handshake._symmetric._chain)


def test_no_key_is_in_the_repr() -> None:
    initiator, responder = pair()
    play(initiator, responder)
    assert repr(initiator) == "Handshake(initiator=True, step=3, state=FINISHED)"
    assert repr(initiator.split()[0]) == "CipherState(AESGCM)"
    assert repr(SmallKem().keypair(bytes)).endswith("\\x01')")


@pytest.mark.parametrize("pattern", ["NN", "XX", "IK", "KK"])
def test_an_ephemeral_key_of_low_order_is_refused(pattern: str) -> None:
    initiator, _ = pair(pattern)
    initiator.write_message()
    assert refusal(initiator, LOW_ORDER + bytes(200)) in {"bad_key", "bad_seal"}
    assert initiator.state is State.BROKEN


def test_a_low_order_key_that_arrived_unused_is_refused_when_it_is_used() -> None:
    _, responder = pair("NN")
    responder.read_message(LOW_ORDER)
    with pytest.raises(RemoteError, match="bad_key"):
        responder.write_message()
    assert responder.state is State.BROKEN


def test_a_kem_key_that_is_none_is_refused_when_we_answer() -> None:
    _, responder = pair("XXhfs")
    responder.read_message(public_of(b"e" * 32) + bytes(1_184))
    with pytest.raises(RemoteError, match="bad_kem_key"):
        responder.write_message()


def test_a_message_has_a_largest_size() -> None:
    initiator, responder = pair()
    assert refusal(responder, bytes(MESSAGE_BYTES_MAX + 1)) == "too_long"
    with pytest.raises(LocalError):
        initiator.write_message(bytes(MESSAGE_BYTES_MAX))
    assert initiator.state is State.BROKEN
    initiator, responder = pair()
    whole = initiator.write_message(bytes(MESSAGE_BYTES_MAX - 32))
    assert len(whole) == MESSAGE_BYTES_MAX
    assert responder.read_message(whole) == bytes(MESSAGE_BYTES_MAX - 32)


@pytest.mark.parametrize(
    "name",
    [
        "Noise_XX_25519_AESGCM_MD5",
        "Noise_XX_448_AESGCM_SHA256",
        "Noise_XXhfs_25519_AESGCM_SHA256",
        "Noise_XX_25519+MLKEM768_AESGCM_SHA256",
        "Noise_XXpsk3_25519_AESGCM_SHA256",
        "Noise_XX",
        "",
    ],
)
def test_a_name_that_we_do_not_speak_is_our_own_fault(name: str) -> None:
    with pytest.raises(LocalError, match="no protocol"):
        Handshake(name, initiator=True, static=bytes(32), entropy=bytes, kem=SmallKem())


@pytest.mark.parametrize(
    ("pattern", "initiator", "keys"),
    [
        ("XX", True, {}),
        ("XX", False, {}),
        ("XK", False, {}),
        ("XK", True, {"static": b"s" * 32}),
        ("KK", True, {"remote_static": b"s" * 32}),
        ("KK", False, {"static": b"s" * 32}),
        ("N", True, {}),
        ("N", False, {}),
        ("XX", True, {"static": b"short"}),
        ("XK", True, {"static": b"s" * 32, "remote_static": b"s" * 33}),
        ("XXhfs", True, {"static": b"s" * 32}),
    ],
)
def test_keys_that_make_no_handshake_are_refused_before_it_starts(
    *, pattern: str, initiator: bool, keys: dict[str, bytes]
) -> None:
    with pytest.raises(LocalError):
        Handshake(
            name_of(pattern),
            initiator=initiator,
            entropy=bytes,
            static=keys.get("static"),
            remote_static=keys.get("remote_static"),
        )


@given(pattern=st.sampled_from(list(PATTERNS)), step=st.integers(0, 2), data=st.data())
@settings(deadline=None)
def test_any_change_of_a_message_is_noticed(pattern: str, step: int, data: st.DataObject) -> None:
    """By the reader at once, or where the message is in the clear, before anyone has keys."""
    initiator, responder = pair(pattern)
    step %= len(PATTERNS[pattern].messages)
    play(initiator, responder, step)
    writer, reader = (initiator, responder) if initiator.my_turn else (responder, initiator)
    good = writer.write_message(b"payload")
    position = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[position] ^= 1 << data.draw(st.integers(0, 7))
    try:
        reader.read_message(bytes(bad))
        while not initiator.finished:
            writer, reader = (initiator, responder) if initiator.my_turn else (responder, initiator)
            reader.read_message(writer.write_message(b"payload"))
    except RemoteError:
        return
    assert initiator.handshake_hash != responder.handshake_hash


@given(pattern=st.sampled_from(list(PATTERNS)), cut=st.integers(1, 400), step=st.integers(0, 2))
@settings(deadline=None)
def test_a_message_cut_short_is_refused_or_its_payload_is_shorter(pattern: str, cut: int, step: int) -> None:
    initiator, responder = pair(pattern)
    step %= len(PATTERNS[pattern].messages)
    play(initiator, responder, step)
    writer, reader = (initiator, responder) if initiator.my_turn else (responder, initiator)
    good = writer.write_message(b"payload")
    try:
        payload = reader.read_message(good[: -min(cut, len(good))])
    except RemoteError:
        assert reader.state is State.BROKEN
    else:
        assert payload in {b"payload"[:size] for size in range(7)}, "it travels in the clear"


@given(
    pattern=st.sampled_from(list(PATTERNS)),
    step=st.integers(0, 3),
    message=st.binary(max_size=1_400) | st.integers(0, 3_000).map(bytes),
    mine=st.booleans(),
)
@settings(deadline=None)
def test_any_bytes_in_any_state_raise_nothing_but_a_remote_error(
    *, pattern: str, step: int, message: bytes, mine: bool
) -> None:
    initiator, responder = pair(pattern)
    play(initiator, responder, step)
    reader = initiator if mine else responder
    try:
        reader.read_message(message)
    except RemoteError:
        return
    assert reader.my_turn or reader.finished
