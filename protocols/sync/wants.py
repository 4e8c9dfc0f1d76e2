"""What we lack and somebody offers: asked for one neighbour at a time, again where it does not come.

OFFERED --a moment, in which a flood may bring it--> ASKED --it came--> done
                                                       |
                                                       `--silence--> ASKED, of the next who offers it, or given up

Where everybody who offers it already owes us enough, it waits until one of them owes less.
"""

from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random

from protocols.ids import NodeId
from protocols.sync.limits import SyncLimits


@dataclass(slots=True)
class _Wanted:
    tries: dict[NodeId, int]  # with each who offers it
    due_ns: int | None  # None: everybody who has it is busy with us
    asked: NodeId | None = None


@dataclass(frozen=True, slots=True)
class Asks:
    """`asked`: (neighbour, key) to ask for now. `vain`: who kept us waiting, once for each frame."""

    asked: list[tuple[NodeId, bytes]]
    vain: list[NodeId]


class Wants:
    def __init__(self, die: Random, limits: SyncLimits) -> None:
        self._die, self._limits = die, limits
        self._wanted: dict[bytes, _Wanted] = {}
        self._busy: dict[NodeId, int] = {}  # how many each was asked for and owes
        self._stalled: dict[bytes, None] = {}
        self._due: list[tuple[int, bytes]] = []  # a heap; some are over or moved

    def offer(self, peer: NodeId, key: bytes, now_ns: int) -> bool:
        """False where there is no room for one more."""
        wanted = self._wanted.get(key)
        if wanted is None:
            if len(self._wanted) >= self._limits.wanted_max:
                return False
            wanted = self._wanted[key] = _Wanted({}, None)
            self._set_due(key, wanted, now_ns + self._die.randint(0, self._limits.wait_ns))
        if peer not in wanted.tries and len(wanted.tries) < self._limits.offers_max:
            wanted.tries[peer] = 0
            if wanted.due_ns is None:  # all others are busy
                self._set_due(key, wanted, now_ns)
        return True

    def came(self, key: bytes, now_ns: int) -> NodeId | None:
        """From wherever. Gives whom it was asked of."""
        wanted = self._wanted.pop(key, None)
        if wanted is None:
            return None
        self._stalled.pop(key, None)
        if wanted.asked is not None:
            self._free(wanted.asked, now_ns)
        return wanted.asked

    def teachers(self, peer: NodeId, key: bytes) -> tuple[NodeId, ...] | None:
        """All who offered it, if it was ever asked of this one."""
        wanted = self._wanted.get(key)
        return tuple(wanted.tries) if wanted is not None and wanted.tries.get(peer) else None

    def lost(self, peer: NodeId, now_ns: int) -> None:
        """The neighbour is gone."""
        for key, wanted in list(self._wanted.items()):
            if wanted.tries.pop(peer, None) is None:
                continue
            if not wanted.tries:
                del self._wanted[key]
                self._stalled.pop(key, None)
            elif wanted.asked == peer:
                wanted.asked = None
                self._set_due(key, wanted, now_ns)
        self._busy.pop(peer, None)

    def next_timeout(self) -> int | None:
        while self._due:
            due_ns, key = self._due[0]
            wanted = self._wanted.get(key)
            if wanted is not None and wanted.due_ns == due_ns:
                return due_ns
            heappop(self._due)
        return None

    def take_due(self, now_ns: int) -> Asks:
        asks = Asks([], [])
        while (due_ns := self.next_timeout()) is not None and due_ns <= now_ns:
            key = heappop(self._due)[1]
            wanted = self._wanted[key]
            if wanted.asked is not None:
                asks.vain.append(wanted.asked)
                self._free(wanted.asked, now_ns)
                wanted.asked = None
            peer = self._whom(key, wanted)
            if peer is not None:
                self._ask(key, wanted, peer, now_ns)
                asks.asked.append((peer, key))
        return asks

    def _whom(self, key: bytes, wanted: _Wanted) -> NodeId | None:
        """Whoever was asked least; None: all are busy, or were asked often enough and it is given up."""
        willing = [peer for peer, tries in wanted.tries.items() if tries < self._limits.tries_max]
        if not willing:
            del self._wanted[key]
            return None
        free = [peer for peer in willing if self._busy.get(peer, 0) < self._limits.asked_max]
        if not free:
            wanted.due_ns = None
            self._stalled[key] = None
            return None
        return min(free, key=wanted.tries.__getitem__)

    def _ask(self, key: bytes, wanted: _Wanted, peer: NodeId, now_ns: int) -> None:
        patience_ns = self._limits.answer_ns << wanted.tries[peer]
        wanted.asked = peer
        wanted.tries[peer] += 1
        self._busy[peer] = self._busy.get(peer, 0) + 1
        self._set_due(key, wanted, now_ns + patience_ns)

    def _free(self, peer: NodeId, now_ns: int) -> None:
        """It owes one less: the first that waited for it is due."""
        if peer in self._busy:
            self._busy[peer] -= 1
        key = next((key for key in self._stalled if peer in self._wanted[key].tries), None)
        if key is not None:
            self._set_due(key, self._wanted[key], now_ns)

    def _set_due(self, key: bytes, wanted: _Wanted, due_ns: int) -> None:
        self._stalled.pop(key, None)
        wanted.due_ns = due_ns
        heappush(self._due, (due_ns, key))
