"""Whose traffic this node relays, how much of it, and in what order it goes.

Emergencies are served before all else and have rates of their own, so other traffic never takes their room; but
"nobody" means nobody. What is too much in this second is refused, not kept: the sender's congestion control hears of
it soonest that way.
"""

from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from policies.energy import EnergyLevel
from policies.trust import Place

__all__ = [
    "Refuse",
    "RefuseReason",
    "Relay",
    "RelayAllowance",
    "RelayFor",
    "RelayLimits",
    "RelayView",
    "Room",
    "Spent",
    "Traffic",
    "allowance_of",
    "decide_relay",
    "limits_for",
    "room_for",
]

RelayFor: TypeAlias = Literal["everyone", "contacts", "nobody"]
Traffic: TypeAlias = Literal["interactive", "bulk", "background", "emergency"]
RefuseReason: TypeAlias = Literal[
    "relays_for_nobody",
    "relays_for_contacts",
    "no_standing",
    "save_battery",
    "too_much_in_all",
    "too_much_of_neighbour",
    "too_much_of_source",
]


@dataclass(frozen=True, slots=True)
class Spent:
    """Bytes relayed in the running second, before this envelope: of emergencies for one, else of all the rest."""

    in_all: int = 0
    of_neighbour: int = 0
    of_source: int = 0


@dataclass(frozen=True, slots=True)
class RelayView:
    traffic: Traffic
    size_bytes: int
    contact: bool  # its source, its destination or the neighbour that gave it to us is one
    place: Place  # of the neighbour that gave it to us
    relay_for: RelayFor
    energy: EnergyLevel
    neighbours_busy: int = 1  # that gave us something to relay in the running second, this one included
    sources_busy: int = 1
    spent: Spent = Spent()


@dataclass(frozen=True, slots=True)
class RelayAllowance:
    """What an energy level leaves for others."""

    bytes_per_s: int  # in all; 0: nothing but emergencies
    emergency_bytes_per_s: int
    bulk: bool  # bulk and background too


@dataclass(frozen=True, slots=True)
class RelayLimits:
    neighbour_share: float = 0.5  # of the total, once there are two; with more, twice an even share
    source_share: float = 0.25  # of the total, once several are served; guess: four at full speed
    shares_loose: float = 2.0  # an even share is doubled: not all want theirs at once
    full: RelayAllowance = field(
        # A gigabit wire: on mains a machine gives what it can. A core relays about 180 MB/s (docs/performance.md), links
        # that are slower say so themselves, and the shares below keep any one neighbour from taking it all.
        default=RelayAllowance(128 << 20, 128 << 20, bulk=True)
    )
    careful: RelayAllowance = field(
        default=RelayAllowance(2 << 20, 2 << 20, bulk=True)  # guess: a phone's radio a tenth of the time
    )
    saver: RelayAllowance = field(
        default=RelayAllowance(65_536, 65_536, bulk=False)  # letters and voice notes of some neighbours
    )
    critical: RelayAllowance = field(
        default=RelayAllowance(0, 8_192, bulk=False)  # a call for help is a few hundred bytes
    )


DEFAULT_LIMITS = RelayLimits()


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes that may be relayed in the running second."""

    in_all: float
    of_neighbour: float
    of_source: float


@dataclass(frozen=True, slots=True)
class Relay:
    first: bool  # before everything that isn't an emergency


@dataclass(frozen=True, slots=True)
class Refuse:
    reason: RefuseReason


def allowance_of(level: EnergyLevel, limits: RelayLimits = DEFAULT_LIMITS) -> RelayAllowance:
    return {
        EnergyLevel.FULL: limits.full,
        EnergyLevel.CAREFUL: limits.careful,
        EnergyLevel.SAVER: limits.saver,
        EnergyLevel.CRITICAL: limits.critical,
    }[level]


def limits_for(bytes_per_s: int, limits: RelayLimits = DEFAULT_LIMITS) -> RelayLimits:
    """The owner's wish: at most so much in all, at any level."""

    def capped(allowance: RelayAllowance) -> RelayAllowance:
        return replace(
            allowance,
            bytes_per_s=min(bytes_per_s, allowance.bytes_per_s),
            emergency_bytes_per_s=min(bytes_per_s, allowance.emergency_bytes_per_s),
        )

    wished = replace(limits.full, bytes_per_s=bytes_per_s, emergency_bytes_per_s=bytes_per_s)
    return replace(
        limits,
        full=wished,
        careful=capped(limits.careful),
        saver=capped(limits.saver),
        critical=capped(limits.critical),
    )


def decide_relay(view: RelayView, limits: RelayLimits = DEFAULT_LIMITS) -> Relay | Refuse:
    room = room_for(view, limits)
    if isinstance(room, Refuse):
        return room
    spent, size = view.spent, view.size_bytes
    if spent.in_all + size > room.in_all:
        return Refuse("too_much_in_all")
    if spent.of_neighbour + size > room.of_neighbour:
        return Refuse("too_much_of_neighbour")
    if spent.of_source + size > room.of_source:
        return Refuse("too_much_of_source")
    return Relay(first=view.traffic == "emergency")


def room_for(view: RelayView, limits: RelayLimits = DEFAULT_LIMITS) -> Room | Refuse:
    """What holds for every envelope of this kind in this second, whatever its size and whatever went before it."""
    if view.relay_for == "nobody":
        return Refuse("relays_for_nobody")
    if view.relay_for == "contacts" and not view.contact:
        return Refuse("relays_for_contacts")
    if view.place == "none":
        return Refuse("no_standing")
    allowed = allowance_of(view.energy, limits)
    if view.traffic == "emergency":
        return _shared(view, allowed.emergency_bytes_per_s, limits)
    if allowed.bytes_per_s == 0 or (view.traffic != "interactive" and not allowed.bulk):
        return Refuse("save_battery")
    return _shared(view, allowed.bytes_per_s, limits)


def _shared(view: RelayView, bytes_per_s: int, limits: RelayLimits) -> Room:
    return Room(
        bytes_per_s,
        _share(bytes_per_s, view.neighbours_busy, limits.neighbour_share, limits),
        _share(bytes_per_s, view.sources_busy, limits.source_share, limits),
    )


def _share(bytes_per_s: int, busy: int, share_max: float, limits: RelayLimits) -> float:
    """All of it for one alone; else twice an even share, at most `share_max`, so that nobody crowds the others out."""
    if busy <= 1:
        return bytes_per_s
    return bytes_per_s * min(share_max, limits.shares_loose / busy)
