"""The numbers behind `/metrics`."""

from collections.abc import Mapping
from typing import Literal

from meshnode import __version__
from meshnode.control.backend import Sample
from meshnode.node import Node

NS_PER_S = 1_000_000_000

Kind = Literal["counter", "gauge"]


async def samples_of(node: Node) -> list[Sample]:
    mesh, clock = node.driver.mesh, node.world.clock
    counts = await node.messages.counts()
    samples = [
        Sample("meshnode_info", 1, "gauge", "The version that runs.", {"version": __version__}),
        Sample(
            "meshnode_uptime_seconds",
            (clock.now_ns() - node.started_ns) / NS_PER_S,
            "gauge",
            "Since the start.",
        ),
        Sample("meshnode_peers_connected", len(node.driver.connected()), "gauge", "Peers with a live link."),
        Sample("meshnode_peers_known", len(node.peers.owner.peers()), "gauge", "Peers in the book."),
        Sample("meshnode_messages_queued", counts.queued, "gauge", "Messages that wait to be delivered."),
        Sample(
            "meshnode_messages_requested",
            counts.requests,
            "gauge",
            "Strangers who wait in the request box.",
        ),
        Sample("meshnode_inbox_bytes", counts.inbox_bytes, "gauge", "Bodies of contacts' messages."),
        Sample("meshnode_events_total", node.events.count, "counter", "Told to the event stream."),
        Sample("meshnode_energy_level", int(mesh.manager.energy.level), "gauge", "0 critical to 3 full."),
    ]
    seen = node.view.figures()
    samples += [
        Sample("meshnode_relayed_bytes_total", seen.passed.relayed_bytes, "counter", "Passed on for others."),
        Sample(
            "meshnode_control_bytes_total", seen.passed.control_bytes_out, "counter", "Of routing and sync."
        ),
        Sample("meshnode_queued_bytes", seen.passed.queued_bytes, "gauge", "Wait for full links."),
        Sample("meshnode_routing_bytes", seen.routing_bytes, "gauge", "Memory of the tables of ways."),
        Sample("meshnode_destinations", seen.destinations, "gauge", "Nodes that a way is known to."),
    ]
    for place in ("full", "last", "none"):
        standing = [each for each in node.view.neighbours() if each.standing.place == place]
        samples.append(
            Sample("meshnode_neighbours", len(standing), "gauge", "By how they stand.", {"place": place})
        )
    for link in mesh.links.all():
        labels = {"transport": link.up.traits().transport, "link": str(link.id)}
        stats = link.up.stats
        for way, value in (("in", stats.bytes_in), ("out", stats.bytes_out)):
            samples.append(
                Sample(
                    "meshnode_link_bytes_total", value, "counter", "Bytes over a link.", labels | {"way": way}
                )
            )
        if stats.rtt_ns is not None:
            samples.append(
                Sample(
                    "meshnode_link_rtt_seconds",
                    stats.rtt_ns / NS_PER_S,
                    "gauge",
                    "Round trip of a link.",
                    labels,
                )
            )
    samples += _counted("meshnode_mesh_dropped_total", "Dropped by the core.", mesh.counts)
    samples += _counted("meshnode_session_dropped_total", "Dropped by sessions.", mesh.session_drops)
    samples += _counted("meshnode_rpc_total", "Calls.", node.driver.hub.counts)
    samples += _counted("meshnode_directory_total", "What the directory counted.", node.directory.counts())
    samples += _counted("meshnode_peers_total", "What the peers service counted.", node.peers.counts())
    samples += _counted("meshnode_messages_total", "What the messages service counted.", counts.happened)
    courier = node.courier.view()
    samples.append(Sample("meshnode_courier_bytes", courier.bytes, "gauge", "Carried for others, sealed."))
    samples.append(Sample("meshnode_courier_own", courier.own, "gauge", "Sealed objects of ours under way."))
    samples += _counted("meshnode_courier_total", "What the courier service counted.", courier.counts)
    news = await node.broadcasts.counts()
    samples.append(Sample("meshnode_broadcasts_kept", news.kept, "gauge", "Broadcasts on disk."))
    samples += _counted("meshnode_broadcasts_total", "What the broadcasts service counted.", news.happened)
    commons = mesh.commons
    samples += _counted("meshnode_flood_total", "What became of floods.", commons.flood.counts)
    samples += _counted(
        "meshnode_sync_total", "What neighbours compared, gave and asked.", commons.sync.counts
    )
    for name, status in node.transports.items():
        samples += _counted(
            "meshnode_transport_dropped_total",
            "Dropped by a transport.",
            status.transport.dropped,
            transport=name,
        )
    if node.discovery is not None:
        samples += _counted(
            "meshnode_discovery_dropped_total", "Dropped by discovery.", node.discovery.dropped
        )
    return samples


def _counted(name: str, meaning: str, counts: Mapping[str, int], **labels: str) -> list[Sample]:
    return [
        Sample(name, value, "counter", meaning, labels | {"reason": reason})
        for reason, value in sorted(counts.items())
    ]
