"""What is read from a run: numbers at its end, and samples on the way for the report's plots."""

from collections import Counter
from collections.abc import Sequence
from math import ceil

from sim.builder import Settlement
from sim.faults.plan import Byzantine, Plan
from sim.journal import Letter
from sim.meshwork import routing_metrics, shout_metrics
from sim.power import Power
from sim.result import MapFrame, Metrics, Point, Reached, Samples
from sim.scenario import Goal
from sim.shouts import component_of
from sim.timeline import NS_PER_MS, NS_PER_S

SAMPLES = 120  # on each curve; a screen shows no more
MAP_HOSTS_MAX = 2_000  # above, the map shows every second one, every third, ...
MAP_FRAMES = 24
NJ_PER_MJ = 1_000_000
SOON_NS = 30 * NS_PER_S  # within which a letter should come, whatever its neighbours do


class Meter:
    """Reads a running village `SAMPLES` times, without touching it."""

    def __init__(self, settlement: Settlement, end_ns: int) -> None:
        self._settlement, self._village = settlement, settlement.village
        self._every_ns = max(NS_PER_MS, end_ns // SAMPLES)
        self._taken = 0
        self._sent_before = 0
        self.samples = Samples()

    def start(self) -> None:
        self._village.timeline.after(self._every_ns, "meter", self._take)

    def _take(self) -> None:
        village, samples = self._village, self.samples
        sent = sum(host.sends for host in village.hosts.values())
        letters = list(village.journal)
        accepted = [each for each in letters if each.accepted_ns is not None]
        samples.every_s.append(village.timeline.now_ns / NS_PER_S)
        samples.delivered.append(
            sum(1 for each in accepted if each.arrivals) / len(accepted) if accepted else 1.0
        )
        samples.frames.append(sent - self._sent_before)
        samples.letters.append(sum(1 for each in letters if each.arrivals))
        samples.up.append(len(village.up()))
        samples.links.append(village.links())
        if any(host.battery is not None for host in village.hosts.values()):
            samples.energy_mj.append(self.energy_mj())
        self._sent_before = sent
        if self._taken % (SAMPLES // MAP_FRAMES) == 0 and self._settlement.crowd.movers:
            samples.map.append(self._map())
        self._taken += 1
        village.timeline.after(self._every_ns, "meter", self._take)

    def energy_mj(self) -> float:
        """Of the radios, of all hosts that have a battery."""
        now_ns = self._village.timeline.now_ns
        batteries = [host.battery for host in self._village.hosts.values() if host.battery is not None]
        return (
            sum(each.spent_nj("ble", now_ns) + each.spent_nj("wifi", now_ns) for each in batteries)
            / NJ_PER_MJ
        )

    def _map(self) -> MapFrame:
        village, crowd = self._village, self._settlement.crowd
        step = ceil(len(crowd.names) / MAP_HOSTS_MAX)
        shown = dict.fromkeys(crowd.names[::step])
        positions = crowd.positions(village.timeline.now_ns)
        points = [
            Point(name, round(place.x_m, 1), round(place.y_m, 1), village.hosts[name].up)
            for name, place in list(zip(crowd.names, positions, strict=True))[::step]
        ]
        joined = [pair for pair in village.joined() if pair[0] in shown and pair[1] in shown]
        return MapFrame(village.timeline.now_ns / NS_PER_S, points, joined)


def metrics_of(settlement: Settlement, meter: Meter, power: Power, plan: Plan) -> Metrics:
    """Names end in their unit; a share or a count has none. All of them are the seed's alone."""
    village = settlement.village
    letters = list(village.journal)
    accepted = [each for each in letters if each.accepted_ns is not None]
    arrived = [each for each in accepted if each.arrivals]
    latencies = sorted(each.latency_ns or 0 for each in arrived)
    meter.samples.latency_s = [each / NS_PER_S for each in latencies]
    sends = sum(host.sends for host in village.hosts.values())
    metrics: Metrics = {
        "letters_offered": len(letters),
        "letters_accepted": len(accepted),
        "letters_delivered": len(arrived),
        "frames_sent": sends,
        "bytes_sent": sum(host.bytes_sent for host in village.hosts.values()),
    }
    metrics |= {name: float(count) for name, count in sorted(village.journal.counts.items())}
    if meter.samples.links:
        metrics["links"] = meter.samples.links[-1]
    if accepted:
        metrics["delivery"] = len(arrived) / len(accepted)
    if arrived:
        metrics |= {
            "latency_p50_s": percentile(latencies, 0.5) / NS_PER_S,
            "latency_p95_s": percentile(latencies, 0.95) / NS_PER_S,
            "latency_p99_s": percentile(latencies, 0.99) / NS_PER_S,
            "latency_max_s": latencies[-1] / NS_PER_S,
            "frames_per_delivery": sends / len(arrived),
        }
    counted = Counter[str]()
    for host in village.hosts.values():
        counted.update(host.counted())
    metrics |= routing_metrics(counted, len(arrived))
    if accepted and counted["routed_in"]:
        metrics |= _joined(accepted, village.joined())
    links = sum(meter.samples.links) / max(1, len(meter.samples.links))
    if links and counted["control_bytes"]:
        span_s = village.timeline.now_ns / NS_PER_S
        metrics["control_bytes_per_link_s"] = counted["control_bytes"] / (2 * links) / span_s  # each way
    metrics |= shout_metrics(village, plan, counted, meter.samples.plan_from_s)
    return metrics | _honest(accepted, plan) | _energy(meter, power)


def ratios_of(metrics: Metrics) -> Metrics:
    """Against what the best of the baselines did."""
    ratios: Metrics = {}
    epidemic = metrics.get("epidemic:delivery")
    if epidemic and "delivery" in metrics:
        ratios["delivery_of_epidemic"] = metrics["delivery"] / epidemic
    shortest = metrics.get("shortest-path:tx_per_delivery")
    if shortest and "transmissions_per_envelope" in metrics:
        ratios["transmissions_of_shortest"] = metrics["transmissions_per_envelope"] / shortest
    return ratios


def _joined(accepted: Sequence[Letter], pairs: Sequence[tuple[str, str]]) -> Metrics:
    """Between hosts that are joined, over however many others, at the end: nothing can bring a letter elsewhere."""
    part_of: dict[str, str] = {}
    for one, other in pairs:
        for host in (one, other):
            if host not in part_of:
                part_of |= dict.fromkeys((host, *component_of(host, pairs)), host)
    possible = [each for each in accepted if part_of.get(each.sender, "-") == part_of.get(each.receiver)]
    if not possible:
        return {}
    return {"delivery_joined": sum(1 for each in possible if each.arrivals) / len(possible)}


def _honest(accepted: Sequence[Letter], plan: Plan) -> Metrics:
    """Of letters between hosts that don't lie: those that came at all, after the calm too; and those that came soon, of
    all that were written so long before the last.
    """
    liars = {fault.host: None for fault in plan.faults if isinstance(fault, Byzantine)}
    honest = [each for each in accepted if each.sender not in liars and each.receiver not in liars]
    if not honest:
        return {}
    last_ns = max(each.offered_ns for each in honest) - SOON_NS
    early = [each for each in honest if each.offered_ns <= last_ns]
    soon = sum(1 for each in early if each.latency_ns is not None and each.latency_ns <= SOON_NS)
    metrics: Metrics = {"delivery_honest_30s": soon / len(early)} if early else {}
    if liars:
        metrics["delivery_honest"] = sum(1 for each in honest if each.arrivals) / len(honest)
    return metrics


def _energy(meter: Meter, power: Power) -> Metrics:
    spent_mj = meter.energy_mj()
    if not spent_mj:
        return {}
    saved_mj = power.saved_nj / NJ_PER_MJ
    return {"radio_energy_mj": spent_mj, "radio_energy_share": spent_mj / (spent_mj + saved_mj)}


def percentile(ordered: Sequence[float], share: float) -> float:
    """Nearest rank."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def goals_reached(goals: Sequence[Goal], metrics: Metrics) -> list[Reached]:
    return [_reached(goal, metrics.get(goal.metric)) for goal in goals]


def _reached(goal: Goal, measured: float | None) -> Reached:
    bounds = [
        *([f"≥ {goal.at_least:g}"] if goal.at_least is not None else []),
        *([f"≤ {goal.at_most:g}"] if goal.at_most is not None else []),
    ]
    met = None
    if measured is not None:
        met = (goal.at_least is None or measured >= goal.at_least) and (
            goal.at_most is None or measured <= goal.at_most
        )
    return Reached(goal.metric, " and ".join(bounds), measured, met, goal.why)
