"""Ways to nodes that are not neighbours: distance vectors with feasibility, landmarks, locators (docs/routing.md)."""

from protocols.routing.events import Event, Found, Lost, Suspicious
from protocols.routing.limits import BODY_BYTES_MAX, DEFAULT, ROUTED_BYTES_MAX, RoutingLimits
from protocols.routing.router import Router
from protocols.routing.views import Destination, Hop, RoutingView

__all__ = [
    "BODY_BYTES_MAX",
    "DEFAULT",
    "ROUTED_BYTES_MAX",
    "Destination",
    "Event",
    "Found",
    "Hop",
    "Lost",
    "Router",
    "RoutingLimits",
    "RoutingView",
    "Suspicious",
]
