"""The routed unit: who, to whom, hops left, class, payload. Opaque inside."""

from protocols.envelope.frames import (
    ENVELOPE_BYTES_MAX,
    LOCAL_HEADER_BYTES,
    PAYLOAD_BYTES_MAX,
    ROUTED_HEADER_BYTES,
    Envelope,
    Kind,
    TrafficClass,
    decode_envelope,
    header_bytes,
)

__all__ = [
    "ENVELOPE_BYTES_MAX",
    "LOCAL_HEADER_BYTES",
    "PAYLOAD_BYTES_MAX",
    "ROUTED_HEADER_BYTES",
    "Envelope",
    "Kind",
    "TrafficClass",
    "decode_envelope",
    "header_bytes",
]
