"""Is a run the same in every process? Two or more run it, each with another hash seed; their digests must be one.

Where they are not, the first chunk of 10,000 events that differs is run again with full labels, and the first line
that differs is shown.
"""

import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import msgspec

from protocols.errors import RefusedError, SettingsError
from sim.failing.case import Case
from sim.failing.named import RUN_CASE
from sim.failing.witness import Request, Witness
from sim.timeline import CHUNK

WITNESS = "sim.failing.witness"
HASH_SEEDS = ("1", "2")
AT_ONCE = 2  # processes; a larger world needs its memory in each
WALL_S_MAX = 7_200.0  # for one process: twice what a scenario gives a run by itself
ANSWER_BYTES_MAX = 64 << 20
ERROR_BYTES_MAX = 2_000
CONTEXT = 5  # lines shown before the first that differs


@dataclass(frozen=True, slots=True)
class Difference:
    before: tuple[str, ...]  # the same in both
    one: str
    other: str


@dataclass(frozen=True, slots=True)
class Verdict:
    case: Case
    witnesses: tuple[Witness, ...]
    differs: tuple[int, int] | None = None  # the first two of them that disagree
    chunk: int | None = None  # the first that differs, from 0; None: only what was measured does
    difference: Difference | None = None  # None though a chunk differs: it did not when it was run again

    @property
    def same(self) -> bool:
        return self.differs is None


def selfcheck(
    case: Case,
    *,
    pythons: Sequence[str] = (sys.executable,),
    hash_seeds: Sequence[str] = HASH_SEEDS,
    run: str = RUN_CASE,
    paths: Sequence[str] = (),
) -> Verdict:
    """Each interpreter with each hash seed, a few processes at a time. `run` names a function of a case and a timeline,
    `paths` where it is found beside this package. Raises RefusedError, with its last words, for a process that ends
    without an answer.
    """
    ways = [(python, hash_seed) for python in pythons for hash_seed in hash_seeds]
    assert len(ways) >= 2, "one run has nothing to be compared with"
    witnesses = _witnesses(ways, Request(case, run), paths)
    one = witnesses[0]
    index = next((index for index, other in enumerate(witnesses) if _told(other) != _told(one)), None)
    if index is None:
        return Verdict(case, tuple(witnesses))
    other = witnesses[index]
    if other.digest == one.digest:
        return Verdict(case, tuple(witnesses), (0, index))
    chunk = first_difference(one.chunks, other.chunks)
    again = _witnesses([ways[0], ways[index]], Request(case, run, chunk), paths)
    difference = _first_line(again[0].lines, again[1].lines)
    return Verdict(case, tuple(witnesses), (0, index), chunk, difference)


def _told(witness: Witness) -> tuple[object, ...]:
    return witness.digest, witness.chunks, witness.metrics


def first_difference(one: Sequence[str], other: Sequence[str]) -> int:
    """Their length where all that both have is the same: then it is the chunk that did not become full."""
    for index, (mine, theirs) in enumerate(zip(one, other, strict=False)):
        if mine != theirs:
            return index
    return min(len(one), len(other))


def _first_line(one: Sequence[str], other: Sequence[str]) -> Difference | None:
    for index, (mine, theirs) in enumerate(zip_longest(one, other, fillvalue="(no more)")):
        if mine != theirs:
            return Difference(tuple(one[max(0, index - CONTEXT) : index]), mine, theirs)
    return None


def verdict_text(verdict: Verdict) -> str:
    case, witnesses = verdict.case, verdict.witnesses
    head = f"{case.scenario}, seed {case.seed}"
    if verdict.differs is None:
        first = witnesses[0]
        return (
            f"{head}: the same in {len(witnesses)} processes; {first.events:,} events, digest {first.digest}"
        )
    one, other = (witnesses[index] for index in verdict.differs)
    lines = [f"{head}: NOT the same"]
    lines += [
        f"  Python {each.python}, hash seed {each.hash_seed}: {each.events:,} events, digest {each.digest}, {each.ended}"
        for each in (one, other)
    ]
    if verdict.chunk is None:
        names = [
            name
            for name in {**one.metrics, **other.metrics}
            if one.metrics.get(name) != other.metrics.get(name)
        ]
        return "\n".join(
            [*lines, f"  all events are the same, but not what was measured: {', '.join(names)}"]
        )
    lines.append(
        f"  the first chunk that differs is {verdict.chunk}: some {CHUNK:,} events from {verdict.chunk * CHUNK + 1:,} on"
    )
    if verdict.difference is None:
        lines.append("  run again it was the same: what differs is not of the hash seed alone")
    else:
        lines += [f"    {line}" for line in verdict.difference.before]
        lines += [f"  1 {verdict.difference.one}", f"  2 {verdict.difference.other}"]
    return "\n".join(lines)


def _witnesses(ways: Sequence[tuple[str, str]], request: Request, paths: Sequence[str]) -> list[Witness]:
    found: list[Witness] = []
    for index in range(0, len(ways), AT_ONCE):
        with ExitStack() as stack:
            started = [
                stack.enter_context(_process(python, hash_seed, request, paths))
                for python, hash_seed in ways[index : index + AT_ONCE]
            ]
            found += [process.witness() for process in started]
    return found


@dataclass(frozen=True, slots=True)
class _Process:
    """One fresh interpreter at one run. Its output goes to files, so that neither of two waits for a full pipe."""

    python: str
    process: subprocess.Popen[bytes]
    answer: IO[bytes]
    words: IO[bytes]

    def witness(self) -> Witness:
        try:
            code = self.process.wait(WALL_S_MAX)
        except subprocess.TimeoutExpired:
            raise RefusedError(
                "no_answer", f"{self.python} ran for {WALL_S_MAX:g} s without an answer"
            ) from None
        if code:
            raise RefusedError("no_answer", f"{self.python} ended with code {code}: {self._last_words()}")
        self.answer.seek(0)
        try:
            return msgspec.json.decode(self.answer.read(ANSWER_BYTES_MAX), type=Witness)
        except msgspec.MsgspecError as error:
            raise RefusedError("no_answer", f"{self.python} does not answer as it should: {error}") from None

    def _last_words(self) -> str:
        size = self.words.seek(0, os.SEEK_END)
        self.words.seek(max(0, size - ERROR_BYTES_MAX))
        return self.words.read().decode(errors="replace").strip() or "it said nothing"


@contextmanager
def _process(python: str, hash_seed: str, request: Request, paths: Sequence[str]) -> Generator[_Process]:
    """Ended, if it has not, when the caller goes on."""
    root = str(Path(__file__).resolve().parent.parent)
    places = {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join([root, *paths])}
    with TemporaryFile() as question, TemporaryFile() as answer, TemporaryFile() as words:
        question.write(msgspec.json.encode(request))
        question.seek(0)
        command = [python, "-P", "-m", WITNESS]
        try:
            process = subprocess.Popen(  # noqa: S603 - the interpreter that the caller names
                command, stdin=question, stdout=answer, stderr=words, env=os.environ | places
            )
        except OSError as error:
            raise SettingsError(f"{python} can't be started: {error.strerror}") from None
        try:
            yield _Process(python, process, answer, words)
        finally:
            process.kill()
            process.wait()
