"""The routed unit: who, to whom, hops left, class, payload. Opaque inside."""

from protocols.envelope.frames import (
    CLASS_BITS,
    ENVELOPE_BYTES_MAX,
    HOPS_MAX,
    LOCAL_FLAG,
    LOCAL_HEADER_BYTES,
    PAYLOAD_BYTES_MAX,
    ROUTED_HEADER_BYTES,
    VIA_BYTES,
    Envelope,
    Kind,
    TrafficClass,
    decode_envelope,
    header_bytes,
    relayed,
    via_of,
)

__all__ = [
    "CLASS_BITS",
    "ENVELOPE_BYTES_MAX",
    "HOPS_MAX",
    "LOCAL_FLAG",
    "LOCAL_HEADER_BYTES",
    "PAYLOAD_BYTES_MAX",
    "ROUTED_HEADER_BYTES",
    "VIA_BYTES",
    "Envelope",
    "Kind",
    "TrafficClass",
    "decode_envelope",
    "header_bytes",
    "relayed",
    "via_of",
]
