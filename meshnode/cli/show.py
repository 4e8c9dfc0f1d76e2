"""How things look on a terminal. What peers wrote is cleaned here before anybody sees it."""

import json
import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime

import click
import msgspec

ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
WIDE = ("W", "F")
UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def clean(text: str) -> str:
    """Text of unknown origin on one line, without anything that steers a terminal or reorders its letters."""
    text = re.sub(r"\s+", " ", ANSI.sub("", text))
    return "".join(letter for letter in text if not _steers(letter))


def _steers(letter: str) -> bool:
    """Control, format and unassigned characters, and line breaks other than ours."""
    return not letter.isprintable()


def json_line(value: object) -> str:
    """JSON on one line, safe on a terminal: what would steer it stands escaped, and is the same to a parser."""
    text = json.dumps(msgspec.to_builtins(value), ensure_ascii=False)
    return "".join(_escaped(letter) if _steers(letter) else letter for letter in text)


def _escaped(letter: str) -> str:
    return json.dumps(letter)[1:-1]


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; "" for no rows. Cells are cleaned."""
    if not rows:
        return ""
    cells = [list(headings), *([clean(cell) for cell in row] for row in rows)]
    widths = [max(_width(line[column]) for line in cells) for column in range(len(headings))]
    return "\n".join(
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in cells
    )


def show_table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """The table, or the sentence `empty`."""
    click.echo(table(headings, rows) or empty)


def _width(text: str) -> int:
    """Columns on a terminal: East Asian letters take two, combining marks none."""
    return sum(
        2 if unicodedata.east_asian_width(letter) in WIDE else 0 if unicodedata.combining(letter) else 1
        for letter in text
    )


def local_time(at: str | None) -> str:
    """An RFC 3339 time as it is on the wall here; "never" for None."""
    if at is None:
        return "never"
    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def span(seconds: float) -> str:
    """90061 as "1 d 1 h": the two largest units that count."""
    left, parts = int(seconds), list[str]()
    for size, unit in UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join([*parts, *([f"{left} s"] if left or not parts else [])][:2])


def size(count: int) -> str:
    """2097152 as "2.0 MiB"."""
    if count < 1024:
        return f"{count} B"
    value, unit = float(count), "B"
    for bigger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, bigger
    return f"{value:.1f} {unit}"


def milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"
