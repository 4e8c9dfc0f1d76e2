"""A disk in memory, as bad in a crash as a real one may be.

A write to a file is pending until that file is synced; a name that was made, moved or removed is pending until the
names are. Running programs see the page cache, that is everything; what a loss of power leaves is drawn by a die:

    file    what was synced, then a prefix of the pending writes, the last of which may be torn in its last sector;
            a few bits of what was being written may have flipped. Bytes that nothing pending touches stay as they are.
    names   as they were synced, then a prefix of the pending changes.
"""

import errno
import hashlib
import os
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple, TypeVar

from sim.disk.file import SECTOR_BYTES, PlatterFile, PowerLoss

T = TypeVar("T")

NAMES_PENDING_MAX = 1_024  # changes; what is older has reached the disk


class DiskFaultError(OSError):
    """The platter refuses, with the system's own number for it."""


def _refusal(number: int) -> DiskFaultError:
    return DiskFaultError(number, os.strerror(number))


class NameChange(NamedTuple):
    name: str
    file: PlatterFile | None  # None: removed
    from_name: str | None = None  # it was moved from there


class Platter:
    """One node's. `lives` counts how often the power, or the process, has gone: whoever held a file then, holds none."""

    def __init__(self, *, bytes_max: int | None = None) -> None:
        self.bytes_max = bytes_max  # of all files; None: without end
        self.read_only = False
        self.syncs = True  # False: a disk that says it has synced, and has not
        self.lives = 0
        self.files: dict[str, PlatterFile] = {}
        self._synced_names: dict[str, PlatterFile] = {}
        self._pending_names: list[NameChange] = []
        self._changes = 0
        self._log: list[tuple[Callable[..., None], tuple[Any, ...]]] | None = None  # while `cut` records

    # -- what programs do -------------------------------------------------------------------------------------

    def file(self, name: str) -> PlatterFile:
        if (found := self.files.get(name)) is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return found

    def create(self, name: str) -> PlatterFile:
        if name in self.files:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)
        self._refuse_read_only()
        file = PlatterFile()
        self._do(self._rename, NameChange(name, file))
        return file

    def write(self, file: PlatterFile, at: int, data: bytes) -> None:
        self._refuse_read_only()
        growth = at + len(data) - len(file.data)
        if growth > 0 and self.bytes_max is not None and self.bytes_used() + growth > self.bytes_max:
            raise _refusal(errno.ENOSPC)
        self._do(self._change, file, at, data)

    def truncate(self, file: PlatterFile, size: int) -> None:
        self._refuse_read_only()
        self._do(self._change, file, size, None)

    def sync(self, file: PlatterFile) -> None:
        self._do(self._sync, file)

    def rename(self, old: str, new: str) -> None:
        file = self.file(old)
        self._refuse_read_only()
        self._do(self._rename, NameChange(new, file, old))

    def remove(self, name: str) -> None:
        self.file(name)
        self._refuse_read_only()
        self._do(self._rename, NameChange(name, None))

    def sync_names(self) -> None:
        self._do(self._sync_names)

    def adopt(self, name: str, data: bytes) -> PlatterFile:
        """A file that has always been there, synced."""
        file = self.files[name] = self._synced_names[name] = PlatterFile(data, self._next_change())
        return file

    def bytes_used(self) -> int:
        return sum(len(file.data) for file in self.files.values())

    # -- what befalls it --------------------------------------------------------------------------------------

    def crash(self, die: Random, loss: PowerLoss | None = None) -> None:
        """The power goes."""
        loss = loss or PowerLoss()
        self.lives += 1
        changes, self._pending_names = self._pending_names, []
        names = self._synced_names
        for change in changes[: die.randint(0, len(changes))]:
            _apply_name(names, change)
        self.files = dict(names)
        for name in sorted(self.files):
            file = self.files[name]
            if file.pending:
                file.lose_power(die, loss)
                file.changed = self._next_change()

    def kill(self) -> None:
        """The process goes. What it wrote stays, synced or not."""
        self.lives += 1

    def cut(self, work: Callable[[], T], die: Random) -> T:
        """Do `work`, then leave the disk as it was at some instant within it. Gives and raises what `work` does."""
        assert self._log is None, "one cut at a time"
        before = [(file, bytes(file.data), list(file.pending), file.changed) for file in self._all_files()]
        names, synced, pending_names = dict(self.files), dict(self._synced_names), list(self._pending_names)
        self._log = []
        try:
            return work()
        finally:
            log, self._log = self._log, None
            for file, data, pending, changed in before:
                file.data, file.pending, file.changed = data, pending, changed
            self.files, self._synced_names, self._pending_names = names, synced, pending_names
            for action, given in log[: die.randint(0, len(log))]:
                action(*given)

    def rot(self, die: Random) -> tuple[str, int] | None:
        """One sector of a file decays. Gives the file and the place; None where there is nothing to decay."""
        names = [name for name in sorted(self.files) if self.files[name].data]
        if not names:
            return None
        name = die.choice(names)
        file = self.files[name]
        at = die.randrange(len(file.data)) // SECTOR_BYTES * SECTOR_BYTES
        data = bytearray(file.data)
        data[at : at + SECTOR_BYTES] = die.randbytes(len(data[at : at + SECTOR_BYTES]))
        file.data = data
        return name, at

    def digest(self) -> str:
        """Of all that is on it, and of what is pending."""
        digest = hashlib.blake2b(digest_size=16)
        for name in sorted(self.files):
            file = self.files[name]
            digest.update(f"{name} {len(file.data)} {len(file.pending)}\n".encode())
            digest.update(file.data)
            for change in file.pending:
                digest.update(f"{change.at} {change.size}\n".encode() + change.old)
        digest.update(repr([(name, file is None, old) for name, file, old in self._pending_names]).encode())
        return digest.hexdigest()

    # -- what can be done again by `cut` ----------------------------------------------------------------------

    def _do(self, action: Callable[..., None], *given: Any) -> None:
        if self._log is not None:
            self._log.append((action, given))
        action(*given)

    def _change(self, file: PlatterFile, at: int, new: bytes | None) -> None:
        file.apply(at, new)
        file.changed = self._next_change()

    def _sync(self, file: PlatterFile) -> None:
        if self.syncs:
            file.pending.clear()

    def _rename(self, change: NameChange) -> None:
        _apply_name(self.files, change)
        self._pending_names.append(change)
        if len(self._pending_names) > NAMES_PENDING_MAX:
            _apply_name(self._synced_names, self._pending_names.pop(0))

    def _sync_names(self) -> None:
        if self.syncs and self._pending_names:
            self._synced_names = dict(self.files)
            self._pending_names.clear()

    def _refuse_read_only(self) -> None:
        if self.read_only:
            raise _refusal(errno.EROFS)

    def _next_change(self) -> int:
        self._changes += 1
        return self._changes

    def _all_files(self) -> list[PlatterFile]:
        """Also those that have lost their name, or not got it for good. Each once."""
        pending = (change.file for change in self._pending_names if change.file is not None)
        each = (*self.files.values(), *self._synced_names.values(), *pending)
        return list({id(file): file for file in each}.values())


def _apply_name(names: dict[str, PlatterFile], change: NameChange) -> None:
    if change.from_name is not None:
        names.pop(change.from_name, None)
    if change.file is None:
        names.pop(change.name, None)
    else:
        names[change.name] = change.file
