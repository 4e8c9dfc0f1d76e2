"""Peers that we talk to, or want to talk to, over other nodes: whom to shake hands with, when, and who is present.

    WANTED --a way was found--> (a moment, for a direct link) --> SHAKING --established--> PRESENT
       ^                                                             | failed: back-off       |
       `-------------------------------------------------------------+---- no way any more ---'

A direct link always wins: while a peer has one it is none of this table's business.
"""

from dataclasses import dataclass
from random import Random

from policies.backoff import backoff_range_ns
from protocols.ids import NodeId
from protocols.session import HandshakeId

FAR_MAX = (
    1_024  # peers; beyond it the one that is neither wanted nor present goes, else the newest finds no room
)
PATIENCE_NS = (
    300_000_000  # a direct dial on a LAN is answered within this; over a path it costs others' battery
)


@dataclass(slots=True)
class FarPeer:
    wanted: bool = False  # by us; else it is here because it called
    present: bool = False  # there is a session and a way
    handshake: HandshakeId | None = None  # under way
    due_ns: int | None = None  # when to shake hands, if nothing else comes of it
    failures: int = 0


class FarPeers:
    def __init__(self, die: Random) -> None:
        self._peers: dict[NodeId, FarPeer] = {}
        self._due: dict[NodeId, FarPeer] = {}  # those with a time
        self._die = die

    def is_present(self, peer: NodeId) -> bool:
        far = self._peers.get(peer)
        return far is not None and far.present

    def present(self) -> list[NodeId]:
        return [peer for peer, far in self._peers.items() if far.present]

    def is_under_way(self, peer: NodeId) -> bool:
        """A handshake is, or will be soon."""
        far = self._peers.get(peer)
        return far is not None and (far.handshake is not None or far.due_ns is not None)

    def want(self, peer: NodeId) -> bool:
        """Keep trying. False where there is no room."""
        far = self._enter(peer)
        if far is None:
            return False
        far.wanted = True
        return True

    def way_found(self, peer: NodeId, *, now_ns: int, patience_ns: int = PATIENCE_NS) -> None:
        far = self._peers.get(peer)
        if far is not None and not far.present and far.handshake is None and far.due_ns is None:
            self._set_due(peer, far, now_ns + patience_ns)

    def shaking(self, peer: NodeId, handshake: HandshakeId) -> None:
        if (far := self._enter(peer)) is not None:
            far.handshake = handshake
            self._clear_due(peer, far)

    def failed(self, peer: NodeId, *, now_ns: int) -> None:
        """The handshake came to nothing: again later, while it is wanted."""
        far = self._peers.get(peer)
        if far is None:
            return
        far.handshake = None
        if not far.wanted:
            self.drop(peer)
            return
        low_ns, high_ns = backoff_range_ns(far.failures)
        far.failures += 1
        self._set_due(peer, far, now_ns + self._die.randint(low_ns, high_ns))

    def arrived(self, peer: NodeId) -> bool:
        """There is a session over a path. True where it was not present before."""
        far = self._enter(peer)
        if far is None:
            return False
        fresh = not far.present
        far.present, far.handshake, far.failures = True, None, 0
        self._clear_due(peer, far)
        return fresh

    def left(self, peer: NodeId) -> bool:
        """No way leads there, or its session is over. True where it was present; it is still wanted if it was."""
        far = self._peers.get(peer)
        if far is None:
            return False
        was_present, far.present = far.present, False
        if not far.wanted:
            self.drop(peer)
        return was_present

    def drop(self, peer: NodeId) -> bool:
        """It has a link of its own now, or is not wanted any more. True where it was present."""
        far = self._peers.pop(peer, None)
        self._due.pop(peer, None)
        return far is not None and far.present

    def next_timeout(self) -> int | None:
        return min((far.due_ns for far in self._due.values() if far.due_ns is not None), default=None)

    def take_due(self, *, now_ns: int) -> list[NodeId]:
        due = [peer for peer, far in self._due.items() if far.due_ns is not None and far.due_ns <= now_ns]
        for peer in due:
            self._clear_due(peer, self._peers[peer])
        return due

    def _enter(self, peer: NodeId) -> FarPeer | None:
        far = self._peers.get(peer)
        if far is None:
            if len(self._peers) >= FAR_MAX:
                idle = next(
                    (other for other, each in self._peers.items() if not each.wanted and not each.present),
                    None,
                )
                if idle is None:
                    return None
                self.drop(idle)
            far = self._peers[peer] = FarPeer()
        return far

    def _set_due(self, peer: NodeId, far: FarPeer, due_ns: int) -> None:
        far.due_ns = due_ns
        self._due[peer] = far

    def _clear_due(self, peer: NodeId, far: FarPeer) -> None:
        far.due_ns = None
        self._due.pop(peer, None)
