"""The same fault, but milder, or with rounder times.

A milder one is less by some measure and a rounder one rounder, so that whoever takes offer after offer comes to an end.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any, cast

import msgspec

from sim.faults.plan import Clog, Cut, Fault, Middle, Plan

SPAN_MS_MIN = 100  # shorter faults are not easier to read
SHARE_MIN = 0.01  # of loss, of a liar's frames
OTHERWISE_NEVER_MS = 60_000  # first offer in place of "never comes back"
ROUND_MS = (10_000, 1_000, 100, 10)
SPANS = ("down_ms", "away_ms", "for_ms")
SHARES = ("loss", "share")  # a liar that lies at no time is no fault, so its share stays above nothing
SINGLES_MAX = 8  # hosts of a cut, up to which each is left out by itself


def milder(fault: Fault) -> Iterator[Fault]:
    """The greatest relief first."""
    for name in fault.__struct_fields__:
        if name != "at_ms":
            for value in _milder_values(name, getattr(fault, name)):
                yield _with(fault, name, value)


def _milder_values(name: str, value: Any) -> Iterator[Any]:
    if name in SPANS:
        return _shorter(value)
    if name == "these":
        return _fewer(value)
    if name in SHARES:
        return _rarer(value, may_be_none=name == "loss")
    if name == "delay_ms":
        return iter(dict.fromkeys((0, value // 2)) if value else ())
    if name == "by_ms":
        return iter((int(value / 2),) if abs(value) > SPAN_MS_MIN else ())
    if name == "power":
        return iter((False,) if value else ())
    return iter((True,) if name == "one_way" and not value else ())


def _shorter(span: int | None) -> Iterator[int]:
    if span is None:
        yield OTHERWISE_NEVER_MS
    elif span > SPAN_MS_MIN:
        yield from dict.fromkeys((SPAN_MS_MIN, max(SPAN_MS_MIN, span // 2)))


def _rarer(share: float, *, may_be_none: bool) -> Iterator[float]:
    if may_be_none and share > 0:
        yield 0.0
    if share > SHARE_MIN:
        yield max(SHARE_MIN, round(share / 2, 3))


def _fewer(hosts: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    half = len(hosts) // 2
    if half:
        yield hosts[:half]
        yield hosts[half:]
    if 2 < len(hosts) <= SINGLES_MAX:
        for index in range(len(hosts)):
            yield hosts[:index] + hosts[index + 1 :]


def rounder(fault: Fault) -> Iterator[Fault]:
    """One time of it rounded; the roundest first. A span is rounded down before up, a moment down alone."""
    for name in ("at_ms", *SPANS, "delay_ms", "by_ms"):
        value: int | None = getattr(fault, name, None)
        if value:
            for unit in ROUND_MS:
                if abs(value) >= unit and value % unit:
                    down = int(value / unit) * unit
                    yield _with(fault, name, down)
                    if name in SPANS:
                        yield _with(fault, name, down + unit)


def hosts_of(fault: Fault) -> tuple[str, ...]:
    if isinstance(fault, Cut):
        return fault.these
    if isinstance(fault, Clog | Middle):
        return (fault.sender, fault.receiver)
    host: str | None = getattr(fault, "host", None)
    return () if host is None else (host,)


def among(faults: tuple[Fault, ...], hosts: AbstractSet[str]) -> tuple[Fault, ...]:
    """What is left of them where only these hosts are."""
    kept: list[Fault] = []
    for fault in faults:
        if isinstance(fault, Cut):
            if these := tuple(host for host in fault.these if host in hosts):
                kept.append(msgspec.structs.replace(fault, these=these))
        elif all(host in hosts for host in hosts_of(fault)):
            kept.append(fault)
    return tuple(kept)


def span_ms(fault: Fault) -> int | None:
    """How long it lasts; None: until the calm. What happens at once lasts nothing."""
    for name in SPANS:
        if hasattr(fault, name):
            return cast("int | None", getattr(fault, name))
    return 0 if hasattr(fault, "by_ms") else None


def in_force(plan: Plan, at_ms: float) -> list[Fault]:
    """In the storm, of which this is a moment."""
    return [
        fault
        for fault in plan.faults
        if fault.at_ms <= at_ms and ((span := span_ms(fault)) is None or at_ms <= fault.at_ms + span)
    ]


def _with(fault: Fault, name: str, value: Any) -> Fault:
    return msgspec.structs.replace(fault, **{name: value})
