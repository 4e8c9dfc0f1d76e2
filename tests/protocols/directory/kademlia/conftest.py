"""A ring: many directories in one process that answer each other at once. Some may be dead, some may lie."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random

import pytest

from protocols.directory import NodeRecord
from protocols.directory.kademlia import (
    LISTED,
    Answer,
    Card,
    Directory,
    DirectoryLimits,
    Goal,
    Lookup,
    Outcome,
    group_of,
    place_of,
)
from protocols.ids import NodeId

WALL_S = 1_800_000_000


def make_card(
    node: NodeId,
    *,
    sequence: int = 1,
    address: str = "",
    features: tuple[str, ...] = (LISTED,),
    expires_at: int = WALL_S + 30 * 86_400,
) -> Card:
    """Its signature is nobody's business on the ring: cards come in verified."""
    addresses = (address,) if address else ()
    record = NodeRecord(node, sequence, expires_at, bytes(32), addresses, (), features, "")
    return Card(node, place_of(node), record, b"")


@dataclass
class Ring:
    seed: str
    limits: DirectoryLimits = field(default_factory=DirectoryLimits)
    nodes: dict[NodeId, Directory] = field(default_factory=dict[NodeId, Directory])
    cards: dict[NodeId, Card] = field(default_factory=dict[NodeId, Card])
    dead: set[NodeId] = field(default_factory=set[NodeId])
    liars: dict[NodeId, Callable[[Directory, int], Answer]] = field(
        default_factory=dict[NodeId, Callable[[Directory, int], Answer]]
    )
    messages: int = 0
    now_ns: int = 0

    def __post_init__(self) -> None:
        self.die = Random(self.seed)

    # -- growing ----------------------------------------------------------------------------------------------

    def add(self, card: Card | None = None) -> Directory:
        if card is None:
            number = len(self.nodes)
            address = f"quic://{20 + number % 150}.{number // 150 % 250}.{number // 37_500}.1:7420"
            card = make_card(NodeId(self.die.randbytes(32)), address=address)
        node = card.node
        self.cards[node] = card
        directory = self.nodes[node] = Directory(
            node, Random(f"{self.seed}/{len(self.nodes)}"), limits=self.limits
        )
        return directory

    def meet(self, one: NodeId, other: NodeId) -> None:
        """`one` hears from `other`."""
        card = self.cards[other]
        group = group_of(card.record.addresses[0]) if card.record.addresses else group_of("memory://x")
        self.nodes[one].met(card, group=group, trusted=False, now_ns=self.now_ns, wall_s=WALL_S)

    def join(self, directory: Directory, *, through: NodeId) -> Outcome:
        self.meet(directory.me, through)
        self.meet(through, directory.me)
        return self.look(directory, Goal.NODES, directory.place)

    def grow(self, count: int) -> list[Directory]:
        """Each newcomer knows one of those who are there."""
        while len(self.nodes) < count:
            there = list(self.nodes)
            newcomer = self.add()
            if there:
                self.join(newcomer, through=there[self.die.randrange(len(there))])
        return list(self.nodes.values())

    # -- asking -----------------------------------------------------------------------------------------------

    def look(self, asker: Directory, goal: Goal, place: int, *, newer_than: int = -1) -> Outcome:
        lookup = asker.look_up(goal, place, now_ns=self.now_ns, wall_s=WALL_S, newer_than=newer_than)
        return self.run(asker, lookup)

    def run(self, asker: Directory, lookup: Lookup) -> Outcome:
        while not lookup.over:
            for card in lookup.asks():
                self.ask(asker, lookup, card.node)
        return lookup.outcome()

    def ask(self, asker: Directory, lookup: Lookup, node: NodeId) -> None:
        self.messages += 1
        if node in self.dead or node not in self.nodes:
            asker.table.failed(node)
            lookup.failed(node)
            return
        other = self.nodes[node]
        self.meet(node, asker.me)
        self.meet(asker.me, node)
        lookup.answered(node, self.say(other, lookup, asker.me))

    def say(self, other: Directory, lookup: Lookup, asker: NodeId) -> Answer:
        if other.me in self.liars:
            return self.liars[other.me](other, lookup.place)
        if lookup.goal is Goal.HOLDERS:
            return other.holders(lookup.place.to_bytes(32), asker=asker, wall_s=WALL_S)
        return other.find(lookup.place, friend=False, asker=asker, wall_s=WALL_S)

    # -- storing ----------------------------------------------------------------------------------------------

    def publish(self, owner: Directory, *, sequence: int = 1) -> list[NodeId]:
        """To the k nearest that it finds; gives who kept it."""
        card = self.cards[owner.me]
        fresh = self.cards[owner.me] = make_card(
            card.node, sequence=sequence, address=card.record.addresses[0], features=card.record.features
        )
        found = self.look(owner, Goal.NODES, owner.place)
        return self.store(owner, fresh, found.nearest)

    def store(self, teacher: Directory, card: Card, at: Iterable[Card]) -> list[NodeId]:
        kept: list[NodeId] = []
        for each in at:
            self.messages += 1
            if each.node in self.dead or each.node in self.liars:
                continue
            verdicts = self.nodes[each.node].keep_records(
                [card], teacher=teacher.me, life_s=None, wall_s=WALL_S
            )
            kept += [each.node] if verdicts in (["kept"], ["known"]) else []
        return kept

    def kill(self, share: float, *, but: Iterable[NodeId] = ()) -> None:
        self.dead |= set(self._some(share, but))

    def corrupt(
        self, share: float, lie: Callable[[Directory, int], Answer], *, but: Iterable[NodeId] = ()
    ) -> None:
        self.liars |= dict.fromkeys(self._some(share, but), lie)

    def _some(self, share: float, but: Iterable[NodeId]) -> list[NodeId]:
        spared = list(but)
        able = [node for node in self.nodes if node not in spared]
        return self.die.sample(able, int(share * len(self.nodes)))


@pytest.fixture
def ring() -> Callable[..., Ring]:
    return Ring


@pytest.fixture
def card() -> Callable[..., Card]:
    return make_card
