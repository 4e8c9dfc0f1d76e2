"""The messages service: what the rest of the node may ask, and the shell around the cores."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Literal

from meshnode.ports import Couriers, Emit, Presence, Rpc, Standings
from meshnode.services.messages.desk import Desk
from meshnode.services.messages.entrusting import Entruster
from meshnode.services.messages.frames import SERVICE
from meshnode.services.messages.limits import LIST_MAX, SEND_MANY_MAX
from meshnode.services.messages.message import (
    STATES,
    Counts,
    Letter,
    Reached,
    RequestView,
    State,
    StoredMessage,
)
from meshnode.services.messages.receiving import Receiver
from meshnode.services.messages.requests import Requests
from meshnode.services.messages.sending import Sender
from meshnode.services.messages.table_owner import get_message, list_messages, mark_read_here
from meshnode.services.messages.table_upkeep import load_start
from meshnode.services.messages.upkeep import Upkeep
from meshnode.services.messages.writing import Post, Writer
from meshnode.settings import MessageSettings, QuotaSettings
from meshnode.world import Clock, Database
from protocols.envelope import TrafficClass
from protocols.errors import RefusedError
from protocols.ids import MessageId, NodeId, message_id_text

NS_PER_S = 1_000_000_000


class MessagesService:
    """Keep `run` alive; everything else may be called at any time and waits until `run` has read the store."""

    def __init__(
        self,
        store: Database,
        rpc: Rpc,
        presence: Presence,
        standings: Standings,
        emit: Emit,
        clock: Clock,
        entropy: Callable[[int], bytes],
        die: Random,
        *,
        me: NodeId,
        settings: MessageSettings,
        quotas: QuotaSettings,
        on_request: Callable[[NodeId], None],
        carry_after_s: int = 0,
    ) -> None:
        """`on_request`: something from this stranger waits in the request box. `carry_after_s`: how long a peer is
        away before its messages go to couriers too, once there are some (`use_couriers`).
        """
        self._presence, self._standings, self._settings = presence, standings, settings
        self._desk = Desk(me, store, emit, clock, die, quotas)
        self._requests = Requests(self._desk)
        self._sender = Sender(self._desk, rpc, presence)
        self._entruster = Entruster(self._desk, presence, after_ns=carry_after_s * NS_PER_S)
        self._writer = Writer(self._desk, presence, standings, entropy, self._queued)
        self._receiver = Receiver(self._desk, standings, self._requests, on_request)
        self._upkeep = Upkeep(self._desk, settings)
        rpc.register(SERVICE, self._receiver.handle)
        presence.watch(self._sender.watched)
        presence.watch(self._entruster.watched)

    def use_couriers(self, couriers: Couriers) -> None:
        self._desk.couriers = couriers

    async def run(self) -> None:
        """Serve until cancelled. Raises StoreError when the store can't be read at the start."""
        desk = self._desk
        desk.furnish(await desk.store.read(load_start))
        for peer in desk.outbox.peers_waiting():
            self._presence.want(peer)
        self._entruster.begin()
        try:
            async with asyncio.TaskGroup() as crew:
                desk.crew = crew
                desk.ready.set()
                await self._serve()
        finally:
            desk.ready.clear()  # until it runs again, callers wait

    async def _serve(self) -> None:
        desk = self._desk
        while True:
            desk.bell.clear()
            await self._upkeep.sweep_if_due()
            self._sender.kick_all()
            await self._entruster.go()
            try:
                async with asyncio.timeout(self._delay_s()):
                    await desk.bell.wait()
            except TimeoutError:
                pass  # something is due

    # -- writing ----------------------------------------------------------------------------------------------

    async def send(
        self,
        to: NodeId,
        text: str,
        *,
        expires_s: int | None = None,
        traffic: TrafficClass = TrafficClass.INTERACTIVE,
        reply_to: MessageId | None = None,
    ) -> StoredMessage:
        """Returns once it is safely stored here. Writing to somebody accepts what waits in the request box from them.

        Raises RefusedError (blocked, too long, outbox full) or StoreError: then it is not stored and won't be sent.
        """
        letter = Letter(to, text, expires_s, traffic, reply_to)
        (outcome,) = await self.send_many([letter])
        if isinstance(outcome, RefusedError):
            raise outcome
        return outcome

    async def send_many(self, letters: Sequence[Letter]) -> list[StoredMessage | RefusedError]:
        """As `send`, all in one commit; for each letter, in order, what `send` would give or raise.

        Raises RefusedError for more than SEND_MANY_MAX, and StoreError: then none of them is stored.
        """
        if len(letters) > SEND_MANY_MAX:
            raise RefusedError("too_many", f"at most {SEND_MANY_MAX} messages at a time")
        await self._desk.ready.wait()
        composed = [self._composed(letter) for letter in letters]
        posts = [post for post in composed if isinstance(post, Post)]
        outcomes = iter(await self._desk.whole(self._writer.queue(posts)) if posts else ())
        for to in dict.fromkeys(post.to for post in posts):
            if self._standings.is_contact(to) and self._desk.inbox.has_request(to):
                await self._desk.whole(self._requests.accept(to))
        return [next(outcomes) if isinstance(post, Post) else post for post in composed]

    def _composed(self, letter: Letter) -> Post | RefusedError:
        try:
            return self._writer.compose(letter, self._settings.expires_s)
        except RefusedError as error:
            return error

    async def wait(self, message_id: MessageId, state: Reached, *, timeout_s: float) -> State:
        """The state once it has come at least so far, is given up, or the time is out: then it falls short.

        Raises RefusedError for a message that isn't here.
        """
        await self._desk.ready.wait()
        with self._desk.waiters.bell(message_id) as bell:
            try:
                async with asyncio.timeout(timeout_s):
                    while STATES.index(reached := (await self.get(message_id)).state) < STATES.index(state):
                        await bell.wait()
                        bell.clear()
            except TimeoutError:
                reached = (await self.get(message_id)).state
        return reached

    # -- reading ----------------------------------------------------------------------------------------------

    async def get(self, message_id: MessageId) -> StoredMessage:
        """Raises RefusedError when it isn't here."""
        me = self._desk.me
        found = await self._desk.store.read(lambda connection: get_message(connection, me, message_id))
        if found is None:
            raise _unknown(message_id)
        return self._as_known(found)

    async def messages(
        self,
        with_: NodeId | None = None,
        since: MessageId | None = None,
        limit: int = 100,
        *,
        oldest: bool = False,
    ) -> list[StoredMessage]:
        """Oldest first, in the order in which they were stored here: the newest `limit`; with `since`, the oldest
        so many that came after it, with `oldest` those of all. A stranger's are among them, marked as requested.
        Raises RefusedError when `since` isn't here.
        """
        me = self._desk.me
        rows_max = max(0, min(limit, LIST_MAX))
        found = await self._desk.store.read(
            lambda connection: list_messages(connection, me, with_, since, rows_max, oldest=oldest)
        )
        if found is None:
            assert since is not None, "only a missing `since` gives none"
            raise _unknown(since)
        return [self._as_known(message) for message in found]

    async def mark_read(self, message_ids: Sequence[MessageId]) -> int:
        """How many of these had come in and were not read yet. Their senders are told, if the settings say so."""
        if len(message_ids) > LIST_MAX:
            raise RefusedError("too_many", f"at most {LIST_MAX} messages at a time")
        await self._desk.ready.wait()
        return await self._desk.whole(self._mark_read(message_ids))

    async def _mark_read(self, message_ids: Sequence[MessageId]) -> int:
        tells = self._settings.read_receipts
        senders = await self._desk.store.write(
            lambda connection: mark_read_here(connection, message_ids, receipt=tells)
        )
        self._desk.waiters.ring(message_ids)
        if tells:
            for peer in dict.fromkeys(senders):
                self._desk.outbox.owe_receipts(peer)
                self._sender.kick(peer)
        return len(senders)

    # -- by courier (ports.Mail) ------------------------------------------------------------------------------

    async def arrived(self, sender: NodeId, content: bytes) -> Literal["kept", "hopeless", "later"]:
        return await self._receiver.open_sealed(sender, content)

    async def brought(self, to: NodeId, messages: Sequence[MessageId]) -> None:
        await self._desk.ready.wait()
        await self._desk.whole(self._entruster.brought(to, messages))

    def lapsed(self, to: NodeId) -> None:
        self._entruster.begin_anew(to)

    # -- the request box --------------------------------------------------------------------------------------

    async def requests(self) -> list[RequestView]:
        await self._desk.ready.wait()
        return self._requests.list()

    async def accept_request(self, peer: NodeId) -> int:
        """The peer is a contact from now on, and its messages move to the inbox. Gives how many."""
        await self._desk.ready.wait()
        self._standings.mark_contact(peer)
        return await self._desk.whole(self._requests.accept(peer))

    async def drop_request(self, peer: NodeId) -> int:
        """Delete what waits from this stranger. Gives how many."""
        await self._desk.ready.wait()
        return await self._desk.whole(self._requests.drop(peer))

    async def counts(self) -> Counts:
        desk = self._desk
        return Counts(desk.outbox.count, desk.inbox.strangers, desk.inbox.contact_bytes, dict(desk.counts))

    # -- inside -----------------------------------------------------------------------------------------------

    def _delay_s(self) -> float:
        due_ns = self._desk.sweep_due_ns
        for rest_ns in (self._sender.next_due(), self._entruster.next_due()):
            due_ns = due_ns if rest_ns is None else min(due_ns, rest_ns)
        return max(0, due_ns - self._desk.now_ns()) / NS_PER_S

    def _queued(self, peer: NodeId) -> None:
        """Something new waits for it."""
        self._sender.kick(peer)
        self._entruster.note(peer)

    def _as_known(self, message: StoredMessage) -> StoredMessage:
        """The disk doesn't know what is on its way at this moment."""
        if message.state != "queued":
            return message
        if self._desk.outbox.was_sent(message.message_id):
            return replace(message, state="sent")
        couriers = (
            None if self._desk.couriers is None else self._desk.couriers.couriers_of(message.message_id)
        )
        return replace(message, couriers=couriers) if couriers else message


def _unknown(message_id: MessageId) -> RefusedError:
    return RefusedError(
        "unknown_message", f"no message {message_id_text(message_id)} here; it may have been deleted"
    )
