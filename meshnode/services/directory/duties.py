"""The duties of upkeep, carried out (protocols/directory/kademlia/upkeep.py says when)."""

from collections.abc import Callable
from typing import assert_never

from meshnode.services.directory.asking import Asking
from meshnode.services.directory.desk import SERVICE, Desk
from meshnode.services.directory.gateways import Wards
from protocols.directory.kademlia import Card, Duty, Goal
from protocols.directory.kademlia.frames import RECORDS_MAX


class Duties:
    def __init__(self, desk: Desk, asking: Asking, wards: Wards, *, is_thrifty: Callable[[], bool]) -> None:
        """`is_thrifty`: the battery is to be spared; what can wait does."""
        self._desk, self._asking, self._wards, self._is_thrifty = desk, asking, wards, is_thrifty
        self.replicas = 0  # of our own record, at the last publication
        self.published_s: int | None = None  # Unix seconds of it

    async def carry_out(self, duty: Duty) -> bool:
        """False: nobody answered."""
        match duty:
            case Duty.JOIN:
                return bool((await self._asking.look_up(Goal.NODES, self._desk.directory.place)).nearest)
            case Duty.REFRESH:
                return await self._refresh()
            case Duty.PUBLISH:
                return await self.publish() > 0
            case Duty.CHECK:
                return await self._check()
            case Duty.HAND_OVER:
                return await self._hand_over()
            case Duty.PURGE:
                self._desk.counts["expired"] += self._desk.directory.purge(wall_s=self._desk.wall_s())
                return True
            case _:
                assert_never(duty)

    async def publish(self) -> int:
        """Our record, and those of our wards. Gives on how many nodes ours lies now."""
        own = self._desk.own_card()
        kept = await self._asking.store([own], at=await self._keepers_of(own))
        for ward in self._wards.to_publish(now_ns=self._desk.now_ns()):
            await self._asking.store([ward], at=await self._keepers_of(ward))
        if kept:
            self.replicas, self.published_s = len(kept), self._desk.wall_s()
        return len(kept)

    async def _keepers_of(self, card: Card) -> list[Card]:
        """The k nearest that answer. Who does not want to be listed is known to connected contacts only."""
        if not card.listed:
            return self._desk.friends(card.place)
        found = await self._asking.look_up(Goal.NODES, card.place)
        return [each for each in found.nearest if SERVICE in each.record.services and each.node != card.node]

    async def _refresh(self) -> bool:
        if self._is_thrifty():
            return True
        place = self._desk.directory.place_to_refresh(now_ns=self._desk.now_ns())
        if place is not None:
            await self._asking.look_up(Goal.NODES, place)
        return True

    async def _check(self) -> bool:
        """A question for their own place is as good as a ping: who answers is heard, who is silent is counted."""
        if not self._is_thrifty():
            for card in self._desk.directory.table.doubtful(now_ns=self._desk.now_ns()):
                await self._asking.store([], at=[card])
        return True

    async def _hand_over(self) -> bool:
        for receiver, cards in self._desk.directory.take_handovers().values():
            for at in range(0, len(cards), RECORDS_MAX):
                await self._asking.store(cards[at : at + RECORDS_MAX], at=[receiver])
        return True
