"""Sending: what the owner writes goes to disk, and from there to whoever is connected, in order."""

import sqlite3
from collections.abc import Callable, Sequence

from meshnode.ports import Presence, Rpc, Standings
from meshnode.services.messages import table_out
from meshnode.services.messages.desk import Desk
from meshnode.services.messages.frames import (
    DELIVER,
    HOPELESS,
    KEPT,
    RECEIPT,
    SERVICE,
    TEXT,
    WireMessage,
    decode_outcomes,
    encode_deliver,
    encode_receipt,
)
from meshnode.services.messages.limits import (
    BATCH_MESSAGES_MAX,
    EXPIRES_S_MAX,
    RECEIPTS_PER_CALL,
    RPC_TIMEOUT_S,
    TEXT_BYTES_MAX,
    TRACE_BYTES,
)
from meshnode.services.messages.message import NS_PER_MS, QUEUED, StoredMessage
from meshnode.services.messages.outbox import Item
from meshnode.services.messages.tables import insert
from protocols.envelope import TrafficClass
from protocols.errors import LinkError, RefusedError, RemoteError, StoreError
from protocols.ids import MESSAGE_ID_BYTES, MessageId, NodeId, short_id


class Sender:
    def __init__(
        self, desk: Desk, rpc: Rpc, presence: Presence, standings: Standings, entropy: Callable[[int], bytes]
    ) -> None:
        self._desk, self._rpc, self._presence = desk, rpc, presence
        self._standings, self._entropy = standings, entropy

    # -- the owner --------------------------------------------------------------------------------------------

    def compose(self, to: NodeId, text: str, expires_s: int, reply_to: MessageId | None) -> WireMessage:
        """Raises RefusedError."""
        if to == self._desk.me:
            raise RefusedError("is_self", "this node is the recipient itself; choose another peer")
        if self._standings.is_blocked(to):
            raise RefusedError("blocked", f"{short_id(to)} is blocked; unblock it first")
        if not 0 < expires_s <= EXPIRES_S_MAX:
            raise RefusedError("bad_expiry", f"a message lives from 1 to {EXPIRES_S_MAX} seconds")
        try:
            body = text.encode()
        except UnicodeEncodeError:
            raise RefusedError("bad_text", "the text holds half a character; correct it") from None
        if not 0 < len(body) <= TEXT_BYTES_MAX:
            raise RefusedError(
                "bad_text", f"a message has 1 to {TEXT_BYTES_MAX} bytes of text, this one {len(body)}"
            )
        chance = self._entropy(MESSAGE_ID_BYTES + TRACE_BYTES)
        message_id, trace = MessageId(chance[:MESSAGE_ID_BYTES]), chance[MESSAGE_ID_BYTES:]
        return WireMessage(message_id, TEXT, body, self._desk.wall_ms(), expires_s * 1_000, trace, reply_to)

    async def queue(self, to: NodeId, message: WireMessage, traffic: TrafficClass) -> StoredMessage:
        """Returns once it is on disk; it is on its way by then where the peer is connected."""
        desk = self._desk
        desk.outbox.reserve(to)
        try:
            if not self._standings.is_contact(to):
                self._standings.mark_contact(to)
            birth = desk.birth()
            place = await desk.store.write(
                lambda connection: insert(
                    connection, to, message, birth, outgoing=True, state=QUEUED, traffic=int(traffic)
                )
            )
        except BaseException:
            desk.outbox.release(to)
            raise
        connected = self._presence.is_connected(to)
        desk.outbox.stored(to, Item(place, message, int(traffic)), keep=connected)
        desk.tell("message_queued", to, [(message.id, message.trace)])
        if not connected:
            self._presence.want(to)
        self.kick(to)
        desk.sweep_by(desk.now_ns() + message.ttl_ms * NS_PER_MS)
        return StoredMessage(
            message.id,
            desk.me,
            to,
            message.body.decode(),
            message.at_ms * NS_PER_MS,
            "out",
            "queued",
            message.trace.hex(),
            message.reply_to,
        )

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
                lambda connection: table_out.read_queue(connection, peer, after, rows_max=BATCH_MESSAGES_MAX)
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
            table_out.mark_delivered(connection, places)
            table_out.give_up(connection, reasons)

        await desk.store.write(work)
        desk.outbox.settled(peer, [*places, *(place for place, _ in reasons)])
        desk.tell("message_delivered", peer, [(item.message.id, item.message.trace) for item in delivered])
        for item, reason in hopeless:
            desk.counts[f"given_up_{reason}"] += 1
            desk.tell("message_expired", peer, [(item.message.id, item.message.trace)], reason=reason)

    async def _tell_receipts(self, peer: NodeId) -> None:
        """A courtesy: a peer that doesn't want them is not asked again."""
        desk = self._desk
        while owed := await desk.store.read(
            lambda connection: table_out.receipts_owed(connection, peer, rows_max=RECEIPTS_PER_CALL)
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
            await desk.store.write(
                lambda connection, places=places: table_out.mark_receipts_told(connection, places)
            )


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
