"""Many dials and handshakes that never finish, by a process that stands beside the host's honest node."""

from protocols.directory import sign_record
from protocols.keys import Identity
from sim.faults.behaviours.intruder import EXPIRES_S, Intruder
from sim.faults.behaviours.spot import Spot
from sim.media import Medium, Port, guest_name
from sim.models.wire import SimLink
from sim.timeline import NS_PER_MS

WAVE_NS = 250 * NS_PER_MS
DIALS = 4  # in one wave, over each medium, at a share of 1
LINKS_MAX = 128  # open at once, all media together
RUBBISH_BYTES = 96  # as long as a handshake's first message


class HandshakeFlood:
    """A third of the links stay silent, a third begin with rubbish, a third with a genuine first message."""

    def __init__(self, spot: Spot) -> None:
        self._spot = spot
        self._name = guest_name(spot.host.name, "flood")
        self._intruder = Intruder(spot, self._name, _own_record, listens=False)
        self._ports: list[Port] = []
        self._mute: dict[SimLink, None] = {}
        self._over = False

    def start(self) -> None:
        host = self._spot.host.name
        for medium in self._spot.media:  # its ports don't listen: nobody dials them
            self._ports.append(Port(medium, self._name, self._intruder.adopt, host=host))
        self._intruder.start()
        self._wave()

    def stop(self) -> None:
        self._over = True
        self._intruder.stop()
        for port in self._ports:
            port.close()
        self._mute.clear()

    def _wave(self) -> None:
        if self._over:
            return
        for port in self._ports:
            others = [name for name in _in_reach(port.medium, port.host) if name != port.host]
            for _ in range(DIALS):
                if others and self._spot.hits() and sum(len(each.links) for each in self._ports) < LINKS_MAX:
                    name = others[self._spot.chance.below(len(others))]
                    port.medium.dial(port, port.medium.address(name), self._begin)
        self._spot.timeline.after(WAVE_NS, "byzantine", self._wave)

    def _begin(self, link: SimLink | None, reason: str) -> None:  # noqa: ARG002 - the shape of a dial's answer
        if link is None:
            return
        manner = self._spot.chance.below(3)
        if manner == 0:
            self._intruder.adopt(link)
        elif manner == 1:
            link.inject([self._spot.rubbish(RUBBISH_BYTES)], reliable=link.traits.has_reliable_lane)


def _in_reach(medium: Medium, host: str) -> list[str]:
    return medium.listening() if medium.kind.everywhere else medium.neighbours(host)


def _own_record(identity: Identity) -> bytes:
    return sign_record(
        identity, sequence=1, expires_at=EXPIRES_S, addresses=(), services=(), features=(), name="flood"
    )
