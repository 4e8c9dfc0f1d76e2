"""Ids that were seen, as many and as long as is worth the memory."""


class Seen:
    """At `ids_max` the oldest is forgotten."""

    def __init__(self, *, ids_max: int, age_ns: int) -> None:
        self._ids_max, self._age_ns = ids_max, age_ns
        self._since_ns: dict[bytes, int] = {}  # oldest first

    def __len__(self) -> int:
        return len(self._since_ns)

    def __contains__(self, one: bytes) -> bool:
        return one in self._since_ns

    def add(self, one: bytes, now_ns: int) -> None:
        """Once more is harmless, and keeps its first time."""
        self._since_ns.setdefault(one, now_ns)
        while self._since_ns:
            oldest = next(iter(self._since_ns))
            if len(self._since_ns) <= self._ids_max and now_ns - self._since_ns[oldest] < self._age_ns:
                break
            del self._since_ns[oldest]
