"""What the control API asks about the directory, answered by the node."""

from collections.abc import Callable

from meshnode.control import directory_shapes as shapes
from meshnode.services.directory import DirectoryView, Found
from meshnode.times import rfc3339
from protocols.directory.kademlia import Holding
from protocols.ids import NodeId, node_id_text, short_id

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


def found_of(peer: NodeId, found: Found, name_of: Callable[[NodeId], str]) -> shapes.FoundPeer:
    record = found.card.record if found.card is not None else None
    return shapes.FoundPeer(
        node_id=node_id_text(peer),
        short=short_id(peer),
        name=name_of(peer) or (record.name if record is not None else ""),
        found=record is not None,
        addresses=[] if record is None else list(record.addresses),
        signed_at=None if record is None else rfc3339(record.sequence * NS_PER_MS),
        expires_at=None if record is None else rfc3339(record.expires_at * NS_PER_S),
        replicas=found.replicas,
        older=found.older,
        paths=found.paths,
        paths_found=found.paths_found,
        asked=found.asked,
        failed=found.failed,
        steps=found.steps,
    )


def status_of(view: DirectoryView, counts: dict[str, int]) -> shapes.DirectoryStatus:
    return shapes.DirectoryStatus(
        listed=view.listed,
        nodes=view.nodes,
        buckets={str(number): seats for number, (seats, _) in view.buckets.items()},
        waiting=sum(waiting for _, waiting in view.buckets.values()),
        records=view.records,
        copies=view.copies,
        holdings=view.holdings,
        away=view.away,
        lines=view.lines,
        wards=view.wards,
        gateways=[node_id_text(each) for each in view.gateways],
        replicas=view.replicas,
        published_at=None if view.published_s is None else rfc3339(view.published_s * NS_PER_S),
        counts=counts,
    )


def holder_of(holding: Holding, name_of: Callable[[NodeId], str]) -> shapes.HolderInfo:
    return shapes.HolderInfo(
        node_id=node_id_text(holding.node),
        short=short_id(holding.node),
        name=name_of(holding.node),
        expires_at=rfc3339(holding.expires_at * NS_PER_S),
    )
