"""What a neighbour's conduct earns it: evidence in, a standing out, with the figures in words.

    full   carries what routing gives it
    last   its links cost so much more that anything else is tried first
    none   nothing is sent through it, and nothing of it is relayed; what it sends to us alone is still heard

Droppers are found by comparison. Of the flows that went through a neighbour, answers came back for some share; what
is held against it is only that this share is surely (Wilson's interval) far below what the others surely manage. So
a network that loses a third of everything harms nobody's standing, and thin evidence proves nothing. Where all goes
through one neighbour there is nobody to compare it with (a black hole attracts everything): then silence costs it the
first rank, so that others are tried; they prove it wrong or right.

The other misdeeds are counted, beyond what honest nodes do by accident. Each kind yields a blame from 0 to 1; the score
is the product of what is left. All counts fade, so one that mends its ways, or was misjudged, comes back; a margin keeps
a place from flapping.
"""

from dataclasses import dataclass, field
from math import inf, sqrt
from typing import Literal, TypeAlias

__all__ = ["GOOD", "NO_CONDUCT", "Conduct", "Place", "Standing", "TrustLimits", "TrustView", "judge"]

Place: TypeAlias = Literal["full", "last", "none"]


@dataclass(frozen=True, slots=True)
class Conduct:
    """What was seen of a neighbour (or of several together), each count faded to now by the caller's half-life."""

    flows: float = 0.0  # that we sent through it, and whose answer came or was due
    answered: float = 0.0  # of these, within the time
    frames: float = 0.0  # that it gave us to relay
    bytes: float = 0.0
    refused: float = 0.0  # of these frames, since they were above its fair share
    replays: float = 0.0  # the same thing again from the same neighbour
    rubbish: float = 0.0  # frames that make no sense, or forged ones
    lies: float = 0.0  # routing data that contradicts itself or what we know; offers that are never kept
    acks_due: float = 0.0  # hop acknowledgements that it owed us
    acks_missed: float = 0.0
    asked: float = 0.0  # calls of its services
    failed: float = 0.0  # of these, without an answer


NO_CONDUCT = Conduct()


@dataclass(frozen=True, slots=True)
class TrustView:
    it: Conduct
    others: Conduct = NO_CONDUCT  # all other neighbours together
    contact: bool = False  # the owner knows it
    place_before: Place = "full"  # as last judged


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is overlooked, and what costs the whole place by itself."""

    overlooked: float  # counts within a half-life or so
    ruin: float
    share: float = 0.0  # of its frames, overlooked on top


@dataclass(frozen=True, slots=True)
class TrustLimits:
    """All guesses, tried against the crowds of tests/policies/test_trust.py, unless another source is named."""

    z: float = 2.6  # of Wilson's interval: 99 % sure, since each neighbour is judged again and again
    z_rank: float = 2.0  # 95 %: the first rank is lost, and won back, more lightly than the place
    flows_min: float = 12.0  # of it and of the others: below, no rate is worth a word
    share_expected: float = 0.75  # of the others' rate: destinations differ, some are just away
    share_ruin: float = 0.4
    rate_assumed: float = 0.7  # of the others, where they were not tried enough
    replays: Allowance = field(default=Allowance(32, 256, 0.05))  # a link that changes sends things again
    rubbish: Allowance = field(default=Allowance(16, 128, 0.01))  # another version, a bad cable
    lies: Allowance = field(default=Allowance(3, 24, 0.001))  # one that rebooted contradicts itself once
    refused_min: float = 200.0  # frames: a short burst is no flood
    refused_share: float = 0.5  # whoever heeds losses ends far below: congestion control halves at each
    refused_ruin: float = 0.95
    acks_min: float = 20.0
    acks_share: float = 0.6  # missed; at 30 % loss each way half of single tries fail
    asked_min: float = 20.0
    asked_share: float = 0.6
    worst_of_weak: float = 0.5  # silence may be a bad radio: it costs the first rank, never the place
    patience: float = 2.0  # contacts get so much more of everything
    none_below: float = 0.2
    last_below: float = 0.6
    margin: float = 0.1  # a better place asks for so much more
    last_factor: float = 8.0  # longer than any detour that is worth it


DEFAULT_LIMITS = TrustLimits()


@dataclass(frozen=True, slots=True)
class Standing:
    score: float  # 0 to 1; 1: nothing speaks against it
    place: Place
    cost_factor: float  # what the link's cost is multiplied by: 1.0 or more, infinite without a place
    reasons: tuple[str, ...]  # sentences with figures, the weightiest first


GOOD = Standing(1.0, "full", 1.0, ())


def judge(view: TrustView, limits: TrustLimits = DEFAULT_LIMITS) -> Standing:
    blames = [blame for blame in _blames(view, limits) if blame.weight > 0.0]
    if not blames and view.place_before == "full":
        return GOOD
    score = 1.0
    for blame in blames:
        score *= 1.0 - blame.weight
    place = _place(score, view.place_before, limits)
    blames.sort(key=lambda blame: -blame.weight)
    return Standing(
        score, place, _cost_factor(score, place, limits), tuple(blame.sentence for blame in blames)
    )


def _place(score: float, before: Place, limits: TrustLimits) -> Place:
    """Worse at once, better only past the margin."""
    none_below = limits.none_below + (limits.margin if before == "none" else 0.0)
    last_below = limits.last_below + (limits.margin if before != "full" else 0.0)
    if score < none_below:
        return "none"
    return "last" if score < last_below else "full"


def _cost_factor(score: float, place: Place, limits: TrustLimits) -> float:
    if place == "none":
        return inf
    return limits.last_factor if place == "last" else 1.0 / score


# -- what may be held against it ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Blame:
    weight: float  # 0 to 1
    sentence: str


def _blames(view: TrustView, limits: TrustLimits) -> list[_Blame]:
    patience = limits.patience if view.contact else 1.0
    it = view.it
    return [
        _dropping(view, limits, patience),
        _beyond(it.lies, it.frames, limits.lies, patience, "contradictions in what it says of the network"),
        _beyond(it.replays, it.frames, limits.replays, patience, "replays of what it had sent before"),
        _beyond(it.rubbish, it.frames, limits.rubbish, patience, "frames that make no sense"),
        _flooding(view, limits, patience),
        _silent(
            it.acks_missed, it.acks_due, limits.acks_min, limits.acks_share, limits, "hop acknowledgements"
        ),
        _silent(it.failed, it.asked, limits.asked_min, limits.asked_share, limits, "answers of its services"),
    ]


def _dropping(view: TrustView, limits: TrustLimits, patience: float) -> _Blame:
    it, others = view.it, view.others
    if it.flows < limits.flows_min:
        return _Blame(0.0, "")
    _, at_best = wilson(it.answered, it.flows, limits.z)
    expected, ruin = limits.share_expected, limits.share_ruin
    if others.flows < limits.flows_min:  # even a contact: trying others first is no punishment
        assumed = limits.rate_assumed
        return _Blame(
            limits.worst_of_weak * _between(at_best, expected * assumed, ruin * assumed),
            f"answers came back from {_count(it.answered)} of {_count(it.flows)} flows sent through it, "
            "and no other neighbour was tried enough to compare",
        )
    usual, _ = wilson(others.answered, others.flows, limits.z_rank)
    _, at_best = wilson(it.answered, it.flows, limits.z_rank)
    rank = min(limits.worst_of_weak, _between(at_best, expected * usual, ruin * usual))
    usual, _ = wilson(others.answered, others.flows, limits.z)
    _, at_best = wilson(
        it.answered / patience, it.flows / patience, limits.z
    )  # its place asks for more flows
    weight = max(rank, _between(at_best, expected * usual, ruin * usual))
    return _Blame(
        weight,
        f"answers came back from {_count(it.answered)} of {_count(it.flows)} flows sent through it, "
        f"through the other neighbours from {_count(others.answered)} of {_count(others.flows)}",
    )


def _flooding(view: TrustView, limits: TrustLimits, patience: float) -> _Blame:
    it, others = view.it, view.others
    usual = min(1.0, others.refused / others.frames) if others.frames else 0.0
    if it.frames < limits.refused_min * patience or usual >= limits.refused_ruin:
        return _Blame(0.0, "")
    share = min(1.0, it.refused / it.frames)
    weight = _between(-share, -max(limits.refused_share, usual), -limits.refused_ruin)
    return _Blame(
        weight, f"{share:.0%} of the {_count(it.frames)} frames that it gave us were above its fair share"
    )


def _beyond(count: float, frames: float, allowed: Allowance, patience: float, what: str) -> _Blame:
    overlooked = allowed.overlooked * patience + allowed.share * frames
    ruin = overlooked + (allowed.ruin - allowed.overlooked) * patience
    return _Blame(_between(-count, -overlooked, -ruin), f"{_count(count)} {what}")


def _silent(
    missed: float, due: float, due_min: float, allowed: float, limits: TrustLimits, what: str
) -> _Blame:
    if due < due_min:
        return _Blame(0.0, "")
    share, _ = wilson(missed, due, limits.z)  # at least so many are missed
    weight = limits.worst_of_weak * _between(-share, -allowed, -1.0)
    return _Blame(weight, f"{_count(missed)} of {_count(due)} {what} did not come")


def _between(value: float, good: float, bad: float) -> float:
    """0 at `good` and above it, 1 at `bad` and below it, a straight line between the two."""
    if value >= good:
        return 0.0
    return 1.0 if value <= bad else (good - value) / (good - bad)


def wilson(successes: float, trials: float, z: float) -> tuple[float, float]:
    """The interval in which the true rate lies, by Wilson's score (1927); right for few trials and extreme rates."""
    if trials <= 0.0:
        return 0.0, 1.0
    rate = min(1.0, successes / trials)
    spread = z * z / trials
    centre = rate + spread / 2.0
    reach = z * sqrt(rate * (1.0 - rate) / trials + spread / (4.0 * trials))
    return max(0.0, (centre - reach) / (1.0 + spread)), min(1.0, (centre + reach) / (1.0 + spread))


def _count(value: float) -> str:
    return f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"
