"""All sessions of one node: which one serves a peer, and when one is over.

The first of a peer's sessions is the one to seal on. A later handshake takes that place, except where two crossed:
then both ends must choose the same, so the one begun by the lower NodeId stays, and of two begun by the same node
the one with the lower handshake hash. The others still open what comes until nothing has come for a while.
"""

from collections.abc import Iterator
from enum import Enum

from protocols.ids import NodeId
from protocols.session.deadlines import Deadlines
from protocols.session.events import Event, SessionEnded, SessionReplaced
from protocols.session.limits import SessionLimits
from protocols.session.session import Session


class _Timer(Enum):
    REKEY = 0
    LINGER = 1
    WORN = 2
    RETIRED = 3


class Roster:
    def __init__(self, own_node: NodeId, limits: SessionLimits) -> None:
        self._own_node = own_node
        self._limits = limits
        self._by_index: dict[bytes, Session] = {}
        self._by_peer_index: dict[bytes, Session] = {}
        self._by_peer: dict[NodeId, list[Session]] = {}
        self._retired: dict[bytes, None] = {}  # indexes of sessions that the owner closed, oldest first
        self._deadlines: Deadlines[tuple[_Timer, bytes]] = Deadlines()

    def __len__(self) -> int:
        return len(self._by_index)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._by_index.values()))

    def __contains__(self, index: bytes) -> bool:
        return index in self._by_index

    def get(self, index: bytes) -> Session | None:
        return self._by_index.get(index)

    def by_peer_index(self, peer_index: bytes) -> Session | None:
        """By what we write on our records. Peers choose it, so two may share one: then the later is found."""
        return self._by_peer_index.get(peer_index)

    def of(self, peer: NodeId) -> list[Session]:
        """The preferred one first."""
        return list(self._by_peer.get(peer, ()))

    def preferred(self, peer: NodeId) -> Session | None:
        sessions = self._by_peer.get(peer)
        return sessions[0] if sessions else None

    def admit(self, session: Session, *, now_ns: int) -> list[Event]:
        """Take in a fresh session; the events tell which others ended for it."""
        events: list[Event] = []
        for old in self.of(session.peer):
            if old.boot != session.boot:
                self.end(old)
                events.append(SessionReplaced(old, session))
        mates = self.of(session.peer)
        crowd = [mates[-1]] if len(mates) >= self._limits.sessions_per_peer_max else self._overflow()
        for old in crowd:
            self.end(old)
            events.append(SessionEnded(old, "crowded_out"))
        self._place(session, now_ns)
        self._by_index[session.index] = session
        self._by_peer_index[session.peer_index] = session
        self._deadlines.set((_Timer.REKEY, session.index), now_ns + self._limits.rekey_ns)
        return events

    def end(self, session: Session) -> None:
        """Wipe and forget. Twice is harmless. The next best session of that peer, if any, stops lingering."""
        session.close()
        if self._by_index.pop(session.index, None) is None:
            return
        if self._by_peer_index.get(session.peer_index) is session:
            del self._by_peer_index[session.peer_index]
        for timer in (_Timer.REKEY, _Timer.LINGER, _Timer.WORN):
            self._deadlines.drop((timer, session.index))
        mates = self._by_peer[session.peer]
        mates.remove(session)
        if mates:
            self._deadlines.drop((_Timer.LINGER, mates[0].index))
        else:
            del self._by_peer[session.peer]

    def retire(self, session: Session, *, now_ns: int) -> None:
        """End it, and know for a while that what still comes for it isn't worth a word."""
        self.end(session)
        if len(self._retired) >= self._limits.sessions_max:
            self._forget(next(iter(self._retired)))
        self._retired[session.index] = None
        self._deadlines.set((_Timer.RETIRED, session.index), now_ns + self._limits.linger_ns)

    def is_retired(self, index: bytes) -> bool:
        return index in self._retired

    def worn(self, session: Session, *, now_ns: int) -> None:
        """Its counters are used up: let `handle_timeout` end it."""
        self._deadlines.set((_Timer.WORN, session.index), now_ns)

    def next_timeout(self) -> int | None:
        return self._deadlines.first()

    def handle_timeout(self, *, now_ns: int) -> list[Event]:
        events: list[Event] = []
        for timer, index in self._deadlines.take(now_ns):
            if timer is _Timer.RETIRED:
                del self._retired[index]
                continue
            session = self._by_index.get(index)
            if session is None:  # an earlier one of this batch ended it
                continue
            if timer is _Timer.REKEY:
                session.rekey()
                self._deadlines.set((timer, index), now_ns + self._limits.rekey_ns)
            elif timer is _Timer.WORN:
                self.end(session)
                events.append(SessionEnded(session, "worn_out"))
            elif (heard_until_ns := session.heard_ns + self._limits.linger_ns) > now_ns:
                self._deadlines.set((timer, index), heard_until_ns)
            else:
                self.end(session)
                events.append(SessionEnded(session, "superseded"))
        return events

    def _forget(self, retired: bytes) -> None:
        del self._retired[retired]
        self._deadlines.drop((_Timer.RETIRED, retired))

    def _place(self, session: Session, now_ns: int) -> None:
        mates = self._by_peer.setdefault(session.peer, [])
        if not mates:
            mates.append(session)
            return
        crossed = session.established_ns - mates[0].established_ns <= self._limits.race_ns
        loser = session if crossed and self._rank(mates[0]) < self._rank(session) else mates[0]
        mates.insert(1 if loser is session else 0, session)
        self._deadlines.set((_Timer.LINGER, loser.index), now_ns + self._limits.linger_ns)

    def _rank(self, session: Session) -> tuple[NodeId, bytes]:
        return (self._own_node if session.initiator else session.peer, session.handshake_hash)

    def _overflow(self) -> list[Session]:
        """Whom to end so that one more fits: the longest unheard that the peer began, before any that we began."""
        if len(self) < self._limits.sessions_max:
            return []
        return [min(self._by_index.values(), key=lambda session: (session.initiator, session.heard_ns))]
