"""Workers that run seeds, and what becomes of the seeds of one that dies."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import msgspec

from sim.failing.case import Case
from sim.failing.summary import Summary
from sim.failing.worker import READY, work
from sim.timeline import SimulationError

CHUNK_MAX = (
    16  # seeds handed out at once: fetching more takes 0.1 ms, and few are left over when a worker dies
)
CHUNKS_EACH = 4  # at the end chunks get smaller, so that no worker waits for another
DEATHS_MAX = 100  # of workers; more are one fault, told often enough
LOOK_S = 1.0  # at most, between two looks for a worker that hangs


@dataclass(frozen=True, slots=True)
class Order:
    """What every worker is told at its start."""

    run: str
    case: Case
    commit: str = ""
    warm_s: float = 0.0


@dataclass(eq=False)
class Worker:
    process: BaseProcess
    pipe: Connection
    seeds: deque[tuple[int, int]] = field(
        default_factory=deque[tuple[int, int]]
    )  # (place, seed): no answer yet
    since_s: float = 0.0  # it began the first of them
    ready: bool = False


class Crew:
    def __init__(self, order: Order, jobs: int, hang_s: float, clock: Callable[[], float]) -> None:
        self.deaths = 0
        self._order, self._jobs, self._hang_s, self._clock = order, jobs, hang_s, clock
        self._workers: list[Worker] = []
        self._left: deque[tuple[int, int]] = deque()

    def run(self, seeds: Sequence[int]) -> Iterator[tuple[int, Summary]]:
        """Each seed's place and summary, in the order in which they come. Fewer than all after too many deaths."""
        self._left.extend(enumerate(seeds))
        while len(self._workers) < self._jobs:
            self._hire()
        while self._left or any(worker.seeds for worker in self._workers):
            spoke = wait([worker.pipe for worker in self._workers], timeout=LOOK_S)
            for worker in list(self._workers):
                if worker.pipe in spoke:
                    yield from self._hear(worker)
                elif worker.seeds and self._clock() - worker.since_s > self._hang_s:
                    worker.process.kill()
                    yield from self._bury(worker, f"no answer for {self._hang_s:g} s; its process was ended")

    def forget_after(self, place: int) -> None:
        """Nobody need begin what was asked for later."""
        self._left = deque(each for each in self._left if each[0] < place)

    def dismiss(self) -> None:
        """Twice is harmless."""
        for worker in self._workers:
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()
        self._workers.clear()

    def _hire(self) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would share what this process has in memory
        ours, theirs = context.Pipe()
        order = self._order
        arguments = (theirs, order.run, order.case, order.commit, order.warm_s)
        process = context.Process(target=work, args=arguments, daemon=True)
        self._workers.append(Worker(process, ours, since_s=self._clock()))
        process.start()
        theirs.close()  # so that ours ends when it dies

    def _hear(self, worker: Worker) -> Iterator[tuple[int, Summary]]:
        try:
            data = worker.pipe.recv_bytes()
        except (EOFError, OSError):
            yield from self._bury(worker, "its process ended")
            return
        if data == READY:
            worker.ready = True
        else:
            summary = msgspec.msgpack.decode(data, type=Summary)
            yield worker.seeds.popleft()[0], summary
        worker.since_s = self._clock()
        if not worker.seeds:
            self._hand_seeds(worker)

    def _hand_seeds(self, worker: Worker) -> None:
        count = min(CHUNK_MAX, max(1, len(self._left) // (self._jobs * CHUNKS_EACH)), len(self._left))
        worker.seeds.extend(self._left.popleft() for _ in range(count))
        if worker.seeds:
            worker.pipe.send([seed for _, seed in worker.seeds])

    def _bury(self, worker: Worker, how: str) -> Iterator[tuple[int, Summary]]:
        self._workers.remove(worker)
        worker.process.join()
        worker.pipe.close()
        code = worker.process.exitcode
        if not worker.ready:
            raise SimulationError(
                f"a worker ended with code {code} before its first seed; run one seed to see why"
            )
        self.deaths += 1
        if worker.seeds:
            place, seed = worker.seeds.popleft()
            yield place, Summary(seed=seed, crash=f"{how}, with code {code}")
            self._left.extendleft(reversed(worker.seeds))
        if self.deaths > DEATHS_MAX:
            self._left.clear()
        elif self._left or self._workers:
            self._hire()
