import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshnode.services.peers.names import name_key, parse_peer_address, parse_petname, shown_name
from protocols.errors import RefusedError
from protocols.ids import NodeId, node_id_text


def refusal(text: str) -> str:
    with pytest.raises(RefusedError) as caught:
        parse_petname(text)
    return caught.value.code


def test_a_petname_is_shown_as_it_was_typed() -> None:
    assert parse_petname("  Bob  Miller ") == "Bob Miller"


@pytest.mark.parametrize(
    ("one", "other"), [("Bob", "bOB"), ("ﬁne", "FINE"), ("Straße", "STRASSE"), ("Å", "A\u030a")]
)
def test_names_that_differ_in_case_or_form_alone_are_one(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


@pytest.mark.parametrize(
    "text", ["bo\u200bb", "bo\u202eb", "b\x00ob", "bob\x1b[2J", "b\nob", "bo\u3164b", "\ue000"]
)
def test_a_petname_with_an_invisible_character_is_refused(text: str) -> None:
    assert refusal(text) == "bad_name"


@pytest.mark.parametrize(
    "text", ["", "   ", "\ufe0f", "x" * 65, "quic://a:1", node_id_text(NodeId(bytes(range(32))))]
)
def test_a_petname_is_short_and_no_address_or_id(text: str) -> None:
    assert refusal(text) == "bad_name"


@given(st.text(max_size=100))
def test_a_petname_survives_being_typed_again(text: str) -> None:
    try:
        name = parse_petname(text)
    except RefusedError:
        return
    assert parse_petname(name) == name
    assert name_key(name) == name_key(name.upper()) == name_key(unicodedata.normalize("NFD", name))


@given(st.text(max_size=100))
def test_a_key_is_its_own_key(text: str) -> None:
    assert name_key(name_key(text)) == name_key(text)


@given(st.text(max_size=300))
def test_a_self_given_name_is_fit_to_print(text: str) -> None:
    name = shown_name(text)
    assert len(name) <= 64
    assert name.isprintable()
    assert shown_name(name) == name


def test_an_address_is_made_canonical() -> None:
    assert parse_peer_address(" quic://[2001:DB8:0::1]:7420 ") == "quic://[2001:db8::1]:7420"


def test_an_address_of_another_transport_is_taken_as_it_is() -> None:
    assert parse_peer_address("memory://bob") == "memory://bob"


@pytest.mark.parametrize(
    "text", ["bob", "quic://", "quic://bob", "quic://a b:1", "://a:1", "quic://a:99999", "q" * 400]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(RefusedError) as caught:
        parse_peer_address(text)
    assert caught.value.code == "bad_address"
