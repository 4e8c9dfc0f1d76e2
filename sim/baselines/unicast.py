"""Letters along a shortest path that everybody knows already: what routing can cost at best."""

from sim.baselines.world import BaselineResult, Graph, Setup, in_seconds
from sim.timeline import NS_PER_MS

__all__ = ["HOP_TRIES_MAX", "run_shortest_path"]

HOP_TRIES_MAX = 4
RETRY_NS = 30 * NS_PER_MS  # until a hop that was not answered is tried again; one BLE connection interval


def run_shortest_path(name: str, setup: Setup) -> BaselineResult:
    """A node sends on until the next one has it, `HOP_TRIES_MAX` times at most; answers are not counted."""
    graph = setup.world
    assert isinstance(graph, Graph), "the registry looked"
    die = setup.dice.die("baseline/messages")
    luck = setup.dice.die("baseline/air")
    trip_ns = setup.air.airtime.ns(setup.frame_bytes) + setup.air.latency_ns
    sent = wanted = 0
    latencies_ns: list[int] = []
    for _ in range(setup.messages):
        reach = graph.hops(die.randrange(len(graph)))
        others = list(reach)[1:]
        if not others:
            continue
        wanted += 1
        took_ns = tries = 0
        for _ in range(reach[die.choice(others)]):
            tries = 1
            while luck.random() < setup.loss and tries <= HOP_TRIES_MAX:
                tries += 1
            sent += min(tries, HOP_TRIES_MAX)
            took_ns += trip_ns + (tries - 1) * RETRY_NS
            if tries > HOP_TRIES_MAX:
                break
        if tries <= HOP_TRIES_MAX:
            latencies_ns.append(took_ns)
    return BaselineResult(
        name=name,
        nodes=len(graph),
        messages=setup.messages,
        wanted=wanted,
        delivered=len(latencies_ns),
        transmissions=sent,
        link_writes=sent,
        latency_s=in_seconds(latencies_ns),
    )
