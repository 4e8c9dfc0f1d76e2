"""Bodies between neighbours and payloads along routes: any bytes are a body or a RemoteError."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import RemoteError
from protocols.ids import NodeId
from protocols.keys import Identity
from protocols.routing.frames import decode_body, encode_body, is_newer, make_word, word_is_good
from protocols.routing.limits import BODY_BYTES_MAX, ROUTED_BYTES_MAX
from protocols.routing.locators import LOCATOR_BYTES_MAX, open_locator, sign_locator
from protocols.routing.routed import Answer, Lookup, NoRoute, Register, decode_routed

U16 = st.integers(0, 0xFFFF)
WORDS = st.integers(0, 2**64 - 1)
NODE = NodeId(bytes(range(32)))
ALICE = Identity.from_seed(b"a" * 32)


@given(
    retell=st.booleans(),
    counter=st.integers(0, 255),
    period_s=U16,
    entries=st.lists(st.tuples(st.binary(min_size=12, max_size=12), WORDS), max_size=15),
    landmarks=st.lists(st.tuples(st.binary(min_size=32, max_size=32), WORDS), max_size=10),
    requests=st.lists(st.tuples(st.binary(min_size=12, max_size=12), U16, st.integers(0, 255)), max_size=15),
)
def test_a_body_survives_the_wire(
    retell: Any, counter: Any, period_s: Any, entries: Any, landmarks: Any, requests: Any
) -> None:
    said = decode_body(
        encode_body(
            retell=retell,
            counter=counter,
            period_s=period_s,
            entries=entries,
            landmarks=landmarks,
            requests=requests,
        )
    )
    assert (said.retell, said.counter, said.period_s) == (retell, counter, period_s)
    assert (list(said.entries), list(said.landmarks), list(said.requests)) == (entries, landmarks, requests)


def test_the_golden_body() -> None:
    word = make_word(0x0102, 16, 0xFFFF, 12, 1)
    body = encode_body(
        retell=True,
        counter=7,
        period_s=120,
        entries=[(NODE[:12], word)],
        landmarks=[(NODE, word)],
        requests=[(NODE[:12], 0x0103, 64)],
    )
    key, whole, packed = bytes(range(12)).hex(), bytes(range(32)).hex(), "01020010ffff0c01"
    assert body.hex() == f"0101070078010101{key}{packed}{whole}{packed}{key}010340"


@given(st.binary(max_size=BODY_BYTES_MAX + 10))
def test_any_bytes_are_a_body_or_refused(body: bytes) -> None:
    try:
        said = decode_body(body)
        read = [*said.entries, *said.landmarks, *said.requests]
    except RemoteError:
        return
    assert len(read) <= len(body) // 12


@pytest.mark.parametrize(
    "body", [b"", b"\x01" * 7, bytes([1, 2]) + bytes(6), bytes([1]) + bytes(8), bytes(BODY_BYTES_MAX + 1)]
)
def test_a_malformed_body_is_refused(body: bytes) -> None:
    with pytest.raises(RemoteError):
        decode_body(body)


def test_another_version_is_refused_by_name() -> None:
    with pytest.raises(RemoteError, match="unknown_version"):
        decode_body(bytes([2]) + bytes(7))


@given(U16, st.integers(1, 0x7FFF))
def test_a_sequence_goes_round(sequence: int, step: int) -> None:
    later = (sequence + step) & 0xFFFF
    assert is_newer(later, sequence)
    assert not is_newer(sequence, later)
    assert not is_newer(sequence, sequence)


def test_a_word_with_reserved_bits_or_an_impossible_width_is_no_good() -> None:
    assert word_is_good(make_word(1, 2, 3, 31, 1))
    assert not word_is_good(make_word(1, 2, 3, 12, 2))
    assert not word_is_good(make_word(1, 2, 3, 32, 0))


@pytest.mark.parametrize(
    "routed",
    [Register(b"signed"), Lookup(7, NODE, b""), Lookup(7, NODE, b"x"), Answer(9, NODE, b""), NoRoute(NODE)],
)
def test_what_is_routed_survives_the_wire(routed: Any) -> None:
    assert decode_routed(routed.encode()) == routed


@given(st.binary(max_size=ROUTED_BYTES_MAX + 10))
def test_any_bytes_are_routed_control_or_refused(body: bytes) -> None:
    try:
        routed = decode_routed(body)
    except RemoteError:
        return
    assert routed.encode() == body


@pytest.mark.parametrize(
    "body", [b"", b"\x01", b"\x02abc", b"\x04" + bytes(31), b"\x09", bytes(ROUTED_BYTES_MAX + 1)]
)
def test_malformed_routed_control_is_refused(body: bytes) -> None:
    with pytest.raises(RemoteError, match="bad_routed"):
        decode_routed(body)


def test_a_locator_says_who_is_where() -> None:
    signed = sign_locator(ALICE, sequence=1_700_000_000_000, landmark=NODE)
    locator = open_locator(signed)
    assert (locator.node, locator.sequence, locator.landmark) == (ALICE.node_id, 1_700_000_000_000, NODE)
    assert len(signed) <= LOCATOR_BYTES_MAX


def test_a_forged_locator_is_refused() -> None:
    signed = bytearray(sign_locator(ALICE, sequence=1, landmark=NODE))
    signed[-70] ^= 1
    with pytest.raises(RemoteError):
        open_locator(bytes(signed))


def test_a_locator_without_a_landmark_is_refused() -> None:
    with pytest.raises(RemoteError, match="bad_locator"):
        open_locator(sign_locator(ALICE, sequence=1, landmark=NodeId(b"short")))
