import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import RefusedError
from protocols.ids import (
    MESSAGE_ID_CHARS,
    NODE_ID_CHARS,
    SHORT_ID,
    SHORT_ID_CHARS,
    MessageId,
    NodeId,
    fingerprint,
    from_base32,
    message_id_text,
    node_id_text,
    parse_message_id,
    parse_node_id,
    short_id,
    to_base32,
)

nodes = st.binary(min_size=32, max_size=32).map(NodeId)
messages = st.binary(min_size=16, max_size=16).map(MessageId)
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


def test_the_text_of_a_node_id_is_what_it_was_in_the_first_version() -> None:
    assert (
        node_id_text(NodeId(bytes(range(32)))) == "aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dyp5vczf"
    )
    assert (
        fingerprint(NodeId(bytes(32))) == "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"
    )


@given(nodes)
def test_a_node_id_survives_being_written_and_read(node: NodeId) -> None:
    text = node_id_text(node)
    assert len(text) == NODE_ID_CHARS
    assert parse_node_id(text) == node
    assert parse_node_id(f"  {text.upper()}\n") == node


@given(nodes)
def test_the_short_form_is_how_the_long_one_begins(node: NodeId) -> None:
    assert len(short_id(node)) == SHORT_ID_CHARS
    assert SHORT_ID.fullmatch(short_id(node))
    assert node_id_text(node).startswith(short_id(node))


@given(nodes, st.integers(0, NODE_ID_CHARS - 1), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_noticed(node: NodeId, at: int, letter: str) -> None:
    text = node_id_text(node)
    wrong = text[:at] + letter + text[at + 1 :]
    if wrong != text:
        with pytest.raises(RefusedError, match="is not a node id; copy all 56 characters"):
            parse_node_id(wrong)


@given(st.text(max_size=80))
def test_any_text_is_a_node_id_or_refused_with_a_sentence(text: str) -> None:
    try:
        node = parse_node_id(text)
    except RefusedError as error:
        assert error.code == "bad_node_id"  # noqa: PT017 - either outcome is right
    else:
        assert node_id_text(node) == text.strip().lower()


@given(messages)
def test_a_message_id_survives_being_written_and_read(message: MessageId) -> None:
    text = message_id_text(message)
    assert len(text) == MESSAGE_ID_CHARS
    assert parse_message_id(text) == message


@given(st.text(max_size=40))
def test_any_text_is_a_message_id_or_refused_with_a_sentence(text: str) -> None:
    try:
        message = parse_message_id(text)
    except RefusedError as error:
        assert error.code == "bad_message_id"  # noqa: PT017 - either outcome is right
    else:
        assert message_id_text(message) == text.strip().lower()


@given(st.binary(max_size=100))
def test_base32_has_one_text_for_each_byte_string(data: bytes) -> None:
    text = to_base32(data)
    assert set(text) <= set(ALPHABET)
    assert from_base32(text) == from_base32(text.upper()) == data


@pytest.mark.parametrize("text", ["a", "ab=", "1", "ab======", "a b", "ac", "ä", "a\u017f"])
def test_base32_that_nobody_writes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not base32"):
        from_base32(text)
