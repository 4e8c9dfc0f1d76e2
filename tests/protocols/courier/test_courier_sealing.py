import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.courier import (
    CONTENT_BYTES_MAX,
    SEALED_BYTES_MAX,
    Bundle,
    Sealed,
    decode_sealed,
    is_too_far,
    open_sealed,
    seal,
)
from protocols.courier.sealed import (
    CLASSIC,
    HEADER_BYTES,
    HYBRID,
    encode_header,
    overhead_bytes,
    padded_bytes,
)
from protocols.courier.sealing import LABEL, NAMES
from protocols.directory.signed import sign_body
from protocols.errors import LocalError, RemoteError
from protocols.noise import SymmetricState
from protocols.session.padding import padded_length

NOW_S = 1_800_000_000
DAY_S = 86_400
ID = bytes(range(16))
GOLDEN = "5bc281111fb520c2eee09f7c68878878108386f2649213673160a997a8871f40"


def sealed_by(alice: Any, bob: Any, content: bytes = b"hello", **change: Any) -> Sealed:
    given: dict[str, Any] = {
        "sealed_id": ID,
        "expires_s": NOW_S + DAY_S,
        "entropy": alice.entropy,
        "kem": alice.kem,
    }
    return seal(alice.identity, change.pop("bundle", None) or bob.bundle(), content, **given | change)


def opened_by(bob: Any, sealed: Sealed) -> tuple[bytes, bytes]:
    opened = open_sealed(bob.identity, sealed, bob.ring.openers(), bob.kem)
    return opened.sender, opened.content


def plain_sealed(alice: Any, bob: Any, plain: bytes, bundle: Bundle | None = None) -> Sealed:
    """What somebody makes who knows the format and keeps to nothing else."""
    fresh: Bundle = bob.bundle() if bundle is None else bundle
    header = encode_header(CLASSIC, bob.id, NOW_S + DAY_S, ID)
    key = alice.identity.suite.agreement_key(alice.entropy(32))
    symmetric = SymmetricState(NAMES[CLASSIC], cipher="AESGCM", hash_name="SHA256")
    for part in (header, fresh.prekey_id, fresh.x25519, key.public):
        symmetric.mix_hash(part)
    symmetric.mix_key(key.agree(fresh.x25519))
    return decode_sealed(header + key.public + symmetric.encrypt_and_hash(plain))


def with_length(signed: bytes, *, length: int | None = None, filler: bytes = b"\0") -> bytes:
    data = (len(signed) if length is None else length).to_bytes(4) + signed
    return data.ljust(padded_bytes(len(data), CLASSIC), filler)


def test_the_receiver_reads_what_was_written_and_by_whom(alice: Any, bob: Any) -> None:
    assert opened_by(bob, sealed_by(alice, bob)) == (alice.id, b"hello")


@settings(max_examples=20, deadline=None)
@given(size=st.integers(0, CONTENT_BYTES_MAX))
def test_any_length_that_fits_comes_through(person: Callable[..., Any], size: int) -> None:
    alice, bob = person("alice"), person("bob")
    sealed = sealed_by(alice, bob, bytes(size))
    assert len(sealed.data) <= SEALED_BYTES_MAX
    assert decode_sealed(sealed.data) == sealed
    assert opened_by(bob, sealed)[1] == bytes(size)


def test_what_does_not_fit_is_our_own_fault(alice: Any, bob: Any) -> None:
    assert sealed_by(alice, bob, bytes(CONTENT_BYTES_MAX)).size == SEALED_BYTES_MAX
    with pytest.raises(LocalError):
        sealed_by(alice, bob, bytes(CONTENT_BYTES_MAX + 1))


def test_a_word_and_a_sentence_look_the_same_to_couriers(alice: Any, bob: Any) -> None:
    word, sentence = sealed_by(alice, bob, b"yes"), sealed_by(alice, bob, b"x" * 150)
    assert word.size == sentence.size


def test_nothing_of_the_sender_or_the_content_is_in_the_clear(alice: Any, bob: Any) -> None:
    bundle = bob.bundle()
    sealed = sealed_by(alice, bob, b"a secret that is long enough", bundle=bundle)
    for clear in (alice.id, alice.id[:8], b"secret", bundle.prekey_id, bundle.x25519):
        assert clear not in sealed.data


def test_the_same_text_never_looks_the_same(alice: Any, bob: Any) -> None:
    bundle = bob.bundle()
    one, other = (sealed_by(alice, bob, bundle=bundle).data[HEADER_BYTES:] for _ in range(2))
    assert not any(one[place : place + 16] in other for place in range(0, len(one) - 16, 16))


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_it_is_hybrid_where_both_can_and_opens_where_one_can_not(
    person: Callable[..., Any], who: str
) -> None:
    alice, bob = person("alice"), person("bob")
    assert sealed_by(alice, bob).suite == HYBRID
    old = {"alice": alice, "bob": bob} | {who: person(who, kem=None)}
    sealed = sealed_by(old["alice"], old["bob"])
    assert sealed.suite == CLASSIC
    assert opened_by(old["bob"], sealed)[1] == b"hello"


def test_a_hybrid_object_does_not_open_without_ml_kem(alice: Any, bob: Any) -> None:
    sealed = sealed_by(alice, bob)
    with pytest.raises(RemoteError, match="bad_seal"):
        open_sealed(bob.identity, sealed, bob.ring.openers(), None)


def test_older_prekeys_still_open_what_is_under_way(alice: Any, bob: Any) -> None:
    sealed = sealed_by(alice, bob)
    for week in range(1, 4):
        bob.bundle(NOW_S + week * 7 * DAY_S)
    assert opened_by(bob, sealed)[1] == b"hello"


def test_once_its_prekey_is_deleted_nobody_opens_it(alice: Any, bob: Any, person: Any) -> None:
    sealed = sealed_by(alice, bob)
    again = person("bob")  # the same seed, so the same identity and static keys
    again.drawn = 100
    again.bundle()
    with pytest.raises(RemoteError, match="bad_seal"):
        opened_by(again, sealed)


def test_somebody_else_opens_nothing(alice: Any, bob: Any, mallory: Any) -> None:
    sealed = sealed_by(alice, bob)
    mallory.bundle()
    with pytest.raises(RemoteError, match="wrong_receiver"):
        opened_by(mallory, sealed)
    diverted = bytearray(sealed.data)
    diverted[2:34] = mallory.id
    with pytest.raises(RemoteError, match="bad_seal"):
        opened_by(mallory, decode_sealed(bytes(diverted)))


@pytest.mark.parametrize("place", [34, 41, 42, 57, 58, 90, 500, -1])
def test_a_single_changed_bit_is_noticed_wherever_it_is(alice: Any, bob: Any, place: int) -> None:
    """It is in expiry, id, ephemeral key, ciphertext or tag."""
    changed = bytearray(sealed_by(alice, bob).data)
    changed[place] ^= 1
    with pytest.raises(RemoteError, match="bad_seal"):
        opened_by(bob, decode_sealed(bytes(changed)))


def test_a_public_key_of_low_order_is_refused(alice: Any, bob: Any) -> None:
    changed = bytearray(sealed_by(alice, bob).data)
    changed[HEADER_BYTES : HEADER_BYTES + 32] = bytes(32)
    with pytest.raises(RemoteError, match="bad_key"):
        opened_by(bob, decode_sealed(bytes(changed)))


def test_a_receiver_can_not_seal_on_what_was_written_to_him(alice: Any, bob: Any, mallory: Any) -> None:
    """Mallory, to whom Alice wrote, makes Bob believe that Alice wrote it to him."""
    body: dict[str, Any] = {"to": mallory.id, "pk": bytes(8), "id": ID, "exp": NOW_S + DAY_S, "data": b"hi"}
    signed = sign_body(alice.identity, LABEL, 1, body)
    with pytest.raises(RemoteError, match="bad_binding"):
        opened_by(bob, plain_sealed(mallory, bob, with_length(signed)))


@pytest.mark.parametrize("change", [{"pk": bytes(8)}, {"id": bytes(16)}, {"exp": NOW_S}, {"to": None}])
def test_a_signature_holds_for_one_prekey_one_id_and_one_expiry(
    alice: Any, bob: Any, change: dict[str, Any]
) -> None:
    body: dict[str, Any] = {
        "to": bob.id,
        "pk": bob.bundle().prekey_id,
        "id": ID,
        "exp": NOW_S + DAY_S,
        "data": b"hi",
    }
    signed = sign_body(alice.identity, LABEL, 1, body | change)
    with pytest.raises(RemoteError, match="bad_binding"):
        opened_by(bob, plain_sealed(alice, bob, with_length(signed)))


def test_what_nobody_signed_is_refused(alice: Any, bob: Any) -> None:
    for signed in (b"", b"rubbish", sign_body(alice.identity, b"meshnode/record/1", 1, {"to": bob.id})):
        with pytest.raises(RemoteError):
            opened_by(bob, plain_sealed(alice, bob, with_length(signed)))


def test_padding_that_is_no_padding_is_refused(alice: Any, bob: Any) -> None:
    signed = sign_body(alice.identity, LABEL, 1, {"to": bob.id})
    for plain in (with_length(signed, filler=b"x"), with_length(signed, length=2**31)):
        with pytest.raises(RemoteError, match="bad_padding"):
            opened_by(bob, plain_sealed(alice, bob, plain))


def test_a_signed_body_without_content_is_refused(alice: Any, bob: Any) -> None:
    bundle = bob.bundle()
    body: dict[str, Any] = {
        "to": bob.id,
        "pk": bundle.prekey_id,
        "id": ID,
        "exp": NOW_S + DAY_S,
        "data": "text",
    }
    signed = sign_body(alice.identity, LABEL, 1, body)
    with pytest.raises(RemoteError, match="no content"):
        opened_by(bob, plain_sealed(alice, bob, with_length(signed), bundle))


@given(st.binary(max_size=3_000))
def test_any_bytes_are_sealed_or_refused(data: bytes) -> None:
    try:
        decode_sealed(data)
    except RemoteError as error:
        assert error.reason in {"bad_sealed", "unknown_version", "too_long"}  # noqa: PT017 - either way


@given(length=st.integers(0, SEALED_BYTES_MAX), suite=st.sampled_from([CLASSIC, HYBRID]))
def test_a_padded_length_is_its_own_and_fits(length: int, suite: int) -> None:
    room = SEALED_BYTES_MAX - overhead_bytes(suite)
    padded = padded_bytes(min(length, room), suite)
    assert min(length, room) <= padded <= room
    assert padded_bytes(padded, suite) == padded
    assert padded in {512, padded_length(padded), room}


BROKEN: list[tuple[Callable[[bytes], bytes], str]] = [
    (lambda data: b"\x02" + data[1:], "unknown_version"),
    (lambda data: data[:1] + b"\x07" + data[2:], "bad_sealed"),
    (lambda data: data[:-1], "bad_sealed"),
    (lambda data: data[:20], "bad_sealed"),
    (lambda data: data + bytes(SEALED_BYTES_MAX), "too_long"),
]


@pytest.mark.parametrize(("change", "reason"), BROKEN)
def test_what_is_not_a_sealed_object_is_refused_by_name(
    alice: Any, bob: Any, change: Callable[[bytes], bytes], reason: str
) -> None:
    with pytest.raises(RemoteError, match=reason):
        decode_sealed(change(sealed_by(alice, bob).data))


def test_an_object_ends_with_its_expiry_and_may_not_live_for_ever(alice: Any, bob: Any) -> None:
    sealed = sealed_by(alice, bob)
    assert not sealed.is_over(NOW_S + DAY_S)
    assert sealed.is_over(NOW_S + DAY_S + 1)
    assert not sealed.is_over(NOW_S + DAY_S + 1, patience_s=DAY_S)
    assert not is_too_far(sealed.expires_s, NOW_S)
    assert is_too_far(NOW_S + 16 * DAY_S, NOW_S)


def test_the_format_has_not_changed(alice: Any) -> None:
    """A golden header: version, suite, receiver, expiry, id."""
    header = encode_header(CLASSIC, alice.id, 0x0102030405060708, ID)
    assert header == b"\x01\x01" + alice.id + bytes(range(1, 9)) + ID
    assert replace(Sealed(1, alice.id, 0, ID, header + b"rest")).header == header


def test_a_whole_object_has_not_changed(person: Callable[..., Any]) -> None:
    """A golden object without ML-KEM, from chance that repeats itself; it opens as well."""
    alice, bob = person("alice", kem=None), person("bob", kem=None)
    sealed = sealed_by(alice, bob)
    assert hashlib.sha256(sealed.data).hexdigest() == GOLDEN
    assert opened_by(bob, sealed)[1] == b"hello"
