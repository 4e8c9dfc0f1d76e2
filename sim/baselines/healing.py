"""A partition ends: each half has messages that the other lacks, and neighbours compare what they have now and then.

Both baselines ask all neighbours every 15 seconds (BitChat's sync), each of which answers with what the other lacks.
Pull-only stops there. With re-flooding, who is taught something new tells it to all around, once.
"""

from math import ceil

from sim.baselines.world import BaselineResult, Graph, Setup, in_seconds
from sim.timeline import NS_PER_MS, NS_PER_S, Timeline

__all__ = ["run_healing"]

SYNC_NS = 15 * NS_PER_S
SYNC_JITTER_NS = 2 * NS_PER_S
RELAY_MS = (10, 60)  # before something is flooded anew
PATIENCE_NS = 3_600 * NS_PER_S  # what has not healed by then is reported as it is


class _Healing:
    """What nodes have is a whole number with a bit for each message."""

    def __init__(self, graph: Graph, have: list[int], setup: Setup, *, reflood: bool) -> None:
        self._graph, self._have, self._reflood, self._loss = graph, have, reflood, setup.loss
        self._die = setup.dice.die("baseline/sync")
        self._luck = setup.dice.die("baseline/air")
        self._trip_ns = setup.air.airtime.ns(setup.frame_bytes) + setup.air.latency_ns
        self.timeline = Timeline()
        self.wanted = _lacking(graph, have)
        self.sent = self.link_writes = 0
        self.learned_ns: list[int] = []
        for node in range(len(graph)):
            self.timeline.at(self._die.randrange(SYNC_NS), "sync", self._ask, node)

    def run(self) -> None:
        while len(self.learned_ns) < self.wanted and self.timeline.now_ns < PATIENCE_NS:
            self.timeline.step()

    def _ask(self, node: int) -> None:
        """All around hear what it has, and answer over their link with what it lacks."""
        pause_ns = SYNC_NS + self._die.randrange(-SYNC_JITTER_NS, SYNC_JITTER_NS)
        self.timeline.after(pause_ns, "sync", self._ask, node)
        if not self._have[node]:
            return
        for other in self._graph.near[node]:
            lacks = self._have[other] & ~self._have[node]
            if lacks and self._luck.random() >= self._loss:
                self.sent += lacks.bit_count()
                self.link_writes += lacks.bit_count()
                self.timeline.after(2 * self._trip_ns, "answer", self._learn, node, self._survivors(lacks))

    def _learn(self, node: int, messages: int) -> None:
        new = messages & ~self._have[node]
        if new:
            self._have[node] |= new
            self.learned_ns += [self.timeline.now_ns] * new.bit_count()
            if self._reflood:
                least_ms, most_ms = RELAY_MS
                span_ns = self._die.randrange(least_ms * NS_PER_MS, most_ms * NS_PER_MS)
                self.timeline.after(span_ns, "relay", self._tell, node, new)

    def _tell(self, node: int, messages: int) -> None:
        """One transmission for each message, heard by all around; relays of several are sent one behind the other."""
        near = self._graph.near[node]
        self.sent += messages.bit_count()
        self.link_writes += messages.bit_count() * len(near)
        for other in near:
            if lacks := messages & ~self._have[other]:
                self.timeline.after(self._trip_ns, "told", self._learn, other, self._survivors(lacks))

    def _survivors(self, messages: int) -> int:
        """Those that were not lost on the way."""
        if not self._loss:
            return messages
        kept, rest = 0, messages
        while rest:
            bit = rest & -rest
            rest ^= bit
            if self._luck.random() >= self._loss:
                kept |= bit
        return kept


def run_healing(name: str, setup: Setup, *, reflood: bool) -> BaselineResult:
    """Each half has `messages` of its own when the two hear each other again, at the time 0."""
    graph = setup.world
    assert isinstance(graph, Graph), "the registry looked"
    half = (1 << setup.messages) - 1
    have = [half << (setup.messages * side) for side in halves(graph)]
    run = _Healing(graph, have, setup, reflood=reflood)
    run.run()
    latency_s = in_seconds(run.learned_ns)
    healed = [ceil(share * run.wanted) - 1 for share in (0.95, 1.0)] if run.wanted else []
    t95_s, t100_s = [latency_s[each] if each < len(latency_s) else None for each in healed] or (None, None)
    return BaselineResult(
        name=name,
        nodes=len(graph),
        messages=2 * setup.messages,
        wanted=run.wanted,
        delivered=len(latency_s),
        transmissions=run.sent,
        link_writes=run.link_writes,
        latency_s=latency_s,
        healed_t95_s=t95_s,
        healed_t100_s=t100_s,
    )


def halves(graph: Graph) -> list[bool]:
    """A cut with a short border: as one goes from one end of the graph to the other, its first half and the rest."""
    order = list(graph.hops(list(graph.hops(0))[-1]))
    first = set(order[: len(order) // 2])
    return [node in first for node in range(len(graph))]


def _lacking(graph: Graph, have: list[int]) -> int:
    """How many messages nodes lack that somebody in their reach has."""
    lacking = 0
    seen: set[int] = set()
    for start in range(len(graph)):
        if start not in seen:
            reach = graph.hops(start)
            seen |= reach.keys()
            union = 0
            for node in reach:
                union |= have[node]
            lacking += sum((union & ~have[node]).bit_count() for node in reach)
    return lacking
