"""Delta debugging (Zeller, Hildebrandt 2002): the shortest list, in order, that still fails."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")


def shortest(items: Sequence[T], fails: Callable[[tuple[T, ...]], bool]) -> tuple[T, ...]:
    """`items` fails. So does what is returned, and nothing of it can be left out alone. Tries the empty list first;
    asks O(n log n) times where one item is to blame, O(n * n) times at worst.
    """
    kept = tuple(items)
    if not kept or fails(()):
        return ()
    parts = 2
    while len(kept) > 1:
        bounds = [len(kept) * part // parts for part in range(parts + 1)]
        slices = list(pairwise(bounds))
        for low, high in slices:
            if parts > 2 and fails(kept[low:high]):  # with two parts each is the other's rest
                kept, parts = kept[low:high], 2
                break
            if fails(rest := kept[:low] + kept[high:]):
                kept, parts = rest, max(parts - 1, 2)
                break
        else:
            if parts == len(kept):
                break
            parts = min(len(kept), parts * 2)
    return kept
