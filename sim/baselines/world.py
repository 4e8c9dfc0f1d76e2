"""What a baseline runs on and what it gives."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil

from sim.dice import Dice
from sim.models.air import AirKind
from sim.models.movement import ContactTrace
from sim.timeline import NS_PER_S

__all__ = ["BaselineResult", "Graph", "Setup", "World"]


@dataclass(frozen=True, slots=True)
class Graph:
    """Who hears whom, while nobody moves."""

    near: tuple[tuple[int, ...], ...]  # of each node, its neighbours, sorted

    @classmethod
    def of(cls, nodes: int, pairs: Iterable[tuple[int, int]]) -> "Graph":
        near: list[set[int]] = [set() for _ in range(nodes)]
        for one, other in pairs:
            near[one].add(other)
            near[other].add(one)
        return cls(tuple(tuple(sorted(each)) for each in near))

    def __len__(self) -> int:
        return len(self.near)

    def hops(self, start: int) -> dict[int, int]:
        """Those in reach, nearest first, each with its distance."""
        found, row = {start: 0}, deque([start])
        while row:
            node = row.popleft()
            for other in self.near[node]:
                if other not in found:
                    found[other] = found[node] + 1
                    row.append(other)
        return found

    def pairs(self) -> Iterable[tuple[int, int]]:
        return ((one, other) for one, row in enumerate(self.near) for other in row if one < other)


World = Graph | ContactTrace


@dataclass(frozen=True, slots=True)
class Setup:
    world: World
    messages: int
    loss: float  # of each transmission, at each receiver
    dice: Dice
    air: AirKind
    scan_duty: float  # share of the time that each listens, in windows of its own phase
    over_ns: int  # messages are offered evenly over so long
    lifetime_ns: int  # of a message that is carried
    frame_bytes: int


@dataclass(frozen=True, slots=True)
class BaselineResult:
    """`wanted`: deliveries that are possible at all: nodes in reach of a broadcast, or one for each letter."""

    name: str
    nodes: int
    messages: int
    wanted: int
    delivered: int
    transmissions: int
    link_writes: int  # the same over links, which have no broadcast: one to each neighbour
    latency_s: Sequence[float]  # of each delivery, sorted
    healed_t95_s: float | None = None  # until 95 % of what was missing after a partition was there
    healed_t100_s: float | None = None
    air: dict[str, int] = field(default_factory=dict[str, int])  # what became of receptions

    @property
    def delivery(self) -> float:
        return self.delivered / self.wanted if self.wanted else 1.0

    @property
    def tx_per_delivery(self) -> float | None:
        return self.transmissions / self.delivered if self.delivered else None

    @property
    def links_per_delivery(self) -> float | None:
        return self.link_writes / self.delivered if self.delivered else None

    def latency_at_s(self, share: float) -> float | None:
        """Nearest rank."""
        ordered = self.latency_s
        return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None

    def metrics(self) -> dict[str, float]:
        """As a run's metrics are named; without what there is none of."""
        found = {
            "delivery": self.delivery,
            "transmissions": float(self.transmissions),
            "tx_per_delivery": self.tx_per_delivery,
            "links_per_delivery": self.links_per_delivery,
            "latency_p50_s": self.latency_at_s(0.5),
            "latency_p95_s": self.latency_at_s(0.95),
            "healed_t95_s": self.healed_t95_s,
            "healed_t100_s": self.healed_t100_s,
        }
        return {name: value for name, value in found.items() if value is not None}


def in_seconds(spans_ns: Iterable[int]) -> list[float]:
    return [span_ns / NS_PER_S for span_ns in sorted(spans_ns)]
