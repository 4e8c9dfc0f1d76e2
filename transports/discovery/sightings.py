"""Who has been seen: a bounded table, and the news for its one reader, bounded as well."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator

from transports.discovery.api import Sighting

SIGHTINGS_MAX = 256  # a conference hall; about 1 KiB each. When full, the one that changed longest ago goes
NEWS_MAX = (
    2 * SIGHTINGS_MAX
)  # every sighting gone and replaced, before the reader has taken one; then oldest out
INSTANCE_LABEL = re.compile(
    r"[a-z0-9]{8,63}"
)  # ours are 16 of base32; other versions may take others, never more


def is_instance_name(name: str, service_type: str) -> bool:
    """A harmless name: no control characters, no dots, no personal names with spaces."""
    label, _, rest = name.partition(".")
    return rest == service_type and INSTANCE_LABEL.fullmatch(label) is not None


class Sightings:
    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        self._by_name: dict[str, Sighting] = {}  # oldest change first
        self._news: dict[bytes, Sighting] = {}  # by token: only the newest word on each
        self._changed = asyncio.Event()
        self._open = False

    def reopen(self) -> None:
        self._open = True

    def close(self) -> None:
        """Streams end once they have told what is known so far."""
        self._open = False
        self._changed.set()

    def drop(self, reason: str) -> None:
        self.dropped[reason] += 1

    def add(self, name: str, sighting: Sighting) -> None:
        if self._by_name.get(name) == sighting:
            return
        if any(known.token == sighting.token for other, known in self._by_name.items() if other != name):
            self.drop("token_taken")  # a copy of somebody else's announcement: the first keeps it
            return
        self.remove(name)
        if len(self._by_name) >= SIGHTINGS_MAX:
            self.drop("table_full")
            self.remove(next(iter(self._by_name)))
        self._by_name[name] = sighting
        self._tell(sighting)

    def remove(self, name: str) -> None:
        if (known := self._by_name.pop(name, None)) is not None:
            self._tell(Sighting((), known.token, gone=True, hint=known.hint))

    def forget_all(self) -> None:
        for name in list(self._by_name):
            self.remove(name)

    async def stream(self) -> AsyncIterator[Sighting]:
        while True:
            while self._news:
                token = next(iter(self._news))
                yield self._news.pop(token)
            if not self._open:
                return
            self._changed.clear()
            await self._changed.wait()

    def _tell(self, sighting: Sighting) -> None:
        self._news.pop(sighting.token, None)
        if len(self._news) >= NEWS_MAX:
            self.drop("reader_too_slow")
            del self._news[next(iter(self._news))]
        self._news[sighting.token] = sighting
        self._changed.set()
