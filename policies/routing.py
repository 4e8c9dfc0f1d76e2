"""What a hop costs, and how wide it is, as routing reckons. 16 is one good hop on a wire."""

from dataclasses import dataclass
from math import ceil

HOP_COST = 16
HOP_COST_MAX = 256  # sixteen good hops: a link so bad is the last resort, and still a link
SHUNNED_COST = 8_192  # farther than anybody who is not: HOP_COST_MAX, thirty-two times
RTT_MS_PER_COST = 10.0  # 160 ms of round trip weigh as much as one more hop: it adds a relay's work and risk
LOSS_MAX = 0.9
FACTOR_MAX = 8.0  # of a neighbour's conduct
STEADY_SHARE = (
    0.25  # a cost that moved by less is left as it was, so that round trips do not shake the routes
)


@dataclass(frozen=True, slots=True)
class HopView:
    rtt_ms: float | None  # None: not measured
    loss: float = 0.0  # of records, either way
    cost_factor: float = 1.0  # of the neighbour's standing
    silent: bool = False  # it did not answer lately
    shunned: bool = False  # its conduct lost it its place: the last resort for what is meant for itself


def hop_cost(view: HopView) -> int:
    """At most HOP_COST_MAX, of one who has a place: expected transmissions (ETX; De Couto et al. 2003), times and conduct in one number."""
    if view.shunned:
        return SHUNNED_COST
    rtt_ms = min(max(view.rtt_ms or 0.0, 0.0), 60_000.0)
    tries = 1.0 / (1.0 - min(max(view.loss, 0.0), LOSS_MAX))
    factor = min(max(view.cost_factor, 1.0), FACTOR_MAX) * (4.0 if view.silent else 1.0)
    return min(HOP_COST_MAX, ceil((HOP_COST + rtt_ms / RTT_MS_PER_COST) * tries * factor))


def has_moved(before: int, now: int) -> bool:
    """Whether the change is worth telling the neighbours."""
    return abs(now - before) > before * STEADY_SHARE
