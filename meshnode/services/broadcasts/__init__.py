"""Broadcasts that people write and read: kept while there is room, told once, whoever crashes meanwhile."""

from meshnode.services.broadcasts.broadcast import Counts, StoredBroadcast
from meshnode.services.broadcasts.limits import TEXT_BYTES_MAX
from meshnode.services.broadcasts.service import BroadcastsService
from meshnode.services.broadcasts.tables import DATABASE, MIGRATIONS

__all__ = [
    "DATABASE",
    "MIGRATIONS",
    "TEXT_BYTES_MAX",
    "BroadcastsService",
    "Counts",
    "StoredBroadcast",
]
