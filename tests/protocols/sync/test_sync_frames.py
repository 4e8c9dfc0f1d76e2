"""Bodies of sync: what is read, what is refused, and what a cell holds."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import RemoteError
from protocols.sync import SYNC_BODY_BYTES_MAX
from protocols.sync.frames import (
    BUCKET_MAX,
    KEYS_MAX,
    NOTHING,
    SUMMARY_ROWS_MAX,
    WANT_MAX,
    Cell,
    Ids,
    Split,
    Summary,
    Want,
    decode_body,
    fingerprint,
)

KEYS = st.binary(min_size=8, max_size=8)
BUCKETS = st.integers(0, BUCKET_MAX)
CELLS = st.builds(Cell, BUCKETS, st.just(0), st.just(0))
BODIES = st.one_of(
    st.builds(Summary, st.dictionaries(BUCKETS, KEYS, max_size=SUMMARY_ROWS_MAX)),
    st.builds(Split, CELLS, st.lists(KEYS, min_size=16, max_size=16)),
    st.builds(Ids, CELLS, st.booleans(), st.lists(KEYS)),
    st.builds(Want, st.lists(KEYS, max_size=WANT_MAX)),
)


@given(body=BODIES)
def test_what_is_said_is_understood(body: Summary | Split | Ids | Want) -> None:
    assert decode_body(body.encode()) == body


@given(data=st.binary(max_size=300))
def test_any_bytes_are_a_body_or_an_error(data: bytes) -> None:
    with suppress(RemoteError):
        assert decode_body(data).encode() == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x05",
        b"\x01" + bytes(11),
        b"\x01" + bytes(24),
        b"\x02" + bytes(5),
        b"\x02" + bytes(6 + 8),
        b"\x02" + bytes(4) + b"\x02\x00" + bytes(128),
        b"\x03" + bytes(6),
        b"\x03" + bytes(6) + b"\x02",
        b"\x03" + bytes(4) + b"\x03\x00\x00",
        b"\x03" + bytes(4) + b"\x01\x10\x00",
        b"\x03" + bytes(4) + b"\x01\x01\x00" + bytes(8),
        b"\x04" + bytes(7),
        b"\x04" + bytes(SYNC_BODY_BYTES_MAX),
    ],
)
def test_nonsense_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteError, match="bad_sync"):
        decode_body(data)


def test_the_fullest_bodies_fit_a_control_body() -> None:
    key = b"k" * 8
    fullest = (
        Summary(dict.fromkeys(range(SUMMARY_ROWS_MAX), key)),
        Split(Cell(0, 1, 15), [key] * 16),
        Ids(Cell(0, 2, 0x6B), answer=True, keys=[key] * KEYS_MAX),
        Want([key] * WANT_MAX),
    )
    assert all(len(body.encode()) <= SYNC_BODY_BYTES_MAX for body in fullest)


def test_cells_split_by_the_digits_of_a_key() -> None:
    key = bytes([0xAB]) + bytes(7)
    whole = Cell(7)
    assert whole.holds(key)
    assert whole.child(0xA).holds(key)
    assert whole.child(0xA).child(0xB).holds(key)
    assert not whole.child(0xB).holds(key)
    assert not whole.child(0xA).child(0xA).holds(key)


def test_a_fingerprint_asks_what_not_in_which_order() -> None:
    one, other = b"1" * 8, b"2" * 8
    assert fingerprint([one, other]) == fingerprint([other, one])
    assert fingerprint([one]) != fingerprint([other])
    assert fingerprint([]) == NOTHING


def test_the_format_does_not_change_unseen() -> None:
    key = b"abcdefgh"
    assert Summary({1: key}).encode() == b"\x01\x00\x00\x00\x01abcdefgh"
    assert Split(Cell(1, 1, 2), [key] * 16).encode() == b"\x02\x00\x00\x00\x01\x01\x02" + key * 16
    assert Ids(Cell(1, 1, 6), answer=True, keys=[key]).encode() == b"\x03\x00\x00\x00\x01\x01\x06\x01abcdefgh"
    assert Want([key]).encode() == b"\x04abcdefgh"
