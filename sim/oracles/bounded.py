"""No table, queue or cache of a node grows beyond its named limit."""

from sim.host import Host
from sim.oracles.oracle import Ground, Oracle
from sim.oracles.sizes import sizes_of

EVENTS_MIN = 50  # since the last look: in a quiet hour nothing grows


class Bounded(Oracle):
    """`largest`: what was seen, over all nodes, for whoever wants to know how near the limits are."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self.largest: dict[str, int] = {}
        self._events = -EVENTS_MIN

    def look(self, hosts: list[Host]) -> None:
        events = self.village.timeline.events
        if events - self._events < EVENTS_MIN:
            return
        self._events = events
        for host in hosts:
            for what, held, most in sizes_of(host):
                if held > self.largest.get(what, -1):
                    self.largest[what] = held
                    if held > most:
                        self.broke(host.name, f"{held:,} {what}, more than {most:,}")
