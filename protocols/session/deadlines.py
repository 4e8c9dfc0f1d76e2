"""When something is due, for tables small enough to be scanned."""

from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Deadlines(Generic[Key]):
    """One deadline for each key. As large as the tables whose entries it times: the owner drops what it ends.

    `first` is cheap between changes, and a scan of all keys after the earliest one was dropped or moved.
    """

    __slots__ = ("_due", "_first", "_stale")

    def __init__(self) -> None:
        self._due: dict[Key, int] = {}
        self._first: int | None = None
        self._stale = False

    def set(self, key: Key, due_ns: int) -> None:
        self.drop(key)
        self._due[key] = due_ns
        if not self._stale and (self._first is None or due_ns < self._first):
            self._first = due_ns

    def drop(self, key: Key) -> None:
        due_ns = self._due.pop(key, None)
        self._stale = self._stale or (due_ns is not None and due_ns == self._first)

    def first(self) -> int | None:
        if self._stale:
            self._first = min(self._due.values(), default=None)
            self._stale = False
        return self._first

    def take(self, now_ns: int) -> list[Key]:
        """Drop and return what is due, the earliest first, equals in the order in which they were set."""
        first = self.first()
        if first is None or first > now_ns:
            return []
        due = sorted((item for item in self._due.items() if item[1] <= now_ns), key=lambda item: item[1])
        for key, _ in due:
            self.drop(key)
        return [key for key, _ in due]
