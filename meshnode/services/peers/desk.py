"""What the parts of the service share: the tables and their cores, the clock, the disk, and a bell."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable

from meshnode.ports import Emit
from meshnode.services.peers.book import ContactBook
from meshnode.services.peers.events import Event, announce
from meshnode.services.peers.invites import Invites
from meshnode.services.peers.redemptions import Redemptions
from meshnode.services.peers.store import save_tables
from meshnode.services.peers.tables import Tables
from meshnode.services.peers.verification import Verifications
from meshnode.world import Clock, Database
from protocols.keys import Identity

NS_PER_S = 1_000_000_000


class Desk:
    def __init__(
        self,
        identity: Identity,
        database: Database,
        emit: Emit,
        clock: Clock,
        entropy: Callable[[int], bytes],
    ) -> None:
        self.me, self.suite, self.emit = identity.node_id, identity.suite, emit
        self.counts: Counter[str] = Counter()  # for the metrics; fixed words
        self.bell = asyncio.Event()  # rings when the background loop has something to do
        self.verifications = Verifications(self.me, entropy)
        self._database, self._clock, self._entropy = database, clock, entropy
        self._saving = asyncio.Lock()
        self.furnish(Tables())

    def furnish(self, tables: Tables) -> None:
        """Begin with these tables; what was there before is forgotten."""
        self._tables = tables
        self.book = ContactBook(self.me, tables)
        self.invites = Invites(tables, self._entropy)
        self.redemptions = Redemptions(tables)

    def now_ns(self) -> int:
        return self._clock.now_ns()

    def now_s(self) -> int:
        return self._clock.wall_ns() // NS_PER_S

    def tell(self, events: Iterable[Event]) -> None:
        for event in events:
            self.emit(*announce(event))

    async def save(self) -> None:
        """Returns once all that the tables hold is on disk. Raises StoreError; then it stays owed.

        One at a time, so that no older form of a row lands on a newer one.
        """
        async with self._saving:
            await save_tables(self._database, self._tables)
