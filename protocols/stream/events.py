"""What a connection has to tell. `StreamData` is a tuple because thousands are made each second."""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

Buffer: TypeAlias = bytes | memoryview


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """By the peer. Its class of traffic is ours to set (`Connection.set_traffic`); it begins as INTERACTIVE."""

    stream_id: int


class StreamData(NamedTuple):
    """The next bytes of a stream, in order, each exactly once. Owes a `Connection.consumed` of their length."""

    stream_id: int
    data: Buffer  # may be a view that keeps up to twice its own length alive
    fin: bool  # nothing follows


@dataclass(frozen=True, slots=True)
class StreamWritable:
    """A stream that held more than `unsent_bytes_max` holds less than half of it again."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class StreamReset:
    """The peer gave up its direction; what it had not delivered never comes."""

    stream_id: int
    code: int


@dataclass(frozen=True, slots=True)
class StreamStopped:
    """The peer reads no more; our direction was reset with the same code."""

    stream_id: int
    code: int


@dataclass(frozen=True, slots=True)
class ControlReceived:
    kind: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Closed:
    """By the peer. Nothing follows, nothing can be sent."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class WaySilent:
    """One of several ways owes an answer for too long; told again after each question that it left unanswered."""

    way: int
    owed_ns: int  # for how long
    limit_ns: int  # for how long it might have
    until_ns: int  # by then it is told again, or it answered


@dataclass(frozen=True, slots=True)
class WayAnswers:
    """And is of use again."""

    way: int
    silent_ns: int


WayNews: TypeAlias = WaySilent | WayAnswers

Event: TypeAlias = (
    StreamOpened | StreamData | StreamWritable | StreamReset | StreamStopped | ControlReceived | Closed
)
