"""Requests, streams of messages, cancellation and deadlines, each call on a stream of its own."""

from protocols.rpc.events import (
    CallCancelled,
    CallEnded,
    CallReceived,
    CallRefused,
    CallWritable,
    MessagesReceived,
    RpcEvent,
)
from protocols.rpc.limits import MESSAGE_BYTES_MAX, Code, RpcLimits
from protocols.rpc.session import RpcSession

__all__ = [
    "MESSAGE_BYTES_MAX",
    "CallCancelled",
    "CallEnded",
    "CallReceived",
    "CallRefused",
    "CallWritable",
    "Code",
    "MessagesReceived",
    "RpcEvent",
    "RpcLimits",
    "RpcSession",
]
