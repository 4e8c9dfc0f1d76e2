"""What the core knows of ways to peers, for the directory (`meshnode.services.directory.Sight`)."""

from collections.abc import Callable, Collection

from meshnode.mesh import Mesh
from meshnode.mesh.relay import WIDE
from protocols.directory.kademlia import ALONE, Group, group_behind, group_of
from protocols.ids import NodeId, short_id


class NodeSight:
    def __init__(
        self,
        mesh: Mesh,
        schemes: Collection[str],
        now_ns: Callable[[], int],
        sighted: Callable[[NodeId], list[str]],
    ) -> None:
        """`schemes`: of the transports there are. `sighted`: where a peer announces itself just now."""
        self._mesh, self._schemes, self._now_ns, self._sighted = mesh, schemes, now_ns, sighted

    def group(self, peer: NodeId) -> Group:
        if links := self._mesh.links.of(peer):
            return group_of(links[0].up.address)
        way = self._mesh.relay.way_to(peer, self._now_ns())
        return ALONE if way is None else group_behind(short_id(way.neighbour))

    def can_dial(self, address: str) -> bool:
        return address.partition("://")[0] in self._schemes

    def is_wide(self, peer: NodeId) -> bool:
        if links := self._mesh.links.of(peer):
            return not all(link.up.traits().is_radio for link in links)
        return self.is_routed(peer)

    def is_routed(self, peer: NodeId) -> bool:
        way = self._mesh.relay.way_to(peer, self._now_ns())
        return way is not None and way.width >= WIDE

    def is_kept(self, peer: NodeId) -> bool:
        target = self._mesh.dialer.describe(peer)
        return target is not None and target.keep

    def is_around(self, peer: NodeId) -> bool:
        return bool(self._sighted(peer))

    def is_failing(self, peer: NodeId) -> bool:
        target = self._mesh.dialer.describe(peer)
        return target is None or not target.addresses or target.failures > 0
