"""What cores count of routing and broadcasts, and the metrics made of it."""

from collections.abc import Mapping

from meshnode.mesh import Mesh
from protocols.envelope import TrafficClass
from protocols.routing.broadcast import make_broadcast
from sim.faults.plan import Cut, Plan
from sim.host import Host
from sim.result import Metrics
from sim.shouts import FIRST_PASS_NS, Shout, healing_of
from sim.timeline import NS_PER_MS, NS_PER_S
from sim.village import Village

LIFE_MS = 6 * 3_600 * 1_000  # of a shout
SHARES_NS = {"first_pass": FIRST_PASS_NS, "30s": 30 * NS_PER_S}


def shout_frame(host: Host, shout: Shout, salt: bytes) -> bytes:
    at_ms = host.clock.wall_ns() // NS_PER_MS
    return make_broadcast(
        host.identity,
        kind="text",
        body=shout.text.encode(),
        at_ms=at_ms,
        expires_ms=at_ms + LIFE_MS,
        traffic=TrafficClass.INTERACTIVE,
        salt=salt,
    )


def counts_of(mesh: Mesh) -> dict[str, int]:
    """Since it booted."""
    passed, flood = mesh.links.tallies.in_all(), mesh.commons.flood
    return {
        "routed_out": mesh.counts[
            "routed_out"
        ],  # transmissions of routed envelopes, one for each hop and try
        "routed_in": mesh.counts["routed_in"],  # that were for itself
        "routed_again": mesh.counts["sent_again"],
        "relayed": mesh.counts["relayed"],
        "no_route": mesh.counts["no_route"],
        "control_bytes": passed.control_bytes_out,
        "shout_relays": flood.relays,
        "shout_sends": flood.sends,
        "shout_synced": mesh.commons.sync.counts["frames_given"],
    }


def routing_metrics(counted: Mapping[str, int], delivered: int) -> Metrics:
    if not counted["routed_in"]:
        return {}
    metrics: Metrics = {
        "relayed": counted["relayed"],
        "no_route": counted["no_route"],
        "transmissions_per_envelope": counted["routed_out"] / counted["routed_in"],
    }
    if delivered:
        metrics["transmissions_per_letter"] = counted["routed_out"] / delivered
    return metrics


def shout_metrics(village: Village, plan: Plan, counted: Mapping[str, int], storm_s: float) -> Metrics:
    shouts = list(village.journal.shouts)
    heard = sum(len(shout.heard) for shout in shouts)
    if not heard:
        return {}
    metrics: Metrics = {"shouts": len(shouts), "shouts_heard": heard}
    for name, span_ns in SHARES_NS.items():
        metrics[f"broadcast_{name}"] = sum(shout.heard_within(span_ns) for shout in shouts) / len(shouts)
    metrics["broadcast_relays_per_delivery"] = counted["shout_relays"] / heard
    metrics["broadcast_sends_per_delivery"] = (counted["shout_sends"] + counted["shout_synced"]) / heard
    cuts = [fault for fault in plan.faults if isinstance(fault, Cut)]
    if cuts:
        last = max(cuts, key=lambda cut: cut.at_ms + cut.for_ms)
        lifted_ns = int(storm_s * NS_PER_S) + (last.at_ms + last.for_ms) * NS_PER_MS
        contact_ns = _first_contact(village, last, lifted_ns)
        metrics["healed_contact_s"] = (contact_ns - lifted_ns) / NS_PER_S
        healing = healing_of(shouts, list(village.hosts), contact_ns)
        if healing.missing:
            metrics["healed_missing"] = healing.missing
            for share in (95, 100):
                if (after_ns := healing.when(share / 100)) is not None:
                    metrics[f"healed_t{share}_s"] = after_ns / NS_PER_S
    return metrics


def _first_contact(village: Village, cut: Cut, lifted_ns: int) -> int:
    """When the first link between both sides was up again."""
    these = dict.fromkeys(cut.these)
    for when_ns, one, other in village.journal.meetings:
        if when_ns >= lifted_ns and (one in these) != (other in these):
            return when_ns
    return lifted_ns
