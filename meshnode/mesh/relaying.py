"""How much was relayed in the running second, for whom; asks `policies.relay` for each envelope of others. Sans-IO."""

from collections.abc import Callable
from typing import TypeAlias

from meshnode.mesh.transport_manager import TRAFFIC_NAMES
from policies.energy import EnergyLevel
from policies.relay import (
    Refuse,
    Relay,
    RelayFor,
    RelayLimits,
    RelayView,
    Room,
    Spent,
    decide_relay,
    limits_for,
    room_for,
)
from policies.trust import Place
from protocols.envelope import TrafficClass
from protocols.ids import NodeId

SECOND_NS = 1_000_000_000
BUSY_MAX = 4_096  # neighbours and sources told apart within a second; further ones count only in all
SOURCES_MAX = 256  # remembered for `relayed_for`; the lightest goes
RELAY, RELAY_FIRST = Relay(first=False), Relay(first=True)

Kind: TypeAlias = tuple[
    RelayFor, bool, Place, EnergyLevel, int, int
]  # for whom, contact, place, energy, busy neighbours and sources


class _Meter:
    """Bytes of one second: all but emergencies, or emergencies alone."""

    __slots__ = ("in_all", "neighbours_before", "of_neighbour", "of_source", "second", "sources_before")

    def __init__(self) -> None:
        self.second = -1
        self.in_all = 0
        self.of_neighbour: dict[NodeId, int] = {}
        self.of_source: dict[NodeId, int] = {}
        self.neighbours_before = self.sources_before = 0  # that were busy in the second before

    def turn(self, now_ns: int) -> None:
        second = now_ns // SECOND_NS
        if second != self.second:
            follows = second == self.second + 1
            self.neighbours_before = len(self.of_neighbour) if follows else 0
            self.sources_before = len(self.of_source) if follows else 0
            self.second, self.in_all = second, 0
            self.of_neighbour.clear()
            self.of_source.clear()


class Relaying:
    def __init__(
        self, relay_for: RelayFor = "everyone", *, is_contact: Callable[[NodeId], bool] = lambda _: False
    ) -> None:
        self.relay_for: RelayFor = relay_for
        self._is_contact = is_contact
        self._limits = RelayLimits()
        self._meter, self._emergencies = _Meter(), _Meter()
        self._rooms: dict[int, tuple[Kind, Room]] = {}  # by traffic class: what was left to the last kind
        self._relayed: dict[NodeId, tuple[int, int]] = {}  # source -> (frames, bytes) since the start

    def configure(self, relay_for: RelayFor, bytes_per_s: int) -> None:
        """As the owner wishes; to be called before the first link."""
        self.relay_for, self._limits = relay_for, limits_for(bytes_per_s)
        self._rooms.clear()

    @property
    def transit(self) -> bool:
        """Whether neighbours should be told of ways through us at all."""
        return self.relay_for != "nobody"

    def decide(
        self,
        neighbour: NodeId,
        source: NodeId,
        destination: NodeId,
        *,
        traffic: int,
        nbytes: int,
        place: Place,
        energy: EnergyLevel,
        now_ns: int,
    ) -> Relay | Refuse:
        """For an envelope that this neighbour gave us. What may go is counted as gone.

        The policy is asked in full where something is refused, or new: what it leaves to all envelopes of a kind is
        remembered, and nearly always there is room.
        """
        first = traffic == TrafficClass.EMERGENCY
        meter = self._emergencies if first else self._meter
        if now_ns // SECOND_NS != meter.second:
            meter.turn(now_ns)
        neighbours, sources = meter.of_neighbour, meter.of_source
        of_neighbour, of_source = neighbours.get(neighbour, 0), sources.get(source, 0)
        if of_neighbour == 0 or of_source == 0:
            _add(neighbours, neighbour, of_neighbour)  # whoever is refused counts among the busy all the same
            _add(sources, source, of_source)
        kind = (
            self.relay_for,
            self.relay_for == "contacts" and self._knows(neighbour, source, destination),
            place,
            energy,
            max(len(neighbours), meter.neighbours_before),
            max(len(sources), meter.sources_before),
        )
        known = self._rooms.get(traffic)
        room = known[1] if known is not None and known[0] == kind else None
        if (
            room is None
            or meter.in_all + nbytes > room.in_all
            or of_neighbour + nbytes > room.of_neighbour
            or of_source + nbytes > room.of_source
        ):
            view = self._view(kind, traffic, nbytes, Spent(meter.in_all, of_neighbour, of_source))
            decision = decide_relay(view, self._limits)
            if isinstance(decision, Refuse):
                return decision
            new = room_for(view, self._limits)
            if isinstance(new, Room):
                self._rooms[traffic] = (kind, new)
        meter.in_all += nbytes
        _add(neighbours, neighbour, of_neighbour + nbytes)
        _add(sources, source, of_source + nbytes)
        self._note(source, nbytes)
        return RELAY_FIRST if first else RELAY

    def _view(self, kind: Kind, traffic: int, nbytes: int, spent: Spent) -> RelayView:
        relay_for, contact, place, energy, neighbours_busy, sources_busy = kind
        return RelayView(
            traffic=TRAFFIC_NAMES[TrafficClass(traffic)],
            size_bytes=nbytes,
            contact=contact,
            place=place,
            relay_for=relay_for,
            energy=energy,
            neighbours_busy=neighbours_busy,
            sources_busy=sources_busy,
            spent=spent,
        )

    def relayed_for(self) -> list[tuple[NodeId, int, int]]:
        """(source, frames, bytes), most bytes first."""
        return sorted(
            ((source, frames, nbytes) for source, (frames, nbytes) in self._relayed.items()),
            key=lambda row: (-row[2], row[0]),
        )

    def _knows(self, *nodes: NodeId) -> bool:
        return any(self._is_contact(node) for node in nodes)

    def _note(self, source: NodeId, nbytes: int) -> None:
        before = self._relayed.get(source)
        if before is None and len(self._relayed) >= SOURCES_MAX:
            del self._relayed[min(self._relayed, key=lambda each: self._relayed[each][1])]
        frames, total = before or (0, 0)
        self._relayed[source] = (frames + 1, total + nbytes)


def _add(table: dict[NodeId, int], key: NodeId, value: int) -> None:
    if key in table or len(table) < BUSY_MAX:
        table[key] = value
