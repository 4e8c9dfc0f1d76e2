"""All channels of one node: by session, by peer, and by the timer that is due next."""

import heapq

from meshnode.mesh.channel import Channel
from meshnode.mesh.limits import CONTACT_CALLS, CONTACT_STREAMS, STRANGER_CALLS, STRANGER_STREAMS
from protocols.ids import NodeId
from protocols.rpc import RpcSession
from protocols.session import Session
from protocols.stream import Connection

CHANNELS_MAX = 4_096  # sessions kept for peers near and away
STALE_TIMERS_MAX = 64  # entries that nobody waits for, beyond one for each channel, before they are swept out


class ChannelTable:
    def __init__(self) -> None:
        self._by_index: dict[bytes, Channel] = {}
        self._by_peer: dict[NodeId, list[Channel]] = {}
        self._made = 0
        # A heap by (when it rings, channel id), one live entry for each channel at most. A channel's time often moves
        # later, and its entry stays until it surfaces: the true time goes in then.
        self._timers: list[tuple[int, int, Channel]] = []

    def make(self, session: Session, *, contact: bool, now_ns: int) -> Channel:
        streams, calls = (CONTACT_STREAMS, CONTACT_CALLS) if contact else (STRANGER_STREAMS, STRANGER_CALLS)
        connection = Connection(initiator=session.initiator, now_ns=now_ns, limits=streams)
        self._made += 1
        channel = Channel(self._made, session, connection, RpcSession(connection, limits=calls))
        self._by_index[session.index] = channel
        self._by_peer.setdefault(session.peer, []).append(channel)
        return channel

    def get(self, session: Session | None) -> Channel | None:
        return None if session is None else self._by_index.get(session.index)

    def of(self, peer: NodeId) -> list[Channel]:
        return list(self._by_peer.get(peer, ()))

    def remove(self, channel: Channel) -> bool:
        """False where it was gone already."""
        channel.closed, channel.due_ns, channel.queued_ns = True, None, None
        if self._by_index.pop(channel.session.index, None) is None:
            return False
        siblings = self._by_peer[channel.peer]
        siblings.remove(channel)
        if not siblings:
            del self._by_peer[channel.peer]
        return True

    def one_too_many(self) -> Channel | None:
        """Above CHANNELS_MAX: that of the peer who has been away longest; None where all are near."""
        if len(self._by_index) <= CHANNELS_MAX:
            return None
        away = (each for each in self._by_index.values() if each.away_since_ns is not None)
        return min(away, key=lambda each: each.away_since_ns or 0, default=None)

    # Time

    def arm(self, channel: Channel) -> None:
        """Note when it is due; later than noted before costs nothing."""
        due_ns = None if channel.closed else channel.next_timeout()
        channel.due_ns = due_ns
        if due_ns is not None and (channel.queued_ns is None or due_ns < channel.queued_ns):
            self._queue(channel, due_ns)

    def next_timeout(self) -> int | None:
        """When the first of them is due, to the nanosecond."""
        timers = self._timers
        while timers:
            rings_ns, _, channel = timers[0]
            if rings_ns == channel.queued_ns and rings_ns == channel.due_ns:
                return rings_ns
            self._surface()
            timers = self._timers  # a sweep puts another in its place
        return None

    def take_due(self, *, now_ns: int) -> Channel | None:
        """The next that is due: do what it wants and `arm` it; call again until None."""
        due_ns = self.next_timeout()
        if due_ns is None or due_ns > now_ns:
            return None
        channel = heapq.heappop(self._timers)[2]
        channel.due_ns = channel.queued_ns = None
        return channel

    def _surface(self) -> None:
        """The first entry does not say when its channel is due."""
        rang_ns, _, channel = heapq.heappop(self._timers)
        if rang_ns == channel.queued_ns:  # else it is one that an earlier one took the place of
            channel.queued_ns = None
            if channel.due_ns is not None:
                self._queue(channel, channel.due_ns)

    def _queue(self, channel: Channel, due_ns: int) -> None:
        channel.queued_ns = due_ns
        heapq.heappush(self._timers, (due_ns, channel.id, channel))
        if len(self._timers) > 2 * len(self._by_index) + STALE_TIMERS_MAX:
            self._timers = [entry for entry in self._timers if entry[0] == entry[2].queued_ns]
            heapq.heapify(self._timers)
