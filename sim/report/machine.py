"""A result for programs."""

import math
from typing import Any, cast

from sim.result import Result

FIRST = (
    "scenario",
    "seed",
    "nodes",
    "digest",
    "events",
    "virtual_s",
    "wall_s",
    "metrics",
    "goals",
    "oracles",
)


def as_json(result: Result) -> dict[str, Any]:
    """The promised keys first, in their order, then the rest. What is no number (NaN, infinity) is null."""
    table = result.as_json()
    return _finite({key: table[key] for key in FIRST} | table)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in cast("dict[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in cast("list[Any]", value)]
    return value
