"""Finding nodes nearby: who is announced on this network, and where it may be dialled."""

from transports.discovery.api import Announcement, Discovery, Sighting
from transports.discovery.hints import HINT_BYTES, TOKEN_BYTES, hint_for, recognises

__all__ = [
    "HINT_BYTES",
    "TOKEN_BYTES",
    "Announcement",
    "Discovery",
    "Sighting",
    "hint_for",
    "recognises",
]
