"""The courier service: what is for people who are away is sealed, handed around, carried, and brought.

The sender's outbox keeps every message until its receiver has it, however it got there; a courier that loses what it
took costs a chance, never a message. What the receiver opens goes through the messages service like anything else, by
the message's own id, so that it is there once.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from meshnode.ports import Emit, Mail, Presence, Rpc, Standings
from meshnode.services.courier.answers import Answers
from meshnode.services.courier.desk import NS_PER_S, Desk
from meshnode.services.courier.frames import SERVICE
from meshnode.services.courier.keeper import Keeper
from meshnode.services.courier.limits import (
    LOOK_NS,
    LOOK_SOON_NS,
    MESSAGES_PER_OBJECT_MAX,
    ROUNDS_MAX,
    UNDER_WAY_SHOWN_MAX,
)
from meshnode.services.courier.rounds import Rounds, contacts_first
from meshnode.services.courier.tables import (
    drop_carried,
    drop_parcels,
    keep_met,
    load_start,
    put_carried,
)
from meshnode.settings import CourierSettings
from meshnode.world import Clock, Database
from protocols.courier import (
    CONTENT_BYTES_MAX,
    EXPIRY_STEP_S,
    LIFE_S_MAX,
    SEALED_ID_BYTES,
    Custody,
    Willing,
    open_bundle,
    seal,
)
from protocols.errors import RefusedError, RemoteError, StoreError
from protocols.ids import MessageId, NodeId
from protocols.keys import Identity
from protocols.noise import Kem

MS_PER_S = 1_000


@dataclass(frozen=True, slots=True)
class PrekeyView:
    id: bytes
    made_s: int  # Unix time
    expires_s: int  # until then others may seal to it
    kept: int  # prekeys in all, the older ones for what is under way
    hybrid: bool


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A sealed object of ours."""

    to: NodeId
    messages: int
    couriers: int
    expires_s: int


@dataclass(frozen=True, slots=True)
class CourierView:
    carry: Willing
    objects: int  # carried for others
    bytes: int
    quota_bytes: int
    own: int  # sealed objects of ours under way
    under_way: tuple[UnderWay, ...]  # the first of them
    notes: int
    bundles: int  # people to whom we could seal, at least once
    prekey: PrekeyView | None
    counts: Mapping[str, int]


class CourierService:
    """Keep `run` alive; everything else may be called at any time."""

    def __init__(
        self,
        store: Database,
        rpc: Rpc,
        presence: Presence,
        standings: Standings,
        identity: Identity,
        mail: Mail,
        emit: Emit,
        clock: Clock,
        entropy: Callable[[int], bytes],
        kem: Kem | None,
        *,
        settings: CourierSettings,
        is_near: Callable[[NodeId], bool],
    ) -> None:
        """`is_near`: this peer has a link of its own to us, and may be a courier."""
        self._desk = Desk(
            identity, store, presence, standings, mail, emit, clock, entropy, kem, settings, is_near
        )
        self._keeper = Keeper(self._desk)
        self._rounds = Rounds(self._desk, self._keeper, rpc)
        self._answers = Answers(self._desk, self._keeper, self._rounds.exchanged)
        self._busy: dict[NodeId, None] = {}
        self._over: dict[MessageId, None] = {}  # to be told to the disk
        self._look_due_ns = 0
        rpc.register(SERVICE, self._answers.handle)
        presence.watch(self._watched)

    # -- running ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until cancelled. Raises StoreError when the store can't be read at the start."""
        desk = self._desk
        start = await desk.store.read(load_start)
        self._keeper.furnish(start)
        desk.furnish(start)
        self._busy.clear()
        for peer in desk.presence.connected():
            self._watched(peer, True)
        try:
            async with asyncio.TaskGroup() as crew:
                desk.ready.set()
                while True:
                    desk.bell.clear()
                    await self._look()
                    self._begin_rounds(crew)
                    try:
                        async with asyncio.timeout(self._delay_s()):
                            await desk.bell.wait()
                    except TimeoutError:
                        pass  # something is due
        finally:
            desk.ready.clear()  # until it runs again, callers wait

    def _begin_rounds(self, crew: asyncio.TaskGroup) -> None:
        """Strangers wait while we are busy with contacts: most copies go to who is asked first."""
        desk = self._desk
        for peer in contacts_first(desk):
            stranger = not desk.standings.is_contact(peer)
            if len(self._busy) >= ROUNDS_MAX or (
                stranger and any(map(desk.standings.is_contact, self._busy))
            ):
                return
            if peer not in self._busy and self._rounds.may_begin(peer):
                self._busy[peer] = None
                desk.news.pop(peer, None)
                crew.create_task(self._round(peer))

    async def _round(self, peer: NodeId) -> None:
        try:
            await self._rounds.go(peer)
        finally:
            self._busy.pop(peer, None)
            self._desk.bell.set()

    async def _look(self) -> None:
        """What time does, and what messages told us; a disk that refuses is asked again."""
        desk = self._desk
        try:
            await self._forget_over()
            if desk.now_ns() < self._look_due_ns:
                return
            self._look_due_ns = desk.now_ns() + LOOK_NS
            await self._keeper.rotate_if_due()
            await self._sweep()
        except StoreError:
            desk.counts["store_failures"] += 1
            self._look_due_ns = desk.now_ns() + LOOK_SOON_NS
        else:
            desk.meet()
            desk.news.update(dict.fromkeys(desk.company()))  # what may be offered again by now

    async def _forget_over(self) -> None:
        desk = self._desk
        if not self._over:
            return
        over = list(self._over)
        gone, empty = desk.parcels.over(over)
        for message in over:
            self._over.pop(message, None)
        for sealed_id in empty:
            desk.carrier.drop(sealed_id)
        if gone:
            await desk.store.write(lambda connection: drop_parcels(connection, gone, empty))

    async def _sweep(self) -> None:
        desk, now_s = self._desk, self._desk.now_s()
        over = desk.carrier.sweep(now_s=now_s)
        for custody in over:
            desk.parcels.drop(custody.id)
            if custody.is_own:
                desk.mail.lapsed(custody.receiver)
        if over:
            await desk.store.write(lambda connection: drop_carried(connection, [each.id for each in over]))
        if desk.clock_is_set:
            met, forgotten = desk.carrier.take_meetings()
            await desk.store.write(lambda connection: keep_met(connection, met, forgotten, now_s))

    def _delay_s(self) -> float:
        desk = self._desk
        due_ns = self._look_due_ns
        if len(self._busy) < ROUNDS_MAX:
            with_contacts = any(map(desk.standings.is_contact, self._busy))  # the end of that round rings
            for peer in desk.news:
                rest_ns = self._rounds.next_due(peer)
                waits = peer in self._busy or (with_contacts and not desk.standings.is_contact(peer))
                if rest_ns is not None and not waits:
                    due_ns = min(due_ns, rest_ns)
        return max(0, due_ns - desk.now_ns()) / NS_PER_S

    def _watched(self, peer: NodeId, up: bool) -> None:  # noqa: FBT001 - the shape of Presence.watch
        desk = self._desk
        if up:
            if desk.standings.is_blocked(peer):
                return
            self._rounds.up(peer)
            desk.carrier.up(peer, now_s=desk.now_s(), near=desk.is_near(peer))
            desk.news[peer] = None
            desk.bell.set()
        else:
            self._rounds.down(peer)
            self._answers.gone(peer)
            desk.carrier.down(peer, now_s=desk.now_s())
            desk.news.pop(peer, None)

    def linked(self, peer: NodeId) -> None:
        """It has a link of its own from now on; until now it may have been reached over others."""
        desk = self._desk
        if not desk.standings.is_blocked(peer) and desk.presence.is_connected(peer):
            desk.carrier.up(peer, now_s=desk.now_s())
            desk.news[peer] = None
            desk.bell.set()

    # -- Couriers ---------------------------------------------------------------------------------------------

    def can_carry(self, to: NodeId) -> bool:
        desk = self._desk
        return (
            desk.ready.is_set()
            and desk.clock_is_set
            and self._keeper.usable(to) is not None
            and any(peer != to and desk.is_near(peer) for peer in desk.company())
        )

    def couriers_of(self, message: MessageId) -> int | None:
        sealed_id = self._desk.parcels.object_of(message)
        custody = None if sealed_id is None else self._desk.carrier.shelf.get(sealed_id)
        return None if custody is None else custody.couriers

    async def entrust(
        self, to: NodeId, content: bytes, messages: Sequence[MessageId], *, life_ms: int
    ) -> bool:
        desk, now_s = self._desk, self._desk.now_s()
        bundle = self._keeper.usable(to)
        ends_s = now_s + min(life_ms // MS_PER_S, LIFE_S_MAX)
        expires_s = ends_s // EXPIRY_STEP_S * EXPIRY_STEP_S  # never later than its sender gives up
        if (
            bundle is None
            or len(content) > CONTENT_BYTES_MAX
            or len(messages) > MESSAGES_PER_OBJECT_MAX
            or expires_s < now_s + EXPIRY_STEP_S
        ):
            return False
        try:
            sealed = seal(
                desk.identity,
                bundle,
                content,
                sealed_id=desk.entropy(SEALED_ID_BYTES),
                expires_s=expires_s,
                entropy=desk.entropy,
                kem=desk.kem,
            )
            custody = desk.carrier.entrust(sealed, now_s=now_s)
        except (RemoteError, RefusedError) as error:
            desk.counts[error.reason if isinstance(error, RemoteError) else error.code] += 1
            return False
        try:
            await desk.store.write(lambda connection: put_carried(connection, custody, sealed, messages))
        except BaseException:
            desk.carrier.drop(sealed.id)
            raise
        desk.parcels.put(sealed.id, messages)
        desk.counts["sealed"] += 1
        desk.tell_all()
        return True

    def over(self, messages: Sequence[MessageId]) -> None:
        for message in messages:
            if self._desk.parcels.object_of(message) is not None:
                self._over[message] = None
                self._desk.bell.set()

    # -- the owner --------------------------------------------------------------------------------------------

    async def rotate_prekeys(self) -> PrekeyView:
        """Now, beside the weekly ones; what is under way to the older ones can still be opened.

        Raises RefusedError without a clock, StoreError.
        """
        await self._desk.ready.wait()
        await self._keeper.rotate()
        self._desk.tell_all()
        view = self._prekey()
        assert view is not None, "one was made just now"
        return view

    def view(self) -> CourierView:
        desk, shelf = self._desk, self._desk.carrier.shelf
        own = [each for each in shelf if each.is_own]
        return CourierView(
            desk.settings.carry,
            shelf.objects,
            shelf.bytes,
            desk.limits.bytes_max,
            shelf.own,
            tuple(self._under_way(each) for each in own[:UNDER_WAY_SHOWN_MAX]),
            desk.carrier.notes,
            self._keeper.known,
            self._prekey(),
            self.counts(),
        )

    def counts(self) -> Mapping[str, int]:
        """Fixed word -> how often."""
        return {**self._desk.counts, **self._desk.carrier.counts}

    def _under_way(self, custody: Custody) -> UnderWay:
        messages = len(self._desk.parcels.messages_of(custody.id))
        return UnderWay(custody.receiver, messages, custody.couriers, custody.expires_s)

    def _prekey(self) -> PrekeyView | None:
        ring = self._keeper.ring
        current = ring.current
        if current is None:
            return None
        bundle = open_bundle(current.bundle, self._desk.identity.suite)
        return PrekeyView(current.id, current.made_s, bundle.expires_s, ring.count, bool(bundle.kem))
