from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.codec import DEPTH_MAX, decode, decode_map, encode
from protocols.errors import LocalError, RemoteError

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.binary(max_size=40)
    | st.text(max_size=40)
)
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=20,
)
BYTES_MAX = 4_096


def refused(data: bytes, *, bytes_max: int = BYTES_MAX) -> str:
    with pytest.raises(RemoteError) as caught:
        decode(data, bytes_max=bytes_max)
    return caught.value.reason


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@given(values)
def test_what_is_written_is_read_back(value: Any) -> None:
    data = encode(value)
    assert decode(data, bytes_max=len(data)) == value


@given(st.dictionaries(st.text(max_size=8), scalars, max_size=8), st.randoms(use_true_random=False))
def test_the_order_in_which_a_map_was_filled_leaves_no_trace(value: dict[str, Any], dice: Any) -> None:
    items = list(value.items())
    dice.shuffle(items)
    assert encode(dict(items)) == encode(value)


def test_keys_go_by_their_utf8_bytes() -> None:
    assert encode({"b": 1, "a": 2, "ä": 3, "": 4}) == b"\x84\xa0\x04\xa1a\x02\xa1b\x01\xa2\xc3\xa4\x03"


def test_a_tuple_is_written_as_a_list() -> None:
    assert encode((1, (2,))) == encode([1, [2]])


@given(st.binary(max_size=300))
def test_any_bytes_are_one_canonical_value_or_refused(data: bytes) -> None:
    try:
        value = decode(data, bytes_max=BYTES_MAX)
    except RemoteError as error:
        assert error.reason == "bad_encoding"  # noqa: PT017 - either outcome is right
    else:
        assert encode(value) == data


@given(values, st.data())
def test_a_damaged_value_never_escapes_as_another_error(value: Any, data: st.DataObject) -> None:
    damaged = bytearray(encode(value))
    at = data.draw(st.integers(0, len(damaged) - 1))
    damaged[at] ^= data.draw(st.integers(1, 255))
    try:
        assert encode(decode(bytes(damaged), bytes_max=BYTES_MAX)) == bytes(damaged)
    except RemoteError as error:
        assert error.reason == "bad_encoding"  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "nothing"),
        (b"\x01\x02", "two values"),
        (b"\xcd\x00\x01", "an integer in a longer form than it needs"),
        (b"\x82\xa1b\x01\xa1a\x02", "keys out of order"),
        (b"\x82\xa1a\x01\xa1a\x02", "a key twice"),
        (b"\x81\x01\x02", "a key that is not text"),
        (b"\x81\xc4\x01a\x02", "a key of bytes"),
        (b"\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", "a float"),
        (b"\xc7\x00\x05", "an extension"),
        (b"\xd6\xff\x00\x00\x00\x01", "a timestamp"),
        (b"\xa1\xff", "text that isn't UTF-8"),
        (b"\xc1", "a byte that msgpack never uses"),
        (b"\xdd\xff\xff\xff\xff", "a list of four billion"),
        (b"\x91" * 2_000 + b"\x01", "a list two thousand deep"),
    ],
)
def test_refused_because_it_is(data: bytes, why: str) -> None:
    assert refused(data) == "bad_encoding", why


def test_more_bytes_than_allowed_are_not_even_looked_at() -> None:
    assert refused(encode(b"x" * 100), bytes_max=100) == "too_long"


def test_nesting_ends_somewhere() -> None:
    deepest = encode(nested(DEPTH_MAX - 1))
    assert decode(deepest, bytes_max=BYTES_MAX) == nested(DEPTH_MAX - 1)
    assert refused(b"\x91" + deepest) == "bad_encoding"
    with pytest.raises(LocalError, match="nested deeper"):
        encode(nested(DEPTH_MAX))


@pytest.mark.parametrize(
    "value", [1.5, {1: 2}, {b"a": 1}, object(), [{"a": {1, 2}}], 2**64, -(2**63) - 1, "\ud800"]
)
def test_we_never_write_what_has_no_canonical_form(value: Any) -> None:
    with pytest.raises(LocalError):
        encode(value)


def test_a_map_is_asked_for_by_name() -> None:
    assert decode_map(encode({"a": 1}), bytes_max=BYTES_MAX) == {"a": 1}
    with pytest.raises(RemoteError, match="not a map"):
        decode_map(encode([1]), bytes_max=BYTES_MAX)
