"""Sending: what waits on disk goes to whoever is connected, in order."""

import sqlite3
from collections.abc import Sequence

from meshnode.ports import Presence, Rpc
from meshnode.services.messages.desk import Desk
from meshnode.services.messages.frames import (
    DELIVER,
    HOPELESS,
    KEPT,
    RECEIPT,
    SERVICE,
    decode_outcomes,
    encode_deliver,
    encode_receipt,
)
from meshnode.services.messages.limits import (
    BATCH_MESSAGES_MAX,
    RECEIPTS_PER_CALL,
    RPC_TIMEOUT_S,
)
from meshnode.services.messages.outbox import Item
from meshnode.services.messages.table_out import (
    give_up,
    mark_delivered,
    mark_receipts_told,
    read_queue,
    receipts_owed,
)
from protocols.envelope import TrafficClass
from protocols.errors import LinkError, RefusedError, RemoteError, StoreError
from protocols.ids import NodeId


class Sender:
    def __init__(self, desk: Desk, rpc: Rpc, presence: Presence) -> None:
        self._desk, self._rpc, self._presence = desk, rpc, presence

    # -- what happens around us -------------------------------------------------------------------------------

    def kick(self, peer: NodeId) -> None:
        """Begin with this peer, if it is connected, something waits for it and its rest is over."""
        desk = self._desk
        if (
            desk.crew is not None
            and self._presence.is_connected(peer)
            and desk.outbox.begin(peer, now_ns=desk.now_ns())
        ):
            desk.crew.create_task(self._flush(peer))

    def kick_all(self) -> None:
        for peer in self._desk.outbox.peers():
            self.kick(peer)

    def watched(self, peer: NodeId, up: bool) -> None:  # noqa: FBT001 - the shape of Presence.watch
        if up:
            self._desk.outbox.up(peer)
            self.kick(peer)
            return
        self._desk.outbox.down(peer)
        if self._desk.outbox.waits_for(peer):
            self._presence.want(peer)

    def next_due(self) -> int | None:
        """When the next rest of a connected peer is over."""
        dues = [
            self._desk.outbox.next_due(peer)
            for peer in self._desk.outbox.peers()
            if self._presence.is_connected(peer)
        ]
        return min((due for due in dues if due is not None), default=None)

    # -- sending ----------------------------------------------------------------------------------------------

    async def _flush(self, peer: NodeId) -> None:
        """All that waits for this peer; then what it should know to be read."""
        desk = self._desk
        try:
            while True:
                while batch := await self._next_batch(peer):
                    await self._deliver(peer, batch)
                if not desk.outbox.take_receipts(peer):
                    break
                try:
                    await self._tell_receipts(peer)
                except (LinkError, TimeoutError, StoreError):
                    desk.outbox.owe_receipts(peer)
                    raise
        except (LinkError, TimeoutError, RefusedError, RemoteError, StoreError, _NotNow) as error:
            desk.counts[_word(error)] += 1
            connected = self._presence.is_connected(peer)
            desk.outbox.failed(peer, now_ns=desk.now_ns(), connected=connected)
            if not connected:
                self._presence.want(peer)
            desk.bell.set()
        else:
            desk.outbox.done(peer)
        self.kick(peer)

    async def _next_batch(self, peer: NodeId) -> list[Item]:
        desk = self._desk
        after = desk.outbox.reading_from(peer)
        if after is not None:
            items, whole = await desk.store.read(
                lambda connection: read_queue(connection, peer, after, rows_max=BATCH_MESSAGES_MAX)
            )
            desk.outbox.read(peer, items, whole=whole)
        return desk.outbox.next_batch(peer)

    async def _deliver(self, peer: NodeId, batch: list[Item]) -> None:
        desk = self._desk
        fresh = desk.outbox.sent(batch)
        desk.tell("message_sent", peer, [(item.message.id, item.message.trace) for item in fresh])
        try:
            answer = await self._rpc.call(
                peer,
                SERVICE,
                DELIVER,
                encode_deliver([item.message for item in batch]),
                timeout_s=RPC_TIMEOUT_S,
                traffic=TrafficClass(batch[0].traffic),
            )
        except RefusedError as error:
            if error.code != "bad_request":
                raise
            culprit = desk.outbox.not_understood(peer, batch)
            if culprit is not None:
                await self._settle(peer, [], [(culprit, error.code)])
            return
        outcomes = decode_outcomes(answer, asked=len(batch))
        pairs = list(zip(batch, outcomes, strict=False))  # the answer may be shorter
        delivered = [item for item, outcome in pairs if outcome in KEPT]
        hopeless = [(item, outcome) for item, outcome in pairs if outcome in HOPELESS]
        await self._settle(peer, delivered, hopeless)
        waiting = [outcome for outcome in outcomes if outcome not in KEPT and outcome not in HOPELESS]
        if waiting:
            raise _NotNow

    async def _settle(
        self, peer: NodeId, delivered: Sequence[Item], hopeless: Sequence[tuple[Item, str]]
    ) -> None:
        """What the peer answered, on disk; until then it would all be sent again, and be told for duplicates."""
        if not delivered and not hopeless:
            return
        desk = self._desk
        places = [item.place for item in delivered]
        reasons = [(item.place, reason) for item, reason in hopeless]

        def work(connection: sqlite3.Connection) -> None:
            mark_delivered(connection, places)
            give_up(connection, reasons)

        await desk.store.write(work)
        desk.outbox.settled(peer, [*places, *(place for place, _ in reasons)])
        desk.over([item.message.id for item in (*delivered, *(item for item, _ in hopeless))])
        desk.tell("message_delivered", peer, [(item.message.id, item.message.trace) for item in delivered])
        for item, reason in hopeless:
            desk.counts[f"given_up_{reason}"] += 1
            desk.tell("message_expired", peer, [(item.message.id, item.message.trace)], reason=reason)

    async def _tell_receipts(self, peer: NodeId) -> None:
        """A courtesy: a peer that doesn't want them is not asked again."""
        desk = self._desk
        while owed := await desk.store.read(
            lambda connection: receipts_owed(connection, peer, rows_max=RECEIPTS_PER_CALL)
        ):
            try:
                await self._rpc.call(
                    peer,
                    SERVICE,
                    RECEIPT,
                    encode_receipt([message for _, message in owed]),
                    timeout_s=RPC_TIMEOUT_S,
                    traffic=TrafficClass.BACKGROUND,
                )
            except RefusedError:
                desk.counts["receipts_refused"] += 1
            places = [place for place, _ in owed]
            await desk.store.write(lambda connection, places=places: mark_receipts_told(connection, places))


class _NotNow(Exception):  # noqa: N818 - no error: it happens every day
    """The peer has no room for the next message at the moment."""


def _word(error: Exception) -> str:
    """Counters have fixed words; a peer's own are not among them."""
    match error:
        case _NotNow():
            return "peer_has_no_room"
        case TimeoutError():
            return "peer_timeouts"
        case RefusedError():
            return "peer_refused"
        case RemoteError():
            return "peer_broke_rules"
        case StoreError():
            return "store_failures"
        case _:
            return "peer_unreachable"
