"""Lookups and stores, carried out over lines."""

import asyncio
from collections.abc import Iterable, Sequence

from meshnode.services.directory.desk import Desk
from meshnode.services.directory.limits import LOOKUP_S
from meshnode.services.directory.lines import Lines
from protocols.directory.kademlia import Card, Goal, Holding, Lookup, Outcome, key_of_place
from protocols.directory.kademlia.frames import (
    HOLDINGS_MAX,
    RECORDS_MAX,
    decode_answer,
    decode_verdicts,
    encode_question,
    encode_store,
)
from protocols.errors import LinkError, RefusedError, RemoteError
from protocols.ids import NodeId

THERE = ("kept", "known")  # verdicts after which it lies there


class Asking:
    def __init__(self, desk: Desk, lines: Lines) -> None:
        self._desk, self._lines = desk, lines

    async def look_up(self, goal: Goal, place: int, *, newer_than: int = -1) -> Outcome:
        """Takes LOOKUP_S at most. A record that was found is left with those on the way that lacked it."""
        desk = self._desk
        desk.recall(place)
        lookup = desk.directory.look_up(
            goal,
            place,
            friends=desk.friends(place),
            newer_than=newer_than,
            now_ns=desk.now_ns(),
            wall_s=desk.wall_s(),
        )
        try:
            async with asyncio.timeout(LOOKUP_S):
                await self._pursue(lookup)
        except TimeoutError:
            desk.counts["lookups_cut_short"] += 1
        outcome = lookup.outcome()
        desk.counts["lookups"] += 1
        desk.counts["questions"] += outcome.asked
        desk.counts["questions_failed"] += outcome.failed
        if outcome.record is not None and outcome.record.listed and outcome.without:
            life_s = desk.directory.limits.cached_life_s_max
            await self.store([outcome.record], at=outcome.without, life_s=life_s)
        return outcome

    async def _pursue(self, lookup: Lookup) -> None:
        news = asyncio.Event()
        async with asyncio.TaskGroup() as crew:
            while not lookup.over:
                for card in lookup.asks():
                    crew.create_task(self._ask(lookup, card, news))
                await news.wait()
                news.clear()

    async def _ask(self, lookup: Lookup, card: Card, news: asyncio.Event) -> None:
        desk = self._desk
        method = "holders" if lookup.goal is Goal.HOLDERS else "find"
        try:
            body = await self._lines.ask(card, method, encode_question(key_of_place(lookup.place)))
            answer = decode_answer(body, desk.open, desk.suite)
        except (LinkError, TimeoutError, RefusedError):
            desk.silent(card.node)
            lookup.failed(card.node)
        except RemoteError as error:
            desk.counts[f"answer_{error.reason}"] += 1
            desk.silent(card.node)
            lookup.failed(card.node)
        else:
            desk.met(card)
            lookup.answered(card.node, answer)
        news.set()

    async def store(
        self,
        cards: Sequence[Card],
        holdings: Sequence[Holding] = (),
        *,
        at: Iterable[Card],
        life_s: int | None = None,
    ) -> list[NodeId]:
        """Bring these to each of them; gives those where all of it lies now. Never raises for a node's sake."""
        body = encode_store(cards[:RECORDS_MAX], holdings[:HOLDINGS_MAX], life_s)
        async with asyncio.TaskGroup() as crew:
            storing = {each.node: crew.create_task(self._bring(each, body)) for each in at}
        return [node for node, task in storing.items() if task.result()]

    async def _bring(self, card: Card, body: bytes) -> bool:
        desk = self._desk
        desk.counts["stores"] += 1
        try:
            records, holdings = decode_verdicts(await self._lines.ask(card, "store", body))
        except (LinkError, TimeoutError, RefusedError):
            desk.silent(card.node)
            return False
        except RemoteError as error:
            desk.counts[f"answer_{error.reason}"] += 1
            return False
        desk.met(card)
        verdicts = [*records, *holdings]
        desk.counts["stores_declined"] += sum(each not in THERE for each in verdicts)
        return bool(verdicts) and all(each in THERE for each in verdicts)
