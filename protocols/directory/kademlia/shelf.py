"""What is kept for others: only what its subject signed, the newest of each, until it expires, and not too much.

The two kinds share a rule: a higher sequence takes the place of a lower one, an equal one changes nothing.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from protocols.directory.kademlia.card import Card
from protocols.directory.kademlia.holding import Holding
from protocols.directory.kademlia.limits import DirectoryLimits
from protocols.ids import NodeId

Verdict: TypeAlias = Literal["kept", "known", "older", "expired", "full", "refused"]


@dataclass(frozen=True, slots=True)
class KeptRecord:
    card: Card
    teacher: NodeId  # who brought it
    until_s: int  # seconds since 1970: its own expiry, or earlier for a copy
    cached: bool


class RecordShelf:
    """Node records by place. `changed` holds the nodes whose row on the disk is not that of memory."""

    def __init__(self, me: int, limits: DirectoryLimits) -> None:
        self._me, self._limits = me, limits
        self._kept: dict[int, KeptRecord] = {}
        self._cached = 0
        self._taught: Counter[NodeId] = Counter()
        self.changed: dict[NodeId, KeptRecord | None] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[KeptRecord]:
        return iter(list(self._kept.values()))

    @property
    def cached(self) -> int:
        return self._cached

    def get(self, place: int, *, wall_s: int) -> Card | None:
        kept = self._kept.get(place)
        return kept.card if kept is not None and kept.until_s > wall_s else None

    def put(self, card: Card, *, teacher: NodeId, life_s: int | None, wall_s: int) -> Verdict:
        """`life_s`: a copy, for so long at most; None: to be kept until it expires."""
        expires_at = card.record.expires_at
        if expires_at <= wall_s:
            return "expired"
        cached = life_s is not None
        until_s = expires_at if life_s is None else min(expires_at, wall_s + life_s)
        fresh, old = KeptRecord(card, teacher, until_s, cached), self._kept.get(card.place)
        if old is not None:
            if card.sequence < old.card.sequence:
                return "older"
            if card.sequence == old.card.sequence and (cached or not old.cached):
                return "known"
            if cached and not old.cached:  # a newer one in place of what we are to keep is kept as that was
                fresh = KeptRecord(card, teacher, expires_at, cached=False)
            self._drop(old)
        if not self._make_room(fresh):
            if old is not None:
                self._put(old)
            return "full"
        self._put(fresh)
        return "kept"

    def forget(self, node: NodeId, place: int) -> None:
        """Of a node that was blocked or revoked: its record, and what it taught."""
        doomed = [each for each in self._kept.values() if each.teacher == node]
        if (own := self._kept.get(place)) is not None and own not in doomed:
            doomed.append(own)
        for each in doomed:
            self._drop(each)

    def purge(self, *, wall_s: int) -> int:
        """How many had expired."""
        doomed = [each for each in self._kept.values() if each.until_s <= wall_s]
        for each in doomed:
            self._drop(each)
        return len(doomed)

    def _make_room(self, fresh: KeptRecord) -> bool:
        card, limits = fresh.card, self._limits
        if fresh.cached:
            if self._cached >= limits.cached_max:
                self._drop(next(each for each in self._kept.values() if each.cached))
            return True
        if fresh.teacher != card.node and self._taught[fresh.teacher] >= limits.teacher_records_max:
            return False
        if len(self._kept) - self._cached < limits.records_max:
            return True
        farthest = max(
            (each for each in self._kept.values() if not each.cached),
            key=lambda each: each.card.place ^ self._me,
        )
        if farthest.card.place ^ self._me <= card.place ^ self._me:
            return False
        self._drop(farthest)
        return True

    def _put(self, kept: KeptRecord) -> None:
        self._kept[kept.card.place] = self.changed[kept.card.node] = kept
        self._cached += kept.cached
        if kept.teacher != kept.card.node and not kept.cached:
            self._taught[kept.teacher] += 1

    def _drop(self, kept: KeptRecord) -> None:
        del self._kept[kept.card.place]
        self.changed[kept.card.node] = None
        self._cached -= kept.cached
        if kept.teacher != kept.card.node and not kept.cached:
            self._taught[kept.teacher] -= 1
            if not self._taught[kept.teacher]:
                del self._taught[kept.teacher]


class HoldingShelf:
    """Statements of holders, by key and node."""

    def __init__(self, limits: DirectoryLimits) -> None:
        self._limits = limits
        self._kept: dict[bytes, dict[NodeId, Holding]] = {}
        self._of_node: Counter[NodeId] = Counter()
        self._count = 0
        self.changed: dict[tuple[bytes, NodeId], Holding | None] = {}

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Holding]:
        return iter([each for there in self._kept.values() for each in there.values()])

    def get(self, key: bytes, *, wall_s: int) -> list[Holding]:
        return [each for each in self._kept.get(key, {}).values() if each.expires_at > wall_s]

    def put(self, fresh: Holding, *, wall_s: int) -> Verdict:
        limits = self._limits
        if fresh.expires_at <= wall_s:
            return "expired"
        if fresh.expires_at > wall_s + limits.holding_life_s_max:
            return "refused"
        there = self._kept.get(fresh.key, {})
        old = there.get(fresh.node)
        if old is not None:
            if fresh.sequence <= old.sequence:
                return "known" if fresh.sequence == old.sequence else "older"
        elif not self._has_room(fresh, there):
            return "full"
        if old is None:
            self._count += 1
            self._of_node[fresh.node] += 1
        self._kept.setdefault(fresh.key, {})[fresh.node] = self.changed[fresh.key, fresh.node] = fresh
        return "kept"

    def forget(self, node: NodeId) -> None:
        for each in [each for each in self if each.node == node]:
            self._drop(each)

    def purge(self, *, wall_s: int) -> int:
        """How many had expired."""
        doomed = [each for each in self if each.expires_at <= wall_s]
        for each in doomed:
            self._drop(each)
        return len(doomed)

    def _has_room(self, fresh: Holding, there: dict[NodeId, Holding]) -> bool:
        limits = self._limits
        return (
            len(there) < limits.key_holders_max
            and self._of_node[fresh.node] < limits.node_holdings_max
            and self._count < limits.holdings_max
        )

    def _drop(self, holding: Holding) -> None:
        there = self._kept[holding.key]
        del there[holding.node]
        if not there:
            del self._kept[holding.key]
        self.changed[holding.key, holding.node] = None
        self._count -= 1
        self._of_node[holding.node] -= 1
        if not self._of_node[holding.node]:
            del self._of_node[holding.node]
