"""Receiving: nothing is answered before it is on disk."""

import asyncio
from collections.abc import Callable
from typing import Literal

from meshnode.ports import IncomingCall, Standings
from meshnode.services.messages.desk import Desk
from meshnode.services.messages.frames import (
    DELIVER,
    HOPELESS,
    KEPT,
    OK,
    RECEIPT,
    WireMessage,
    decode_deliver,
    decode_receipt,
    encode_outcomes,
)
from meshnode.services.messages.message import NS_PER_MS, StoredMessage
from meshnode.services.messages.requests import Requests
from meshnode.services.messages.table_in import Taken, take_in
from meshnode.services.messages.table_out import mark_read_by_peer
from protocols.errors import RefusedError, RemoteError, StoreError
from protocols.ids import MessageId, NodeId

COUNTED = KEPT | HOPELESS  # other outcomes are reasons to wait
STORE_FULL = "store_full"  # an outcome: our disk refuses; the sender tries again later


class Receiver:
    def __init__(
        self, desk: Desk, standings: Standings, requests: Requests, on_request: Callable[[NodeId], None]
    ) -> None:
        self._desk, self._standings = desk, standings
        self._requests, self._on_request = requests, on_request
        self._box_door = asyncio.Lock()  # strangers enter one by one, so that together they keep to the quota

    async def handle(self, call: IncomingCall) -> bytes:
        """The answer. Raises RefusedError (the peer is told) or RemoteError (and counted).

        A peer that is blocked is answered as by a full disk: nothing tells it what it is. Where the caller goes away,
        what has begun is done to its end, or the disk would hold what nobody is told of.
        """
        desk = self._desk
        await desk.ready.wait()
        try:
            if call.method == DELIVER:
                batch = decode_deliver(call.body)
                return encode_outcomes(await desk.whole(self._deliver(call.peer, batch)))
            if call.method == RECEIPT:
                read = decode_receipt(call.body)
                return await desk.whole(self._receipt(call.peer, read))
        except RemoteError as error:
            desk.counts[error.reason] += 1
            raise
        raise RefusedError("unknown_method", f"the messages service has {DELIVER} and {RECEIPT}")

    async def open_sealed(self, sender: NodeId, content: bytes) -> Literal["kept", "hopeless", "later"]:
        """A batch that came by courier (`ports.Mail`): stored as any other of this sender."""
        desk = self._desk
        await desk.ready.wait()
        try:
            batch = decode_deliver(content)
        except (RemoteError, RefusedError):
            desk.counts["bad_sealed_batch"] += 1
            return "hopeless"
        outcomes = await desk.whole(self._deliver(sender, batch))
        settled = [outcome for outcome in outcomes if outcome in COUNTED]
        if len(settled) < len(batch):
            return "later"
        desk.counts["by_courier"] += 1
        return "kept" if all(outcome in KEPT for outcome in outcomes) else "hopeless"

    async def _deliver(self, peer: NodeId, batch: list[WireMessage]) -> list[str]:
        if self._standings.is_blocked(peer):
            self._desk.counts["from_blocked"] += 1
            return [STORE_FULL]
        if self._standings.is_contact(peer):
            if self._desk.inbox.has_request(peer):
                await self._requests.accept(peer)
            return await self._take(peer, batch, contact=True)
        async with self._box_door:
            return await self._take(peer, batch, contact=False)

    async def _take(self, peer: NodeId, batch: list[WireMessage], *, contact: bool) -> list[str]:
        desk = self._desk
        gate, birth = desk.inbox.gate(peer, contact=contact), desk.birth()
        try:
            taken = await desk.store.write(lambda connection: take_in(connection, peer, batch, gate, birth))
        except StoreError:
            desk.counts["store_failures"] += 1
            return [STORE_FULL]
        desk.counts.update(outcome if outcome in COUNTED else "refused_for_now" for outcome in taken.outcomes)
        if taken.outcomes and (setting := desk.inbox.newly_full(taken.outcomes[-1])) is not None:
            desk.emit("quota_reached", {"setting": setting, "peer": desk.node_text(peer)})
        if taken.stored:
            self._came(peer, taken, requested=not contact)
        return taken.outcomes

    def _came(self, peer: NodeId, taken: Taken, *, requested: bool) -> None:
        desk = self._desk
        messages = [message for _, message in taken.stored]
        desk.inbox.came(
            peer,
            requested=requested,
            messages=len(messages),
            nbytes=sum(len(message.body) for message in messages),
            first_at_ms=messages[0].at_ms,
        )
        if requested:
            self._on_request(peer)
            desk.emit("request_received", {"peer": desk.node_text(peer), "messages": len(messages)})
        for message in messages:
            stored = _stored(desk.me, peer, message, requested=requested)
            desk.emit("message_received", stored.as_dict(desk.node_text))

    async def _receipt(self, peer: NodeId, ids: list[MessageId]) -> bytes:
        desk = self._desk
        if self._standings.is_blocked(peer):
            desk.counts["from_blocked"] += 1
            raise _store_full()
        try:
            read, waited = await desk.store.write(lambda connection: mark_read_by_peer(connection, peer, ids))
        except StoreError:
            desk.counts["store_failures"] += 1
            raise _store_full() from None
        for place in waited:  # read means that it got there; the answer that said so was lost
            desk.outbox.went(peer, place)
        desk.over([message for message, _ in read])
        desk.tell("message_read", peer, read)
        return OK


def _store_full() -> RefusedError:
    return RefusedError(STORE_FULL, "this node's disk keeps nothing at the moment")


def _stored(me: NodeId, peer: NodeId, message: WireMessage, *, requested: bool) -> StoredMessage:
    return StoredMessage(
        message.id,
        peer,
        me,
        message.body.decode(),
        message.at_ms * NS_PER_MS,
        "in",
        "delivered",
        message.trace.hex(),
        message.reply_to,
        requested=requested,
    )
