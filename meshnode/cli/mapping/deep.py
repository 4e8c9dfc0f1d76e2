"""`meshctl map --deep`: ask the nodes that can be reached for their neighbours, nearest first, within a budget."""

import asyncio
import heapq
from collections.abc import Callable

from meshnode.cli.mapping.graph import Graph, add_ties
from meshnode.client import ControlError, MeshClient

AT_ONCE_MAX = 8  # questions under way: a slow one holds nobody up, and a radio is not flooded
ANSWER_S = 5.0  # for one node


class _Exploration:
    def __init__(
        self, node: MeshClient, graph: Graph, asks_max: int, progress: Callable[[int, int], None]
    ) -> None:
        self._node, self._graph, self._progress = node, graph, progress
        self._left = asks_max
        self._queue: list[tuple[int, int, str]] = []  # (hops, cost, key)
        self._queued: dict[str, None] = {graph.me: None}
        self._answered = 0
        for key in graph.spots:
            self._offer(key)

    def _offer(self, key: str) -> None:
        spot = self._graph.spots[key]
        if key not in self._queued and spot.node_id:
            self._queued[key] = None
            heapq.heappush(self._queue, (spot.hops, spot.cost, key))

    async def run(self) -> None:
        under_way: set[asyncio.Task[None]] = set()
        try:
            while self._queue or under_way:
                while self._queue and self._left and len(under_way) < AT_ONCE_MAX:
                    self._left -= 1
                    under_way.add(asyncio.create_task(self._ask(heapq.heappop(self._queue)[2])))
                if not under_way:
                    return
                done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _ask(self, key: str) -> None:
        spot = self._graph.spots[key]
        try:
            told = await self._node.mesh_ties(spot.node_id, timeout_s=ANSWER_S)
        except ControlError:
            spot.asked = "silent"
        else:
            self._answered += 1
            add_ties(self._graph, told)
            for (
                each
            ) in self._graph.spots:  # one that was known by its first bytes may have its whole name now
                self._offer(each)
        self._progress(self._answered, len(self._queue))


async def explore(
    node: MeshClient, graph: Graph, *, budget_s: float, asks_max: int, progress: Callable[[int, int], None]
) -> None:
    """Fills the graph. `progress`: (nodes that answered, nodes that wait to be asked). Raises NoDaemonError."""
    try:
        async with asyncio.timeout(budget_s):
            await _Exploration(node, graph, asks_max, progress).run()
    except TimeoutError:
        return  # what is known by then is the map
