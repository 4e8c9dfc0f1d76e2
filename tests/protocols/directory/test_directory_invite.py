"""Links that people send, print and mistype."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.codec import encode
from protocols.directory import INVITE_SCHEME, Invite, format_invite, parse_invite
from protocols.errors import LocalError, RefusedError
from protocols.ids import NodeId, to_base32

INVITE = Invite(
    node=NodeId(b"n" * 32),
    x25519=b"x" * 32,
    secret=b"s" * 16,
    expires_at=1_800_000_000,
    uses=1,
    addresses=("quic://192.0.2.1:7420",),
    name="Alice",
)
LINK = format_invite(INVITE)
VALUE: list[Any] = [1, b"n" * 32, b"x" * 32, b"s" * 16, 1_800_000_000, 1, ["quic://192.0.2.1:7420"], "Alice"]


def link_of(value: Any) -> str:
    body = encode(value)
    return INVITE_SCHEME + to_base32(body + hashlib.sha256(b"meshnode/invite/1" + body).digest()[:4])


def refusal(text: str) -> tuple[str, str]:
    with pytest.raises(RefusedError) as caught:
        parse_invite(text)
    return caught.value.code, str(caught.value)


def test_an_invite_comes_back_from_its_link() -> None:
    assert parse_invite(LINK) == INVITE
    assert str(INVITE) == LINK


def test_the_link_is_what_the_wire_document_says() -> None:
    assert link_of(VALUE) == LINK
    assert LINK.startswith("meshnode://invite/")


def test_case_and_blanks_around_it_do_not_matter() -> None:
    assert parse_invite(f"\n {LINK.upper()} ") == INVITE


def test_an_invite_is_over_at_its_expiry() -> None:
    assert not INVITE.is_expired(INVITE.expires_at - 1)
    assert INVITE.is_expired(INVITE.expires_at)


def test_the_secret_is_not_in_the_repr() -> None:
    assert "sss" not in repr(INVITE)


def test_what_is_no_invite_is_told_how_one_begins() -> None:
    for text in ("", "hello", "https://example.org/", LINK[1:]):
        code, sentence = refusal(text)
        assert (code, INVITE_SCHEME in sentence) == ("bad_invite", True)


def test_a_mistyped_or_cut_link_is_told_apart_from_a_damaged_one() -> None:
    for text in (INVITE_SCHEME, LINK[:-1], LINK + "a", LINK[:-1] + "!", LINK[:60] + "7" + LINK[61:]):
        assert "copy the whole link again" in refusal(text)[1]
    damaged: list[Any] = [None, [], {}, [1], VALUE[:-1], [*VALUE, 0]]
    for value in damaged:
        assert "damaged" in refusal(link_of(value))[1]


def test_a_body_that_is_no_value_at_all_is_damaged() -> None:
    check = hashlib.sha256(b"meshnode/invite/1\xc1").digest()[:4]
    assert "damaged" in refusal(INVITE_SCHEME + to_base32(b"\xc1" + check))[1]


def test_a_newer_version_asks_for_an_update() -> None:
    assert refusal(link_of([2, "whatever"]))[0] == "newer_invite"


def test_a_text_of_any_length_costs_little() -> None:
    assert "too long" in refusal(LINK + "a" * 10_000)[1]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, True),
        (0, "1"),
        (1, bytes(31)),
        (1, "n" * 32),
        (2, bytes(33)),
        (3, bytes(15)),
        (4, -1),
        (4, 2**53 + 1),
        (4, True),
        (5, 0),
        (5, True),
        (5, None),
        (6, None),
        (6, [b"quic://"]),
        (6, ["x"] * 9),
        (6, ["x" * 129]),
        (7, b"Alice"),
        (7, "x" * 65),
    ],
)
def test_a_field_out_of_bounds_is_damaged(place: int, value: Any) -> None:
    link = link_of([*VALUE[:place], value, *VALUE[place + 1 :]])
    assert "damaged" in refusal(link)[1]


@pytest.mark.parametrize(
    "change",
    [
        {"node": NodeId(b"short")},
        {"secret": b"short"},
        {"uses": 0},
        {"expires_at": -1},
        {"name": "x" * 65},
        {"addresses": ("x",) * 9},
        {"addresses": ("x" * 128,) * 8},
    ],
)
def test_an_invite_of_ours_that_nobody_could_read_is_our_own_fault(change: dict[str, Any]) -> None:
    with pytest.raises(LocalError):
        format_invite(replace(INVITE, **change))


@given(
    invite=st.builds(
        Invite,
        node=st.binary(min_size=32, max_size=32).map(NodeId),
        x25519=st.binary(min_size=32, max_size=32),
        secret=st.binary(min_size=16, max_size=16),
        expires_at=st.integers(0, 2**53),
        uses=st.integers(1, 2**53),
        addresses=st.lists(st.text(max_size=20), max_size=8).map(tuple),
        name=st.text(max_size=16),
    ),
    upper=st.booleans(),
)
def test_every_invite_comes_back_as_it_was(*, invite: Invite, upper: bool) -> None:
    link = format_invite(invite)
    assert parse_invite(link.upper() if upper else link) == invite


@given(
    place=st.integers(len(INVITE_SCHEME), len(LINK) - 1),
    letter=st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"),
)
def test_one_wrong_letter_is_noticed(place: int, letter: str) -> None:
    text = LINK[:place] + letter + LINK[place + 1 :]
    if text == LINK:
        assert parse_invite(text) == INVITE
    else:
        assert refusal(text)[0] == "bad_invite"


@given(text=st.text(max_size=100) | st.text(max_size=100).map(INVITE_SCHEME.__add__))
def test_any_text_is_refused_with_a_sentence(text: str) -> None:
    assert refusal(text)[0] == "bad_invite"
