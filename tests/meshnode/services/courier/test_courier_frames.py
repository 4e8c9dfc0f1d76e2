from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshnode.services.courier.frames import (
    BundleCall,
    Hand,
    Handed,
    decode_bundle_call,
    decode_hand,
    decode_handed,
    decode_notes,
    decode_offers,
    decode_replies,
    encode_bundle_call,
    encode_hand,
    encode_handed,
    encode_notes,
    encode_offers,
    encode_replies,
)
from protocols.codec import decode_map, encode
from protocols.courier import Offer, Reply
from protocols.errors import RefusedError, RemoteError
from protocols.ids import NodeId

BOB = NodeId(bytes(range(32)))
numbers = st.integers(0, 2**53)
offers = st.builds(Offer, st.binary(min_size=16, max_size=16), st.just(BOB), numbers, numbers)
replies = st.builds(
    Reply,
    st.sampled_from(["want", "have", "delivered", "refused"]),
    st.none() | numbers,
    st.binary(max_size=256),
)
DECODERS: list[Callable[[bytes], object]] = [
    decode_bundle_call,
    decode_hand,
    decode_handed,
    decode_notes,
    decode_offers,
    lambda body: decode_replies(body, asked=3),
]


@given(st.builds(BundleCall, numbers, numbers, st.binary(max_size=2_048)))
def test_a_call_about_prekeys_comes_back_as_it_was(call: BundleCall) -> None:
    assert decode_bundle_call(encode_bundle_call(call)) == call


@given(st.lists(offers, max_size=64))
def test_offers_come_back_as_they_were(items: list[Offer]) -> None:
    assert decode_offers(encode_offers(items)) == items


@given(st.lists(replies, max_size=64))
def test_replies_come_back_as_they_were(items: list[Reply]) -> None:
    assert decode_replies(encode_replies(items), asked=len(items)) == items


@given(st.builds(Hand, st.integers(1, 64), st.none() | numbers, st.binary(max_size=500)))
def test_what_is_handed_over_comes_back_as_it_was(hand: Hand) -> None:
    assert decode_hand(encode_hand(hand)) == hand


@given(st.builds(Handed, st.sampled_from(["taken", "have", "delivered"]), st.binary(max_size=320)))
def test_what_became_of_it_comes_back_as_it_was(handed: Handed) -> None:
    assert decode_handed(encode_handed(handed)) == handed


@given(st.lists(st.binary(max_size=256), max_size=64))
def test_notes_come_back_as_they_were(notes: list[bytes]) -> None:
    assert decode_notes(encode_notes(notes)) == notes


def test_the_largest_of_each_still_fits() -> None:
    big = 2**53
    assert len(decode_offers(encode_offers([Offer(bytes(16), BOB, big, big)] * 64))) == 64
    assert len(decode_replies(encode_replies([Reply("delivered", big, bytes(256))] * 64), asked=64)) == 64
    assert len(decode_notes(encode_notes([bytes(256)] * 64))) == 64
    assert len(decode_hand(encode_hand(Hand(64, big, bytes(65_536)))).sealed) == 65_536


@pytest.mark.parametrize("decoder", DECODERS)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_refused_by_a_rule(decoder: Callable[[bytes], object], data: bytes) -> None:
    with pytest.raises((RemoteError, RefusedError)):
        decoder(data)


@pytest.mark.parametrize("decoder", DECODERS)
def test_another_version_is_refused_and_no_version_is_an_error(decoder: Callable[[bytes], object]) -> None:
    with pytest.raises(RefusedError, match="version 1"):
        decoder(encode({"v": 2}))
    for version in ({}, {"v": "1"}, {"v": True}):
        with pytest.raises(RemoteError):
            decoder(encode(version))


SENSELESS: list[tuple[Callable[[bytes], object], bytes, dict[str, Any]]] = [
    (decode_bundle_call, encode_bundle_call(BundleCall(1, 2, b"")), {"seq": -1}),
    (decode_bundle_call, encode_bundle_call(BundleCall(1, 2, b"")), {"have": True}),
    (decode_bundle_call, encode_bundle_call(BundleCall(1, 2, b"")), {"bundle": "text"}),
    (decode_hand, encode_hand(Hand(1, None, b"")), {"copies": 0}),
    (decode_hand, encode_hand(Hand(1, None, b"")), {"copies": 65}),
    (decode_hand, encode_hand(Hand(1, None, b"")), {"age": -2}),
    (decode_hand, encode_hand(Hand(1, None, b"")), {"sealed": None}),
    (decode_handed, encode_handed(Handed("have", b"")), {"w": "eaten"}),
    (decode_handed, encode_handed(Handed("have", b"")), {"proof": 5}),
    (decode_notes, encode_notes([b"note"]), {"list": [bytes(257)]}),
    (decode_notes, encode_notes([b"note"]), {"list": ["note"]}),
    (decode_notes, encode_notes([b"note"]), {"list": [b"note"] * 65}),
    (decode_offers, encode_offers([]), {"list": [5]}),
    (decode_offers, encode_offers([]), {"list": [{"id": b""}] * 65}),
    (decode_offers, encode_offers([]), {"list": [{"id": bytes(15), "to": BOB, "size": 1, "exp": 1}]}),
    (decode_offers, encode_offers([]), {"list": [{"id": bytes(16), "to": b"", "size": 1, "exp": 1}]}),
]


@pytest.mark.parametrize(("decoder", "body", "change"), SENSELESS)
def test_a_field_that_makes_no_sense_is_refused(
    decoder: Callable[[bytes], object], body: bytes, change: dict[str, Any]
) -> None:
    decoder(body)
    with pytest.raises(RemoteError):
        decoder(encode(decode_map(body, bytes_max=10_000) | change))


def test_replies_are_one_for_each_offer() -> None:
    body = encode_replies([Reply("want"), Reply("have")])
    for asked in (1, 3):
        with pytest.raises(RemoteError):
            decode_replies(body, asked=asked)
    with pytest.raises(RemoteError):
        decode_replies(encode({"v": 1, "list": [{"w": "want", "note": "text"}]}), asked=1)


def test_a_word_of_a_later_version_means_not_now() -> None:
    assert decode_replies(encode({"v": 1, "list": [{"w": "perhaps"}]}), asked=1) == [Reply("refused")]
