"""A scenario: what kind of world, who writes to whom, what may go wrong, and what is expected. One TOML file each.

Unknown keys, impossible values and unknown scenarios are refused by name. `--set place.range_m=30` overlays a file.
"""

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Annotated, Any, Literal, TypeAlias, cast

import msgspec
from msgspec import Meta

from protocols.errors import SettingsError

REAL_CRYPTO_NODES_MAX = 1_000  # above, keyed hashes take its place: each handshake costs a millisecond
NODES_MAX = {"a": 10_000, "b": 1_000}  # what a lane is measured for
SCENARIO_BYTES_MAX = 65_536

Positive: TypeAlias = Annotated[float, Meta(gt=0)]
Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Count: TypeAlias = Annotated[int, Meta(ge=0)]
Seconds: TypeAlias = Annotated[float, Meta(ge=0, le=10 * 86_400)]
Span: TypeAlias = tuple[float, float]  # drawn evenly between both


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file."""


class Medium(Table, frozen=True):
    """`ip` is a network where an address is enough; `lan` one where only neighbours are; `ble` a radio."""

    kind: Literal["ip", "lan", "ble"]
    share: Share = 1.0  # of the hosts that have it
    delay_ms: Span | None = None  # least, and mean above it; None: as the kind is
    loss: Share | None = None
    bytes_per_s: Annotated[int, Meta(ge=100)] | None = None
    range_m: Positive | None = None  # ble
    links_max: Annotated[int, Meta(ge=1, le=1_000)] | None = None


class Place(Table, frozen=True):
    """Where hosts are. `degree` sizes the place so that a host hears so many others, on average."""

    kind: Literal["everywhere", "random", "grid", "clusters"] = "everywhere"
    degree: Positive = 8.0
    clusters: Annotated[int, Meta(ge=1, le=1_000)] = 1
    bridges: Share = 0.02  # of the hosts that hear two clusters


class Movement(Table, frozen=True):
    kind: Literal["still", "waypoint", "streets", "groups", "working-days", "trace"] = "still"
    speed_m_s: Span = (0.5, 1.5)
    pause_s: Span = (0.0, 120.0)
    group_size: Annotated[int, Meta(ge=2, le=100)] = 5
    sample_s: Positive = 1.0  # how often hearing is worked out anew
    trace: str = ""  # a file in the format of docs/traces.md


class Acquaintances(Table, frozen=True):
    """Whose owners know each other, beforehand."""

    kind: Literal["all", "ring", "random", "near"] = "random"
    degree: Annotated[int, Meta(ge=0, le=1_000)] = 4


class Traffic(Table, frozen=True):
    """What people do while the storm lasts."""

    letters_per_host_min: Annotated[float, Meta(ge=0, le=10_000)] = 2.0
    to: Literal["acquaintances", "anyone"] = "acquaintances"
    broadcasts: Count = 0  # shouted by hosts drawn by chance, at times drawn evenly; by each baseline as well


class Storm(Table, frozen=True):
    """How much may go wrong. The seed draws for each kind whether this run has it, and how much of it."""

    swarm: bool = True  # False: all kinds, at their fullest
    crashes_per_host_min: Annotated[float, Meta(ge=0, le=60)] = 0.0
    down_s: Span = (1.0, 30.0)
    power: Share = 0.5  # of the crashes that also lose power
    stops_per_host_min: Annotated[float, Meta(ge=0, le=60)] = 0.0
    away_s: Span = (5.0, 60.0)
    sleeps_per_host_min: Annotated[float, Meta(ge=0, le=60)] = 0.0
    sleep_s: Span = (5.0, 60.0)
    cuts_per_min: Annotated[float, Meta(ge=0, le=60)] = 0.0
    cut_s: Span = (5.0, 60.0)
    cut_shapes: tuple[
        Literal["chance", "place", "isolate", "swizzle"], ...
    ] = ()  # of which each draws one; empty: any
    cut_share: Span = (0.1, 0.5)  # of the hosts, on one side
    cut_one_way: Share = 0.25  # of the cuts that are no swizzle
    clogs_per_min: Annotated[float, Meta(ge=0, le=600)] = 0.0
    clog_s: Span = (0.1, 5.0)
    weather_per_min: Annotated[float, Meta(ge=0, le=60)] = 0.0
    weather_s: Span = (1.0, 20.0)
    loss: Share = 0.3  # at most
    delay_ms: Positive = 300.0  # at most
    clock_steps_per_host_min: Annotated[float, Meta(ge=0, le=60)] = 0.0
    clock_step_s: Positive = 3_600.0  # at most, either way
    clock_offset_s: Seconds = 0.0  # of each wall clock, at most, either way
    clock_drift_ppm: Annotated[float, Meta(ge=0, le=10_000)] = 0.0
    disk_troubles_per_host_min: Annotated[float, Meta(ge=0, le=60)] = 0.0
    disk_trouble_s: Span = (1.0, 20.0)
    byzantine: Share = 0.0  # of the hosts
    behaviours: tuple[str, ...] = ()  # of which each draws one; empty: any


class Battery(Table, frozen=True):
    """None in a scenario: everybody is on mains."""

    budget_mwh: Positive = 15_000.0
    level_percent: Span = (20.0, 100.0)  # at the start


class Goal(Table, frozen=True):
    """What a metric should reach. An unmet goal is told; only a broken oracle fails a run."""

    metric: str
    at_least: float | None = None
    at_most: float | None = None
    why: str = ""


class Scenario(Table, frozen=True):
    about: str
    lane: Literal["a", "b"] = "b"
    nodes: Annotated[int, Meta(ge=1, le=10_000)] = 20
    warm_s: Seconds = 10.0  # before anything is asked or goes wrong
    storm_s: Seconds = 60.0
    calm_s: Seconds = 60.0  # everything is healed: what was promised must come now
    events_max: Annotated[int, Meta(ge=1_000)] = 50_000_000
    wall_s_max: Positive = 3_600.0
    crypto: Literal["real", "hash"] | None = None  # None: real up to REAL_CRYPTO_NODES_MAX nodes
    media: tuple[Medium, ...] = (Medium(kind="ip"),)
    place: Place = Place()
    movement: Movement = Movement()
    acquaintances: Acquaintances = Acquaintances()
    traffic: Traffic = Traffic()
    storm: Storm = Storm()
    battery: Battery | None = None
    baselines: tuple[str, ...] = ()  # reference protocols run on the same world, to compare with
    oracles: tuple[str, ...] = ()  # beside those that always hold
    goals: tuple[Goal, ...] = ()
    node: dict[str, Any] = {}  # settings of every node, as in config.toml

    @property
    def hashes_for_crypto(self) -> bool:
        return self.crypto == "hash" or (self.crypto is None and self.nodes > REAL_CRYPTO_NODES_MAX)


def scenario_names() -> list[str]:
    folder = resources.files("sim") / "scenarios"
    return sorted(each.name.removesuffix(".toml") for each in folder.iterdir() if each.name.endswith(".toml"))


def load_scenario(name: str, overlay: Mapping[str, str] | None = None) -> Scenario:
    """Raises SettingsError with a sentence that says what may stand there."""
    if name not in scenario_names():
        raise SettingsError(f"there is no scenario {name!r}; there are {', '.join(scenario_names())}")
    text = (resources.files("sim") / "scenarios" / f"{name}.toml").read_text()
    return parse_scenario(text, f"{name}.toml", overlay)


def parse_scenario(text: str, origin: str, overlay: Mapping[str, str] | None = None) -> Scenario:
    if len(text) > SCENARIO_BYTES_MAX:
        raise SettingsError(f"{origin} is longer than {SCENARIO_BYTES_MAX} characters")
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{origin} is not TOML: {error}") from None
    for key, value in (overlay or {}).items():
        _lay(table, key, value)
    try:
        scenario = msgspec.convert(table, Scenario)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{origin}: {error}") from None
    _check(scenario, origin)
    return scenario


def _lay(table: dict[str, Any], key: str, value: str) -> None:
    """`storm.loss`, `0.2`: the value as TOML has it, or as text."""
    try:
        read: Any = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        read = value
    *path, last = key.split(".")
    for step in path:
        below = table.setdefault(step, {})
        if not isinstance(below, dict):
            raise SettingsError(f"--set {key}: {step} is no table")
        table = cast("dict[str, Any]", below)
    table[last] = read


def _check(scenario: Scenario, origin: str) -> None:
    most = NODES_MAX[scenario.lane]
    if scenario.nodes > most:
        raise SettingsError(f"{origin}: lane {scenario.lane} takes at most {most:,} nodes")
    kinds = [each.kind for each in scenario.media]
    if not kinds or len(set(kinds)) < len(kinds):
        raise SettingsError(f"{origin}: media names each kind once, and at least one")
    for table in (scenario, *_tables(scenario)):
        for name in table.__struct_fields__:
            value = getattr(table, name)
            if (
                isinstance(value, tuple)
                and value
                and all(isinstance(each, float) for each in cast("Span", value))
            ):
                low, high = cast("Span", value)
                if not 0 <= low <= high:
                    raise SettingsError(
                        f"{origin}: {name} goes from a smaller to a larger number, not {value}"
                    )


def _tables(scenario: Scenario) -> list[Table]:
    single = (scenario.place, scenario.movement, scenario.acquaintances, scenario.traffic, scenario.storm)
    return [*single, *scenario.media, *((scenario.battery,) if scenario.battery else ())]
