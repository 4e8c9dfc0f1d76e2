"""What the parts of the service share: the cores, the clock, the disk, and who listens."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterable, Sequence
from functools import lru_cache
from random import Random
from typing import TypeVar

from meshnode.ports import Couriers, Emit
from meshnode.services.messages.age import Age
from meshnode.services.messages.inbox import Inbox
from meshnode.services.messages.limits import ID_TEXTS_MAX, NODE_TEXTS_MAX
from meshnode.services.messages.message import NS_PER_MS
from meshnode.services.messages.outbox import Outbox
from meshnode.services.messages.table_upkeep import Start
from meshnode.services.messages.tables import Birth
from meshnode.services.messages.waiters import Waiters
from meshnode.settings import QuotaSettings
from meshnode.world import Clock, Database
from protocols.errors import MeshError
from protocols.ids import MessageId, NodeId, message_id_text, node_id_text

T = TypeVar("T")


class Desk:
    def __init__(
        self, me: NodeId, store: Database, emit: Emit, clock: Clock, die: Random, quotas: QuotaSettings
    ) -> None:
        self.me, self.store, self.emit = me, store, emit
        self.counts: Counter[str] = Counter()  # for the metrics; fixed words
        self.outbox, self.inbox, self.waiters = Outbox(die, quotas), Inbox(quotas), Waiters()
        self.bell = asyncio.Event()  # rings when the background loop must look at its times again
        self.ready = asyncio.Event()  # furnished, and running
        self.crew: asyncio.TaskGroup | None = None
        self.couriers: Couriers | None = None  # None: everything goes directly
        self.id_text = lru_cache(ID_TEXTS_MAX)(message_id_text)
        self.node_text = lru_cache(NODE_TEXTS_MAX)(node_id_text)
        self.last_place = 0  # of all that was stored before this run
        self.sweep_due_ns = 0
        self._clock = clock
        self.age = Age(0, None, now_ns=clock.now_ns())

    def furnish(self, start: Start) -> None:
        """Begin with what the disk holds."""
        self.age = Age(start.age_ms, start.wall_ms, now_ns=self.now_ns())
        self.last_place = start.last_place
        self.outbox.furnish(start.waiting, start.owed)
        self.inbox.furnish(start.contact_bytes, start.box, start.tombstones)

    def now_ns(self) -> int:
        return self._clock.now_ns()

    def wall_ms(self) -> int:
        return max(0, self._clock.wall_ns() // NS_PER_MS)

    def birth(self) -> Birth:
        return Birth(self.age.now_ms(self.now_ns()), self.age.settled)

    def sweep_by(self, due_ns: int) -> None:
        """Look at what time does no later than this."""
        if due_ns < self.sweep_due_ns:
            self.sweep_due_ns = due_ns
            self.bell.set()

    def over(self, messages: Sequence[MessageId]) -> None:
        """Delivered or given up: nobody need carry them."""
        if self.couriers is not None:
            self.couriers.over(messages)

    async def whole(self, work: Awaitable[T]) -> T:
        """To its end, even where its caller goes away in between: disk and memory then still agree."""
        assert self.crew is not None, "the service runs"
        result = await asyncio.shield(self.crew.create_task(_caught(work)))
        if isinstance(result, MeshError):
            raise result
        return result

    def tell(
        self, name: str, peer: NodeId, messages: Iterable[tuple[MessageId, bytes]], **more: object
    ) -> None:
        """The same about each (id, trace), and wake those who wait for it."""
        told = [*messages]
        shared = {"peer": self.node_text(peer), **more}
        for message, trace in told:
            self.emit(name, {"message_id": self.id_text(message), "trace": trace.hex(), **shared})
        self.waiters.ring(message for message, _ in told)


async def _caught(work: Awaitable[T]) -> T | MeshError:
    """What goes wrong is its caller's business, not the crew's."""
    try:
        return await work
    except MeshError as error:
        return error
