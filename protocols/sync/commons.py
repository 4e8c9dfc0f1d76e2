"""Flooding and sync as one machine: what a node does with broadcasts, but for showing them.

frame from a neighbour --known?--> a copy more, nothing else
    |  verified, not expired
    `--> kept by sync, delivered, and flooded on; also what sync asked for, since others may lack it too

A copy that is known is never verified: it moves nothing but a counter.
"""

from collections import Counter
from collections.abc import Callable
from random import Random

from protocols.envelope import Envelope, decode_envelope, relayed
from protocols.ids import UNKNOWN_NODE, NodeId
from protocols.keys import REAL, Suite
from protocols.routing.broadcast import (
    HOPS_DEFAULT,
    Broadcast,
    BroadcastLimits,
    Broadcasts,
    Life,
    life_of,
    open_broadcast,
)
from protocols.sync.events import Suspicious
from protocols.sync.limits import SyncLimits
from protocols.sync.sync import Kept, Sync
from protocols.timers import earliest

NS_PER_MS = 1_000_000


class Commons:
    """Drain `outgoing` (frames for links) and `bodies` (SYNC bodies for sessions) after each other call."""

    def __init__(
        self,
        me: NodeId,
        *,
        flood_die: Random,
        sync_die: Random,
        wall_ms: Callable[[], int],
        suite: Suite = REAL,
        flood: BroadcastLimits | None = None,
        sync: SyncLimits | None = None,
    ) -> None:
        self.flood = Broadcasts(die=flood_die, limits=flood or BroadcastLimits())
        self.sync = Sync(die=sync_die, limits=sync or SyncLimits())
        self.counts: Counter[str] = Counter()  # what was refused, by fixed words
        self._me, self._wall_ms, self._suite = me, wall_ms, suite
        self._limits = sync or SyncLimits()

    # -- neighbours -------------------------------------------------------------------------------------------

    def neighbour_up(self, peer: NodeId, *, now_ns: int) -> None:
        self.flood.neighbour_up(peer)
        self.sync.neighbour_up(peer, now_ns=now_ns)

    def neighbour_down(self, peer: NodeId, *, now_ns: int) -> None:
        self.flood.neighbour_down(peer)
        self.sync.neighbour_down(peer, now_ns=now_ns)

    # -- ours -------------------------------------------------------------------------------------------------

    def shout(self, frame: bytes, *, now_ns: int) -> None:
        """A whole envelope, made by `make_broadcast`."""
        self._keep_own(frame, now_ns)
        self.flood.originate(frame, now_ns=now_ns)

    def recall(self, frame: bytes, *, now_ns: int) -> None:
        """From our own disk, as it was shouted or came. Raises RemoteError where the disk lost some of it."""
        envelope = decode_envelope(frame)
        if self.sync.knows(envelope.id):
            return
        broadcast = open_broadcast(envelope, self._suite)
        life = life_of(broadcast, wall_ms=self._wall_ms())
        if isinstance(life, Life):
            self._keep(broadcast, envelope, frame, life, now_ns)
            self.flood.note(broadcast.id, now_ns=now_ns)

    def _keep_own(self, frame: bytes, now_ns: int) -> None:
        envelope = decode_envelope(frame)
        broadcast = open_broadcast(envelope, self._suite)
        self._keep(broadcast, envelope, frame, Life(0, broadcast.expires_ms - broadcast.at_ms), now_ns)

    # -- what comes -------------------------------------------------------------------------------------------

    def receive(self, peer: NodeId, envelope: Envelope, frame: bytes, *, now_ns: int) -> Broadcast | None:
        """A BROADCAST envelope over a link of this neighbour. What is new is given back, to be delivered.

        Raises RemoteError where it is forged or makes no sense.
        """
        if self.flood.is_known(envelope.id):
            self.flood.receive(peer, envelope, frame, now_ns=now_ns)
            return None
        if self.sync.knows(envelope.id):
            self.counts["came_late"] += 1
            return None
        broadcast = open_broadcast(envelope, self._suite)
        life = life_of(broadcast, wall_ms=self._wall_ms())
        if not isinstance(life, Life):
            self.counts[life] += 1
            self._pass_over(broadcast, now_ns)
            return None
        teachers = self.sync.teachers(peer, broadcast.id)
        self._keep(broadcast, envelope, frame, life, now_ns)
        if teachers is None:
            self.flood.receive(peer, envelope, frame, now_ns=now_ns, scope=broadcast.hops)
        else:
            self.flood.taught(envelope, frame, have=teachers, now_ns=now_ns, scope=broadcast.hops)
        return broadcast

    def receive_sync(self, peer: NodeId, body: bytes, *, now_ns: int) -> list[Suspicious]:
        """A SYNC body from this neighbour's session. Raises RemoteError."""
        return self.sync.receive(peer, body, now_ns=now_ns)

    def _pass_over(self, broadcast: Broadcast, now_ns: int) -> None:
        """Known, and not kept: else it would be asked for again, and whoever offers it be taken for a liar."""
        scoped = bool(broadcast.hops)
        gone = Kept(
            broadcast.id, broadcast.source, broadcast.at_ms, life_ns=0, left_ns=0, scoped=scoped, frame=None
        )
        self.sync.add(gone, now_ns=now_ns)

    def _keep(self, broadcast: Broadcast, envelope: Envelope, frame: bytes, life: Life, now_ns: int) -> None:
        """With the hops that it has left for those who get it from us."""
        scoped = bool(broadcast.hops)
        hops_left = HOPS_DEFAULT
        if scoped:
            ours = broadcast.source == self._me
            hops_left = min(envelope.hops_left, broadcast.hops) - (0 if ours else 1)
        window_ns = self._limits.scoped_window_ns if scoped else self._limits.window_ns
        kept = Kept(
            broadcast.id,
            broadcast.source,
            broadcast.at_ms,
            life_ns=life.left_ms * NS_PER_MS,
            left_ns=min(life.left_ms * NS_PER_MS, window_ns - life.age_ms * NS_PER_MS),
            scoped=scoped,
            frame=relayed(frame, hops_left=hops_left, via=UNKNOWN_NODE) if hops_left else None,
        )
        self.sync.add(kept, now_ns=now_ns)

    # -- what goes --------------------------------------------------------------------------------------------

    def outgoing(self, *, now_ns: int) -> list[tuple[NodeId, bytes]]:
        """Frames for neighbours."""
        return self.flood.outgoing(now_ns=now_ns) + self.sync.frames()

    def bodies(self) -> list[tuple[NodeId, bytes]]:
        """SYNC bodies for neighbours."""
        return self.sync.outgoing()

    def next_timeout(self) -> int | None:
        return earliest(self.flood.next_timeout(), self.sync.next_timeout())

    def handle_timeout(self, *, now_ns: int) -> list[Suspicious]:
        self.flood.handle_timeout(now_ns=now_ns)
        return self.sync.handle_timeout(now_ns=now_ns)
