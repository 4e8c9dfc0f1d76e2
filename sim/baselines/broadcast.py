"""Broadcasts by a rule of relaying, over the air."""

import struct
from functools import partial

from sim.baselines.relay import WAIT_LEAST_MS, Relay, Rule
from sim.baselines.world import BaselineResult, Graph, Setup, in_seconds
from sim.models.air import ALWAYS, Air, Windows
from sim.timeline import NS_PER_MS, Timeline

__all__ = ["run_broadcast"]

FRAME = struct.Struct("!IB")  # message, hops left; the rest of a frame is padding


class _Broadcast:
    def __init__(self, rule: Rule, setup: Setup, graph: Graph) -> None:
        self._graph = graph
        self.timeline = Timeline()
        self.air = Air(setup.air, self.timeline, setup.dice.die("baseline/air"), loss=setup.loss)
        self._die = setup.dice.die("baseline/relay")
        # Waits are made for radios that send a frame in some milliseconds; where one takes longer, so do they.
        self._ms = max(NS_PER_MS, setup.air.airtime.ns(setup.frame_bytes) // WAIT_LEAST_MS)
        self._padding = bytes(max(0, setup.frame_bytes - FRAME.size))
        self._relays = [Relay(rule) for _ in range(len(graph))]
        self._offered_ns: dict[int, int] = {}
        self.latencies_ns: list[int] = []
        self.link_writes = 0
        scan = setup.dice.die("baseline/scan")
        for node in range(len(graph)):
            windows = Windows.of_duty(setup.scan_duty, scan) if setup.scan_duty < 1 else ALWAYS
            self.air.add(partial(self._hear, node), windows=windows)
        for one, other in graph.pairs():
            self.air.meet(one, other)

    def offer(self, message: int, node: int) -> None:
        self._offered_ns[message] = self.timeline.now_ns
        self._send(node, message, self._relays[node].originate(message))

    def _hear(self, node: int, _: int, frame: bytes) -> None:
        message, hops_left = FRAME.unpack_from(frame)
        relay, timeline = self._relays[node], self.timeline
        if not relay.knows(message):
            self.latencies_ns.append(timeline.now_ns - self._offered_ns[message])
        degree = len(self._graph.near[node])
        wait = relay.hear(message, hops_left, neighbours=degree, draw=self._die.random())
        if wait is not None:
            least_ms, most_ms = wait.ms
            span_ns = self._die.randrange(least_ms * self._ms, most_ms * self._ms)
            timeline.after(span_ns, "relay", self._waited, node, message, wait.hops_left)

    def _waited(self, node: int, message: int, hops_left: int) -> None:
        if self._relays[node].waited(message):
            self._send(node, message, hops_left)

    def _send(self, node: int, message: int, hops_left: int) -> None:
        self.link_writes += len(self._graph.near[node])
        self.air.transmit(node, FRAME.pack(message, hops_left) + self._padding)


def run_broadcast(name: str, rule: Rule, setup: Setup) -> BaselineResult:
    graph = setup.world
    assert isinstance(graph, Graph), "the registry looked"
    run = _Broadcast(rule, setup, graph)
    die = setup.dice.die("baseline/messages")
    wanted = 0
    for message in range(setup.messages):
        node = die.randrange(len(graph))
        wanted += len(graph.hops(node)) - 1
        run.timeline.at(die.randrange(setup.over_ns), "offer", run.offer, message, node)
    while run.timeline.step():
        """Every broadcast dies out."""
    return BaselineResult(
        name=name,
        nodes=len(graph),
        messages=setup.messages,
        wanted=wanted,
        delivered=len(run.latencies_ns),
        transmissions=run.air.counts.get("sent", 0),
        link_writes=run.link_writes,
        latency_s=in_seconds(run.latencies_ns),
        air=dict(sorted(run.air.counts.items())),
    )
