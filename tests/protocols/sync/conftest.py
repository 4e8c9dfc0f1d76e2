"""A town of Commons on a graph: links that lose frames, sessions that repeat control bodies, and one heap of time."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import pi, sqrt
from random import Random

import pytest

from protocols.envelope import TrafficClass, decode_envelope
from protocols.keys import Identity
from protocols.routing.broadcast import BroadcastLimits, make_broadcast
from protocols.sync import Commons, Suspicious, SyncLimits
from sim.crypto import HashSuite

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
WALL_MS = 1_800_000_000_000
TRIP_NS = 5 * NS_PER_MS
REPEAT_NS = 200 * NS_PER_MS  # until a lost control body goes again
LIFE_MS = 6 * 3_600_000


def geometric(nodes: int, degree: float, die: Random) -> list[list[int]]:
    """Points in a square, neighbours where they are near: so many on average."""
    places = [(die.random(), die.random()) for _ in range(nodes)]
    reach = sqrt(degree / (pi * nodes))
    near: list[list[int]] = []
    for _ in range(8):  # the edges of the square cost neighbours; a little more reach makes up for them
        near = _near(places, reach)
        reach *= sqrt(degree * nodes / max(1, sum(map(len, near))))
    return near


def _near(places: list[tuple[float, float]], reach: float) -> list[list[int]]:
    fields: dict[tuple[int, int], list[int]] = {}
    for node, (x, y) in enumerate(places):
        fields.setdefault((int(x / reach), int(y / reach)), []).append(node)
    near: list[list[int]] = []
    for x, y in places:
        column, row = int(x / reach), int(y / reach)
        around = [
            other
            for dx in (-1, 0, 1)
            for dy in (-1, 0, 1)
            for other in fields.get((column + dx, row + dy), ())
            if 0 < (places[other][0] - x) ** 2 + (places[other][1] - y) ** 2 <= reach * reach
        ]
        near.append(sorted(around))
    return near


def in_reach(near: Sequence[Sequence[int]], start: int) -> list[int]:
    """Nearest first."""
    found, row = {start: None}, [start]
    for node in row:
        for other in near[node]:
            if other not in found:
                found[other] = None
                row.append(other)
    return row


@dataclass
class Town:
    near: list[list[int]]
    seed: str
    loss: float = 0.1
    now_ns: int = 0
    flood: BroadcastLimits = field(default_factory=BroadcastLimits)
    sync: SyncLimits = field(default_factory=SyncLimits)
    syncs: bool = True  # False: no SYNC body gets anywhere

    def __post_init__(self) -> None:
        suite = HashSuite()
        self.identities = [
            Identity(hashlib.sha256(f"{self.seed}/{node}".encode()).digest(), suite)
            for node in range(len(self.near))
        ]
        self.ids = [identity.node_id for identity in self.identities]
        self.index = {peer: node for node, peer in enumerate(self.ids)}
        self.nodes = [
            Commons(
                peer,
                flood_die=Random(f"{self.seed}/flood/{node}"),
                sync_die=Random(f"{self.seed}/sync/{node}"),
                wall_ms=self.wall_ms,
                suite=suite,
                flood=self.flood,
                sync=self.sync,
            )
            for node, peer in enumerate(self.ids)
        ]
        self.heard: dict[bytes, dict[int, int]] = {}  # broadcast -> node -> when
        self.suspicions: list[tuple[int, Suspicious]] = []
        self.control_bytes = self.control_bodies = 0
        self.links: dict[tuple[int, int], None] = {}
        self._air = Random(f"{self.seed}/air")
        self._salt = 0
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._ticket = 0
        self._wakes: dict[int, int] = {}

    def wall_ms(self) -> int:
        return WALL_MS + self.now_ns // NS_PER_MS

    # -- links ------------------------------------------------------------------------------------------------

    def connect(self, one: int, other: int) -> None:
        for here, there in ((one, other), (other, one)):
            self.links[here, there] = None
            self.nodes[here].neighbour_up(self.ids[there], now_ns=self.now_ns)
            self.settle(here)

    def connect_all(self, allowed: Callable[[int, int], bool] = lambda _one, _other: True) -> None:
        for one, row in enumerate(self.near):
            for other in row:
                if one < other and (one, other) not in self.links and allowed(one, other):
                    self.connect(one, other)

    # -- broadcasts -------------------------------------------------------------------------------------------

    def make(
        self,
        node: int,
        *,
        text: str = "hello",
        hops: int = 0,
        traffic: int = TrafficClass.INTERACTIVE,
        life_ms: int = LIFE_MS,
    ) -> bytes:
        self._salt += 1
        return make_broadcast(
            self.identities[node],
            kind="text",
            body=text.encode(),
            at_ms=self.wall_ms(),
            expires_ms=self.wall_ms() + life_ms,
            traffic=traffic,
            salt=self._salt.to_bytes(8, "big"),
            hops=hops,
        )

    def shout(self, node: int, frame: bytes | None = None) -> bytes:
        """Gives its id."""
        frame = frame or self.make(node)
        self.heard[frame[4:20]] = {node: self.now_ns}
        self.nodes[node].shout(frame, now_ns=self.now_ns)
        self.settle(node)
        return frame[4:20]

    @property
    def relays(self) -> int:
        return sum(node.flood.relays for node in self.nodes)

    @property
    def sends(self) -> int:
        return sum(node.flood.sends for node in self.nodes)

    @property
    def given(self) -> int:
        return sum(node.sync.counts["frames_given"] for node in self.nodes)

    # -- time -------------------------------------------------------------------------------------------------

    def at(self, when_ns: int, work: Callable[[], None]) -> None:
        self._ticket += 1
        heappush(self._heap, (when_ns, self._ticket, work))

    def run(self, span_ns: int) -> None:
        end_ns = self.now_ns + span_ns
        while self._heap and self._heap[0][0] <= end_ns:
            self.now_ns, _, work = heappop(self._heap)
            work()
        self.now_ns = end_ns

    def settle(self, node: int) -> None:
        """What it has to say goes out; when it next wants to be woken is noted."""
        commons = self.nodes[node]
        for peer, frame in commons.outgoing(now_ns=self.now_ns):
            self._send(node, self.index[peer], frame)
        for peer, body in commons.bodies():
            self._tell(node, self.index[peer], body)
        due_ns = commons.next_timeout()
        if due_ns is not None and due_ns < self._wakes.get(node, 1 << 62):
            self._wakes[node] = due_ns
            self.at(max(due_ns, self.now_ns), lambda: self._wake(node, due_ns))

    def _wake(self, node: int, due_ns: int) -> None:
        if self._wakes.get(node) != due_ns:
            return
        del self._wakes[node]
        self.suspicions += [(node, each) for each in self.nodes[node].handle_timeout(now_ns=self.now_ns)]
        self.settle(node)

    def _send(self, here: int, there: int, frame: bytes) -> None:
        if self._air.random() >= self.loss:
            self.at(self.now_ns + TRIP_NS, lambda: self._arrive(here, there, frame))

    def _arrive(self, here: int, there: int, frame: bytes) -> None:
        envelope = decode_envelope(frame)
        found = self.nodes[there].receive(self.ids[here], envelope, frame, now_ns=self.now_ns)
        if found is not None:
            self.heard.setdefault(found.id, {}).setdefault(there, self.now_ns)
        self.settle(there)

    def _tell(self, here: int, there: int, body: bytes) -> None:
        assert len(body) <= 1_000
        if not self.syncs:
            return
        self.control_bytes += len(body)
        self.control_bodies += 1
        lost_ns = 0
        while self._air.random() < self.loss:
            lost_ns += REPEAT_NS
        self.at(self.now_ns + TRIP_NS + lost_ns, lambda: self._told(here, there, body))

    def _told(self, here: int, there: int, body: bytes) -> None:
        events = self.nodes[there].receive_sync(self.ids[here], body, now_ns=self.now_ns)
        self.suspicions += [(there, each) for each in events]
        self.settle(there)


@pytest.fixture
def new_town() -> Callable[..., Town]:
    """On a graph that is given, or on a random geometric one of so many nodes and neighbours."""

    def make(
        near: list[list[int]] | None = None,
        *,
        nodes: int = 0,
        degree: float = 8,
        seed: int = 1,
        **more: object,
    ) -> Town:
        found = near if near is not None else geometric(nodes, degree, Random(f"{seed}/places"))
        return Town(found, str(seed), **more)  # pyright: ignore[reportArgumentType] - as the test names them

    return make
