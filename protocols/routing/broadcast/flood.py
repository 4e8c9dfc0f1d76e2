"""Which broadcasts a node hands on, to whom, and when.

    new --> WAITING --the wait is over--> sent to all neighbours that are not known to have it
               |
               `--enough copies heard--> given up

The wait grows with the number of neighbours, so that of many that hear each other only some send. An emergency waits
not, and so is never given up. A node with two neighbours or fewer never gives up, since it may be somebody's only
bridge. What got lost for all that is found by protocols/sync.
"""

from collections import Counter
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random

from protocols.envelope import Envelope, TrafficClass, relayed
from protocols.ids import UNKNOWN_NODE, NodeId
from protocols.routing.broadcast.limits import DEFAULT, HOPS_DEFAULT, BroadcastLimits, wait_ns
from protocols.routing.broadcast.rates import Rates
from protocols.routing.broadcast.seen import Seen


@dataclass(slots=True)
class _Waiting:
    frame: bytes
    hops_left: int  # with which it goes on; the most that any copy leaves
    heard: dict[NodeId, None]  # neighbours that have it
    due_ns: int
    urgent: bool
    hops_max: int
    copies: int = 1  # heard, each neighbour counted once


class Broadcasts:
    """One node's part in every flood.

    `relays`: transmissions, one to all links counted once; `sends`: the same counted for each link; `suppressed`: those
    that were given up. `counts`: what was not relayed, and duplicates, by fixed words.
    """

    def __init__(self, *, die: Random, limits: BroadcastLimits = DEFAULT) -> None:
        self.relays = self.sends = self.suppressed = 0
        self.counts: Counter[str] = Counter()
        self._die, self._limits = die, limits
        self._neighbours: dict[NodeId, None] = {}
        self._seen = Seen(ids_max=limits.seen_max, age_ns=limits.seen_ns)
        self._waiting: dict[bytes, _Waiting] = {}
        self._bytes = 0  # of what waits
        self._due: list[
            tuple[int, int, bytes]
        ] = []  # a heap of (when, ticket, id); also of some that were given up
        self._ready: list[_Waiting] = []  # to leave now
        self._ticket = 0
        self._sources = Rates(
            per_minute=limits.source_per_minute, burst=limits.source_burst, nodes_max=limits.sources_max
        )
        self._alarmed = Rates(
            per_minute=limits.emergency_per_minute,
            burst=limits.emergency_per_minute,
            nodes_max=limits.sources_max,
        )
        self._bringers = Rates(
            per_minute=limits.neighbour_per_minute,
            burst=limits.neighbour_burst,
            nodes_max=limits.neighbours_max,
        )

    # -- neighbours -------------------------------------------------------------------------------------------

    def neighbour_up(self, peer: NodeId) -> None:
        if peer in self._neighbours:
            return
        if len(self._neighbours) >= self._limits.neighbours_max:
            self.counts["too_many_neighbours"] += 1
            return
        self._neighbours[peer] = None

    def neighbour_down(self, peer: NodeId) -> None:
        self._neighbours.pop(peer, None)

    # -- what comes -------------------------------------------------------------------------------------------

    def is_known(self, broadcast_id: bytes) -> bool:
        return broadcast_id in self._seen

    def originate(self, frame: bytes, *, now_ns: int) -> None:
        """A whole BROADCAST envelope of ours: to all neighbours, at once."""
        self._seen.add(frame[4:20], now_ns)
        urgent = frame[2] & 0x03 == TrafficClass.EMERGENCY
        self._make_ready(_Waiting(frame, frame[3], {}, now_ns, urgent, frame[3]))

    def receive(self, peer: NodeId, envelope: Envelope, frame: bytes, *, now_ns: int, scope: int = 0) -> bool:
        """True: it is new, deliver it. The caller has verified it, unless `is_known`.

        `scope`: the hops that its source gave it, beyond which no neighbour can stretch it; 0: none given.
        """
        if envelope.id in self._seen:
            self.counts["duplicate"] += 1
            self._heard_again(peer, envelope)
            return False
        self._seen.add(envelope.id, now_ns)
        self._consider(envelope, frame, {peer: None}, scope, now_ns)
        return True

    def taught(
        self, envelope: Envelope, frame: bytes, *, have: tuple[NodeId, ...], now_ns: int, scope: int = 0
    ) -> bool:
        """As `receive`, of something that sync brought: `have` are the neighbours that have it, one or more."""
        if envelope.id in self._seen:
            self.counts["duplicate"] += 1
            return False
        self._seen.add(envelope.id, now_ns)
        self._consider(envelope, frame, dict.fromkeys(have), scope, now_ns)
        return True

    def note(self, broadcast_id: bytes, *, now_ns: int) -> None:
        """It is known (from the disk), and went round long ago."""
        self._seen.add(broadcast_id, now_ns)

    def _heard_again(self, peer: NodeId, envelope: Envelope) -> None:
        waiting = self._waiting.get(envelope.id)
        if waiting is None:
            return
        waiting.copies += peer not in waiting.heard
        waiting.heard[peer] = None
        waiting.hops_left = max(waiting.hops_left, min(envelope.hops_left, waiting.hops_max) - 1)
        if self._is_enough(waiting):
            self._give_up(envelope.id)

    def _consider(
        self, envelope: Envelope, frame: bytes, heard: dict[NodeId, None], scope: int, now_ns: int
    ) -> None:
        hops_max = min(scope or HOPS_DEFAULT, self._limits.hops_max)
        hops_left = min(envelope.hops_left, hops_max) - 1
        urgent = envelope.traffic == TrafficClass.EMERGENCY
        refusal = self._refusal(envelope, len(frame), heard, hops_left, now_ns)
        if refusal is not None:
            self.counts[refusal] += 1
            return
        wait = 0 if urgent else self._die.randint(*wait_ns(len(self._neighbours)))
        waiting = _Waiting(frame, hops_left, heard, now_ns + wait, urgent, hops_max)
        if urgent:
            self._make_ready(waiting)
            return
        self._waiting[envelope.id] = waiting
        self._bytes += len(frame)
        self._ticket += 1
        heappush(self._due, (waiting.due_ns, self._ticket, envelope.id))

    def _refusal(
        self, envelope: Envelope, nbytes: int, heard: dict[NodeId, None], hops_left: int, now_ns: int
    ) -> str | None:
        """Why it goes no further, in a fixed word."""
        urgent = envelope.traffic == TrafficClass.EMERGENCY
        if hops_left == 0:
            return "hops_spent"
        full = (
            len(self._waiting) >= self._limits.waiting_max
            or self._bytes + nbytes > self._limits.waiting_bytes_max
        )
        if full and not urgent:
            return "queue_full"
        if not self._bringers.allow(next(iter(heard)), now_ns):
            return "neighbour_too_often"
        rates = self._alarmed if urgent else self._sources
        return None if rates.allow(envelope.source, now_ns) else "source_too_often"

    def _is_enough(self, waiting: _Waiting) -> bool:
        limits, neighbours = self._limits, len(self._neighbours)
        if neighbours <= limits.suppressed_above:
            return False
        return waiting.copies >= limits.copies_enough

    def _give_up(self, broadcast_id: bytes) -> None:
        self._bytes -= len(self._waiting.pop(broadcast_id).frame)
        self.suppressed += 1

    # -- what goes --------------------------------------------------------------------------------------------

    def outgoing(self, *, now_ns: int) -> list[tuple[NodeId, bytes]]:
        """Frames for neighbours: emergencies first, then what is due. Call it after each call of the others."""
        self._collect(now_ns)
        if not self._ready:
            return []
        ready, self._ready = self._ready, []
        ready.sort(key=lambda waiting: not waiting.urgent)
        return [each for waiting in ready for each in self._send(waiting)]

    def next_timeout(self) -> int | None:
        while self._due and self._is_void(self._due[0]):
            heappop(self._due)
        return self._due[0][0] if self._due else None

    def handle_timeout(self, *, now_ns: int) -> None:
        self._collect(now_ns)

    def _collect(self, now_ns: int) -> None:
        while (due_ns := self.next_timeout()) is not None and due_ns <= now_ns:
            waiting = self._waiting.pop(heappop(self._due)[2])
            self._bytes -= len(waiting.frame)
            self._make_ready(waiting)

    def _is_void(self, due: tuple[int, int, bytes]) -> bool:
        waiting = self._waiting.get(due[2])
        return waiting is None or waiting.due_ns != due[0]

    def _make_ready(self, waiting: _Waiting) -> None:
        if len(self._ready) >= self._limits.waiting_max:  # nobody fetches it
            self.counts["queue_full"] += 1
            return
        self._ready.append(waiting)

    def _send(self, waiting: _Waiting) -> list[tuple[NodeId, bytes]]:
        receivers = [peer for peer in self._neighbours if peer not in waiting.heard]
        if not receivers:
            return []
        frame = relayed(waiting.frame, hops_left=waiting.hops_left, via=UNKNOWN_NODE)
        self.relays += 1
        self.sends += len(receivers)
        return [(peer, frame) for peer in receivers]
