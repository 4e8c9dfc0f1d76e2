"""How well a link suits some traffic: a sum of penalties in milliseconds, each with a name and a reason.

Everything is expressed as time a person or a program would rather not wait; energy and money are turned into time
by exchange rates in `ScoringLimits`. The score that people see is 100 / (1 + penalty in seconds): 100 is free, 0 is
never. Unknown values take a middling default, impossible ones (negative, not a number) are pulled into range: no view
makes this raise.
"""

from dataclasses import dataclass, field
from math import isnan
from typing import Literal, TypeAlias

from policies.device import DeviceState
from policies.energy import EnergyLevel

__all__ = ["LinkView", "Penalties", "ScoringLimits", "Traffic", "Weights", "penalties_of", "score_of"]

Traffic: TypeAlias = Literal["interactive", "bulk", "background", "emergency"]

COST_MAX = 1_000.0  # satellite by the byte is about there
RTT_MS_MAX = 60_000.0  # beyond a minute a link is as good as gone
BYTES_PER_S_MIN = 100.0  # a radio at the edge of its range
BYTES_PER_S_MAX = 1e12
LOSS_MAX = 0.99  # at 1.0 nothing would ever arrive; the sum must stay finite
HOPS_MAX = 64
SIZE_MAX = 1 << 50  # nobody sends a petabyte; keeps floats exact enough
FAILURES_MAX = 8  # more failures tell nothing new


@dataclass(frozen=True, slots=True)
class LinkView:
    """A candidate: a live link to the peer, or a way in which one could be dialled."""

    name: str  # unique among the candidates; decides ties
    transport: str  # "quic", "memory", "htx", "ble"
    live: bool = True  # False: it would have to be dialled first
    rtt_ms: float | None = None  # None: not measured yet
    loss: float = 0.0  # share of datagrams lost, 0 to 1
    bytes_per_s: float | None = None  # what it carries; None: not measured yet
    datagram_bytes_max: int = 1_200  # 0: no datagram lane
    has_reliable_lane: bool = True
    looks_like_web: bool = False
    on_network: bool = (
        True  # False: radio or memory, nobody on a network path sees it, and no tariff counts it
    )
    cost: float = 1.0  # relative energy per byte; 1.0 is a wired LAN
    metered: bool | None = None  # bytes cost money on this one; None: as on the device
    relayed_hops: int = 0  # 0: the peer itself is at the other end
    silent_ms: float = 0.0  # a live one that has owed an answer for too long; 0: it answers
    in_use: bool = False  # for this traffic, up to now
    failures: int = 0  # dials that failed in a row just now: a blocked port, a peer out of range


@dataclass(frozen=True, slots=True)
class Weights:
    """What a class of traffic minds."""

    time: float
    energy: float
    money: float


@dataclass(frozen=True, slots=True)
class ScoringLimits:
    rtt_ms_unknown: float = 80.0  # guess: between a LAN (1) and another continent (200)
    bytes_per_s_unknown: float = 1_000_000.0  # guess: a slow home uplink
    dial_rtts: float = 3.0  # QUIC's handshake, then our session's, then the first answer
    dial_ms: float = 20.0  # two signatures and a key exchange at both ends, on a Pi 4; guess
    dial_failed_ms: float = 4_000.0  # a dial that failed just now will most likely time out again
    hop_ms: float = 40.0  # guess: a relay's queue, and its owner's goodwill
    silent_ms: float = (
        30_000.0  # by then its transport says that it is dead (QUIC's idle timeout), or it answered
    )
    censored_ms: float = 600_000.0  # ten minutes: any web-like link wins unless it is as good as dead
    energy_ms_per_kib: float = 0.1  # guess: 2 MiB on a wired LAN weigh as much as 0.2 s
    dial_kib: float = 16.0  # a handshake's bytes and the radio's wake-up, in bytes of the same energy
    money_ms_per_kib: float = 10.0  # guess: 1 MiB of a tariff is worth ten seconds
    interactive: Weights = field(
        default=Weights(time=1.0, energy=0.2, money=0.2)
    )  # small, and somebody waits
    bulk: Weights = field(default=Weights(time=1.0, energy=1.0, money=1.0))
    background: Weights = field(default=Weights(time=0.1, energy=2.0, money=4.0))  # nobody waits
    emergency: Weights = field(default=Weights(time=1.0, energy=0.0, money=0.0))  # cost what it may
    energy_full: float = 0.1  # on mains energy still breaks ties between equals
    energy_careful: float = 1.0
    energy_saver: float = 5.0  # below a fifth of the battery, each byte counts about five times
    energy_critical: float = 20.0


@dataclass(frozen=True, slots=True)
class Penalties:
    """Milliseconds each, never negative."""

    set_up: float
    silence: float
    time: float
    loss: float
    hops: float
    energy: float
    money: float
    censored: float

    @property
    def total(self) -> float:
        return self.otherwise + self.censored

    @property
    def otherwise(self) -> float:
        """Without what censorship adds."""
        return self.set_up + self.silence + self.time + self.loss + self.hops + self.energy + self.money


def penalties_of(
    link: LinkView,
    device: DeviceState,
    level: EnergyLevel,
    traffic: Traffic,
    size: int,
    limits: ScoringLimits,
) -> Penalties:
    weights = weights_of(traffic, limits)
    size = min(max(size, 0), SIZE_MAX)
    rtt_ms = _within(link.rtt_ms, 0.0, RTT_MS_MAX, limits.rtt_ms_unknown)
    rate = _within(link.bytes_per_s, BYTES_PER_S_MIN, BYTES_PER_S_MAX, limits.bytes_per_s_unknown)
    transfer_ms = rtt_ms / 2 + size * 1_000.0 / rate
    loss = _within(link.loss, 0.0, LOSS_MAX, 0.0)
    resent = loss / (1.0 - loss)  # how often a datagram is sent again, on average
    failures = min(max(link.failures, 0), FAILURES_MAX)
    dial_ms = (
        0.0 if link.live else limits.dial_rtts * rtt_ms + limits.dial_ms + failures * limits.dial_failed_ms
    )
    kib = size / 1_024 + (0.0 if link.live else limits.dial_kib)
    cost = _within(link.cost, 0.0, COST_MAX, 1.0)
    paid = is_metered(link, device)
    return Penalties(
        set_up=dial_ms * weights.time,
        silence=limits.silent_ms if is_silent(link) else 0.0,
        time=transfer_ms * weights.time,
        loss=resent
        * (transfer_ms + 2 * rtt_ms)
        * weights.time,  # a loss is noticed after about two round trips
        hops=min(max(link.relayed_hops, 0), HOPS_MAX) * limits.hop_ms,
        energy=kib * cost * limits.energy_ms_per_kib * weights.energy * _energy_rate(level, limits),
        money=kib * limits.money_ms_per_kib * weights.money if paid else 0.0,
        censored=limits.censored_ms if device.censored and is_conspicuous(link) else 0.0,
    )


def score_of(penalties: Penalties) -> float:
    return 100.0 / (1.0 + penalties.total / 1_000.0)


def weights_of(traffic: Traffic, limits: ScoringLimits) -> Weights:
    return {
        "interactive": limits.interactive,
        "bulk": limits.bulk,
        "background": limits.background,
        "emergency": limits.emergency,
    }[traffic]


def is_metered(link: LinkView, device: DeviceState) -> bool:
    return link.on_network and bool(device.metered if link.metered is None else link.metered)


def is_silent(link: LinkView) -> bool:
    return link.live and link.silent_ms > 0


def is_conspicuous(link: LinkView) -> bool:
    """Somebody on the network path would see that this is not the web."""
    return link.on_network and not link.looks_like_web


def _energy_rate(level: EnergyLevel, limits: ScoringLimits) -> float:
    return {
        EnergyLevel.FULL: limits.energy_full,
        EnergyLevel.CAREFUL: limits.energy_careful,
        EnergyLevel.SAVER: limits.energy_saver,
        EnergyLevel.CRITICAL: limits.energy_critical,
    }[level]


def _within(value: float | None, low: float, high: float, unknown: float) -> float:
    return unknown if value is None or isnan(value) else min(max(value, low), high)
