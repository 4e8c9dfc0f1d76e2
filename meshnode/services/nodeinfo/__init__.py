"""The node's own small service: it answers pings."""

from meshnode.services.nodeinfo.service import NodeInfoService

__all__ = ["NodeInfoService"]
