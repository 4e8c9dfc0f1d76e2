"""The links that are up, and the neighbour each one is bound to.

A link is FRESH until a handshake that ran on it, or an exchange of BIND inside a session (docs/wire.md, section 6),
proved who is at the other end. Until then it carries handshakes and BIND only, and not for long.
"""

from dataclasses import dataclass, field

from meshnode.mesh.events import LinkUp
from meshnode.mesh.paths import LinkPaths
from meshnode.mesh.tally import Tallies, Tally
from protocols.ids import NodeId
from protocols.session import HandshakeId, LinkBinding

LINKS_MAX = 1_024  # neighbours at once; a Pi holds 64 KiB for each
FRESH_LINKS_MAX = 128  # strangers at the door; beyond it a new one is turned away
UNBOUND_NS = (
    10_000_000_000  # a slow phone needs 2 s for a handshake with its losses; five times that is silence
)
BIND_NS = 2_500_000_000  # two messages on a live session; then the peer may have forgotten it
RUBBISH_MAX = 64  # frames that make no sense before the link is closed


@dataclass(slots=True)
class LinkState:
    up: LinkUp
    since_ns: int
    due_ns: int  # when it must be bound
    peer: NodeId | None = None
    binding: LinkBinding | None = None
    handshake: HandshakeId | None = None
    tally: Tally = field(default_factory=Tally)  # of its neighbour, once it is bound
    rubbish: int = 0
    id: int = field(init=False)
    _paths: LinkPaths = field(init=False)

    def __post_init__(self) -> None:
        self.id = self.up.link
        self._paths = LinkPaths(self.id, self.up.traits())

    @property
    def paths(self) -> LinkPaths:
        traits = self.up.traits()
        if traits is not self._paths.traits:
            self._paths = LinkPaths(self.id, traits)
        return self._paths


class LinkTable:
    def __init__(self) -> None:
        self.tallies = Tallies()
        self._links: dict[int, LinkState] = {}
        self._neighbours: dict[NodeId, list[LinkState]] = {}  # bound ones, oldest first
        self._fresh: dict[int, LinkState] = {}

    def get(self, link: int) -> LinkState | None:
        return self._links.get(link)

    def add(self, up: LinkUp, *, now_ns: int) -> LinkState | None:
        """None when the house is full: the caller turns the link away."""
        strangers_full = not up.dialled and len(self._fresh) >= FRESH_LINKS_MAX
        if strangers_full or len(self._links) >= LINKS_MAX:
            return None
        state = self._links[up.link] = self._fresh[up.link] = LinkState(up, now_ns, now_ns + UNBOUND_NS)
        return state

    def bind(self, state: LinkState, peer: NodeId) -> None:
        state.peer, state.binding, state.handshake = peer, None, None
        state.tally = self.tallies.of(peer)
        self._fresh.pop(state.id, None)
        self._neighbours.setdefault(peer, []).append(state)

    def unbind(self, state: LinkState) -> None:
        """As if it had just come: it is bound again at once, or turned away."""
        self._leave(state)
        state.peer = None
        self._fresh[state.id] = state

    def remove(self, link: int) -> LinkState | None:
        state = self._links.pop(link, None)
        self._fresh.pop(link, None)
        if state is not None:
            self._leave(state)
        return state

    def _leave(self, state: LinkState) -> None:
        if state.peer is not None:
            links = self._neighbours[state.peer]
            links.remove(state)
            if not links:
                del self._neighbours[state.peer]

    def of(self, peer: NodeId) -> list[LinkState]:
        """Its bound links, oldest first; not to be changed."""
        return self._neighbours.get(peer) or []

    def by_handshake(self, handshake: HandshakeId) -> LinkState | None:
        return next((state for state in self._fresh.values() if state.handshake == handshake), None)

    def neighbours(self) -> list[NodeId]:
        return list(self._neighbours)

    def all(self) -> list[LinkState]:
        return list(self._links.values())

    def next_timeout(self) -> int | None:
        return min((link.due_ns for link in self._fresh.values()), default=None)

    def overdue(self, *, now_ns: int) -> list[LinkState]:
        return [link for link in self._fresh.values() if link.due_ns <= now_ns]
