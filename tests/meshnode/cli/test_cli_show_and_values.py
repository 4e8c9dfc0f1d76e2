"""Looks and values: what is printed, and what is understood."""

import json

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshnode.cli.show import clean, json_line, local_time, milliseconds, size, span, table
from meshnode.cli.values import Size, Span


@given(text=st.text())
def test_cleaned_text_cannot_steer_a_terminal(text: str) -> None:
    assert clean(text).isprintable() or not clean(text)
    assert "\n" not in clean(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;http://x\x07link\x1b]8;;\x1b\\", "link"),
        ("\x1bcreset", "creset"),
        ("a\u202eb\u200dc", "abc"),
        ("two\r\n lines", "two lines"),
        ("grüße 日本 🙂", "grüße 日本 🙂"),
    ],
)
def test_only_what_steers_is_taken_away(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_json_lines_are_safe_to_print_and_mean_the_same(value: object) -> None:
    line = json_line(value)
    assert json.loads(line) == value
    assert line.isprintable()


def test_columns_line_up_also_with_wide_letters() -> None:
    assert table(("NAME", "ID"), [("日本", "1"), ("ab", "2"), ("e\u0301x", "3")]) == (
        "NAME  ID\n日本  1\nab    2\ne\u0301x    3"
    )
    assert table(("NAME",), []) == ""


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0 s"), (59.9, "59 s"), (61, "1 min 1 s"), (90_061, "1 d 1 h"), (3_600, "1 h")]
)
def test_spans_have_their_two_largest_units(seconds: float, shown: str) -> None:
    assert span(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 B"), (1023, "1023 B"), (2 << 20, "2.0 MiB"), (1 << 60, "1048576.0 TiB")]
)
def test_sizes_have_units_of_1024(count: int, shown: str) -> None:
    assert size(count) == shown


def test_what_is_not_known_is_a_dash() -> None:
    assert (milliseconds(None), milliseconds(1.25), local_time(None)) == ("-", "1.2 ms", "never")


@pytest.mark.parametrize(
    ("text", "count"), [("2M", 2 << 20), ("512k", 512 << 10), ("100", 100), ("1 GiB", 1 << 30), ("3kb", 3072)]
)
def test_sizes_are_understood(text: str, count: int) -> None:
    assert Size().convert(text, None, None) == count


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1d", 86_400), ("90s", 90), ("2h", 7_200), ("30min", 1_800), ("5m", 300), ("1w", 604_800)],
)
def test_durations_are_understood(text: str, seconds: int) -> None:
    assert Span().convert(text, None, None) == seconds


@given(text=st.text(max_size=20))
def test_any_text_is_a_value_or_wrong_usage(text: str) -> None:
    for kind in (Size(), Span()):
        try:
            assert kind.convert(text, None, None) >= 0
        except click.BadParameter as error:
            assert "write" in error.message  # noqa: PT017 - the only one that may escape
