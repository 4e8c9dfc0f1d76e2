"""Ask the router in front of us to forward a UDP port. Its libraries are imported when a port is first asked for."""

from transports.portmap.api import Forwarded, PortMapper
from transports.portmap.upnp import UpnpMapper

__all__ = ["Forwarded", "PortMapper", "UpnpMapper"]
