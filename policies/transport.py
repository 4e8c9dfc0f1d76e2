"""Which link, or which transport to dial, carries something, on which lane, and why.

First some candidates are refused (no lane at all; work that can wait, on a battery, a tariff or a machine that should
be spared; a conspicuous link where privacy is strict). The rest are scored (`policies.scoring`), the best is chosen.
When none is left the decision has no link, and its reason says what to wait for. Ties go to a live link, then by name;
a link in use stays until another is clearly better. What can wait may take further links beside the chosen one.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from policies.device import DeviceState
from policies.energy import EnergyDecision, EnergyLimits, EnergyView, decide_energy
from policies.scoring import (
    LinkView,
    Penalties,
    ScoringLimits,
    Traffic,
    is_conspicuous,
    is_metered,
    is_silent,
    penalties_of,
    score_of,
)

__all__ = [
    "Considered",
    "Lane",
    "LinkView",
    "Privacy",
    "Reason",
    "Refusal",
    "Traffic",
    "TransportDecision",
    "TransportLimits",
    "TransportView",
    "decide_transport",
    "explain",
]

Lane: TypeAlias = Literal["datagram", "reliable"]
Privacy: TypeAlias = Literal["none", "balanced", "strict"]
Refusal: TypeAlias = Literal["no_lane", "save_battery", "too_hot", "device_busy", "metered", "conspicuous"]
Gain: TypeAlias = Literal[
    "already_open",
    "answers",
    "fastest",
    "least_loss",
    "most_direct",
    "saves_energy",
    "unmetered",
    "inconspicuous",
    "first_by_name",
]
Reason: TypeAlias = Gain | Refusal | Literal["in_use", "only_choice", "no_link"]


@dataclass(frozen=True, slots=True)
class TransportView:
    """All that the decision may look at."""

    links: tuple[LinkView, ...]
    traffic: Traffic
    size_bytes: int  # of the whole thing, not of one record
    device: DeviceState = field(default_factory=DeviceState)
    privacy: Privacy = "none"
    energy: EnergyDecision | None = None  # as last decided, with its memory; None: judged here from `device`


@dataclass(frozen=True, slots=True)
class TransportLimits:
    metered_bulk_bytes_max: int = 1 << 20  # 1 MiB: a photo; more waits for a network that costs nothing
    stay_ms: float = 5.0  # a link in use is left for one that is better by more than this, and
    stay_part: float = (
        0.15  # by more than this part of what it costs: round trips of equals drift about as much; guess
    )
    beside_factor: float = (
        3.0  # what costs up to so much of the best carries bulk beside it: worth its energy; guess
    )
    scoring: ScoringLimits = field(default_factory=ScoringLimits)
    energy: EnergyLimits = field(default_factory=EnergyLimits)


@dataclass(frozen=True, slots=True)
class Considered:
    transport: str
    link: str
    score: float  # 0: refused; else up to 100, higher is better
    why: str  # for a person


@dataclass(frozen=True, slots=True)
class TransportDecision:
    link: LinkView | None  # None: wait
    lane: Lane  # on "datagram", what is larger than the link's datagrams is cut by the sender
    reason: Reason
    considered: tuple[Considered, ...]  # best first, refused ones last
    beside: tuple[LinkView, ...] = ()  # bulk and background: live links about as good, best first


DEFAULT_LIMITS = TransportLimits()
CAN_WAIT: frozenset[Traffic] = frozenset(("background", "bulk"))


def decide_transport(view: TransportView, limits: TransportLimits = DEFAULT_LIMITS) -> TransportDecision:
    energy = view.energy or decide_energy(EnergyView(view.device), limits.energy)
    judged = sorted((_judge(link, view, energy, limits) for link in view.links), key=_Judged.order)
    considered = tuple(each.told for each in judged)
    if not judged:
        return TransportDecision(None, "datagram", "no_link", considered)
    best = judged[0]
    if best.refused is not None:
        return TransportDecision(None, "datagram", best.refused, considered)
    allowed = [each for each in judged if each.refused is None]
    chosen = next((each for each in allowed if _stays(each, best, limits)), best)
    reason: Reason = "in_use" if chosen is not best else "only_choice"
    if chosen is best and len(allowed) > 1:
        reason = _gain(best, allowed[1:])
    return TransportDecision(
        chosen.link,
        _lane(chosen.link, view.size_bytes),
        reason,
        considered,
        _beside(chosen, allowed, limits) if view.traffic in CAN_WAIT else (),
    )


def explain(decision: TransportDecision) -> dict[str, object]:
    """The JSON form that `meshctl policy explain` prints."""
    link = decision.link
    return {
        "transport": link.transport if link else None,
        "link": link.name if link else None,
        "reason": decision.reason,
        "considered": [
            {"transport": each.transport, "score": round(each.score, 2), "why": each.why}
            for each in decision.considered
        ],
    }


@dataclass(frozen=True, slots=True)
class _Judged:
    link: LinkView
    refused: Refusal | None
    penalties: Penalties
    told: Considered

    def order(self) -> tuple[bool, float, bool, str]:
        return self.refused is not None, -self.told.score, not self.link.live, self.link.name


def _judge(link: LinkView, view: TransportView, energy: EnergyDecision, limits: TransportLimits) -> _Judged:
    refused = _refusal(link, view, energy, limits)
    penalties = penalties_of(link, view.device, energy.level, view.traffic, view.size_bytes, limits.scoring)
    score = 0.0 if refused else score_of(penalties)
    why = _refused_story(refused) if refused else _story(link, view, penalties)
    return _Judged(link, refused, penalties, Considered(link.transport, link.name, score, why))


def _refusal(
    link: LinkView, view: TransportView, energy: EnergyDecision, limits: TransportLimits
) -> Refusal | None:
    """Emergency and interactive traffic always goes, if there is a lane for it that the owner's wish allows."""
    if link.datagram_bytes_max <= 0 and not link.has_reliable_lane:
        return "no_lane"
    if view.device.censored and view.privacy == "strict" and is_conspicuous(link):
        return "conspicuous"
    can_wait = view.traffic in CAN_WAIT
    allowed = energy.background_allowed if view.traffic == "background" else energy.allowance.bulk_allowed
    if can_wait and not allowed:
        return _spared_by(energy)
    paid_max = 0 if view.traffic == "background" else limits.metered_bulk_bytes_max
    if can_wait and view.size_bytes > paid_max and is_metered(link, view.device):
        return "metered"
    return None


def _spared_by(energy: EnergyDecision) -> Refusal:
    if energy.allowance.background_allowed:
        return "device_busy"
    return "too_hot" if energy.reason == "heat" else "save_battery"


def _stays(used: _Judged, best: _Judged, limits: TransportLimits) -> bool:
    """In use, and not clearly worse: else two equals would take turns."""
    gain = used.penalties.total - best.penalties.total
    return used.link.in_use and gain <= max(limits.stay_ms, limits.stay_part * used.penalties.total)


def _beside(chosen: _Judged, allowed: list[_Judged], limits: TransportLimits) -> tuple[LinkView, ...]:
    """One that was never measured is tried: with how much is the caller's care."""
    enough = limits.beside_factor * chosen.penalties.total
    return tuple(
        each.link
        for each in allowed
        if each is not chosen
        and each.link.live
        and not is_silent(each.link)
        and each.penalties.censored <= chosen.penalties.censored
        and (each.penalties.total <= enough or each.link.bytes_per_s is None)
    )


def _lane(link: LinkView, size: int) -> Lane:
    """Datagrams for what fits into one, the ordered lane for the rest, where the link has both."""
    fits = link.datagram_bytes_max > 0 and (size <= link.datagram_bytes_max or not link.has_reliable_lane)
    return "datagram" if fits else "reliable"


def _gain(best: _Judged, rivals: list[_Judged]) -> Gain:
    """In what the best beats the next most; the first of equals, in the order of the fields."""
    ours = best.penalties
    if any(
        each.penalties.censored > ours.censored and each.penalties.otherwise <= ours.otherwise
        for each in rivals
    ):
        return "inconspicuous"
    theirs = rivals[0].penalties
    gains: list[tuple[float, Gain]] = [
        (theirs.set_up - ours.set_up, "already_open"),
        (theirs.silence - ours.silence, "answers"),
        (theirs.time - ours.time, "fastest"),
        (theirs.loss - ours.loss, "least_loss"),
        (theirs.hops - ours.hops, "most_direct"),
        (theirs.energy - ours.energy, "saves_energy"),
        (theirs.money - ours.money, "unmetered"),
    ]
    gain, name = max(gains, key=lambda pair: pair[0])
    return name if gain > 0 else "first_by_name"


def _refused_story(refused: Refusal) -> str:
    stories: dict[Refusal, str] = {
        "no_lane": "refused: the link carries nothing",
        "save_battery": "refused: this can wait until there is more battery",
        "too_hot": "refused: this can wait until the device has cooled down",
        "device_busy": "refused: this can wait until the device has memory and processor to spare",
        "metered": "refused: this can wait for a network that costs nothing",
        "conspicuous": "refused: it does not look like the web, and the network is watched",
    }
    return stories[refused]


def _story(link: LinkView, view: TransportView, penalties: Penalties) -> str:
    parts = ["live" if link.live else "would be dialled"]
    parts.append("round trip unknown" if link.rtt_ms is None else f"{_rounded(link.rtt_ms)} ms round trip")
    if is_silent(link):
        parts.append(f"no answer for {_rounded(link.silent_ms)} ms")
    if link.loss > 0:
        parts.append(f"{link.loss:.1%} lost")
    if link.failures > 0:
        parts.append(f"failed dials: {link.failures}")
    if link.relayed_hops > 0:
        parts.append(f"relays: {link.relayed_hops}")
    if is_metered(link, view.device):
        parts.append("metered")
    if view.device.censored:
        parts.append("conspicuous on a watched network" if is_conspicuous(link) else "inconspicuous")
    return f"{', '.join(parts)}; costs {_rounded(penalties.total)} ms in all"


def _rounded(milliseconds: float) -> str:
    return f"{milliseconds:.1f}" if milliseconds < 100 else f"{milliseconds:.0f}"
