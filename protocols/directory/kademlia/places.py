"""Places on the ring of 256 bits: of nodes, and of keys.

A node's place is the SHA-256 of its NodeId, so a place can't be chosen, only looked for: to come among the k nearest of
a given place in a mesh of N nodes takes some N / k new keys, and each of them must answer under a real session. That
is a cost, no wall: whoever makes a million keys an hour surrounds a place among ten thousand easily. Bounds by
address, disjoint paths and signed values are what holds then.
"""

import hashlib

from protocols.ids import NodeId

PLACE_BITS = 256
KEY_BYTES = 32


def place_of(node: NodeId) -> int:
    return int.from_bytes(hashlib.sha256(node).digest())


def place_of_key(key: bytes) -> int:
    """Keys of shards are hashes already."""
    return int.from_bytes(key)


def key_of_place(place: int) -> bytes:
    return place.to_bytes(KEY_BYTES)


def bucket_of(me: int, place: int) -> int:
    """0 is next door, 255 the far half of the ring. `place` is another than `me`."""
    return (me ^ place).bit_length() - 1
