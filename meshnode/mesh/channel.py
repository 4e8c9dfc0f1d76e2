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
    due_ns: int | None = None  # when it wants to be woken, as the table of channels last heard
    queued_ns: int | None = None  # when the timer rings that the table holds for it; not after `due_ns`
    closed: bool = False

    @property
    def peer(self) -> NodeId:
        return self.session.peer

    def next_timeout(self) -> int | None:
        due_ns, rpc_ns = self.connection.next_timeout(), self.rpc.next_timeout()
        if rpc_ns is None and self.away_since_ns is None:  # nearly always; asked after each record
            return due_ns
        away_ns = None if self.away_since_ns is None else self.away_since_ns + AWAY_NS
        return earliest(due_ns, rpc_ns, away_ns)
