"""Pieces of HTML. Whoever calls hands in text; nothing here passes a letter through unescaped."""

import json
from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple, TypeAlias

from sim.report.words import clipped


class Piece(str):
    """HTML that was made here, so that it isn't escaped again."""

    __slots__ = ()


class Cell(NamedTuple):
    text: str
    kind: str = ""  # a class of the style sheet


Row: TypeAlias = Sequence[str | Cell]


def tag(name: str, *inner: str, **attributes: str) -> Piece:
    """`class_` for class; an attribute's text is escaped like any other."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value
    )
    return Piece(f"<{name}{written}>{''.join(text(each) for each in inner)}</{name}>")


def text(content: str) -> Piece:
    return content if isinstance(content, Piece) else Piece(escape(clipped(content)))


def joined(pieces: Sequence[Piece]) -> Piece:
    return Piece("\n".join(pieces))


def html_table(headings: Sequence[str], rows: Sequence[Row], *, kinds: Sequence[str] = ()) -> Piece:
    """`kinds`: a class for each column. In a box that scrolls by itself where a screen is narrow."""
    classes = [*kinds, *[""] * (len(headings) - len(kinds))]
    head = tag(
        "tr",
        *(tag("th", name, scope="col", class_=kind) for name, kind in zip(headings, classes, strict=True)),
    )
    body = joined(
        [tag("tr", *(_cell(cell, kind) for cell, kind in zip(row, classes, strict=True))) for row in rows]
    )
    top = (tag("thead", head),) if any(headings) else ()
    return tag("div", tag("table", *top, tag("tbody", body)), class_="scroll")


def _cell(cell: str | Cell, kind: str) -> Piece:
    if isinstance(cell, Cell):
        return tag("td", cell.text, class_=f"{kind} {cell.kind}".strip())
    return tag("td", cell, class_=kind)


def data_block(identity: str, value: Any) -> Piece:
    """JSON that a script reads. `<` stands escaped, so that no text in it can end the block."""
    written = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for letter in "<>&":
        written = written.replace(letter, f"\\u{ord(letter):04x}")
    return Piece(f'<script type="application/json" id="{escape(identity)}">{written}</script>')
