"""Neighbours compare the broadcasts that they have, and each gets what it lacks."""

from protocols.sync.commons import Commons
from protocols.sync.events import Suspicion, Suspicious
from protocols.sync.limits import SYNC_BODY_BYTES_MAX, SyncLimits
from protocols.sync.sync import Kept, Sync

__all__ = ["SYNC_BODY_BYTES_MAX", "Commons", "Kept", "Suspicion", "Suspicious", "Sync", "SyncLimits"]
