"""What happens to calls. A call id is the id of its stream."""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from protocols.envelope import TrafficClass


@dataclass(frozen=True, slots=True)
class CallReceived:
    """The peer asks. `body` is its first message, already taken: only later ones are owed a `took`."""

    call_id: int
    service: str
    method: str
    body: bytes
    deadline_ns: int | None  # on our clock; at that time the call is cancelled without being asked
    traffic: TrafficClass


class MessagesReceived(NamedTuple):
    """In order, each once. Owes an `RpcSession.took` for each; until then the peer's window stays smaller."""

    call_id: int
    messages: list[bytes]


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The caller has no more to say (the answer is still ours to give), or the answer ended well (all is over)."""

    call_id: int


@dataclass(frozen=True, slots=True)
class CallRefused:
    """The peer understood and declined. The call is over."""

    call_id: int
    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class CallCancelled:
    """By the peer, by a deadline on either side, or by a limit (`Code`). The call is over."""

    call_id: int
    code: int


@dataclass(frozen=True, slots=True)
class CallWritable:
    """A call that held too much unsent takes more again, or its peer reads no more and takes anything."""

    call_id: int


RpcEvent: TypeAlias = CallReceived | MessagesReceived | CallEnded | CallRefused | CallCancelled | CallWritable
