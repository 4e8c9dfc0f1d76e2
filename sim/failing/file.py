"""`*.failure.json`: a run that broke an oracle, with all that it takes to run it again on another machine."""

import platform
from pathlib import Path

import msgspec

from meshnode import __version__
from protocols.errors import SettingsError
from sim.failing.case import Case
from sim.faults.plan import PLAN_BYTES_MAX, Plan
from sim.result import Broken, Result

VERSION = 1
SUFFIX = ".failure.json"
REFUSED_MAX = (
    2_000  # shrinks that did not fail, by fingerprint; ten budgets of them. The oldest are forgotten.
)
TEXT_CHARS_MAX = 4_000  # of what an oracle said
FAILURE_BYTES_MAX = PLAN_BYTES_MAX + 262_144  # the plan; REFUSED_MAX fingerprints and the rest


class Failure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    version: int = VERSION
    scenario: str
    seed: int
    settings: dict[str, str]  # what --set laid over the scenario
    nodes: int
    lane: str
    oracle: str
    who: str
    what: str
    at_s: float
    digest: str
    meshnode: str
    python: str
    commit: str = ""
    plan: Plan  # drawn from the seed or handed in: either way the one that was run
    refused: tuple[str, ...] = ()  # in a shrunk file: what need not be tried again

    @property
    def case(self) -> Case:
        return Case(self.scenario, self.seed, self.settings, self.plan)

    @property
    def broken(self) -> Broken:
        return Broken(self.oracle, self.who, self.what, self.at_s)


class _Head(msgspec.Struct):
    version: int


def failure_of(result: Result, *, commit: str = "", refused: tuple[str, ...] = ()) -> Failure:
    """Of the first oracle that broke; there must be one."""
    first = result.broken[0]
    return Failure(
        scenario=result.scenario,
        seed=result.seed,
        settings=dict(result.settings),
        nodes=result.nodes,
        lane=result.lane,
        oracle=first.oracle,
        who=first.who,
        what=first.what[:TEXT_CHARS_MAX],
        at_s=first.at_s,
        digest=result.digest,
        meshnode=__version__,
        python=platform.python_version(),
        commit=commit,
        plan=result.plan,
        refused=refused[-REFUSED_MAX:],
    )


def encode_failure(failure: Failure) -> bytes:
    return msgspec.json.format(msgspec.json.encode(failure), indent=1) + b"\n"


def decode_failure(data: bytes, origin: str) -> Failure:
    """Raises SettingsError with a sentence; nothing else, whatever the bytes are."""
    if len(data) > FAILURE_BYTES_MAX:
        raise SettingsError(f"{origin} is longer than {FAILURE_BYTES_MAX:,} bytes: no failure file")
    try:
        if (version := msgspec.json.decode(data, type=_Head).version) != VERSION:
            raise SettingsError(
                f"{origin} is a failure file of version {version}; this simulator reads {VERSION}"
            )
        return msgspec.json.decode(data, type=Failure)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"{origin} is no failure file: {error}") from None


def read_failure(path: Path) -> Failure:
    return decode_failure(read_bounded(path, FAILURE_BYTES_MAX), str(path))


def write_failure(path: Path, failure: Failure) -> None:
    """Whole or not at all: whoever interrupts a shrinker keeps the file of the step before."""
    fresh = path.with_name(path.name + ".new")
    try:
        fresh.write_bytes(encode_failure(failure))
        fresh.replace(path)
    except OSError as error:
        raise SettingsError(f"{path} can't be written: {error.strerror}") from None


def read_bounded(path: Path, bytes_max: int) -> bytes:
    """One byte more than allowed at most, so that a decoder can tell."""
    try:
        with path.open("rb") as file:
            return file.read(bytes_max + 1)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} can't be read: {error}") from None


def shrunk_path(path: Path) -> Path:
    """`a.failure.json` becomes `a.shrunk.failure.json`, beside it; one that is shrunk stays where it is."""
    stem = path.name.removesuffix(SUFFIX)
    return path if stem.endswith(".shrunk") else path.with_name(f"{stem}.shrunk{SUFFIX}")
