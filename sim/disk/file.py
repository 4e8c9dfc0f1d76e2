"""A file on a simulated disk: what programs see of it, and how to undo what is not synced. So a sync costs nothing."""

from dataclasses import dataclass
from random import Random
from typing import NamedTuple

SECTOR_BYTES = 512
PENDING_MAX = 4_096  # changes; what is older has reached the disk, as its cache is no larger
FLIPPED_BITS_MAX = 8  # in one sector; guess


@dataclass(frozen=True, slots=True)
class PowerLoss:
    """How a crash treats what was not synced. The chances are guesses, far above a real disk's."""

    tear: float = 0.5  # that the last write that reached the disk reached it in part
    flip: float = 0.2  # that a sector that was being written holds wrong bits
    reorder: bool = False  # each pending write reached the disk or not, whatever became of those before it


class Change(NamedTuple):
    """Of a file, and how to undo it."""

    at: int
    new: bytes | None  # None: the file was cut to `at`
    old: bytes  # what stood there
    size: int  # before


class PlatterFile:
    __slots__ = ("changed", "data", "pending")

    def __init__(self, data: bytes = b"", changed: int = 0) -> None:
        self.data: bytes | bytearray = data  # bytes: shared with others, so to be copied before it is changed
        self.pending: list[Change] = []
        self.changed = changed  # the number of the last change: its time of modification

    def apply(self, at: int, new: bytes | None) -> None:
        data = self.data if isinstance(self.data, bytearray) else bytearray(self.data)
        self.data = data
        size = len(data)
        if new is None:
            self.pending.append(Change(at, None, bytes(data[at:]), size))
            if at <= size:
                del data[at:]
            else:
                data.extend(bytes(at - size))
            return
        if at > size:
            data.extend(bytes(at - size))
        end = at + len(new)
        self.pending.append(Change(at, new, bytes(data[at:end]), size))
        data[at:end] = new
        if len(self.pending) > PENDING_MAX:
            del self.pending[: PENDING_MAX // 2]

    def undo(self) -> list[Change]:
        """Back to what was synced; gives what was pending."""
        pending, self.pending = self.pending, []
        if pending:
            data = bytearray(self.data)
            for change in reversed(pending):
                data[change.at : change.at + len(change.old)] = change.old
                del data[change.size :]
            self.data = data
        return pending

    def lose_power(self, die: Random, loss: PowerLoss) -> None:
        """What of the pending writes reached the disk, well or ill."""
        pending = self.undo()
        if loss.reorder:
            kept = [change for change in pending if die.random() < 0.5]
        else:
            kept = pending[: die.randint(0, len(pending))]
        for change in kept[:-1]:
            self.apply(change.at, change.new)
        if kept:
            last = kept[-1]
            torn = last.new is not None and die.random() < loss.tear
            self.apply(last.at, last.new[: die.randint(0, len(last.new))] if torn and last.new else last.new)
        if die.random() < loss.flip:
            _flip(self, die.choice(pending), die)
        self.pending.clear()


def _flip(file: PlatterFile, change: Change, die: Random) -> None:
    """Wrong bits in one sector of what was being written."""
    end = min(change.at + len(change.new or b""), len(file.data))
    if change.at >= end:
        return
    data = bytearray(file.data)
    sector = die.randrange(change.at, end) // SECTOR_BYTES * SECTOR_BYTES
    low, high = max(sector, change.at), min(sector + SECTOR_BYTES, end)
    for _ in range(die.randint(1, FLIPPED_BITS_MAX)):
        data[die.randrange(low, high)] ^= 1 << die.randrange(8)
    file.data = data
