"""End-to-end reliability over sealed records: acknowledged, resent, in order, within windows, over any lanes."""

from protocols.stream.connection import Connection, State, Waiting
from protocols.stream.events import (
    Buffer,
    Closed,
    ControlReceived,
    Event,
    StreamData,
    StreamOpened,
    StreamReset,
    StreamStopped,
    StreamWritable,
)
from protocols.stream.limits import StreamLimits
from protocols.stream.record import Path
from protocols.stream.stats import StreamStats

__all__ = [
    "Buffer",
    "Closed",
    "Connection",
    "ControlReceived",
    "Event",
    "Path",
    "State",
    "StreamData",
    "StreamLimits",
    "StreamOpened",
    "StreamReset",
    "StreamStats",
    "StreamStopped",
    "StreamWritable",
    "Waiting",
]
