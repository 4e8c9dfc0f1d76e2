"""All channels of one node: by session, by peer, and by the timer that is due next."""

import heapq

from meshnode.mesh.channel import Channel
from meshnode.mesh.limits import CONTACT_CALLS, CONTACT_STREAMS, STRANGER_CALLS, STRANGER_STREAMS
from protocols.ids import NodeId
from protocols.rpc import RpcSession
from protocols.session import Session
from protocols.stream import Connection

CHANNELS_MAX = 4_096  # sessions kept for peers near and away


class ChannelTable:
    def __init__(self) -> None:
        self._by_index: dict[bytes, Channel] = {}
        self._by_peer: dict[NodeId, list[Channel]] = {}
        self._made = 0
        # A heap by (due_ns, channel id); an entry whose time has moved wakes us in vain.
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
        channel.closed = True
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
        due_ns = channel.next_timeout()
        if (
            due_ns is not None
            and not channel.closed
            and (channel.armed_ns is None or due_ns < channel.armed_ns)
        ):
            channel.armed_ns = due_ns
            heapq.heappush(self._timers, (due_ns, channel.id, channel))

    def next_timeout(self) -> int | None:
        return self._timers[0][0] if self._timers else None

    def take_due(self, *, now_ns: int) -> Channel | None:
        """The next whose timer rang, not one whose time has moved meanwhile; call again until None."""
        while self._timers and self._timers[0][0] <= now_ns:
            rang_ns, _, channel = heapq.heappop(self._timers)
            if channel.closed or channel.armed_ns != rang_ns:
                continue  # over, or armed anew for an earlier time
            channel.armed_ns = None
            due_ns = channel.next_timeout()
            if due_ns is not None and due_ns <= now_ns:
                return channel
            self.arm(channel)
        return None
