"""What must have happened by the end of the calm, between those who could do it for long enough."""

from collections.abc import Iterator

from sim.host import Host
from sim.journal import Letter
from sim.oracles.oracle import Oracle
from sim.oracles.sizes import mesh_of
from sim.timeline import NS_PER_S


class Delivered(Oracle):
    """Every letter between acquaintances that its sender's node accepted has arrived."""

    def finish(self) -> None:
        ground, hosts, now_ns = self.ground, self.village.hosts, self.village.timeline.now_ns
        for letter in self.village.journal:
            if letter.accepted_ns is None or letter.arrivals:
                continue
            sender, receiver = hosts[letter.sender], hosts[letter.receiver]
            if receiver not in sender.acquaintances or not _fair(self, sender, receiver):
                continue
            since_ns = ground.together_since_ns(sender, receiver)
            if since_ns is None or self._is_over(letter, sender):
                continue
            waited_ns = now_ns - max(since_ns, letter.accepted_ns)
            if waited_ns > ground.meeting_ns(sender, receiver):
                what = f"letter {letter.number} to {receiver.name} did not arrive in {waited_ns / NS_PER_S:.1f} s"
                self.broke(sender.name, f"{what}, with both there")

    def _is_over(self, letter: Letter, sender: Host) -> bool:
        """Given up, and told so; or lost with a core that keeps nothing."""
        if sender.storage is None:
            return sender.booted_ns >= (letter.accepted_ns or 0)
        return self.ground.states.get((sender.name, letter.text)) == "expired"


class Reunited(Oracle):
    """Acquaintances that reach each other have a link. Not asked of those with a battery, whose policy may decline."""

    def finish(self) -> None:
        now_ns = self.village.timeline.now_ns
        for one, other in self._pairs():
            since_ns = self.ground.together_since_ns(one, other)
            if since_ns is None:
                continue
            waited_ns = now_ns - since_ns
            if waited_ns > self.ground.meeting_ns(one, other) and not _connected(one, other):
                self.broke(one.name, f"not connected to {other.name} after {waited_ns / NS_PER_S:.1f} s")

    def _pairs(self) -> Iterator[tuple[Host, Host]]:
        for one in self.village.hosts.values():
            for other in one.acquaintances:
                if one.name < other.name and _fair(self, one, other) and one.battery is other.battery is None:
                    yield one, other


def _fair(oracle: Oracle, one: Host, other: Host) -> bool:
    ground = oracle.ground
    return all(ground.honest(host.name) and not ground.spoiled(host.name) for host in (one, other))


def _connected(one: Host, other: Host) -> bool:
    """Each knows of a link on which the other has proved who it is."""
    meshes = ((mesh_of(one), other), (mesh_of(other), one))
    return all(mesh is not None and mesh.links.of(peer.node_id) for mesh, peer in meshes)
