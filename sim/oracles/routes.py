"""What must hold where people are joined over several hops: letters and shouts find a way, and nothing goes in circles.

Asked only where a scenario names them: in a world whose links come and go all the time nobody is joined for long.
"""

from collections.abc import Iterator

from sim.host import Host
from sim.journal import Letter
from sim.oracles.oracle import Ground, Oracle
from sim.oracles.sizes import mesh_of
from sim.shouts import Shout, component_of
from sim.timeline import NS_PER_S
from sim.village import Lane

LOOKS_MAX = 120  # remembered, one a second: twice as long as anybody below is patient
# Ways are known again some seconds after the last change (docs/routing.md); then a handshake, its first repetitions,
# and a rest after one that failed.
REACHED_NS = 20 * NS_PER_S
# Neighbours compare what they heard every 15 s, and soon after they meet; what is found so is flooded in a second or two.
HEARD_NS = 25 * NS_PER_S
# A link's silence is noticed after 8 s; that a way is gone is told from neighbour to neighbour within a second or two.
GONE_NS = 15 * NS_PER_S
# Of transmissions. Seen: none where people stand still; 3 of 1,000 where they walk, since a way changes under an envelope,
# or custody tries a neighbour that had it. Without feasibility it is 10 of 1,000, since each that circles is sent so often.
TURNED_SHARE_MAX = 0.005
TURNED_FREE = 3  # in a run that sends next to nothing


class Joined(Oracle):
    """Who has been joined to whom, as seen once a second: over honest hosts, of whom alone something can be asked."""

    over_liars = False

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._looks: list[
            tuple[int, dict[str, str]]
        ] = []  # when, host -> the first of all that it is joined to

    def look(self, hosts: list[Host]) -> None:  # noqa: ARG002 - links are between hosts
        now_ns = self.village.timeline.now_ns
        if not self._looks or self._looks[-1][0] < now_ns:
            self._looks = [*self._looks[1 - LOOKS_MAX :], (now_ns, self._firsts())]

    def joined_since(self, one: str, other: str) -> int | None:
        """Since when, without a break and with both processes the same. None: they are not."""
        since_ns = None
        for when_ns, firsts in reversed(self._looks):
            if firsts.get(one, one) != firsts.get(other, other):
                break
            since_ns = when_ns
        if since_ns is None:
            return None
        hosts = self.village.hosts
        return max(since_ns, hosts[one].booted_ns, hosts[other].booted_ns, self.ground.calm_since_ns)

    def apart_since(self, one: str, other: str) -> int | None:
        """Since when, without a break. None: they are joined."""
        since_ns = None
        for when_ns, firsts in reversed(self._looks):
            if firsts.get(one, one) == firsts.get(other, other):
                break
            since_ns = when_ns
        return since_ns

    def is_fair(self, name: str) -> bool:
        return self.village.hosts[name].up and self.ground.honest(name) and not self.ground.spoiled(name)

    def _firsts(self) -> dict[str, str]:
        pairs = [
            pair for pair in self.village.joined() if self.over_liars or all(map(self.ground.honest, pair))
        ]
        firsts: dict[str, str] = {}
        for name in dict.fromkeys(each for pair in pairs for each in pair):
            if name not in firsts:
                firsts |= dict.fromkeys((name, *component_of(name, pairs)), name)
        return firsts


class Reached(Joined):
    """A letter that was accepted has arrived where its sender and its receiver are joined, over however many hops."""

    def finish(self) -> None:
        now_ns = self.village.timeline.now_ns
        for letter in self.village.journal:
            if letter.accepted_ns is None or letter.arrivals or self._is_over(letter):
                continue
            since_ns = self.joined_since(letter.sender, letter.receiver)
            if since_ns is None or not (self.is_fair(letter.sender) and self.is_fair(letter.receiver)):
                continue
            waited_ns = now_ns - max(since_ns, letter.accepted_ns)
            if waited_ns > REACHED_NS:
                what = f"letter {letter.number} to {letter.receiver} did not arrive in {waited_ns / NS_PER_S:.1f} s"
                self.broke(letter.sender, f"{what}, though they are joined")

    def _is_over(self, letter: Letter) -> bool:
        """Given up, and told so; or lost with a core that keeps nothing."""
        sender = self.village.hosts[letter.sender]
        if sender.storage is None:
            return sender.booted_ns >= (letter.accepted_ns or 0)
        return self.ground.states.get((sender.name, letter.text)) == "expired"


class Present(Joined):
    """Nobody counts as present over others who has not been joined for long, over whomever."""

    over_liars = True

    def finish(self) -> None:
        now_ns = self.village.timeline.now_ns
        for host in self.village.hosts.values():
            mesh = mesh_of(host)
            if mesh is None or not self.is_fair(host.name):
                continue
            for peer in mesh.far.present():
                other = self.village.host_of(peer)
                since_ns = None if other is None else self.apart_since(host.name, other.name)
                if other is not None and since_ns is not None and now_ns - since_ns > GONE_NS:
                    away_s = (now_ns - since_ns) / NS_PER_S
                    self.broke(
                        host.name, f"{other.name} counts as present, and has been away for {away_s:.1f} s"
                    )


class NoLoops(Oracle):
    """No envelope goes round until it has no hops left, or comes back to its source. Who lies may send such ones."""

    def finish(self) -> None:
        if self.ground.faults is not None and self.ground.faults.dishonest:
            return
        meshes = [mesh for host in self.village.hosts.values() if (mesh := mesh_of(host)) is not None]
        turned = sum(mesh.counts["hops_spent"] + mesh.counts["came_back"] for mesh in meshes)
        sent = sum(mesh.counts["routed_out"] for mesh in meshes)
        if turned > TURNED_FREE + TURNED_SHARE_MAX * sent:
            self.broke("somebody", f"{turned:,} envelopes went in circles, of {sent:,} transmissions")


class Shouts(Joined):
    """Whoever is joined to somebody who heard a shout has heard it too; and no application hears one twice."""

    def look(self, hosts: list[Host]) -> None:
        super().look(hosts)
        again = self.village.journal.shouts.heard_again
        if again and all(host.boots <= 1 for host in self.village.hosts.values()):
            self.broke("somebody", f"shouts were heard {again} times more by who had heard them")

    def finish(self) -> None:
        now_ns = self.village.timeline.now_ns
        for shout in self.village.journal.shouts:
            if now_ns - shout.at_ns <= HEARD_NS:
                continue
            holder = next(self._holders(shout), None)
            if holder is None:
                continue
            for name in self.village.hosts:
                if name != shout.sender and name not in shout.heard and self.is_fair(name):
                    since_ns = self.joined_since(holder, name)
                    if since_ns is not None and now_ns - since_ns > HEARD_NS:
                        waited_s = (now_ns - max(since_ns, shout.at_ns)) / NS_PER_S
                        self.broke(
                            name, f"did not hear shout {shout.number} in {waited_s:.1f} s; {holder} had it"
                        )

    def _holders(self, shout: Shout) -> Iterator[str]:
        """Who can still pass it on: a bare core forgets it when it ends."""
        keeps = self.village.lane is Lane.DAEMON
        for name, heard_ns in {shout.sender: shout.at_ns, **shout.heard}.items():
            if self.is_fair(name) and (keeps or self.village.hosts[name].booted_ns < heard_ns):
                yield name
