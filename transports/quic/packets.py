"""The part of a QUIC packet that is in the clear, and the two answers that need no connection.

A listening socket reads just enough of a datagram to route it (RFC 8999, RFC 9000 sections 17.2 and 17.3) and can
answer a stranger without remembering it: version negotiation and Retry (RFC 9001 section 5.8).
"""

from dataclasses import dataclass
from enum import Enum

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protocols.errors import RemoteError
from transports.quic.limits import CONNECTION_ID_BYTES, CONNECTION_ID_BYTES_MAX

VERSION_1 = 1
LONG_HEADER = 0x80
FIXED_BIT = 0x40
TYPE_BITS = 0x30
INITIAL_TYPE, RETRY_TYPE = 0x00, 0x30  # of version 1
TOKEN_BYTES_MAX = 256  # ours have 79; a longer one is nobody's we know
RETRY_KEY = bytes.fromhex("be0c690b9f66575a1d766b54e368c84e")  # fixed by RFC 9001 section 5.8
RETRY_NONCE = bytes.fromhex("461599d35d632bf2239825bb")
VARINT_BYTES = (1, 2, 4, 8)


class PacketKind(Enum):
    SHORT, INITIAL, OTHER_LONG, NEGOTIATION, UNKNOWN_VERSION = range(5)


@dataclass(frozen=True, slots=True)
class PacketHead:
    """The first packet of a datagram."""

    kind: PacketKind
    destination: bytes
    source: bytes = b""
    token: bytes = b""


def read_head(data: bytes) -> PacketHead:
    """Raises RemoteError("junk") on what no QUIC endpoint sends."""
    if not data:
        raise RemoteError("junk", "empty")
    if not data[0] & LONG_HEADER:
        if len(data) <= CONNECTION_ID_BYTES or not data[0] & FIXED_BIT:
            raise RemoteError("junk", "no short header")
        return PacketHead(PacketKind.SHORT, data[1 : 1 + CONNECTION_ID_BYTES])
    version = int.from_bytes(data[1:5])
    destination, at = _connection_id(data, 5)
    source, at = _connection_id(data, at)
    if version == 0:
        return PacketHead(PacketKind.NEGOTIATION, destination, source)
    if version != VERSION_1:
        return PacketHead(PacketKind.UNKNOWN_VERSION, destination, source)
    if not data[0] & FIXED_BIT:
        raise RemoteError("junk", "fixed bit is zero")
    if data[0] & TYPE_BITS != INITIAL_TYPE:
        return PacketHead(PacketKind.OTHER_LONG, destination, source)
    return PacketHead(PacketKind.INITIAL, destination, source, _token(data, at))


def _connection_id(data: bytes, at: int) -> tuple[bytes, int]:
    if at >= len(data):
        raise RemoteError("junk", "cut header")
    stop = at + 1 + data[at]
    if data[at] > CONNECTION_ID_BYTES_MAX or stop > len(data):
        raise RemoteError("junk", "bad connection id")
    return data[at + 1 : stop], stop


def _token(data: bytes, at: int) -> bytes:
    if at >= len(data):
        raise RemoteError("junk", "cut header")
    size = VARINT_BYTES[data[at] >> 6]
    length = int.from_bytes(data[at : at + size]) & ((1 << (8 * size - 2)) - 1)
    start = at + size
    if length > TOKEN_BYTES_MAX or start + length > len(data):
        raise RemoteError("junk", "bad token")
    return data[start : start + length]


def negotiation_packet(head: PacketHead, random_byte: int) -> bytes:
    """The answer to an unknown version: shorter than any question that earns it."""
    return b"".join(
        (
            bytes([LONG_HEADER | random_byte]),
            bytes(4),
            _with_length(head.source),
            _with_length(head.destination),
            VERSION_1.to_bytes(4),
        )
    )


def retry_packet(head: PacketHead, *, new_source: bytes, token: bytes) -> bytes:
    """Ask the sender of an Initial packet to prove its address by coming back with `token`."""
    packet = b"".join(
        (
            bytes([LONG_HEADER | FIXED_BIT | RETRY_TYPE]),
            VERSION_1.to_bytes(4),
            _with_length(head.source),
            _with_length(new_source),
            token,
        )
    )
    tag = AESGCM(RETRY_KEY).encrypt(RETRY_NONCE, b"", _with_length(head.destination) + packet)
    return packet + tag


def _with_length(connection_id: bytes) -> bytes:
    return bytes([len(connection_id)]) + connection_id
