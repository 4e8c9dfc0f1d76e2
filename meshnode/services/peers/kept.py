"""A table in memory that remembers what of it is not on disk yet."""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Kept(Generic[K, V]):
    """Answers come from memory; `unsaved` goes to the disk, `saved` or nothing says how that went.

    A row changed while its older form is being written stays unsaved, so a newer form is never overtaken.
    """

    def __init__(self, rows: Mapping[K, V]) -> None:
        self._rows = dict(rows)
        self._unsaved: dict[K, V | None] = {}

    def __contains__(self, key: K) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[K]:
        return iter(self._rows)

    def get(self, key: K) -> V | None:
        return self._rows.get(key)

    def values(self) -> list[V]:
        return list(self._rows.values())

    def put(self, key: K, row: V) -> None:
        self._rows[key] = self._unsaved[key] = row

    def drop(self, key: K) -> None:
        if self._rows.pop(key, None) is not None:
            self._unsaved[key] = None

    def unsaved(self) -> dict[K, V | None]:
        """Rows to write; None stands for a row to delete."""
        return dict(self._unsaved)

    def saved(self, written: Mapping[K, V | None]) -> None:
        for key, row in written.items():
            if key in self._unsaved and self._unsaved[key] is row:
                del self._unsaved[key]
