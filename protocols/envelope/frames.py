"""The envelope's bytes (docs/wire.md, section 2)."""

import struct
from enum import IntEnum
from typing import NamedTuple

from protocols.errors import RemoteError
from protocols.ids import NODE_ID_BYTES, UNKNOWN_NODE, NodeId

VERSION = 1
LOCAL_FLAG = 0x80
VIA = 0x40
CLASS_BITS = 0x03
LOCAL_HEADER = struct.Struct("!BBBB16s")
ROUTED_HEADER = struct.Struct("!BBBB16s32s32s")
LOCAL_HEADER_BYTES = LOCAL_HEADER.size
ROUTED_HEADER_BYTES = ROUTED_HEADER.size
VIA_BYTES = NODE_ID_BYTES
PAYLOAD_BYTES_MAX = 65_536  # architecture.md: what is larger is cut by protocols/stream
ENVELOPE_BYTES_MAX = ROUTED_HEADER_BYTES + VIA_BYTES + PAYLOAD_BYTES_MAX
HOPS_MAX = 255


class Kind(IntEnum):
    HANDSHAKE = 1
    RECORD = 2
    UNKNOWN_SESSION = 3
    BROADCAST = 5
    HOP_ACK = 6
    ROUTE = 7


class TrafficClass(IntEnum):
    """What policies look at; the order in which a full link serves is EMERGENCY, INTERACTIVE, BULK, BACKGROUND."""

    INTERACTIVE = 0
    BULK = 1
    BACKGROUND = 2
    EMERGENCY = 3


KINDS = frozenset(int(kind) for kind in Kind)


class Envelope(NamedTuple):
    """A tuple because thousands are made each second."""

    kind: int
    traffic: int  # a TrafficClass
    hops_left: int
    id: bytes  # 16
    source: NodeId  # UNKNOWN_NODE when local
    destination: NodeId  # UNKNOWN_NODE when local
    local: bool
    payload: bytes | memoryview
    associated: (
        bytes  # what a record's seal covers beside its plaintext: the header without what relays change
    )
    via: NodeId = UNKNOWN_NODE  # towards whom those relay it who don't know the destination

    def encode(self) -> bytes:
        header = header_bytes(
            self.kind, self.traffic, self.hops_left, self.id, self.source, self.destination, local=self.local
        )
        frame = header + bytes(self.payload)
        return frame if self.via == UNKNOWN_NODE else relayed(frame, hops_left=self.hops_left, via=self.via)


def header_bytes(
    kind: int,
    traffic: int,
    hops_left: int,
    envelope_id: bytes,
    source: NodeId,
    destination: NodeId,
    *,
    local: bool,
) -> bytes:
    """A header alone, for hot paths; with `hops_left` zero it is the associated data of a record."""
    if local:
        return LOCAL_HEADER.pack(VERSION, kind, traffic | LOCAL_FLAG, hops_left, envelope_id)
    return ROUTED_HEADER.pack(VERSION, kind, traffic, hops_left, envelope_id, source, destination)


def decode_envelope(data: bytes) -> Envelope:
    """Raises RemoteError("bad_envelope") or RemoteError("unknown_version")."""
    if len(data) < LOCAL_HEADER_BYTES:
        raise RemoteError("bad_envelope", "shorter than its header")
    version, kind, flags, hops_left, envelope_id = LOCAL_HEADER.unpack_from(data)
    if version != VERSION:
        raise RemoteError("unknown_version", f"envelope version {version}")
    if kind not in KINDS or flags & ~(LOCAL_FLAG | VIA | CLASS_BITS) or hops_left == 0:
        raise RemoteError("bad_envelope", f"{kind=} {flags=} {hops_left=}")
    source = destination = via = UNKNOWN_NODE
    start = LOCAL_HEADER_BYTES
    if flags & LOCAL_FLAG:
        if hops_left != 1 or flags & VIA:
            raise RemoteError("bad_envelope", "a local envelope that wants to be relayed")
    else:
        if len(data) < ROUTED_HEADER_BYTES:
            raise RemoteError("bad_envelope", "shorter than its header")
        start = ROUTED_HEADER_BYTES
        source, destination = NodeId(data[20:52]), NodeId(data[52:84])
        if flags & VIA:
            start += VIA_BYTES
            if len(data) < start:
                raise RemoteError("bad_envelope", "shorter than its header")
            via = NodeId(data[ROUTED_HEADER_BYTES:start])
    if len(data) - start > PAYLOAD_BYTES_MAX:
        raise RemoteError("bad_envelope", "payload too long")
    associated = (
        ROUTED_HEADER.pack(VERSION, kind, flags & CLASS_BITS, 0, envelope_id, source, destination)
        if flags & VIA
        else data[:3] + b"\x00" + data[4:start]
    )
    return Envelope(
        kind,
        flags & CLASS_BITS,
        hops_left,
        envelope_id,
        source,
        destination,
        bool(flags & LOCAL_FLAG),
        memoryview(data)[start:],
        associated,
        via,
    )


def relayed(frame: bytes, *, hops_left: int, via: NodeId) -> bytes:
    """A routed envelope as it goes to the next hop: with these hops left, towards `via` (UNKNOWN_NODE: none)."""
    flags = frame[2]
    start = ROUTED_HEADER_BYTES + (VIA_BYTES if flags & VIA else 0)
    if via == UNKNOWN_NODE:
        if not flags & VIA:
            return b"".join((frame[:3], bytes([hops_left]), frame[4:]))
        flags ^= VIA
        via_bytes = b""
    else:
        flags |= VIA
        via_bytes = bytes(via)
    head = bytes([frame[0], frame[1], flags, hops_left])
    return b"".join((head, frame[4:ROUTED_HEADER_BYTES], via_bytes, frame[start:]))


def via_of(frame: bytes) -> NodeId | None:
    """Of a routed envelope."""
    return NodeId(frame[ROUTED_HEADER_BYTES : ROUTED_HEADER_BYTES + VIA_BYTES]) if frame[2] & VIA else None
