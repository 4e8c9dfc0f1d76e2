"""The directory service: whoever changed all its addresses is found again, through anybody who is still known.

Every node answers; its own record lies with the k nodes nearest to it, and with its contacts. A contact that can't be
reached is looked for, later and later, and at once when somebody comes who may know more.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from random import Random

from meshnode.ports import Emit, Rpc
from meshnode.services.directory.answers import Answers
from meshnode.services.directory.asking import Asking
from meshnode.services.directory.desk import SERVICE, Desk
from meshnode.services.directory.duties import Duties
from meshnode.services.directory.gateways import Gateways, Wards
from meshnode.services.directory.limits import (
    DIAL_ADDRESSES_MAX,
    GATEWAYS_TRIED_MAX,
    NS_PER_S,
    SAVE_NS,
    SAVE_REST_NS,
    TICK_NS,
)
from meshnode.services.directory.lines import GATEWAY, Lines
from meshnode.services.directory.ports import Book, Roads, Sight
from meshnode.services.directory.seeking import Absences
from meshnode.services.directory.store import DirectoryStore
from meshnode.world import Clock, Database
from protocols.directory.kademlia import (
    Card,
    Directory,
    DirectoryLimits,
    Duty,
    Goal,
    Holding,
    gateways_of,
    is_far_reaching,
    open_holding,
    place_of,
    place_of_key,
    relay_address,
    sign_holding,
)
from protocols.directory.kademlia.frames import decode_gateway_answer, encode_gateway
from protocols.errors import LinkError, RefusedError, RemoteError, StoreError
from protocols.ids import NodeId, node_id_text
from protocols.keys import Identity

MS_PER_S = 1_000
HOLDING_LIFE_S = 2 * 86_400  # of a statement of ours: holders say it again each day


@dataclass(frozen=True, slots=True)
class Found:
    """What the directory knows of one node."""

    card: Card | None  # None: nothing
    replicas: int
    older: int
    paths: int
    paths_found: int
    asked: int
    failed: int
    steps: int


@dataclass(frozen=True, slots=True)
class DirectoryView:
    """How the directory is, from here."""

    listed: bool  # our record asks to be in everybody's tables
    nodes: int
    buckets: dict[int, tuple[int, int]]  # number -> seats taken, how many wait
    records: int  # kept for others
    copies: int  # of these, beside the way of lookups
    holdings: int
    away: int  # contacts that are looked for
    lines: int  # connections that are open to ask strangers
    wards: int  # neighbours that we announce
    gateways: tuple[NodeId, ...]
    replicas: int  # of our own record, at the last publication
    published_s: int | None


class DirectoryService:
    """`start` once, then keep `run` alive."""

    def __init__(
        self,
        store: Database,
        rpc: Rpc,
        roads: Roads,
        sight: Sight,
        book: Book,
        identity: Identity,
        emit: Emit,
        clock: Clock,
        die: Random,
        own_record: Callable[[], bytes],
        *,
        open_to_strangers: bool,
        limits: DirectoryLimits,
        relays_for_strangers: bool = True,
        is_thrifty: Callable[[], bool] = lambda: False,
    ) -> None:
        directory = Directory(
            identity.node_id, die, is_barred=book.is_blocked, limits=limits, now_ns=clock.now_ns()
        )
        self._desk = Desk(directory, identity.suite, roads, sight, book, emit, clock, own_record)
        self._identity, self._rpc, self._roads, self._book = identity, rpc, roads, book
        self._store = DirectoryStore(self._desk, store)
        self._lines = Lines(self._desk, rpc)
        self._asking = Asking(self._desk, self._lines)
        self._wards, self._gateways = Wards(identity.node_id), Gateways()
        self._duties = Duties(self._desk, self._asking, self._wards, is_thrifty=is_thrifty)
        self._answers = Answers(
            self._desk,
            self._lines,
            self._wards,
            open_to_strangers=open_to_strangers,
            relays_for_strangers=relays_for_strangers,
        )
        self._absences = Absences(die)
        self._tick_due_ns = self._save_due_ns = 0
        self._ticking = False
        self._said = 0  # the sequence of our latest statement
        self.on_relays: Callable[[tuple[str, ...]], Awaitable[None]] = _nobody  # the node renews its record

    # -- life -------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Answer peers from now on, knowing what was known. Raises StoreError."""
        self._desk.counts["rows_skipped"] += await self._store.load()
        self._desk.note_contacts()
        self._rpc.register(SERVICE, self._answers.handle)
        self._roads.watch(self._watched)
        now_ns = self._desk.now_ns()
        for contact in self._book.contacts():
            if not self._roads.is_connected(contact):
                self._absences.away(contact, now_ns=now_ns)
        self._save_due_ns = now_ns + SAVE_NS

    async def run(self) -> None:
        """The background work, until cancelled."""
        try:
            async with asyncio.TaskGroup() as crew:
                while True:
                    self._desk.bell.clear()
                    self._begin(crew)
                    await self._save_if_due()
                    try:
                        async with asyncio.timeout(self._delay_s()):
                            await self._desk.bell.wait()
                    except TimeoutError:
                        pass  # something is due
        finally:
            self._save_due_ns = 0
            await self._save_if_due()

    def _begin(self, crew: asyncio.TaskGroup) -> None:
        now_ns = self._desk.now_ns()
        for duty in self._desk.directory.upkeep.take(now_ns=now_ns):
            crew.create_task(self._carry_out(duty))
        for peer in self._absences.take(now_ns=now_ns):
            crew.create_task(self._seek(peer))
        if self._tick_due_ns <= now_ns and not self._ticking:
            self._ticking, self._tick_due_ns = True, now_ns + TICK_NS
            self._lines.sweep(now_ns=now_ns)
            crew.create_task(self._tick())

    def _delay_s(self) -> float:
        due_ns = [
            each
            for each in (
                self._desk.directory.upkeep.next_timeout(),
                self._absences.next_timeout(),
                self._tick_due_ns,
                self._save_due_ns,
            )
            if each is not None
        ]
        return max(0, min(due_ns) - self._desk.now_ns()) / NS_PER_S

    async def _carry_out(self, duty: Duty) -> None:
        well = await self._duties.carry_out(duty)
        self._desk.directory.upkeep.done(duty, well=well, now_ns=self._desk.now_ns())
        self._desk.bell.set()

    async def _save_if_due(self) -> None:
        now_ns = self._desk.now_ns()
        if self._save_due_ns > now_ns:
            return
        try:
            await self._store.save()
            self._save_due_ns = now_ns + SAVE_NS
        except StoreError as error:
            self._desk.counts["store_failures"] += 1
            self._desk.emit("store_failed", {"store": SERVICE, "reason": str(error)})
            self._save_due_ns = now_ns + SAVE_REST_NS

    # -- what happens around us -------------------------------------------------------------------------------

    def own_record_changed(self) -> None:
        self._desk.directory.upkeep.soon(Duty.PUBLISH, now_ns=self._desk.now_ns())
        self._tick_due_ns = 0  # gateways hear of it
        self._desk.bell.set()

    def _watched(self, peer: NodeId, up: bool) -> None:  # noqa: FBT001 - the shape of Presence.watch
        now_ns = self._desk.now_ns()
        if not up:
            self._gateways.gone(peer)
            self._lines.gone(peer)
            if self._book.is_contact(peer):
                self._absences.away(peer, now_ns=now_ns)
            self._desk.bell.set()
            return
        if self._book.is_blocked(peer):
            self._desk.directory.forget(peer)
            return
        self._absences.back(peer)
        if self._book.is_contact(peer):
            self._desk.note_contact(peer)
            self._roads.want(peer)  # it may be here over others, and have told where it can be called now
        if (card := self._desk.card_of(peer)) is not None:
            if self._desk.sight.is_wide(peer):
                self._desk.met(card)
            if not self._desk.own_card().listed and self._book.is_contact(peer):
                self._desk.directory.upkeep.soon(Duty.PUBLISH, now_ns=now_ns)
        if not self._lines.is_ours(peer):
            self._absences.news(now_ns=now_ns)
            self._tick_due_ns = min(self._tick_due_ns, now_ns + NS_PER_S)
        self._desk.bell.set()

    def barred(self, peer: NodeId) -> None:
        """It was blocked or revoked just now."""
        self._desk.directory.forget(peer)
        self._wards.drop(peer)
        self._absences.back(peer)

    # -- seeking ----------------------------------------------------------------------------------------------

    async def find(self, peer: NodeId, *, newer_than: int = -1) -> Found:
        """Look it up now, and let the book know what was found."""
        outcome = await self._asking.look_up(Goal.RECORD, place_of(peer), newer_than=newer_than)
        card = outcome.record if outcome.record is not None and outcome.record.node == peer else None
        if card is not None and self._book.heard_of(card.record, card.raw):
            self._desk.counts["found_newer"] += 1
            fields = {"node_id": node_id_text(peer), "replicas": outcome.replicas}
            self._desk.emit("directory_found", fields)
            self._roads.want(peer)
        return Found(
            card,
            outcome.replicas if card else 0,
            outcome.older if card else 0,
            outcome.paths,
            outcome.paths_found if card else 0,
            outcome.asked,
            outcome.failed,
            outcome.steps,
        )

    async def _seek(self, peer: NodeId) -> None:
        """A contact that is away."""
        if not self._book.is_contact(peer):
            self._absences.back(peer)
            return
        if not self._roads.is_connected(peer) and self._desk.sight.is_failing(peer):
            known = self._desk.card_of(peer)
            self._desk.counts["seeks"] += 1
            found = await self.find(peer, newer_than=-1 if known is None else known.sequence)
            if found.card is not None and not self._roads.is_connected(peer):
                await self._go_to_gateways(found.card)
        self._absences.sought(peer)
        self._desk.bell.set()

    async def _go_to_gateways(self, card: Card) -> None:
        """Whoever is reached through others: call these, so that a way leads there."""
        for gateway in gateways_of(card.record.addresses)[:GATEWAYS_TRIED_MAX]:
            if (
                gateway == self._desk.me
                or self._roads.is_connected(gateway)
                or self._book.is_blocked(gateway)
            ):
                continue
            outcome = await self._asking.look_up(Goal.RECORD, place_of(gateway))
            if (found := outcome.record) is not None and found.node == gateway:
                self._book.heard_of(found.record, found.raw)
                able = [each for each in found.record.addresses if self._desk.sight.can_dial(each)]
                if able:
                    self._roads.call_at(gateway, able[:DIAL_ADDRESSES_MAX])

    # -- gateways ---------------------------------------------------------------------------------------------

    async def _tick(self) -> None:
        try:
            for contact in self._book.contacts():  # also those added since
                if not self._roads.is_connected(contact):
                    self._absences.away(contact, now_ns=self._desk.now_ns())
            await self._see_to_gateways()
        finally:
            self._ticking = False

    async def _see_to_gateways(self) -> None:
        own = self._desk.own_card()
        if is_far_reaching(own.record.addresses) or not own.record.addresses:
            for gateway in self._gateways.clear():
                await self._ask_gateway(gateway, own, want=False)
        else:
            able = [peer for peer in self._roads.connected() if self._could_announce(peer)]
            for gateway in self._gateways.to_ask(able, now_ns=self._desk.now_ns()):
                await self._ask_gateway(gateway, own, want=True)
        relays = tuple(map(relay_address, self._gateways.current(now_ns=self._desk.now_ns())))
        if relays != tuple(each for each in own.record.addresses if each.startswith("relay://")):
            await self.on_relays(relays)
            for gateway in self._gateways.current(now_ns=self._desk.now_ns()):
                await self._ask_gateway(gateway, self._desk.own_card(), want=True)

    def _could_announce(self, peer: NodeId) -> bool:
        card = self._desk.card_of(peer)
        return (
            card is not None
            and self._roads.is_connected(peer)
            and SERVICE in card.record.services
            and is_far_reaching(card.record.addresses)
        )

    async def _ask_gateway(self, gateway: NodeId, own: Card, *, want: bool) -> None:
        card = self._desk.card_of(gateway)
        if card is None:
            return
        try:
            life_s = decode_gateway_answer(
                await self._lines.ask(card, GATEWAY, encode_gateway(own.raw, want=want))
            )
        except (LinkError, TimeoutError, RefusedError, RemoteError):
            self._gateways.gone(gateway)
            return
        if want and life_s > 0:
            self._gateways.agreed(gateway, life_s=life_s, now_ns=self._desk.now_ns())

    # -- what the node and its owner ask ----------------------------------------------------------------------

    async def publish(self) -> int:
        """Now. Gives on how many nodes our record lies."""
        return await self._duties.publish()

    async def hold(self, key: bytes, *, held: bool = True) -> int:
        """Say that we hold what this key names, or no more. To be said again before HOLDING_LIFE_S is over."""
        wall_s = self._desk.wall_s()
        self._said = max(self._said + 1, wall_s * MS_PER_S)
        signed = sign_holding(
            self._identity,
            key,
            sequence=self._said,
            expires_at=wall_s + HOLDING_LIFE_S,
            held=held,
        )
        holding = open_holding(signed, self._desk.suite)
        self._desk.directory.keep_holdings([holding], wall_s=wall_s)
        outcome = await self._asking.look_up(Goal.NODES, place_of_key(key))
        return len(await self._asking.store([], [holding], at=outcome.nearest))

    async def holders(self, key: bytes) -> list[Holding]:
        """Who says that it holds what this key names, and has not taken it back."""
        wall_s = self._desk.wall_s()
        outcome = await self._asking.look_up(Goal.HOLDERS, place_of_key(key))
        newest = {each.node: each for each in outcome.holdings}
        for each in self._desk.directory.holdings.get(key, wall_s=wall_s):
            known = newest.get(each.node)
            if known is None or each.sequence > known.sequence:
                newest[each.node] = each
        return [each for each in newest.values() if each.held and each.expires_at > wall_s]

    def view(self) -> DirectoryView:
        directory = self._desk.directory
        return DirectoryView(
            listed=self._desk.own_card().listed,
            nodes=len(directory.table),
            buckets=directory.table.sizes(),
            records=len(directory.records),
            copies=directory.records.cached,
            holdings=len(directory.holdings),
            away=len(self._absences),
            lines=len(self._lines),
            wards=len(self._wards),
            gateways=tuple(self._gateways.current(now_ns=self._desk.now_ns())),
            replicas=self._duties.replicas,
            published_s=self._duties.published_s,
        )

    def counts(self) -> Mapping[str, int]:
        return dict(self._desk.counts)


async def _nobody(_: tuple[str, ...]) -> None:
    """No node is there to renew its record."""
