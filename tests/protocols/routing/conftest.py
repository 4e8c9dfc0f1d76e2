"""Routers in one process and in virtual time, joined by wires that delay, repeat and overtake."""

from collections.abc import Callable
from heapq import heappop, heappush
from math import hypot, sqrt
from random import Random

import pytest

from protocols.ids import NodeId
from protocols.keys import Identity
from protocols.routing import Event, Hop, Router, RoutingLimits

MS, S = 1_000_000, 1_000_000_000
BLE = 20_000  # bytes per second
HOPS_MAX = 128
IDENTITIES: dict[int, Identity] = {}


class Net:
    """`late`: share of the bodies that are lost at first, and repeated (so overtaken) up to 2 s later."""

    def __init__(
        self, size: int, *, seed: object = 1, late: float = 0.0, limits: RoutingLimits | None = None
    ) -> None:
        self.die = Random(f"{seed}/net")
        self.now_ns = 0
        self.late = late
        self.identities = [Identity.from_seed(i.to_bytes(32, "big")) for i in range(size)]
        self.ids: list[NodeId] = [identity.node_id for identity in self.identities]
        self.number = {node: i for i, node in enumerate(self.ids)}
        self.limits = limits or RoutingLimits()
        self.seed = seed
        self.routers = [self.make(i) for i in range(size)]
        self.links: dict[tuple[int, int], int] = {}  # (i, j) with i < j -> generation
        self.around: list[list[int]] = [[] for _ in range(size)]
        self.events: list[list[Event]] = [[] for _ in range(size)]
        self.bytes_out = self.bodies_out = 0
        self.generation = 0
        self.due: list[int | None] = [None] * size
        self.heap: list[tuple[int, int, Callable[[], None]]] = []
        self.ticket = 0
        self.routed_lost = 0

    def make(self, i: int) -> Router:
        return Router(
            self.identities[i],
            die=Random(f"{self.seed}/{i}/{self.now_ns}"),
            wall_ms=lambda: 1_700_000_000_000 + self.now_ns // MS,
            limits=self.limits,
        )

    def at(self, when_ns: int, action: Callable[[], None]) -> None:
        self.ticket += 1
        heappush(self.heap, (when_ns, self.ticket, action))

    def link(
        self, i: int, j: int, *, cost: int = 16, width: int = 12, rate: int = BLE, transit: bool = True
    ) -> None:
        i, j = sorted((i, j))
        self.generation += 1
        self.links[i, j] = self.generation
        for a, b in ((i, j), (j, i)):
            self.around[a].append(b)
            self.routers[a].neighbour_up(
                self.ids[b], cost=cost, width=width, bytes_per_s=rate, transit=transit, now_ns=self.now_ns
            )
        self.settle(i)
        self.settle(j)

    def cut(self, i: int, j: int) -> None:
        i, j = sorted((i, j))
        del self.links[i, j]
        for a, b in ((i, j), (j, i)):
            self.around[a].remove(b)
            self.routers[a].neighbour_down(self.ids[b], now_ns=self.now_ns)
        self.settle(i)
        self.settle(j)

    def restart(self, i: int) -> None:
        """The process dies and comes back; its neighbours see the link go and come."""
        around = list(self.around[i])
        for j in around:
            self.cut(i, j)
        self.routers[i] = self.make(i)
        for j in around:
            self.link(i, j)

    def settle(self, i: int) -> None:
        router = self.routers[i]
        for peer, body in router.outgoing(now_ns=self.now_ns):
            self.send(i, self.number[peer], body)
        for destination, body in router.outgoing_routed():
            self.forward(i, i, destination, body)
        due_ns = router.next_timeout()
        if due_ns is not None and due_ns != self.due[i]:
            self.due[i] = due_ns
            self.at(max(due_ns, self.now_ns), lambda: self.wake(i, due_ns))

    def wake(self, i: int, due_ns: int) -> None:
        if self.due[i] == due_ns:
            self.due[i] = None
            self.events[i] += self.routers[i].handle_timeout(now_ns=self.now_ns)
            self.settle(i)

    def send(self, i: int, j: int, body: bytes) -> None:
        assert len(body) <= 1_000
        self.bytes_out += len(body)
        self.bodies_out += 1
        generation = self.links[min(i, j), max(i, j)]
        delay_ns = self.die.randint(5 * MS, 30 * MS)
        if self.late and self.die.random() < self.late:
            delay_ns += self.die.randint(100 * MS, 2_000 * MS)
        self.at(self.now_ns + delay_ns, lambda: self.hear(i, j, body, generation))

    def hear(self, i: int, j: int, body: bytes, generation: int) -> None:
        if self.links.get((min(i, j), max(i, j))) == generation:
            self.events[j] += self.routers[j].receive(self.ids[i], body, now_ns=self.now_ns)
            self.settle(j)

    def forward(self, source: int, at: int, destination: NodeId, body: bytes) -> None:
        """A routed control envelope, carried at once along the way that the routers give."""
        path = self.walk(at, destination, source=source)
        if path is None:
            self.routed_lost += 1
            return
        end = self.number[destination]
        self.at(self.now_ns + 20 * MS * len(path), lambda: self.arrive(source, end, body))

    def arrive(self, source: int, i: int, body: bytes) -> None:
        self.events[i] += self.routers[i].receive_routed(self.ids[source], body, now_ns=self.now_ns)
        self.settle(i)

    def walk(
        self, start: int, destination: NodeId, *, source: int | None = None, no_route: bool = True
    ) -> list[int] | None:
        """The nodes that an envelope passes, the first and the last included; None where it gets lost."""
        path: list[int] = [start]
        via: NodeId | None = None
        came: int | None = None
        while self.ids[path[-1]] != destination:
            here = path[-1]
            if source is not None and came is not None:
                self.routers[here].passed(self.ids[source], self.ids[came], now_ns=self.now_ns)
            hop: Hop | None = self.routers[here].next_hop(
                destination, via=via, avoid=() if came is None else (self.ids[came],), now_ns=self.now_ns
            )
            if hop is None or len(path) > HOPS_MAX:
                if no_route and here != start:
                    self.routers[here].no_route(self.ids[start], destination)
                    self.settle(here)
                return None
            via, came = hop.via, here
            path.append(self.number[hop.neighbour])
        return path

    def run(self, seconds: float) -> None:
        end_ns = self.now_ns + int(seconds * S)
        while self.heap and self.heap[0][0] <= end_ns:
            self.now_ns, _, action = heappop(self.heap)
            action()
        self.now_ns = end_ns

    # -- judging ----------------------------------------------------------------------------------------------

    def distances(self, start: int) -> dict[int, int]:
        """Hops, by breadth first."""
        seen, ring = {start: 0}, [start]
        while ring:
            nearer: list[int] = ring
            ring = list[int]()
            for i in nearer:
                for j in self.around[i]:
                    if j not in seen:
                        seen[j] = seen[i] + 1
                        ring.append(j)
        return seen

    def has_loop(self) -> bool:
        """Whether somewhere the ways to one destination close a circle, the alternatives included."""
        for destination in self.ids:
            edges: dict[int, list[int]] = {}
            for i, router in enumerate(self.routers):
                if self.ids[i] != destination:
                    edges[i] = [self.number[hop] for hop in every_hop(router, destination, self.now_ns)]
            if is_circular(edges):
                return True
        return False

    def field(self, degree: float = 8.0, *, seed: object = 1) -> None:
        """Link the routers as a random geometric graph."""
        die, size = Random(f"{seed}/field"), len(self.ids)
        side = sqrt(size * 3.141592653589793 / degree)
        places = [(die.random() * side, die.random() * side) for _ in range(size)]
        self.join(places)

    def join(self, places: list[tuple[float, float]]) -> None:
        for i, j in sorted(near_pairs(places)):
            self.link(i, j)


def near_pairs(places: list[tuple[float, float]]) -> set[tuple[int, int]]:
    """Pairs that are less than 1 apart."""
    cells: dict[tuple[int, int], list[int]] = {}
    for i, (x, y) in enumerate(places):
        cells.setdefault((int(x), int(y)), []).append(i)
    pairs: set[tuple[int, int]] = set()
    for (cx, cy), inside in cells.items():
        around = [j for dx in (-1, 0, 1) for dy in (-1, 0, 1) for j in cells.get((cx + dx, cy + dy), ())]
        for i in inside:
            for j in around:
                if i < j and hypot(places[i][0] - places[j][0], places[i][1] - places[j][1]) < 1.0:
                    pairs.add((i, j))
    return pairs


def every_hop(router: Router, destination: NodeId, now_ns: int) -> list[NodeId]:
    hops: list[NodeId] = []
    while (hop := router.next_hop(destination, via=None, avoid=hops, now_ns=now_ns)) is not None:
        hops.append(hop.neighbour)
    return hops


def is_circular(edges: dict[int, list[int]]) -> bool:
    done: set[int] = set()
    for start, ways in edges.items():
        on_path: dict[int, int] = {}
        stack = [(start, iter(ways))] if start not in done else []
        if stack:
            on_path[start] = 1
        while stack:
            node, rest = stack[-1]
            for other in rest:
                if other in on_path:
                    return True
                if other not in done and other in edges:
                    on_path[other] = 1
                    stack.append((other, iter(edges[other])))
                    break
            else:
                stack.pop()
                on_path.pop(node, None)
                done.add(node)
    return False


@pytest.fixture
def make_net() -> Callable[..., Net]:
    return Net


def make_landmark(net: Net, i: int) -> None:
    """As an election would."""
    router = net.routers[i]
    router._landmarks._set(is_landmark=True)
    router._landmarks.check()
    net.settle(i)


@pytest.fixture
def landmark() -> Callable[[Net, int], None]:
    return make_landmark
