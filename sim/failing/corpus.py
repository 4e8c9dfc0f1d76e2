"""The corpus: failures that were found and mended, run by the tests for ever. tests/corpus/README.md has the format."""

from pathlib import Path

import msgspec

from protocols.errors import SettingsError
from sim.failing.case import Case
from sim.failing.file import Failure, read_bounded
from sim.faults.plan import Plan

SPECIMEN_BYTES_MAX = 65_536  # what is larger has not been shrunk
SUFFIX = ".json"


class Specimen(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    scenario: str
    seed: int
    settings: dict[str, str] = {}
    plan: Plan | None = None  # None: drawn from the seed
    broke: str  # the oracle
    mended: str = ""  # by what, in a sentence

    @property
    def case(self) -> Case:
        return Case(self.scenario, self.seed, self.settings, self.plan)


def specimen_of(failure: Failure, mended: str = "") -> Specimen:
    return Specimen(
        scenario=failure.scenario,
        seed=failure.seed,
        settings=failure.settings,
        plan=failure.plan,
        broke=failure.oracle,
        mended=mended,
    )


def encode_specimen(specimen: Specimen) -> bytes:
    return msgspec.json.format(msgspec.json.encode(specimen), indent=2) + b"\n"


def decode_specimen(data: bytes, origin: str) -> Specimen:
    """Raises SettingsError with a sentence; nothing else, whatever the bytes are."""
    if len(data) > SPECIMEN_BYTES_MAX:
        raise SettingsError(f"{origin} is longer than {SPECIMEN_BYTES_MAX:,} bytes: shrink it first")
    try:
        return msgspec.json.decode(data, type=Specimen)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"{origin} is no specimen: {error}") from None


def read_specimen(path: Path) -> Specimen:
    return decode_specimen(read_bounded(path, SPECIMEN_BYTES_MAX), str(path))


def corpus(folder: Path) -> list[Path]:
    """Its files, in an order that is the same everywhere."""
    return sorted(folder.glob(f"*{SUFFIX}"))
