"""What the node may spend now: heat and battery in, a level and its allowances out.

    full      on mains, or a battery that is not worth sparing
    careful   on battery: longer intervals, all work goes on
    saver     low battery, the owner's wish, or hot: no background work, no bulk
    critical  nearly empty, or too hot: keep what is open and carry what a person waits for

A level gets worse at once and better only past a margin, so that it doesn't flap at a threshold: the level before
is part of the view.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from math import isfinite
from typing import Literal, TypeAlias

from policies.device import DeviceState

__all__ = [
    "Allowance",
    "EnergyDecision",
    "EnergyLevel",
    "EnergyLimits",
    "EnergyReason",
    "EnergyView",
    "decide_energy",
]

SECOND_NS = 1_000_000_000


class EnergyLevel(IntEnum):
    """Greater means more to spend."""

    CRITICAL = 0
    SAVER = 1
    CAREFUL = 2
    FULL = 3


EnergyReason: TypeAlias = Literal["mains", "no_battery", "battery", "wish", "heat"]


@dataclass(frozen=True, slots=True)
class EnergyView:
    device: DeviceState
    previous: EnergyLevel | None = None  # the level of the last decision; None: there was none


@dataclass(frozen=True, slots=True)
class Allowance:
    keep_alive_ns: int  # silence before a sign of life is asked for; each transport has its own upper bound
    discovery_ns: int  # between two active looks for peers
    poll_ns: int  # between two readings of the device
    scan_duty: float  # share of the time that a radio listens for newcomers
    dials_at_once_max: int
    background_allowed: bool
    bulk_allowed: bool


@dataclass(frozen=True, slots=True)
class EnergyLimits:
    careful_below_percent: float = 80.0  # guess: above it a laptop or phone lasts most of a day anyway
    saver_below_percent: float = 20.0  # where Android and iOS offer their own saver
    critical_below_percent: float = 7.0  # guess: half an hour of a phone's standby with its radio on
    margin_percent: float = 3.0  # gauges jump by 1 to 2 % when the load changes
    saver_from_c: float = 80.0  # a Raspberry Pi starts to throttle here
    critical_from_c: float = 95.0  # most laptop chips shut down at 100 to 105
    margin_c: float = 5.0  # a fan's own hysteresis is about as wide
    memory_low_bytes: int = 64 << 20  # guess: below it background work makes the system swap
    load_high: float = 4.0  # runnable tasks per core; guess: background work would only queue up
    full: Allowance = field(
        default=Allowance(
            keep_alive_ns=10 * SECOND_NS,  # what died is found out soon; NATs forget a UDP flow after 30 s
            discovery_ns=60 * SECOND_NS,  # guess: who was missed when he came is met within a minute
            poll_ns=10 * SECOND_NS,
            scan_duty=0.5,
            dials_at_once_max=16,
            background_allowed=True,
            bulk_allowed=True,
        )
    )
    careful: Allowance = field(
        default=Allowance(
            keep_alive_ns=25
            * SECOND_NS,  # still below 30 s: a link that must be redialled costs more than a ping
            discovery_ns=120 * SECOND_NS,  # a multicast packet wakes the radio of everybody on the network
            poll_ns=30 * SECOND_NS,
            scan_duty=0.1,  # guess: BLE newcomers are met within about ten seconds
            dials_at_once_max=8,
            background_allowed=True,
            bulk_allowed=True,
        )
    )
    saver: Allowance = field(
        default=Allowance(
            keep_alive_ns=60 * SECOND_NS,  # for paths without a UDP NAT; QUIC stays below 30 s
            discovery_ns=300 * SECOND_NS,
            poll_ns=60 * SECOND_NS,
            scan_duty=0.02,
            dials_at_once_max=4,
            background_allowed=False,
            bulk_allowed=False,
        )
    )
    critical: Allowance = field(
        default=Allowance(
            keep_alive_ns=110 * SECOND_NS,  # below 2 minutes, the least that RFC 4787 asks of a NAT
            discovery_ns=900 * SECOND_NS,
            poll_ns=60 * SECOND_NS,  # a charger should be noticed within a minute
            scan_duty=0.005,
            dials_at_once_max=1,
            background_allowed=False,
            bulk_allowed=False,
        )
    )


@dataclass(frozen=True, slots=True)
class EnergyDecision:
    level: EnergyLevel
    reason: EnergyReason
    allowance: Allowance
    background_allowed: bool  # the allowance's word, and the machine is not short of memory or processor


DEFAULT_LIMITS = EnergyLimits()


def decide_energy(view: EnergyView, limits: EnergyLimits = DEFAULT_LIMITS) -> EnergyDecision:
    level, reason = _level(view.device, limits, margin=False)
    if view.previous is not None and level > view.previous:
        strict, why = _level(view.device, limits, margin=True)
        if strict < level:
            level, reason = max(view.previous, strict), why
    allowance = _allowance(level, limits)
    return EnergyDecision(
        level, reason, allowance, allowance.background_allowed and not _is_busy(view.device, limits)
    )


def _level(device: DeviceState, limits: EnergyLimits, *, margin: bool) -> tuple[EnergyLevel, EnergyReason]:
    """The worst of heat, wish and battery. With `margin`, thresholds are harder to pass."""
    judged: list[tuple[EnergyLevel, EnergyReason]] = [
        (_by_battery(device, limits, limits.margin_percent if margin else 0.0)),
        (EnergyLevel.SAVER if device.saver else EnergyLevel.FULL, "wish"),
        (_by_heat(device, limits, limits.margin_c if margin else 0.0), "heat"),
    ]
    return min(judged, key=lambda pair: pair[0])  # the first of equals: the battery explains most


def _by_battery(device: DeviceState, limits: EnergyLimits, margin: float) -> tuple[EnergyLevel, EnergyReason]:
    percent = device.battery_percent
    if percent is None or not isfinite(percent):
        # "On battery, but nobody knows how full" is a laptop with a broken gauge: assume it is worth sparing.
        return (EnergyLevel.CAREFUL, "battery") if device.discharging else (EnergyLevel.FULL, "no_battery")
    if device.discharging is False:
        return EnergyLevel.FULL, "mains"
    if percent < limits.critical_below_percent + margin:
        return EnergyLevel.CRITICAL, "battery"
    if percent < limits.saver_below_percent + margin:
        return EnergyLevel.SAVER, "battery"
    if percent < limits.careful_below_percent + margin:
        return EnergyLevel.CAREFUL, "battery"
    return EnergyLevel.FULL, "battery"


def _by_heat(device: DeviceState, limits: EnergyLimits, margin: float) -> EnergyLevel:
    if device.thermal_critical:
        return EnergyLevel.CRITICAL
    if device.thermal_c is None or not isfinite(device.thermal_c):
        return EnergyLevel.FULL
    if device.thermal_c >= limits.critical_from_c - margin:
        return EnergyLevel.CRITICAL
    return EnergyLevel.SAVER if device.thermal_c >= limits.saver_from_c - margin else EnergyLevel.FULL


def _is_busy(device: DeviceState, limits: EnergyLimits) -> bool:
    short_of_memory = (
        device.memory_available is not None and device.memory_available < limits.memory_low_bytes
    )
    return short_of_memory or (device.load is not None and device.load >= limits.load_high)


def _allowance(level: EnergyLevel, limits: EnergyLimits) -> Allowance:
    return {
        EnergyLevel.FULL: limits.full,
        EnergyLevel.CAREFUL: limits.careful,
        EnergyLevel.SAVER: limits.saver,
        EnergyLevel.CRITICAL: limits.critical,
    }[level]
