"""A fresh process that says how a run went, for `sim.selfcheck` to compare. `python -m sim.failing.witness`."""

import contextlib
import os
import platform
import sys
from random import Random

import msgspec

from sim.failing.case import Case
from sim.failing.named import RUN_CASE, named
from sim.failing.worker import be_quiet
from sim.result import Metrics, Result
from sim.timeline import NS_PER_S, BudgetSpentError, Timeline

LINES_MAX = 200_000  # of one chunk: each event with twenty marks
STIRRED = 100_000  # small objects, of which every other goes again


class Request(msgspec.Struct, frozen=True):
    case: Case
    run: str = RUN_CASE  # names a function of a case and a timeline (or None)
    chunk: int | None = None  # to write down with full labels; the run ends behind it


class Witness(msgspec.Struct, frozen=True):
    python: str
    hash_seed: str
    digest: str
    chunks: list[str]
    events: int
    ended: str
    metrics: Metrics
    lines: list[str] = []  # of the chunk that was asked for


class Recorder(Timeline):
    """Writes down one chunk, and ends the run behind it. A kind of its own, so that others pay nothing for it."""

    def __init__(self, chunk: int) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._chunk = chunk

    def count(self, label: str) -> None:
        wanted = len(self.chunks) == self._chunk  # also the event that ends a chunk is of it
        super().count(label)
        if wanted:
            seconds, rest_ns = divmod(self.now_ns, NS_PER_S)
            self._write(f"{self.events:,} at {seconds}.{rest_ns:09} s: {label}")
            if len(self.chunks) > self._chunk:
                self.stop(BudgetSpentError("all that was to be written down is"))

    def mark(self, value: int) -> None:
        super().mark(value)
        if len(self.chunks) == self._chunk:
            self._write(f"mark {value:x}")

    def note(self, who: str, text: str) -> None:
        """Not of the digest, but it says what the events around are about."""
        super().note(who, text)
        if len(self.chunks) == self._chunk:
            self._write(f"{who}: {text}")

    def _write(self, line: str) -> None:
        if len(self.lines) < LINES_MAX:
            self.lines.append(line)


def witness_of(request: Request, hash_seed: str) -> Witness:
    """Raises what the run raises."""
    recorder = None if request.chunk is None else Recorder(request.chunk)
    result: Result = named(request.run)(request.case, recorder)
    return Witness(
        python=platform.python_version(),
        hash_seed=hash_seed,
        digest=result.digest,
        chunks=result.chunks,
        events=result.events,
        ended=result.ended,
        metrics=result.metrics,
        lines=[] if recorder is None else recorder.lines,
    )


def stir_memory(hash_seed: str) -> list[bytearray]:
    """Other objects get other addresses: what hashes by its address is then in another order in each process."""
    die = Random(hash_seed)
    stirred = [bytearray(die.randrange(500)) for _ in range(STIRRED)]
    die.shuffle(stirred)
    return stirred[: STIRRED // 2]


def main(hash_seed: str) -> None:
    be_quiet()
    stirred = stir_memory(hash_seed)
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=Request)
    with contextlib.redirect_stdout(sys.stderr):  # what a run prints is not the answer
        witness = witness_of(request, hash_seed)
    del stirred[:]
    sys.stdout.buffer.write(msgspec.json.encode(witness))


if __name__ == "__main__":
    main(os.environ.get("PYTHONHASHSEED", "random"))
