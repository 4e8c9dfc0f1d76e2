"""Bodies of the rpc service "reach"."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshnode.services.reach.frames import (
    EMPTY,
    check_empty,
    decode_observed,
    decode_side,
    encode_observed,
    encode_side,
    place_of,
    text_of,
)
from meshnode.services.reach.limits import BODY_BYTES_MAX, HOSTS_MAX, OUTSIDE_MAX
from policies.reach import Place, Side
from protocols.codec import encode
from protocols.errors import RefusedError, RemoteError

PLACES = st.builds(Place, st.ip_addresses().map(str), st.integers(0, 65_535))
SIDES = st.builds(
    Side,
    st.sampled_from(["unknown", "public", "mapped", "symmetric"]),
    st.lists(PLACES, max_size=HOSTS_MAX).map(tuple),
    st.lists(PLACES, max_size=OUTSIDE_MAX).map(tuple),
)


@given(SIDES)
def test_what_a_side_tells_comes_back(side: Side) -> None:
    assert decode_side(encode_side(side)) == side


def test_the_fullest_side_fits_a_body() -> None:
    longest = Place("2001:db8:1111:2222:3333:4444:5555:6666", 65_535)
    assert (
        len(encode_side(Side("symmetric", (longest,) * HOSTS_MAX, (longest,) * OUTSIDE_MAX))) < BODY_BYTES_MAX
    )


def test_more_addresses_than_we_may_tell_are_left_out() -> None:
    side = Side("mapped", tuple(Place("10.0.0.1", port) for port in range(99)), ())
    assert decode_side(encode_side(side)).hosts == side.hosts[:HOSTS_MAX]


@given(PLACES)
def test_an_observed_address_comes_back(place: Place) -> None:
    assert decode_observed(encode_observed(text_of(place))) == place


def test_where_no_network_lies_between_there_is_no_address() -> None:
    assert decode_observed(encode_observed("")) is None


@pytest.mark.parametrize(
    "address", ["quic://name:1", "quic://[fe80::1%eth0]:1", "ble://x", "quic://1.2.3.4", "x"]
)
def test_names_and_addresses_of_one_link_only_are_no_places(address: str) -> None:
    assert place_of(address) is None
    with pytest.raises(RemoteError):
        decode_observed(encode_observed(address))


def test_addresses_and_kinds_of_a_later_version_are_passed_over() -> None:
    body = encode(
        {"v": 1, "kind": "teleported", "host": ["ble://x", "quic://10.0.0.1:7", 5], "out": [], "new": 1}
    )
    assert decode_side(body) == Side("unknown", (Place("10.0.0.1", 7),), ())


@pytest.mark.parametrize(
    "table",
    [
        {"v": 1, "kind": "mapped", "host": [""] * (HOSTS_MAX + 1), "out": []},
        {"v": 1, "kind": "mapped", "host": [], "out": "quic://10.0.0.1:7"},
        {"v": 1, "kind": "mapped", "host": []},
        {"v": True, "kind": "mapped", "host": [], "out": []},
    ],
)
def test_what_makes_no_sense_is_the_peers_fault(table: dict[str, object]) -> None:
    with pytest.raises(RemoteError):
        decode_side(encode(table))


def test_another_version_is_refused_in_words() -> None:
    with pytest.raises(RefusedError, match="version 1"):
        check_empty(encode({"v": 2}))
    check_empty(EMPTY)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for read in (decode_side, decode_observed, check_empty):
        with contextlib.suppress(RemoteError, RefusedError):
            read(data)
