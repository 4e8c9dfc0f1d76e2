"""The process that runs seeds for `sim.storm`: handed a few at a time, it sends a summary of each when it is there."""

import gc
import logging
import signal
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection

import msgspec
import structlog

from sim.failing.case import Case
from sim.failing.named import named
from sim.failing.summary import summary_of

READY = b""
GC_THRESHOLDS = (
    20_000,
    20,
    50,
)  # a run makes many objects that live as long as it: looking at them less often saves a tenth


def be_quiet() -> None:
    """Thousands of nodes have much to say; a failing run's notes are in its samples."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def work(pipe: Connection, run_name: str, case: Case, commit: str, warm_s: float) -> None:
    """Until it is handed no more, or the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the other side ends us
    be_quiet()
    gc.set_threshold(*GC_THRESHOLDS)
    run = named(run_name)
    with suppress(EOFError, OSError):
        pipe.send_bytes(READY)
        while True:
            seeds: Sequence[int] = pipe.recv()
            for seed in seeds:
                summary = summary_of(
                    msgspec.structs.replace(case, seed=seed), run, commit=commit, warm_s=warm_s
                )
                pipe.send_bytes(msgspec.msgpack.encode(summary))
