"""ROUTING bodies between neighbours (docs/wire.md). Total; what an entry means is judged by the vector.

Header: version u8, flags u8, counter u8, period u16 (s), then how many entries, landmarks and requests follow, a u8 each.
Entry: key (12) ‖ word (8). Landmark: NodeId (32) ‖ word (8). Request: key (12) ‖ sequence u16 ‖ hops left u8.
Word: sequence u16 ‖ cost u16 ‖ radius u16 ‖ width u8 ‖ flags u8; one number, so that "nothing new" is one comparison.
"""

import struct
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from protocols.errors import RemoteError
from protocols.routing.limits import BODY_BYTES_MAX, WIDTH_MAX

VERSION = 1
RETELL = 0x01  # flag of a body: please say everything again
LANDMARK = 0x01  # flag of a word
KEY_BYTES = 12  # 96 bits: nobody finds a second NodeId for them
HEADER = struct.Struct("!BBBHBBB")
ENTRY = struct.Struct("!12sQ")
NAMED = struct.Struct("!32sQ")
REQUEST = struct.Struct("!12sHB")
ROOM_MAX = BODY_BYTES_MAX - HEADER.size

SEQUENCE_SHIFT, COST_SHIFT, RADIUS_SHIFT, WIDTH_SHIFT = 48, 32, 16, 8
U16 = 0xFFFF
NO_SEQUENCE = (1 << SEQUENCE_SHIFT) - 1  # mask: all of a word but its sequence
RESERVED = 0xFF & ~LANDMARK

Request: TypeAlias = tuple[bytes, int, int]  # key, sequence wanted, hops left


def make_word(sequence: int, cost: int, radius: int, width: int, flags: int) -> int:
    return (
        sequence << SEQUENCE_SHIFT
        | cost << COST_SHIFT
        | radius << RADIUS_SHIFT
        | width << WIDTH_SHIFT
        | flags
    )


def word_is_good(word: int) -> bool:
    return not word & RESERVED and (word >> WIDTH_SHIFT & 0xFF) <= WIDTH_MAX


def is_newer(sequence: int, than: int) -> bool:
    """Serial arithmetic (RFC 1982) of 16 bits."""
    return 0 < (sequence - than & U16) < 0x8000


class Body(NamedTuple):
    retell: bool
    counter: int  # one up each time this neighbour is told something: shows what was overtaken on the way
    period_s: int
    entries: Iterable[tuple[bytes, int]]
    landmarks: Iterable[tuple[bytes, int]]
    requests: Iterable[Request]


def encode_body(
    *,
    retell: bool,
    counter: int,
    period_s: int,
    entries: list[tuple[bytes, int]],
    landmarks: list[tuple[bytes, int]],
    requests: list[Request],
) -> bytes:
    pack, pack_named = ENTRY.pack, NAMED.pack
    return b"".join(
        [
            HEADER.pack(
                VERSION,
                RETELL if retell else 0,
                counter,
                min(period_s, U16),
                len(entries),
                len(landmarks),
                len(requests),
            ),
            *[pack(key, word) for key, word in entries],
            *[pack_named(node, word) for node, word in landmarks],
            *[REQUEST.pack(*request) for request in requests],
        ]
    )


def decode_body(body: bytes) -> Body:
    """Raises RemoteError("bad_routing") or RemoteError("unknown_version")."""
    if len(body) < HEADER.size or len(body) > BODY_BYTES_MAX:
        raise RemoteError("bad_routing", f"{len(body)} bytes")
    version, flags, counter, period_s, entries, landmarks, requests = HEADER.unpack_from(body)
    if version != VERSION:
        raise RemoteError("unknown_version", f"routing version {version}")
    named_at = HEADER.size + entries * ENTRY.size
    requests_at = named_at + landmarks * NAMED.size
    if flags & ~RETELL or len(body) != requests_at + requests * REQUEST.size:
        raise RemoteError("bad_routing", f"{flags=} {entries=} {landmarks=} {requests=} in {len(body)} bytes")
    return Body(
        bool(flags & RETELL),
        counter,
        period_s,
        ENTRY.iter_unpack(body[HEADER.size : named_at]),
        NAMED.iter_unpack(body[named_at:requests_at]),
        REQUEST.iter_unpack(body[requests_at:]),
    )
