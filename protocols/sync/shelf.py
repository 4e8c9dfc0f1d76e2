"""The broadcasts that a node has to give, and the ids of those that it had."""

from dataclasses import dataclass, field

from protocols.ids import NodeId
from protocols.sync.frames import BUCKET_MAX, CHILDREN, KEY_BYTES, NOTHING, Cell, fingerprint
from protocols.sync.limits import BUCKET_MS, SyncLimits

SWEEP_NS = 10_000_000_000  # between two looks for what has had its time; nobody minds ten seconds


@dataclass(frozen=True, slots=True)
class Kept:
    """A broadcast as sync keeps it."""

    id: bytes
    source: NodeId
    at_ms: int  # by the source's clock; the same for everybody, so that all put it into one bucket
    life_ns: int  # until it expires
    left_ns: int  # of it, that it is offered to neighbours
    scoped: bool  # lives only so many hops around its source: not everybody is meant to have it
    frame: bytes | None = field(repr=False)  # as it is to be handed on; None: it went as far as it may


@dataclass(slots=True)
class _Item:
    source: NodeId
    bucket: int
    frame: bytes | None
    until_ns: int  # it is offered
    known_ns: int  # until when its id is known
    scoped: bool


class Shelf:
    def __init__(self, limits: SyncLimits) -> None:
        self._limits = limits
        self._items: dict[bytes, _Item] = {}  # by key, oldest first
        self._bare: dict[bytes, None] = {}  # those without a frame, in the order in which they lost it
        self._buckets: dict[int, dict[bytes, None]] = {}  # what counts for fingerprints
        self._prints: dict[int, bytes] = {}  # of buckets, until they change
        self._held: dict[NodeId, dict[bytes, None]] = {}  # by source, oldest first
        self._count = self._bytes = 0  # of what is held
        self._sweep_ns = 0

    def __len__(self) -> int:
        """How many it has to give."""
        return self._count

    def knows(self, key: bytes) -> bool:
        return key in self._items

    def frame(self, key: bytes) -> bytes | None:
        item = self._items.get(key)
        return None if item is None else item.frame

    def add(self, kept: Kept, now_ns: int) -> None:
        """Once more is harmless."""
        key = kept.id[:KEY_BYTES]
        if key in self._items:
            return
        self.sweep(now_ns)
        frame = kept.frame if kept.left_ns > 0 else None
        bucket = min(kept.at_ms // BUCKET_MS, BUCKET_MAX)
        self._items[key] = item = _Item(
            kept.source,
            bucket,
            frame,
            now_ns + kept.left_ns,
            now_ns + kept.life_ns + self._limits.known_ns,
            kept.scoped,
        )
        if frame is None:
            self._bare[key] = None
        else:
            self._held.setdefault(kept.source, {})[key] = None
            self._count += 1
            self._bytes += len(frame)
            self._buckets.setdefault(bucket, {})[key] = None
            self._prints.pop(bucket, None)
            self._make_room(item.source)
        if len(self._items) > self._limits.known_max:
            self._forget(next(iter(self._bare), None) or next(iter(self._items)))

    def sweep(self, now_ns: int) -> None:
        """What had its time is offered no more; what was known long enough is forgotten."""
        if now_ns < self._sweep_ns:
            return
        self._sweep_ns = now_ns + SWEEP_NS
        for key, item in list(self._items.items()):
            if item.known_ns <= now_ns:
                self._forget(key)
            elif item.frame is not None and item.until_ns <= now_ns:
                self._strip(key, item)

    # -- cells ------------------------------------------------------------------------------------------------

    def buckets(self) -> list[int]:
        """Those from which there is something to give, newest first."""
        found = {
            item.bucket: None for held in self._held.values() for item in map(self._items.__getitem__, held)
        }
        return sorted(found, reverse=True)

    def print_of(self, cell: Cell) -> bytes:
        """Of what is known there, also where it can't be given any more: it isn't lacking."""
        if cell.depth:
            return fingerprint(self._known(cell))
        found = self._prints.get(cell.bucket)
        if found is None:
            keys = self._buckets.get(cell.bucket)
            found = NOTHING if keys is None else fingerprint(keys)
            if keys is not None:
                self._prints[cell.bucket] = found
        return found

    def prints_of_parts(self, cell: Cell) -> list[bytes]:
        return [self.print_of(cell.child(digit)) for digit in range(CHILDREN)]

    def to_give(self, cell: Cell) -> list[bytes]:
        return [key for key in self._known(cell) if self._items[key].frame is not None]

    def _known(self, cell: Cell) -> list[bytes]:
        return [key for key in self._buckets.get(cell.bucket, ()) if cell.holds(key)]

    # -- room -------------------------------------------------------------------------------------------------

    def _make_room(self, newest_of: NodeId) -> None:
        limits = self._limits
        if len(self._held[newest_of]) > limits.source_kept_max:
            self._strip_oldest_of(newest_of)
        while self._count > limits.kept_max or self._bytes > limits.kept_bytes_max:
            self._strip_oldest_of(max(self._held, key=lambda source: len(self._held[source])))

    def _strip_oldest_of(self, source: NodeId) -> None:
        key = next(iter(self._held[source]))
        self._strip(key, self._items[key])

    def _strip(self, key: bytes, item: _Item) -> None:
        """Its id stays known."""
        assert item.frame is not None, "it is held"
        self._count -= 1
        self._bytes -= len(item.frame)
        item.frame = None
        self._bare[key] = None
        held = self._held[item.source]
        del held[key]
        if not held:
            del self._held[item.source]
        if item.scoped:  # those further off never knew it
            self._leave_bucket(key, item)

    def _forget(self, key: bytes) -> None:
        item = self._items[key]
        if item.frame is not None:
            self._strip(key, item)
        self._leave_bucket(key, item)
        del self._bare[key], self._items[key]

    def _leave_bucket(self, key: bytes, item: _Item) -> None:
        keys = self._buckets.get(item.bucket)
        if keys is not None and keys.pop(key, b"") is None:
            self._prints.pop(item.bucket, None)
            if not keys:
                del self._buckets[item.bucket]
