"""How much memory a router's state takes."""

import sys
from collections import deque
from collections.abc import Iterable
from typing import Any, cast


def footprint(root: object, *, shared: Iterable[object]) -> int:
    """Bytes of all that can be reached from `root`, each thing once, but for what is `shared` with others."""
    seen = {id(thing) for thing in shared}
    waiting: deque[Any] = deque([root])
    total = 0
    while waiting:
        thing = waiting.popleft()
        if id(thing) in seen or thing is None or callable(thing) or _is_everybodys(thing):
            continue
        seen.add(id(thing))
        total += sys.getsizeof(thing)
        waiting.extend(_parts(thing))
    return total


def _is_everybodys(thing: object) -> bool:
    """Small numbers: the interpreter keeps one of each."""
    return isinstance(thing, int) and -5 <= thing <= 256


def _parts(thing: object) -> Iterable[object]:
    if isinstance(thing, dict):
        table = cast("dict[object, object]", thing)
        return [*table.keys(), *table.values()]
    if isinstance(thing, list | tuple | set | frozenset):
        return cast("Iterable[object]", thing)
    slots = cast("tuple[str, ...]", getattr(type(thing), "__slots__", ()))
    parts: list[object] = [getattr(thing, name) for name in slots if hasattr(thing, name)]
    if hasattr(thing, "__dict__"):
        parts.append(vars(thing))
    return parts
