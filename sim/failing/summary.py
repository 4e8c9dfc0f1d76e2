"""What travels back from a worker: of thousands of runs only so much is kept."""

import platform
import traceback

import msgspec

from meshnode import __version__
from sim.failing.case import Case, Run
from sim.failing.file import Failure, failure_of
from sim.failing.screen import Circumstances, screen_of
from sim.result import Metrics, Result

CRASH_CHARS_MAX = 2_000


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    seed: int
    digest: str = ""
    ended: str = "crashed"  # beside those of a result
    oracle: str = ""  # that broke
    who: str = ""
    at_s: float = 0.0
    metrics: Metrics = {}
    events: int = 0
    virtual_s: float = 0.0
    wall_s: float = 0.0
    crash: str = ""  # of the simulator or its process: no verdict on the node
    failure: Failure | None = None
    screen: str = ""

    @property
    def failed(self) -> bool:
        return bool(self.oracle or self.crash)


def summary_of(case: Case, run: Run, *, commit: str = "", warm_s: float = 0.0) -> Summary:
    """Never raises: what a run raises is told as this seed's crash."""
    try:
        return _summary(run(case), commit, warm_s)
    except Exception:  # noqa: BLE001 - the rim of a worker: one seed's bug must not end the other seeds
        return Summary(seed=case.seed, crash=traceback.format_exc()[-CRASH_CHARS_MAX:].strip())


def _summary(result: Result, commit: str, warm_s: float) -> Summary:
    summary = Summary(
        seed=result.seed,
        digest=result.digest,
        ended=result.ended,
        metrics=result.metrics,
        events=result.events,
        virtual_s=result.virtual_s,
        wall_s=result.wall_s,
    )
    if not result.broken:
        return summary
    first = result.broken[0]
    around = Circumstances(__version__, platform.python_version(), commit, warm_s)
    return msgspec.structs.replace(
        summary,
        oracle=first.oracle,
        who=first.who,
        at_s=first.at_s,
        failure=failure_of(result, commit=commit),
        screen=screen_of(result, around),
    )
