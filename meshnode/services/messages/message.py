"""A message as the rest of the node sees it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from meshnode.times import rfc3339
from protocols.envelope import TrafficClass
from protocols.ids import MessageId, NodeId, message_id_text, node_id_text

State: TypeAlias = Literal["queued", "sent", "delivered", "read", "expired"]
Reached: TypeAlias = Literal["queued", "sent", "delivered", "read"]

QUEUED, SENT, DELIVERED, READ, EXPIRED = range(5)  # as on disk, where SENT never stands: a restart forgets it
STATES: tuple[State, ...] = ("queued", "sent", "delivered", "read", "expired")
NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Letter:
    """What the owner writes to somebody."""

    to: NodeId
    text: str = field(repr=False)
    expires_s: int | None = None  # None: the setting messages.expires_s
    traffic: TrafficClass = TrafficClass.INTERACTIVE
    reply_to: MessageId | None = None


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """`state` claims no more than is known: "expired" means given up, an answer may have been lost."""

    message_id: MessageId
    sender: NodeId
    recipient: NodeId
    text: str = field(repr=False)
    at_ns: int  # Unix time by the sender's clock; for display only
    direction: Literal["in", "out"]
    state: State
    trace: str  # the same at both ends
    reply_to: MessageId | None = None
    reason: str = ""  # why it was given up
    requested: bool = False  # a stranger's, in the request box
    couriers: int = 0  # neighbours who carry it sealed, while it is queued

    def as_dict(self, node_text: Callable[[NodeId], str] = node_id_text) -> Mapping[str, object]:
        """As the control API shows it. `node_text`: one that remembers, for whoever asks of many."""
        return {
            "message_id": message_id_text(self.message_id),
            "from": node_text(self.sender),
            "to": node_text(self.recipient),
            "text": self.text,
            "at": rfc3339(self.at_ns),
            "direction": self.direction,
            "state": self.state,
            "trace": self.trace,
            "request": self.requested,
        }


@dataclass(frozen=True, slots=True)
class RequestView:
    """A stranger's messages that wait for the owner's word."""

    peer: NodeId
    messages: int
    nbytes: int
    first_at_ns: int  # Unix time, by the stranger's clock


@dataclass(frozen=True, slots=True)
class Counts:
    queued: int  # wait to be delivered, all peers
    requests: int  # strangers in the request box
    inbox_bytes: int  # of contacts' messages
    happened: Mapping[str, int]  # fixed word -> how often
