"""Takes another's place: announces its hint, answers at its address, and shows its record, without having its key."""

from collections.abc import Sequence
from dataclasses import replace

from protocols.directory import sign_record
from protocols.keys import Identity
from sim.faults.behaviours.intruder import EXPIRES_S, Intruder
from sim.faults.behaviours.spot import Spot
from sim.host import Host
from sim.media import Port, guest_name
from sim.timeline import NS_PER_S
from transports.discovery import Sighting

ANNOUNCE_NS = 5 * NS_PER_S  # between two announcements in the other's name


class Impersonate:
    """Of a share of the calls to its victim, it takes those that it can reach. Who it is it proves by its own key only,
    so nobody who knows the victim may believe it. A letter that is told to it counts as a stray.
    """

    def __init__(self, spot: Spot) -> None:
        self._spot, self._victim = spot, _victim(spot)
        self._name = guest_name(spot.host.name, self._victim.name)
        self._intruder = Intruder(spot, self._name, self._stolen_record)
        self._ports: list[Port] = []
        self._over = False

    def start(self) -> None:
        if self._victim is self._spot.host:
            return  # nobody else is there
        for medium in self._spot.media:
            if medium.kind.scheme in self._victim.media:
                name, victim = self._spot.host.name, self._victim.name
                port = Port(medium, self._name, self._intruder.adopt, host=name, claims=victim)
                self._ports.append(port)
                medium.divert(victim, port, self._spot.share)
        self._intruder.start()
        self._announce()

    def stop(self) -> None:
        self._over = True
        for port in self._ports:
            port.medium.undivert(port)
        self._intruder.stop()
        for port in self._ports:
            port.close()

    def _announce(self) -> None:
        """In the victim's words, as far as they were heard."""
        if self._over:
            return
        for port in self._ports:
            theirs = port.medium.port(self._victim.name)
            if theirs is not None and isinstance(theirs.announcement, Sighting):
                address = port.medium.address(self._name)
                port.announcement = replace(theirs.announcement, addresses=(address,))
            port.medium.open(port)
        self._spot.timeline.after(ANNOUNCE_NS, "byzantine", self._announce)

    def _stolen_record(self, identity: Identity) -> bytes:  # noqa: ARG002 - its own would not do
        """Everybody may have the victim's record, as it last was: it is public."""
        victim, schemes = self._victim, self._spot.village.media
        return sign_record(
            victim.identity,
            sequence=max(1, victim.boots),
            expires_at=EXPIRES_S,
            addresses=tuple(schemes[scheme].address(victim.name) for scheme in victim.media),
            services=(),
            features=(),
            name=victim.name,
        )


def _victim(spot: Spot) -> Host:
    """Somebody whom its own owner knows, else anybody: the closer, the more trust there is to abuse."""
    known: Sequence[Host] = spot.host.acquaintances
    others = known or [host for host in spot.village.hosts.values() if host is not spot.host]
    return others[spot.chance.below(len(others))] if others else spot.host
