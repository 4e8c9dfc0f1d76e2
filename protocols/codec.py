"""Canonical msgpack: one value, one encoding. What is signed or compared travels in this form.

Allowed: None, bool, int, bytes, str, list, and dict with str keys. Canonical means the shortest form of each
value (msgpack's own packer guarantees that) and dict keys in ascending order of their UTF-8 bytes. Floats and
extension types are refused. A decoder therefore never meets two encodings of one record.

Spec: https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from collections.abc import Callable
from typing import Any, TypeAlias, cast

import msgpack

from protocols.errors import LocalError, RemoteError

Value: TypeAlias = "bool | int | bytes | str | list[Value] | dict[str, Value] | None"

# msgpack ships incomplete types; these are what it does.
PACK = cast("Callable[..., bytes]", msgpack.packb)  # pyright: ignore[reportUnknownMemberType]
UNPACK = cast("Callable[..., Any]", msgpack.unpackb)  # pyright: ignore[reportUnknownMemberType]

DEPTH_MAX = 16  # our deepest record has 4 levels; the rest is room for later versions


def encode(value: Any) -> bytes:
    """Raises LocalError where the value has no canonical form."""
    try:
        return PACK(_ordered(value, DEPTH_MAX), use_bin_type=True)
    except (OverflowError, ValueError) as error:  # beyond 64 bits; half of a surrogate pair
        raise LocalError(f"no canonical form: {error}") from None


def decode(data: bytes, *, bytes_max: int) -> Value:
    """Read one canonical value that fills `data` exactly.

    Raises RemoteError("bad_encoding") on anything else; memory is bounded by `bytes_max`.
    """
    if len(data) > bytes_max:
        raise RemoteError("too_long", f"{len(data)} bytes, at most {bytes_max}")
    try:
        value = UNPACK(
            data,
            raw=False,
            strict_map_key=True,
            max_str_len=bytes_max,
            max_bin_len=bytes_max,
            max_array_len=bytes_max,
            max_map_len=bytes_max,
            max_ext_len=0,
        )
        canonical = encode(value)
    except (ValueError, LocalError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise RemoteError("bad_encoding", str(error)) from None
    if canonical != data:
        raise RemoteError("bad_encoding", "not canonical")
    return cast("Value", value)


def decode_map(data: bytes, *, bytes_max: int) -> dict[str, Value]:
    """`decode`, and the value must be a dict."""
    value = decode(data, bytes_max=bytes_max)
    if not isinstance(value, dict):
        raise RemoteError("bad_encoding", "not a map")
    return value


def _ordered(value: Any, depth: int) -> Any:
    if depth == 0:
        raise LocalError(f"nested deeper than {DEPTH_MAX}")
    match value:
        case None | bool() | int() | bytes() | str():  # most are
            return value
        case dict():
            items = cast("dict[Any, Any]", value)
            if not all(isinstance(key, str) for key in items):
                raise LocalError("keys of a canonical map are text")
            return {key: _ordered(items[key], depth - 1) for key in sorted(items, key=str.encode)}
        case list() | tuple():
            return [_ordered(item, depth - 1) for item in cast("list[Any]", value)]
        case _:
            raise LocalError(f"{type(value).__name__} has no canonical form")
