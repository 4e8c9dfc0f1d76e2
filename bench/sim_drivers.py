"""What a driver of simulated nodes costs by itself: one small workload on four of them.

Nodes stand on a random geometric graph of degree 8. Each parses a header of 29 and a body of 100 bytes, remembers
ids, waits 10 to 220 ms and relays, seven hops at most; it says hello each 25 to 35 s; 5 % of what is sent is lost at
each receiver. Every driver must see the same receptions at the same nanoseconds.

python -m bench.sim_drivers timeline|simloop|simpy|asyncio NODES SECONDS    prints one line of JSON
"""

import argparse
import asyncio
import heapq
import importlib
import json
import resource
import selectors
import struct
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from functools import partial
from random import Random
from typing import Any

from sim.baselines import Graph
from sim.dice import Dice
from sim.loop import SimLoop
from sim.models.movement import contacts, random_geometric
from sim.timeline import NS_PER_MS, NS_PER_S, Timeline

DEGREE, RANGE_M = 8.0, 30.0
HEADER = struct.Struct("!BBBB16sQB")  # version, kind, hops left, flags, id, sent at, length
BODY_BYTES = 100
HELLO, NEWS = 1, 2
HOPS_MAX = 7
LOSS = 0.05
NODES_PER_MESSAGE = 50
MASK = (1 << 64) - 1

Frame = bytes
Due = tuple[int, int, Frame | None]  # when, ticket, what is relayed; None: the next hello


class Tally:
    """What all nodes did; the checksum does not depend on the order in which it is told of it."""

    def __init__(self) -> None:
        self.received = self.sent = self.delivered = self.rings = self.checksum = 0

    def note(self, now_ns: int, node: int) -> None:
        self.checksum = (self.checksum + (now_ns * 0x9E3779B97F4A7C15 ^ node * 0xC2B2AE3D27D4EB4F)) & MASK

    @property
    def events(self) -> int:
        return self.received + self.rings


class Node:
    """Sans-IO: it is told what came and what rang, and says what it sends and when it wants to be woken."""

    __slots__ = ("_die", "_seen", "_tally", "near", "number")

    def __init__(self, number: int, near: tuple[int, ...], tally: Tally) -> None:
        self.number, self.near, self._tally = number, near, tally
        self._die = Random(f"node/{number}")
        self._seen: set[bytes] = set()

    def first_hello_ns(self) -> int:
        return self._die.randrange(30 * NS_PER_S)

    def hello_ns(self) -> int:
        return self._die.randrange(25 * NS_PER_S, 35 * NS_PER_S)

    def speak(self, kind: int, now_ns: int) -> Frame:
        name = self._die.getrandbits(128).to_bytes(16, "big")
        self._seen.add(name)
        return HEADER.pack(1, kind, HOPS_MAX, 0, name, now_ns, BODY_BYTES) + bytes(BODY_BYTES)

    def hear(self, frame: Frame, now_ns: int) -> tuple[int, Frame] | None:
        """How long to wait before which frame is relayed."""
        tally = self._tally
        tally.received += 1
        tally.note(now_ns, self.number)
        version, kind, hops, flags, name, sent_ns, length = HEADER.unpack_from(frame)
        if version != 1 or len(frame) != HEADER.size + length or kind == HELLO or name in self._seen:
            return None
        self._seen.add(name)
        tally.delivered += 1
        if hops <= 1:
            return None
        body = frame[HEADER.size :]
        relayed = HEADER.pack(version, kind, hops - 1, flags, name, sent_ns, length) + body
        return self._die.randrange(10 * NS_PER_MS, 220 * NS_PER_MS), relayed

    def reach(self) -> Iterator[tuple[int, int]]:
        """Who receives what it sends now, and after how long."""
        die, self._tally.sent = self._die, self._tally.sent + 1
        for other in self.near:
            if die.random() >= LOSS:
                yield other, die.randrange(5 * NS_PER_MS, 15 * NS_PER_MS)


class Crowd:
    def __init__(self, count: int, seconds: int) -> None:
        ground = random_geometric(Dice(7).die("place"), count, degree=DEGREE, range_m=RANGE_M)
        graph = Graph.of(count, contacts(ground.positions, RANGE_M))
        self.tally, self.end_ns = Tally(), seconds * NS_PER_S
        self.nodes = [Node(number, near, self.tally) for number, near in enumerate(graph.near)]
        die = Random("messages")
        self.messages = sorted(
            (die.randrange(self.end_ns), die.randrange(count))
            for _ in range(max(1, count // NODES_PER_MESSAGE))
        )


# -- our heap ---------------------------------------------------------------------------------------------------


def on_timeline(crowd: Crowd) -> None:
    timeline, tally, nodes = Timeline(), crowd.tally, crowd.nodes

    def send(node: Node, frame: Frame) -> None:
        for other, delay_ns in node.reach():
            timeline.after(delay_ns, "rx", hear, nodes[other], frame)

    def hear(node: Node, frame: Frame) -> None:
        relay = node.hear(frame, timeline.now_ns)
        if relay is not None:
            timeline.after(relay[0], "relay", ring, node, relay[1])

    def ring(node: Node, frame: Frame) -> None:
        tally.rings += 1
        send(node, frame)

    def hello(node: Node) -> None:
        ring(node, node.speak(HELLO, timeline.now_ns))
        timeline.after(node.hello_ns(), "hello", hello, node)

    def news(node: Node) -> None:
        ring(node, node.speak(NEWS, timeline.now_ns))

    for node in nodes:
        timeline.at(node.first_hello_ns(), "hello", hello, node)
    for when_ns, number in crowd.messages:
        timeline.at(when_ns, "news", news, nodes[number])
    timeline.run(crowd.end_ns)


# -- an asyncio loop, a task for each node ----------------------------------------------------------------------


class Life:
    """One node's task: it sleeps until a frame comes or a timer is due."""

    def __init__(self, crowd: Crowd, node: Node, loop: asyncio.AbstractEventLoop) -> None:
        self._crowd, self._node, self._loop = crowd, node, loop
        self.inbox: deque[Frame] = deque()
        self.lives: list[Life] = []
        self._timers: list[Due] = []
        self._tickets = 0
        self._waker: asyncio.Future[None] | None = None

    def now_ns(self) -> int:
        return round(self._loop.time() * NS_PER_S)

    def place(self, when_ns: int, frame: Frame | None) -> None:
        self._tickets += 1
        heapq.heappush(self._timers, (when_ns, self._tickets, frame))

    def arrive(self, frame: Frame) -> None:
        self.inbox.append(frame)
        self.wake()

    def speak_up(self) -> None:
        self._ring(self._node.speak(NEWS, self.now_ns()))

    def wake(self) -> None:
        if self._waker is not None and not self._waker.done():
            self._waker.set_result(None)

    async def live(self) -> None:
        node = self._node
        self.place(node.first_hello_ns(), None)
        while True:
            self._waker = self._loop.create_future()
            timer = self._loop.call_at(self._timers[0][0] / NS_PER_S, self.wake)
            await self._waker
            timer.cancel()
            now_ns = self.now_ns()
            while self.inbox:
                relay = node.hear(self.inbox.popleft(), now_ns)
                if relay is not None:
                    self.place(now_ns + relay[0], relay[1])
            while self._timers[0][0] <= now_ns:
                _, _, frame = heapq.heappop(self._timers)
                self._ring(node.speak(HELLO, now_ns) if frame is None else frame)
                if frame is None:
                    self.place(now_ns + node.hello_ns(), None)

    def _ring(self, frame: Frame) -> None:
        self._crowd.tally.rings += 1
        now_ns = self.now_ns()
        for other, delay_ns in self._node.reach():
            self._loop.call_at((now_ns + delay_ns) / NS_PER_S, self.lives[other].arrive, frame)


async def live_all(crowd: Crowd) -> None:
    loop = asyncio.get_running_loop()
    lives = [Life(crowd, node, loop) for node in crowd.nodes]
    for life in lives:
        life.lives = lives
    for when_ns, number in crowd.messages:
        loop.call_at(when_ns / NS_PER_S, lives[number].speak_up)
    tasks = [loop.create_task(life.live()) for life in lives]
    over = loop.create_future()
    loop.call_at(crowd.end_ns / NS_PER_S, over.set_result, None)
    await over
    for task in tasks:
        task.cancel()


def on_simloop(crowd: Crowd) -> None:
    loop = SimLoop(Timeline())
    loop.run_until_complete(live_all(crowd))
    loop.put_away()


class Jumping(selectors.DefaultSelector):
    """Where it would wait, time passes."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        found = super().select(0)
        if not found:
            assert timeout is not None, "everybody waits for somebody else"
            self.now_s += timeout
        return found


class JumpingLoop(asyncio.SelectorEventLoop):
    """Plain asyncio, but for its clock."""

    def __init__(self) -> None:
        self._jumping = Jumping()
        super().__init__(self._jumping)
        self._clock_resolution = 1 / NS_PER_S / 4  # two timers a nanosecond apart are two

    def time(self) -> float:
        return self._jumping.now_s


def on_asyncio(crowd: Crowd) -> None:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(live_all(crowd))


# -- simpy ------------------------------------------------------------------------------------------------------


def on_simpy(crowd: Crowd) -> None:
    """A process for each node, one for each of its timers, a store for its inbox: as its guide has it."""
    simpy: Any = importlib.import_module("simpy")
    world: Any = simpy.Environment(initial_time=0)
    nodes, tally = crowd.nodes, crowd.tally
    inboxes: list[Any] = [simpy.Store(world) for _ in nodes]

    def ring(node: Node, frame: Frame) -> None:
        tally.rings += 1
        for other, delay_ns in node.reach():
            world.timeout(delay_ns, frame).callbacks.append(partial(arrive, inboxes[other]))

    def arrive(inbox: Any, flight: Any) -> None:
        inbox.put(flight.value)

    def live(node: Node) -> Generator[Any, Frame, None]:
        inbox = inboxes[node.number]
        while True:
            frame = yield inbox.get()
            relay = node.hear(frame, world.now)
            if relay is not None:
                world.process(wait(node, *relay))

    def wait(node: Node, span_ns: int, frame: Frame) -> Iterator[Any]:
        yield world.timeout(span_ns)
        ring(node, frame)

    def greet(node: Node) -> Iterator[Any]:
        yield world.timeout(node.first_hello_ns())
        while True:
            ring(node, node.speak(HELLO, world.now))
            yield world.timeout(node.hello_ns())

    def tell() -> Iterator[Any]:
        for when_ns, number in crowd.messages:
            yield world.timeout(when_ns - world.now)
            ring(nodes[number], nodes[number].speak(NEWS, world.now))

    for node in nodes:
        world.process(live(node))
        world.process(greet(node))
    world.process(tell())
    world.run(until=crowd.end_ns + 1)


DRIVERS: dict[str, Callable[[Crowd], None]] = {
    "timeline": on_timeline,
    "simloop": on_simloop,
    "asyncio": on_asyncio,
    "simpy": on_simpy,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.sim_drivers", description=__doc__)
    parser.add_argument("driver", choices=DRIVERS)
    parser.add_argument("nodes", type=int)
    parser.add_argument("seconds", type=int)
    options = parser.parse_args()
    crowd = Crowd(options.nodes, options.seconds)
    begun_s = time.process_time()
    DRIVERS[options.driver](crowd)
    took_s = time.process_time() - begun_s
    tally = crowd.tally
    print(
        json.dumps(
            {
                "events": tally.events,
                "events_per_s": tally.events / took_s,
                "cpu_s": took_s,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "received": tally.received,
                "sent": tally.sent,
                "delivered": tally.delivered,
                "checksum": f"{tally.checksum:016x}",
            }
        )
    )


if __name__ == "__main__":
    main()
