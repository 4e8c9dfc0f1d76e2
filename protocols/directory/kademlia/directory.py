"""One node's part of the directory: whom it knows, what it keeps for others, what it asks and owes.

Sans-IO: whoever drives it asks the nodes that a lookup names, and brings what they say; carries out its duties; answers
what others ask from `find`, `holders`, `keep_records` and `keep_holdings`. Cards and statements come in verified.
"""

from collections import deque
from collections.abc import Callable, Iterable
from random import Random

from protocols.directory.kademlia.card import Card
from protocols.directory.kademlia.groups import Group
from protocols.directory.kademlia.holding import Holding
from protocols.directory.kademlia.limits import DEFAULT, DirectoryLimits
from protocols.directory.kademlia.lookup import Answer, Goal, Lookup
from protocols.directory.kademlia.places import place_of
from protocols.directory.kademlia.shelf import HoldingShelf, RecordShelf, Verdict
from protocols.directory.kademlia.table import Table
from protocols.directory.kademlia.upkeep import Duty, Upkeep
from protocols.ids import NodeId


class Directory:
    """`is_barred`: blocked or revoked; nothing of these is kept, believed or told."""

    def __init__(
        self,
        me: NodeId,
        die: Random,
        *,
        is_barred: Callable[[NodeId], bool] = lambda _: False,
        limits: DirectoryLimits = DEFAULT,
        now_ns: int = 0,
    ) -> None:
        self.me, self.place, self.limits = me, place_of(me), limits
        self.table = Table(me, limits)
        self.records = RecordShelf(self.place, limits)
        self.holdings = HoldingShelf(limits)
        self.upkeep = Upkeep(die, limits, now_ns=now_ns)
        self._die, self._is_barred = die, is_barred
        self._handovers: deque[tuple[Card, Card]] = deque()  # (who came, what to give)

    # -- who is there -----------------------------------------------------------------------------------------

    def met(self, card: Card, *, group: Group, trusted: bool, now_ns: int, wall_s: int) -> None:
        """This node spoke to us under its own session just now."""
        if card.node == self.me or self._is_barred(card.node):
            return
        alone = not len(self.table)
        if not self.table.met(card, group=group, trusted=trusted, now_ns=now_ns):
            return
        if alone:
            self.upkeep.soon(Duty.JOIN, now_ns=now_ns)
            self.upkeep.soon(Duty.REFRESH, now_ns=now_ns)
            self.upkeep.soon(Duty.CHECK, now_ns=now_ns)
        if len(self.table) <= self.limits.k:  # in a small mesh everybody keeps everything
            self.upkeep.soon(Duty.PUBLISH, now_ns=now_ns)
        self._plan_handovers(card, now_ns=now_ns, wall_s=wall_s)

    def forget(self, node: NodeId) -> None:
        """It was blocked or revoked."""
        self.table.forget(node)
        self.records.forget(node, place_of(node))
        self.holdings.forget(node)

    def _plan_handovers(self, newcomer: Card, *, now_ns: int, wall_s: int) -> None:
        """Of what we keep, the newcomer gets what it is nearer to than anybody we know: of all who keep it, only
        the nearest does so.
        """
        for kept in self.records:
            place = kept.card.place
            if (
                kept.cached
                or not kept.card.listed
                or kept.until_s <= wall_s
                or kept.card.node == newcomer.node
            ):
                continue
            if newcomer.place ^ place >= self.place ^ place:
                continue
            nearest = self.table.nearest(place, 2)
            others = [card for card in nearest if card.node != newcomer.node]
            if others and others[0].place ^ place < self.place ^ place:
                continue
            if len(self._handovers) >= self.limits.handovers_max:
                return
            self._handovers.append((newcomer, kept.card))
        if self._handovers:
            self.upkeep.soon(Duty.HAND_OVER, now_ns=now_ns)

    def take_handovers(self) -> dict[NodeId, tuple[Card, list[Card]]]:
        """By receiver."""
        taken: dict[NodeId, tuple[Card, list[Card]]] = {}
        while self._handovers:
            receiver, card = self._handovers.popleft()
            taken.setdefault(receiver.node, (receiver, []))[1].append(card)
        return taken

    # -- what others ask --------------------------------------------------------------------------------------

    def find(self, place: int, *, friend: bool, asker: NodeId, wall_s: int) -> Answer:
        """The record of whoever lives at this place, and the nodes nearest to it.

        A record that is not listed is told to our friends only: they know its NodeId, or could not ask.
        """
        card = self.records.get(place, wall_s=wall_s)
        if card is not None and (self._is_barred(card.node) or not (card.listed or friend)):
            card = None
        return Answer(self._near(place, asker), card)

    def holders(self, key: bytes, *, asker: NodeId, wall_s: int) -> Answer:
        found = [each for each in self.holdings.get(key, wall_s=wall_s) if not self._is_barred(each.node)]
        return Answer(self._near(int.from_bytes(key), asker), holdings=tuple(found))

    def _near(self, place: int, asker: NodeId) -> tuple[Card, ...]:
        near = self.table.nearest(place, self.limits.k + 1)
        return tuple(card for card in near if card.node != asker and not self._is_barred(card.node))[
            : self.limits.k
        ]

    def keep_records(
        self, cards: Iterable[Card], *, teacher: NodeId, life_s: int | None, wall_s: int
    ) -> list[Verdict]:
        """One word for each. `life_s`: they are copies, for so long at most."""
        life_s = None if life_s is None else min(life_s, self.limits.cached_life_s_max)
        return [
            "refused"
            if card.node == self.me or self._is_barred(card.node)
            else self.records.put(card, teacher=teacher, life_s=life_s, wall_s=wall_s)
            for card in cards
        ]

    def keep_holdings(self, holdings: Iterable[Holding], *, wall_s: int) -> list[Verdict]:
        return [
            "refused" if self._is_barred(each.node) else self.holdings.put(each, wall_s=wall_s)
            for each in holdings
        ]

    # -- what we ask ------------------------------------------------------------------------------------------

    def look_up(
        self,
        goal: Goal,
        place: int,
        *,
        friends: Iterable[Card] = (),
        newer_than: int = -1,
        now_ns: int,
        wall_s: int,
    ) -> Lookup:
        """`friends`: nodes to begin with that may not be in the table, as those who are connected anyway."""
        self.table.looked(place, now_ns=now_ns)
        seeds = [*friends, *self.table.nearest(place, self.limits.k)]
        return Lookup(
            self.me,
            goal,
            place,
            seeds,
            self.limits,
            known=self.records.get(place, wall_s=wall_s) if goal is Goal.RECORD else None,
            newer_than=newer_than,
            is_barred=self._is_barred,
        )

    def place_to_refresh(self, *, now_ns: int) -> int | None:
        """A place in the bucket that was looked in longest ago, if that is too long."""
        number = self.table.unlooked(now_ns=now_ns)
        if number is None:
            return None
        return self.place ^ ((1 << number) | self._die.getrandbits(number) if number else 1)

    def purge(self, *, wall_s: int) -> int:
        return self.records.purge(wall_s=wall_s) + self.holdings.purge(wall_s=wall_s)
