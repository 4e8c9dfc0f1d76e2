"""QUIC links: one adapter, two engines behind it, batched UDP below (docs/quic.md)."""

from transports.quic.limits import QuicLimits
from transports.quic.transport import QuicTransport

__all__ = ["QuicLimits", "QuicTransport"]
