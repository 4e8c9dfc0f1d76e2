"""The local control API: HTTP and JSON on a Unix socket, and on loopback TCP behind a token."""

from meshnode.control.backend import Backend, Sample
from meshnode.control.events import EventHub
from meshnode.control.paths import find_socket, socket_path
from meshnode.control.server import ControlLimits, ControlServer

__all__ = [
    "Backend",
    "ControlLimits",
    "ControlServer",
    "EventHub",
    "Sample",
    "find_socket",
    "socket_path",
]
