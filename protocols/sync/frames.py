"""The bytes of sync's control bodies (docs/wire.md). A key is the first 8 bytes of a broadcast's id.

A cell is a part of all broadcasts: those that were sent in one bucket of ten minutes and, with a depth of 1 or 2,
whose keys begin with so many hex digits. Its fingerprint is a hash of its sorted keys, zeros where there is none.
"""

import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from protocols.errors import RemoteError
from protocols.sync.limits import SYNC_BODY_BYTES_MAX

SUMMARY, SPLIT, IDS, WANT = 1, 2, 3, 4
KEY_BYTES = 8
PRINT_BYTES = 8
NOTHING = bytes(PRINT_BYTES)
CHILDREN = 16
DEPTH_MAX = 2
BUCKET_MAX = 2**32 - 1

ROW = struct.Struct("!I8s")
CELL = struct.Struct("!IBB")
SUMMARY_ROWS_MAX = (SYNC_BODY_BYTES_MAX - 1) // ROW.size
KEYS_MAX = (SYNC_BODY_BYTES_MAX - 2 - CELL.size) // KEY_BYTES
WANT_MAX = (SYNC_BODY_BYTES_MAX - 1) // KEY_BYTES


class Cell(NamedTuple):
    bucket: int
    depth: int = 0
    prefix: int = 0

    def child(self, digit: int) -> "Cell":
        return Cell(self.bucket, self.depth + 1, self.prefix * CHILDREN + digit)

    def holds(self, key: bytes) -> bool:
        return self.depth == 0 or key[0] >> 4 * (DEPTH_MAX - self.depth) == self.prefix


@dataclass(frozen=True, slots=True)
class Summary:
    """Fingerprints of the buckets from which its sender has something to give."""

    prints: Mapping[int, bytes]

    def encode(self) -> bytes:
        return bytes([SUMMARY]) + b"".join(ROW.pack(*row) for row in self.prints.items())


@dataclass(frozen=True, slots=True)
class Split:
    """Fingerprints of the sixteen parts of a cell that holds too much to be listed."""

    cell: Cell
    prints: Sequence[bytes]

    def encode(self) -> bytes:
        return bytes([SPLIT]) + CELL.pack(*self.cell) + b"".join(self.prints)


@dataclass(frozen=True, slots=True)
class Ids:
    """What its sender can give of a cell. `answer`: only what the other seems to lack, and no answer is wanted."""

    cell: Cell
    answer: bool
    keys: Sequence[bytes]

    def encode(self) -> bytes:
        return bytes([IDS]) + CELL.pack(*self.cell) + bytes([self.answer]) + b"".join(self.keys)


@dataclass(frozen=True, slots=True)
class Want:
    """Please send these."""

    keys: Sequence[bytes]

    def encode(self) -> bytes:
        return bytes([WANT]) + b"".join(self.keys)


Body: TypeAlias = Summary | Split | Ids | Want


def decode_body(data: bytes) -> Body:
    """Raises RemoteError("bad_sync")."""
    if not 0 < len(data) <= SYNC_BODY_BYTES_MAX:
        raise RemoteError("bad_sync", f"{len(data)} bytes")
    kind, rest = data[0], data[1:]
    if kind == SUMMARY:
        return _summary(rest)
    if kind == SPLIT:
        return _split(rest)
    if kind == IDS:
        return _ids(rest)
    if kind == WANT:
        return Want(_pieces(rest, KEY_BYTES))
    raise RemoteError("bad_sync", f"{kind=}")


def _summary(rest: bytes) -> Summary:
    if len(rest) % ROW.size:
        raise RemoteError("bad_sync", "half a row")
    prints = dict(ROW.iter_unpack(rest))
    if len(prints) * ROW.size != len(rest):
        raise RemoteError("bad_sync", "a bucket twice")
    return Summary(prints)


def _split(rest: bytes) -> Split:
    cell = _cell(rest)
    prints = _pieces(rest[CELL.size :], PRINT_BYTES)
    if len(prints) != CHILDREN or cell.depth == DEPTH_MAX:
        raise RemoteError("bad_sync", "a split that is none")
    return Split(cell, prints)


def _ids(rest: bytes) -> Ids:
    cell = _cell(rest)
    if len(rest) == CELL.size or rest[CELL.size] > 1:
        raise RemoteError("bad_sync", "neither list nor answer")
    keys = _pieces(rest[CELL.size + 1 :], KEY_BYTES)
    if not all(map(cell.holds, keys)):
        raise RemoteError("bad_sync", "keys of another cell")
    return Ids(cell, bool(rest[CELL.size]), keys)


def fingerprint(keys: Iterable[bytes]) -> bytes:
    """A hash, not a sum: for a sum somebody could make broadcasts that hide the lack of another's."""
    ordered = sorted(keys)
    return hashlib.sha256(b"".join(ordered)).digest()[:PRINT_BYTES] if ordered else NOTHING


def _cell(rest: bytes) -> Cell:
    if len(rest) < CELL.size:
        raise RemoteError("bad_sync", "half a cell")
    cell = Cell(*CELL.unpack_from(rest))
    if cell.depth > DEPTH_MAX or cell.prefix >= CHILDREN**cell.depth:
        raise RemoteError("bad_sync", "no such cell")
    return cell


def _pieces(data: bytes, size: int) -> list[bytes]:
    if len(data) % size:
        raise RemoteError("bad_sync", "half a piece")
    return [data[start : start + size] for start in range(0, len(data), size)]
