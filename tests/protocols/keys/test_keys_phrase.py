"""A seed on paper."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import LocalError, RefusedError
from protocols.keys import phrase_from_seed, seed_from_phrase

ZEROS = "abandon " * 23 + "art"  # published with BIP-39


def sentence(phrase: str) -> str:
    with pytest.raises(RefusedError) as caught:
        seed_from_phrase(phrase)
    assert caught.value.code == "bad_phrase"
    return str(caught.value)


def test_the_published_phrases_come_out() -> None:
    assert phrase_from_seed(bytes(32)) == ZEROS
    assert phrase_from_seed(b"\xff" * 32) == "zoo " * 23 + "vote"


@given(seed=st.binary(min_size=32, max_size=32))
def test_a_seed_comes_back_from_its_phrase(seed: bytes) -> None:
    assert seed_from_phrase(phrase_from_seed(seed)) == seed


def test_case_and_spacing_do_not_matter() -> None:
    assert seed_from_phrase("  " + ZEROS.upper().replace(" ", "\n  ")) == bytes(32)


def test_a_word_that_is_not_in_the_list_is_named_with_its_place() -> None:
    assert "word 3, 'abandom'" in sentence(
        ZEROS.replace("abandon", "abandom", 3).replace("abandom", "abandon", 2)
    )


def test_a_long_wrong_word_is_named_by_its_beginning() -> None:
    assert len(sentence("x" * 10_000 + " abandon" * 23)) < 100


@pytest.mark.parametrize("words", [0, 12, 23, 25])
def test_another_number_of_words_is_refused_with_the_number(words: int) -> None:
    assert f"this one has {words}" in sentence("abandon " * words)


def test_words_in_a_wrong_order_are_refused() -> None:
    assert "order" in sentence("art " + "abandon " * 23)


def test_only_a_whole_seed_has_a_phrase() -> None:
    with pytest.raises(LocalError):
        phrase_from_seed(bytes(16))


@given(text=st.text(max_size=200))
def test_any_text_is_a_seed_or_a_sentence(text: str) -> None:
    assert sentence(text)
