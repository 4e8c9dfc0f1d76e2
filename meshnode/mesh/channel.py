"""One session with its streams and calls: what belongs together and dies together."""

from dataclasses import dataclass

from protocols.ids import NodeId
from protocols.rpc import RpcSession
from protocols.session import Session
from protocols.stream import Connection
from protocols.timers import earliest

AWAY_NS = (
    1_800_000_000_000  # half an hour: a laptop's nap, a walk out of range; then the session is forgotten
)


@dataclass(slots=True)
class Channel:
    """`id` is a number that is never used again; calls are named by (channel id, call id)."""

    id: int
    session: Session
    connection: Connection
    rpc: RpcSession
    away_since_ns: int | None = None  # set while the peer has no link
    armed_ns: int | None = None  # the earliest timer that is set for it
    closed: bool = False

    @property
    def peer(self) -> NodeId:
        return self.session.peer

    def next_timeout(self) -> int | None:
        away_ns = None if self.away_since_ns is None else self.away_since_ns + AWAY_NS
        return earliest(self.connection.next_timeout(), self.rpc.next_timeout(), away_ns)
