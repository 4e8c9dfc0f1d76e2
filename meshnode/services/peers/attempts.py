"""Tallies of attempts, so that trying again and again costs whoever tries a wait, and us little."""

from dataclasses import dataclass

from meshnode.services.peers.limits import ATTEMPTS_WINDOW_NS, TALLIES_MAX
from protocols.errors import RefusedError
from protocols.ids import NodeId


@dataclass(slots=True)
class Tally:
    since_ns: int
    count: int = 0


class Attempts:
    """Ask `check` before an attempt is looked at, `count` those that are to be bounded.

    NodeIds cost nothing, so the tally over all peers is what holds against a crowd of them. While it is full an
    honest peer is told to come back too, and does.
    """

    def __init__(self, *, each_max: int, all_max: int) -> None:
        self._each_max, self._all_max = each_max, all_max
        self._peers: dict[NodeId, Tally] = {}
        self._all = Tally(0)

    def check(self, peer: NodeId, *, now_ns: int) -> None:
        """Raises RefusedError("slow_down")."""
        mine = self._peers.get(peer)
        if mine is not None and now_ns - mine.since_ns >= ATTEMPTS_WINDOW_NS:
            del self._peers[peer]
            mine = None
        if now_ns - self._all.since_ns >= ATTEMPTS_WINDOW_NS:
            self._all = Tally(now_ns)
        if self._all.count >= self._all_max or (mine is not None and mine.count >= self._each_max):
            raise RefusedError("slow_down", "too many attempts of late; try again in ten minutes")

    def count(self, peer: NodeId, *, now_ns: int) -> None:
        if peer not in self._peers and len(self._peers) >= TALLIES_MAX:
            del self._peers[next(iter(self._peers))]
        self._peers.setdefault(peer, Tally(now_ns)).count += 1
        self._all.count += 1
