"""Sizes and spans of time, as people type them."""

import re
from typing import Any

import click

SIZE = re.compile(r"(\d{1,15})\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
SPAN = re.compile(r"(\d{1,9})\s*(s|m|min|h|d|w)", re.IGNORECASE)
SIZE_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
SPAN_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}


class Size(click.ParamType[int]):
    """2M, 512k, 100: bytes, in powers of 1024."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = SIZE.fullmatch(str(value).strip())
        if match is None:
            self.fail(f"{value!r} is no size; write 2M, 512k or a number of bytes", param, ctx)
        return int(match[1]) * SIZE_UNITS[match[2].lower()]


class Span(click.ParamType[int]):
    """1d, 90s, 2h, 30min, 1w: seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = SPAN.fullmatch(str(value).strip())
        if match is None or not int(match[1]):
            self.fail(f"{value!r} is no duration; write 90s, 30min, 2h, 1d or 1w", param, ctx)
        return int(match[1]) * SPAN_UNITS[match[2].lower()]
