"""What time does: messages expire, old ones are deleted, the store's age is saved."""

import sqlite3

from meshnode.services.messages.age import plausible_wall
from meshnode.services.messages.desk import Desk
from meshnode.services.messages.limits import AGE_SAVE_NS, SWEEP_NS, SWEEP_ROWS_MAX, SWEEP_SOON_NS
from meshnode.services.messages.message import NS_PER_MS
from meshnode.services.messages.table_upkeep import (
    Retired,
    Swept,
    expire,
    next_end,
    retire,
    save_age,
    settle_lives,
)
from meshnode.settings import MessageSettings
from protocols.errors import StoreError


class Upkeep:
    def __init__(self, desk: Desk, settings: MessageSettings) -> None:
        self._desk, self._settings = desk, settings
        self._save_due_ns = 0
        self._refused = False  # by the disk, the last time

    async def sweep_if_due(self) -> None:
        """Does its own waiting after a full disk: nothing that was due is lost by it."""
        desk = self._desk
        if desk.now_ns() < desk.sweep_due_ns:
            return
        desk.sweep_due_ns = desk.now_ns() + SWEEP_NS
        try:
            await self._settle()
            swept = await self._sweep()
        except StoreError as error:
            desk.counts["store_failures"] += 1
            if not self._refused:  # one outage is told once
                desk.emit("store_failed", {"store": "messages", "reason": str(error)})
            self._refused = True
            desk.sweep_by(desk.now_ns() + SWEEP_SOON_NS)
            return
        self._refused = False
        self._tell(swept)
        if swept.more:
            desk.sweep_by(desk.now_ns() + SWEEP_SOON_NS)
        if swept.next_end_ms is not None:
            left_ms = max(0, swept.next_end_ms - desk.age.now_ms(desk.now_ns()))
            desk.sweep_by(desk.now_ns() + left_ms * NS_PER_MS)

    async def _settle(self) -> None:
        desk = self._desk
        now_ns = desk.now_ns()
        if not desk.age.may_settle(now_ns):
            return
        wall_ms = desk.wall_ms()
        off_ms = desk.age.off_ms(wall_ms=wall_ms, now_ns=now_ns)
        age_ms = desk.age.now_ms(now_ns) + off_ms

        def work(connection: sqlite3.Connection) -> None:
            settle_lives(connection, last_place=desk.last_place, age_ms=age_ms, off_ms=off_ms)
            save_age(connection, age_ms, plausible_wall(wall_ms))

        await desk.store.write(work)
        desk.age.settle(off_ms)
        self._save_due_ns = now_ns + AGE_SAVE_NS

    async def _sweep(self) -> Swept:
        desk = self._desk
        now_ns, birth, last_place = desk.now_ns(), desk.birth(), desk.last_place
        keep_ms, keep_count = self._settings.keep_s * 1_000, self._settings.keep_count
        wall, tombstones = plausible_wall(desk.wall_ms()), desk.inbox.tombstones
        saves = birth.settled and now_ns >= self._save_due_ns

        def work(connection: sqlite3.Connection) -> Swept:
            expired = expire(connection, last_place, birth, rows_max=SWEEP_ROWS_MAX)
            retired = Retired()
            if birth.settled:
                retired = retire(
                    connection,
                    birth.age_ms,
                    tombstones,
                    keep_ms=keep_ms,
                    keep_count=keep_count,
                    rows_max=SWEEP_ROWS_MAX,
                )
            if saves:
                save_age(connection, birth.age_ms, wall)
            more = SWEEP_ROWS_MAX in (len(expired), retired.messages)
            return Swept(expired, retired, next_end(connection, last_place, birth), more=more)

        swept = await desk.store.write(work)
        if saves:
            self._save_due_ns = now_ns + AGE_SAVE_NS
        return swept

    def _tell(self, swept: Swept) -> None:
        desk = self._desk
        desk.inbox.went(swept.retired.contact_bytes, tombstones=swept.retired.tombstones)
        desk.over([message for _, _, message, _ in swept.expired])
        for place, peer, message, trace in swept.expired:
            desk.outbox.went(peer, place)
            desk.tell("message_expired", peer, [(message, trace)], reason="expired")
