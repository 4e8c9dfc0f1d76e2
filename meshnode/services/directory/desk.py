"""What the parts of the service share: the directory itself, the book, the clock, the counts."""

import asyncio
from collections import Counter
from collections.abc import Callable

from meshnode.ports import Emit
from meshnode.services.directory.limits import FRIENDS_MAX, NS_PER_S, OPENED_MAX
from meshnode.services.directory.ports import Book, Roads, Sight
from meshnode.world import Clock
from protocols.directory.kademlia import Card, Directory, open_card, place_of
from protocols.errors import RemoteError
from protocols.ids import NodeId
from protocols.keys import Suite

SERVICE = "directory"


class Desk:
    def __init__(
        self,
        directory: Directory,
        suite: Suite,
        roads: Roads,
        sight: Sight,
        book: Book,
        emit: Emit,
        clock: Clock,
        own_record: Callable[[], bytes],
    ) -> None:
        self.directory, self.suite, self.roads, self.sight, self.book = directory, suite, roads, sight, book
        self.emit = emit
        self.counts: Counter[str] = Counter()  # for the metrics; fixed words
        self.bell = asyncio.Event()  # rings when the background loop has something to do
        self._clock, self._own_record = clock, own_record
        self._opened: dict[bytes, Card] = {}
        self._contacts: dict[int, NodeId] = {}  # by place

    @property
    def me(self) -> NodeId:
        return self.directory.me

    def now_ns(self) -> int:
        return self._clock.now_ns()

    def wall_s(self) -> int:
        return self._clock.wall_ns() // NS_PER_S

    # -- cards ------------------------------------------------------------------------------------------------

    def open(self, raw: bytes) -> Card:
        """Raises RemoteError. The same few hundred records come again and again: each is verified once."""
        card = self._opened.get(raw)
        if card is None:
            card = self._opened[raw] = open_card(raw, self.suite)
            if len(self._opened) > OPENED_MAX:
                del self._opened[next(iter(self._opened))]
        return card

    def own_card(self) -> Card:
        return self.open(self._own_record())

    def card_of(self, peer: NodeId) -> Card | None:
        """As it said itself, when we met it."""
        raw = self.book.record(peer)
        try:
            return self.open(raw) if raw else None
        except RemoteError:  # a row of the book that was damaged on the disk
            return None

    def friends(self, place: int) -> list[Card]:
        """Connected contacts that answer, those nearest to the place: they cost no connection."""
        there = [
            card
            for peer in self.roads.connected()
            if self.book.is_contact(peer)
            and self.roads.is_connected(peer)
            and (card := self.card_of(peer)) is not None
            and SERVICE in card.record.services
        ]
        return sorted(there, key=lambda card: card.place ^ place)[:FRIENDS_MAX]

    # -- who is there -----------------------------------------------------------------------------------------

    def note_contacts(self) -> None:
        for peer in self.book.contacts():
            self._contacts[place_of(peer)] = peer

    def note_contact(self, peer: NodeId) -> None:
        self._contacts[place_of(peer)] = peer

    def recall(self, place: int) -> None:
        """Whoever lives there may be a contact, whose newest record stands in the book."""
        peer = self._contacts.get(place)
        if peer is None:
            return
        if not self.book.is_contact(peer):
            del self._contacts[place]
        elif (card := self.card_of(peer)) is not None:
            self.directory.keep_records([card], teacher=peer, life_s=None, wall_s=self.wall_s())

    def met(self, card: Card) -> None:
        """It spoke to us just now, under its own session."""
        self.directory.met(
            self.card_of(card.node) or card,
            group=self.sight.group(card.node),
            trusted=self.book.is_contact(card.node),
            now_ns=self.now_ns(),
            wall_s=self.wall_s(),
        )
        self.bell.set()

    def silent(self, peer: NodeId) -> None:
        """It did not answer. Where nobody is connected, that says nothing about it."""
        if any(other != peer for other in self.roads.connected()):
            self.directory.table.failed(peer)
