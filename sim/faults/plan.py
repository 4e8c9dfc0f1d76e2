"""The facts that a plan is made of. Each stands for itself: a plan with one of them left out is a plan.

Times are milliseconds since the storm began, so that a person can read and round them. Hosts go by name, media by
scheme; an empty list of media is all of them. Whatever lasts longer than the storm ends with it.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from protocols.errors import SettingsError

PLAN_BYTES_MAX = 4 << 20
FAULTS_MAX = 10_000
MS_MAX = 10 * 86_400_000  # a scenario's phases have ten days at most

DiskTrouble: TypeAlias = Literal["full", "read_only", "rot"]
Ms: TypeAlias = Annotated[int, Meta(ge=0, le=MS_MAX)]
Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]


class Fact(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="fault", kw_only=True):
    at_ms: Ms


class Crash(Fact, frozen=True, tag="crash"):
    """The process is killed; with `power` the disk loses what was not synced. It boots again `down_ms` later."""

    host: str
    down_ms: Ms
    power: bool = False


class Stop(Fact, frozen=True, tag="stop"):
    """A clean end, as of somebody who leaves; back `away_ms` later, or never, not even in the calm."""

    host: str
    away_ms: Ms | None = None


class Sleep(Fact, frozen=True, tag="sleep"):
    """A suspended laptop: nothing reaches it, and its monotonic clock stands still while the world goes on.

    Unlike a real one, lane B's process is not stopped: timers of the loop ring and find that nothing is due by its
    clock, so what waits for a span of time by the loop alone goes on too.
    """

    host: str
    for_ms: Ms


class Cut(Fact, frozen=True, tag="cut"):
    """No frame passes from `these` to all the others (and back, unless `one_way`), over the media named or all."""

    these: tuple[str, ...]
    for_ms: Ms
    one_way: bool = False
    media: tuple[str, ...] = ()


class Clog(Fact, frozen=True, tag="clog"):
    """What one host sends to another comes later, and some of it never."""

    sender: str
    receiver: str
    for_ms: Ms
    delay_ms: Ms = 0
    loss: Share = 0.0


class Weather(Fact, frozen=True, tag="weather"):
    """All over a medium more is lost, and what arrives comes later."""

    for_ms: Ms
    loss: Share = 0.0
    delay_ms: Ms = 0
    media: tuple[str, ...] = ()


class ClockStep(Fact, frozen=True, tag="clock_step"):
    """The wall clock of a host jumps, and nobody sets it right."""

    host: str
    by_ms: Annotated[int, Meta(ge=-MS_MAX, le=MS_MAX)]


class Disk(Fact, frozen=True, tag="disk"):
    """It takes nothing more, or no write at all; or one sector decays, at once and for ever."""

    host: str
    trouble: DiskTrouble
    for_ms: Ms = 0


class Byzantine(Fact, frozen=True, tag="byzantine"):
    """From now on this host behaves so, until the calm; `behaviour` is a name of `sim.faults.behaviours`."""

    host: str
    behaviour: str
    share: Share = 1.0  # of what it sends


class Middle(Fact, frozen=True, tag="middle"):
    """Somebody on the way between two honest hosts does so with the frames of one direction."""

    sender: str
    receiver: str
    behaviour: str
    for_ms: Ms
    share: Share = 1.0


Fault: TypeAlias = Crash | Stop | Sleep | Cut | Clog | Weather | ClockStep | Disk | Byzantine | Middle


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    faults: Annotated[tuple[Fault, ...], Meta(max_length=FAULTS_MAX)] = ()


def encode_plan(plan: Plan) -> bytes:
    """JSON, one fact a line: to be read, and to be shortened by hand."""
    facts = ",\n".join("  " + msgspec.json.encode(fault).decode() for fault in plan.faults)
    return f'{{"faults": [\n{facts}\n]}}\n'.encode()


def decode_plan(data: bytes, origin: str) -> Plan:
    """Raises SettingsError with a sentence that says what is wrong in `origin`."""
    if len(data) > PLAN_BYTES_MAX:
        raise SettingsError(f"{origin} is longer than {PLAN_BYTES_MAX:,} bytes")
    try:
        return msgspec.json.decode(data, type=Plan)
    except msgspec.DecodeError as error:
        raise SettingsError(f"{origin} is no plan: {error}") from None
