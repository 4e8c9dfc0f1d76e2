"""How numbers, metrics and faults are put into words, alike on a terminal and on a page."""

import shlex
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from sim.faults.plan import Byzantine, Fault, Stop
from sim.result import Result

CELL_CHARS_MAX = 300  # of anything that a host or an error said; a screen, not a log
SIZES = ("KiB", "MiB", "GiB", "TiB")
UNITS = {  # endings of metrics; the longest that fits counts
    "_per_s": "/s",
    "_per_min": "/min",
    "_percent": "%",
    "_mwh": "mWh",
    "_ppm": "ppm",
    "_m": "m",
}
SPANS = {"_ns": 1e-9, "_us": 1e-6, "_ms": 1e-3, "_s": 1.0, "_min": 60.0, "_h": 3_600.0}  # in seconds
JOULES = {"_nj": 1e-9, "_uj": 1e-6, "_mj": 1e-3, "_j": 1.0}
GROUPS = {  # the first words of metrics; whatever else there is stands under OTHER
    "Delivery": ("letters", "delivery", "delivered", "duplicates", "lost", "broadcast", "recall", "strays"),
    "Latency": ("latency", "heal", "restart", "first"),
    "Transmissions": ("frames", "bytes", "sends", "control", "tx", "datagrams"),
    "Hosts and links": (
        "hosts",
        "links",
        "boots",
        "crashes",
        "stops",
        "sleeps",
        "dials",
        "contacts",
        "meetings",
    ),
    "Energy": ("radio", "energy", "battery", "mj", "mwh", "dead"),
    "Faults": ("fault", "faults"),
}
OTHER = "Other"
NOTHING = "\N{EN DASH}"
TIMES = "\N{MULTIPLICATION SIGN}"
MARKS = {True: "✓", False: "✗", None: NOTHING}
ENDINGS = {
    "done": "ran to its end",
    "broken": "ended by a broken oracle",
    "budget": "ended by its budget",
    "interrupted": "interrupted",
}


def clipped(text: str, most: int = CELL_CHARS_MAX) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def number(value: float) -> str:
    """12,345; 0.0123; 4 digits that count, where it isn't whole."""
    if value == int(value) if abs(value) < 1e15 else False:
        return f"{int(value):,}"
    if 1_000 <= abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def span(seconds: float) -> str:
    """340 ms, 12.3 s, 5.2 min, 8 h."""
    size = abs(seconds)
    for least, worth, unit in ((7_200, 3_600, "h"), (180, 60, "min"), (1, 1, "s"), (1e-3, 1e-3, "ms")):
        if size >= least:
            return f"{seconds / worth:.3g} {unit}"
    return "0 s" if not size else f"{seconds * 1e6:.3g} µs"


def joules(energy: float) -> str:
    """41 mJ, 4.1 kJ."""
    worth, unit = next(
        ((worth, unit) for worth, unit in ((1e6, "MJ"), (1e3, "kJ"), (1, "J")) if abs(energy) >= worth),
        (1e-3, "mJ"),
    )
    return f"{number(float(f'{energy / worth:.4g}'))} {unit}"


def size(count: float) -> str:
    if abs(count) < 1_024:
        return f"{number(count)} B"
    unit = ""
    for unit in SIZES:  # noqa: B007 - the last one is what is left
        count /= 1_024
        if abs(count) < 1_024:
            break
    return f"{count:,.1f} {unit}"


def speed(result: Result) -> str:
    """How many times faster than the real world."""
    if result.wall_s <= 0:
        return NOTHING
    times = result.virtual_s / result.wall_s
    return f"{times:,.0f}{TIMES}" if times >= 10 else f"{times:.2g}{TIMES}"


def measured(metric: str, value: float | None) -> str:
    """A metric's value with the unit that its name ends in."""
    if value is None or value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN
        return NOTHING
    _, unit = _split(metric)
    if unit in SPANS:
        return span(value * SPANS[unit])
    if unit in JOULES:
        return joules(value * JOULES[unit])
    if unit == "_bytes" or metric.startswith("bytes_"):
        return size(value)
    if unit == "_bytes_per_s":
        return f"{size(value)}/s"
    return f"{number(value)} {UNITS[unit]}" if unit in UNITS else number(value)


def title(metric: str) -> str:
    """`latency_p50_s` as "latency p50"."""
    stem, _ = _split(metric)
    return clipped((stem or metric).replace("_", " "))


def _split(metric: str) -> tuple[str, str]:
    """What a metric is of, and the ending that says in which unit."""
    for unit in sorted(("_bytes", "_bytes_per_s", *UNITS, *SPANS, *JOULES), key=len, reverse=True):
        if metric.endswith(unit):
            return metric.removesuffix(unit), unit
    return metric, ""


def grouped(metrics: Iterable[str]) -> dict[str, list[str]]:
    """Names under headings. `flood:delivery` stands under the baseline that it is of."""
    groups: dict[str, list[str]] = {heading: [] for heading in (*GROUPS, OTHER)}
    for metric in metrics:
        groups.setdefault(_heading(metric), []).append(metric)
    return {heading: names for heading, names in groups.items() if names}


def _heading(metric: str) -> str:
    owner, colon, _ = metric.partition(":")
    if colon and owner:
        return clipped(owner)
    first = metric.split("_", 1)[0]
    return next((heading for heading, firsts in GROUPS.items() if first in firsts), OTHER)


def without_owner(metric: str) -> str:
    return metric.partition(":")[2] or metric


def replay_line(result: Result) -> str:
    """What to type to see this run again."""
    words = ["python", "-m", "sim", "run", result.scenario, "--seed", str(result.seed)]
    words += [word for key, value in result.settings.items() for word in ("--set", f"{key}={value}")]
    return shlex.join(words)


class Deed(NamedTuple):
    """A fault as a reader sees it. Times are seconds of the run."""

    kind: str
    at_s: float
    until_s: float | None  # None: a moment
    who: str
    detail: str


def deeds(result: Result) -> list[Deed]:
    """The plan, in the order of time."""
    start_s = result.samples.plan_from_s
    calm_s = next((at_s for at_s, name in result.samples.phases if name == "calm"), result.virtual_s)
    return sorted((_deed(fault, start_s, calm_s) for fault in result.plan.faults), key=lambda deed: deed.at_s)


def _deed(fault: Fault, start_s: float, calm_s: float) -> Deed:
    fields: dict[str, object] = msgspec.structs.asdict(fault)
    at_s = start_s + fault.at_ms / 1_000
    lasts_ms = next((fields[key] for key in ("down_ms", "away_ms", "for_ms") if key in fields), None)
    until_s = at_s + lasts_ms / 1_000 if isinstance(lasts_ms, int) else None
    if isinstance(fault, Byzantine) or (isinstance(fault, Stop) and fault.away_ms is None):
        until_s = max(at_s, calm_s)
    who = " → ".join(str(fields[key]) for key in ("host", "sender", "receiver") if key in fields)
    these = fields.get("these")
    if isinstance(these, tuple):
        who = _names(these)  # pyright: ignore[reportUnknownArgumentType] - a tuple of names, by its struct
    return Deed(kind_of(fault), at_s, until_s, clipped(who or "everywhere"), _detail(fields))


def kind_of(fault: Fault) -> str:
    return str(fault.__struct_config__.tag).replace("_", " ")


def _names(names: tuple[object, ...], most: int = 6) -> str:
    shown = ", ".join(str(name) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _detail(fields: Mapping[str, object]) -> str:
    """What is left to tell of a fault, but for when, who and how long."""
    told = {"at_ms", "host", "sender", "receiver", "these", "down_ms", "away_ms", "for_ms"}
    parts = [_part(name, value) for name, value in fields.items() if name not in told]
    return clipped(", ".join(part for part in parts if part))


def _part(name: str, value: object) -> str:
    word = name.replace("_", " ")
    if isinstance(value, bool):
        return word if value else ""
    if isinstance(value, tuple):
        names: tuple[object, ...] = value  # pyright: ignore[reportUnknownVariableType] - of names, by its struct
        return f"over {_names(names)}" if names else ""
    if isinstance(value, int | float):
        return f"{title(name)} {measured(name, value)}" if value else ""
    return str(value).replace("_", " ")
