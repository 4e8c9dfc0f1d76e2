"""End-to-end reliability over sealed records: acknowledged, resent, in order, within windows, over any lanes."""

from protocols.stream.connection import Connection, LaneFigures, State, Waiting
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
    WayAnswers,
    WayNews,
    WaySilent,
)
from protocols.stream.limits import StreamLimits
from protocols.stream.record import Path, way_of
from protocols.stream.stats import StreamStats

__all__ = [
    "Buffer",
    "Closed",
    "Connection",
    "ControlReceived",
    "Event",
    "LaneFigures",
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
    "WayAnswers",
    "WayNews",
    "WaySilent",
    "way_of",
]
