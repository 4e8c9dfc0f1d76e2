"""How others reach us, and direct ways to peers that only relays lead to (docs/reachability.md)."""

from meshnode.services.reach.gateway import Gateway
from meshnode.services.reach.limits import MeetingLimits
from meshnode.services.reach.service import ReachService
from meshnode.services.reach.views import MeetingView, ReachReport, WayView

__all__ = ["Gateway", "MeetingLimits", "MeetingView", "ReachReport", "ReachService", "WayView"]
