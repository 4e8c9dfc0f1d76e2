"""The bytes of a pairing, worked out anew from docs/wire.md, section 9."""

from __future__ import annotations

import hashlib
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import RemoteError
from protocols.pairing.frames import FRAME, Kind, decode_frame, encode_frame

if TYPE_CHECKING:
    from conftest import Pair

KINDS = st.sampled_from(Kind)


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def test_commitment_nonces_and_digits_are_those_of_the_document(pair: Pair) -> None:
    dice = Random(0)  # of the fixture
    mine, theirs = dice.randbytes(32), dice.randbytes(32)
    context = sha256(b"meshnode/pairing/1", b"a" * 32, b"b" * 32, b"h" * 32)
    commit = pair.alice.start()
    assert commit == b"\1\1" + sha256(b"meshnode/pairing/commit/1", context, mine)
    answer = pair.bob.receive(commit, now_ns=0)
    assert answer == b"\1\2" + theirs
    reveal = pair.alice.receive(answer, now_ns=0)
    assert reveal == b"\1\3" + mine
    assert pair.bob.receive(reveal, now_ns=0) == b""
    whole = int(sha256(b"meshnode/pairing/code/1", context, mine, theirs).hex(), 16)
    assert pair.alice.digits is not None
    assert pair.alice.digits.replace(" ", "") == f"{whole % 10_000_000:07}"


@given(kind=KINDS, body=st.binary(min_size=32, max_size=32))
def test_a_body_comes_back_from_its_frame(kind: Kind, body: bytes) -> None:
    assert decode_frame(encode_frame(kind, body), kind) == body


@given(
    kind=KINDS,
    data=st.binary(max_size=2 * FRAME.size) | st.binary(min_size=32, max_size=32).map(b"\1\2".__add__),
)
def test_whatever_is_taken_for_a_frame_is_one(kind: Kind, data: bytes) -> None:
    try:
        body = decode_frame(data, kind)
    except RemoteError:
        return
    assert encode_frame(kind, body) == data


def test_an_answer_changed_on_the_way_shows_in_the_digits(pair: Pair) -> None:
    answer = bytearray(pair.bob.receive(pair.alice.start(), now_ns=0))
    answer[-1] ^= 1
    pair.bob.receive(pair.alice.receive(bytes(answer), now_ns=0), now_ns=0)
    assert pair.alice.digits != pair.bob.digits


@pytest.mark.parametrize("size", [0, 1, 33, 35])
def test_a_frame_has_one_size(size: int) -> None:
    with pytest.raises(RemoteError, match="bad_pairing"):
        decode_frame(b"\1" * size, Kind.COMMIT)
