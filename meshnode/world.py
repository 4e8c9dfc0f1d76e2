"""Everything impure, handed in: real in production (`meshnode.realworld`), virtual in `sim`.

Integer nanoseconds everywhere. The monotonic clock decides; the wall clock is for display and expiry only, may
jump or start in 1970, and nothing is lost when it does.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Protocol, TypeVar

from policies.device import DeviceState
from protocols.keys import REAL, Suite
from protocols.noise import Kem
from transports.api import Transport
from transports.discovery import Discovery
from transports.portmap import PortMapper

T = TypeVar("T")


class Clock(Protocol):
    def now_ns(self) -> int:
        """Monotonic."""
        ...

    def wall_ns(self) -> int:
        """Since 1970, UTC. May jump."""
        ...


class Database(Protocol):
    """One SQLite file with one writer. Writes asked for at the same time share one commit (group commit)."""

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` inside a transaction; returns once it is on disk (WAL, synchronous FULL).

        An exception from `work` undoes that work alone and is raised here. Raises StoreError when the disk
        refuses (full, read-only, damaged): then nothing of it was kept.
        """
        ...

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` against what has been committed."""
        ...

    async def close(self) -> None: ...


class Storage(Protocol):
    """The node's data directory."""

    async def open_database(self, name: str, migrations: tuple[str, ...]) -> Database:
        """Open or create `<name>.db`, bring it to `len(migrations)` (SQL scripts, `PRAGMA user_version`).

        A damaged file is set aside as `<name>.db.damaged-<n>`, what can be read from it is recovered into a fresh
        one, and that is said in `health()`. A file from a newer version is refused (StoreError).
        """
        ...

    def read_file(self, name: str, *, bytes_max: int) -> bytes | None:
        """None where there is none. Raises StoreError."""
        ...

    def write_file(self, name: str, data: bytes) -> None:
        """Atomic, synced, mode 0600. Raises StoreError."""
        ...

    def health(self) -> Mapping[str, str]:
        """Name of a store -> "ok" or a sentence on what is wrong or was recovered."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class World:
    clock: Clock
    dice: Callable[[str], Random]  # a die for a concern: world.dice("backoff")
    entropy: Callable[[int], bytes]  # keys and nonces
    kem: (
        Kem | None
    )  # ML-KEM-768; its encapsulation takes no entropy from us, hence a port; None: not to be had
    storage: Storage
    transports: Mapping[str, Callable[[], Transport]]  # scheme -> how to make one
    discovery: Callable[[], Discovery] | None  # None: nobody is looked for
    device: Callable[[], Awaitable[DeviceState]]  # battery, heat, network, as they are now
    suite: Suite = REAL  # of the node's keys; only the simulator has another
    port_mapper: Callable[[], PortMapper] | None = None  # None: there is no router to ask
