"""To couriers goes what waits for somebody who could not be reached for a while. It stays in the outbox all the same."""

import sqlite3
from collections.abc import Iterator, Sequence

from meshnode.ports import Couriers, Presence
from meshnode.services.messages.desk import Desk
from meshnode.services.messages.frames import encode_deliver
from meshnode.services.messages.limits import (
    AWAY_MAX,
    CARRY_AGAIN_NS,
    CARRY_BATCH_MAX,
    CARRY_LIFE_MS_MIN,
    CARRY_ROWS_MAX,
    GATHER_NS,
    MESSAGE_OVERHEAD_BYTES,
)
from meshnode.services.messages.outbox import Item
from meshnode.services.messages.table_out import mark_brought, read_waiting
from protocols.courier import CONTENT_BYTES_MAX
from protocols.errors import StoreError
from protocols.ids import MessageId, NodeId

Waiting = tuple[Item, int]  # with how long it has left, in ms


class Entruster:
    """One pass over a peer's queue, then only what is new; a peer that was here begins anew."""

    def __init__(self, desk: Desk, presence: Presence, *, after_ns: int) -> None:
        self._desk, self._presence, self._after_ns = desk, presence, after_ns
        self._since_ns = desk.now_ns()
        self._away_ns: dict[NodeId, int] = {}  # since when, of those that were here
        self._passed: dict[NodeId, int] = {}  # place up to which a peer's queue was looked through
        self._fresh: dict[NodeId, int] = {}  # peers with something beyond that, and when to look at it
        self._again_ns = 0

    def watched(self, peer: NodeId, up: bool) -> None:  # noqa: FBT001 - the shape of Presence.watch
        self._away_ns.pop(peer, None)
        if not up:
            self._away_ns[peer] = self._desk.now_ns()
            if len(self._away_ns) > AWAY_MAX:
                del self._away_ns[next(iter(self._away_ns))]
            self.begin_anew(peer)
        elif self._fresh:
            self._desk.bell.set()  # it may be a courier

    def begin(self) -> None:
        """At the start: all that waits."""
        self._fresh.update(dict.fromkeys(self._desk.outbox.peers_waiting(), self._desk.now_ns()))

    def begin_anew(self, peer: NodeId) -> None:
        self._passed.pop(peer, None)
        self.note(peer)

    def note(self, peer: NodeId) -> None:
        """Something new waits for it."""
        if self._desk.couriers is not None and self._desk.outbox.waits_for(peer):
            self._fresh.setdefault(peer, self._desk.now_ns() + GATHER_NS)
            if not self._presence.is_connected(peer):
                self._desk.bell.set()

    def next_due(self) -> int | None:
        """When a peer has been away for long enough. A courier that comes rings the bell."""
        couriers, now_ns = self._desk.couriers, self._desk.now_ns()
        if couriers is None:
            return None
        dues = [
            max(self._due_ns(peer), self._again_ns)
            for peer in self._fresh
            if not self._presence.is_connected(peer)
        ]
        return min((due for due in dues if due > now_ns), default=None)

    async def go(self) -> None:
        """Seal what is due. The disk's trouble is tried again later."""
        desk, now_ns = self._desk, self._desk.now_ns()
        couriers = desk.couriers
        if couriers is None or now_ns < self._again_ns:
            return
        for peer in list(self._fresh):
            if not desk.outbox.waits_for(peer):
                self._fresh.pop(peer, None)
                self._passed.pop(peer, None)
            elif (
                not self._presence.is_connected(peer)
                and self._due_ns(peer) <= now_ns
                and couriers.can_carry(peer)
            ):
                self._fresh.pop(peer)
                try:
                    all_taken = await self._entrust(peer, couriers)
                except StoreError:
                    desk.counts["store_failures"] += 1
                    all_taken = False
                if not all_taken:
                    self._again_ns = now_ns + CARRY_AGAIN_NS
                    self._fresh.setdefault(peer, now_ns)

    async def brought(self, peer: NodeId, messages: Sequence[MessageId]) -> None:
        """As `ports.Mail` says."""
        desk = self._desk

        def work(connection: sqlite3.Connection) -> tuple[list[tuple[MessageId, bytes]], list[int]]:
            return mark_brought(connection, peer, messages)

        told, waited = await desk.store.write(work)
        for place in waited:
            desk.outbox.went(peer, place)
        desk.counts["brought"] += len(told)
        desk.tell("message_delivered", peer, told)

    def _due_ns(self, peer: NodeId) -> int:
        away_ns = self._away_ns.get(peer, self._since_ns) + self._after_ns
        return max(away_ns, self._fresh.get(peer, 0))

    async def _entrust(self, peer: NodeId, couriers: Couriers) -> bool:
        """False: the courier has no room now."""
        desk = self._desk
        while True:
            after, age_ms = self._passed.get(peer, 0), desk.birth().age_ms
            waiting = await desk.store.read(
                lambda connection, after=after, age_ms=age_ms: read_waiting(
                    connection, peer, after, age_ms, rows_max=CARRY_ROWS_MAX
                )
            )
            for batch in _batches(
                [each for each in waiting if couriers.couriers_of(each[0].message.id) is None]
            ):
                messages = [item.message for item, _ in batch]
                ids = [message.id for message in messages]
                life_ms = min(left_ms for _, left_ms in batch)
                if not await couriers.entrust(peer, encode_deliver(messages), ids, life_ms=life_ms):
                    desk.counts["not_carried"] += len(ids)
                    return False
                self._passed[peer] = batch[-1][0].place
            if waiting:
                self._passed[peer] = waiting[-1][0].place
            if len(waiting) < CARRY_ROWS_MAX:
                return True


def _batches(waiting: Sequence[Waiting]) -> Iterator[list[Waiting]]:
    """In order; what has about as long to live goes together, since an object ends with its first message."""
    batch: list[Waiting] = []
    size = 0
    for item, left_ms in waiting:
        nbytes = len(item.message.body) + MESSAGE_OVERHEAD_BYTES
        if nbytes > CONTENT_BYTES_MAX or left_ms < CARRY_LIFE_MS_MIN:  # it waits
            continue
        if batch and (
            size + nbytes > CONTENT_BYTES_MAX
            or len(batch) == CARRY_BATCH_MAX
            or not batch[0][1] <= 2 * left_ms <= 4 * batch[0][1]
        ):
            yield batch
            batch, size = [], 0
        batch.append((item, left_ms))
        size += nbytes
    if batch:
        yield batch
