"""The disks of all simulated nodes of one process."""

from random import Random
from typing import Self

from sim.disk.engine import Engine, Kind
from sim.disk.platter import Platter
from sim.disk.storage import SimStorage


class Disks:
    """For any number of runs, which don't notice each other. `with Disks() as disks: ...`"""

    def __init__(self, kind: Kind | None = None) -> None:
        """None: the best that can be had here. Raises OSError where sectors are asked for and can't be had."""
        self._engine = Engine(kind)
        self._storages: list[SimStorage] = []

    @property
    def kind(self) -> Kind:
        return self._engine.kind

    def storage(
        self, name: str, die: Random, *, latency_ns: tuple[int, int] = (0, 0), bytes_max: int | None = None
    ) -> SimStorage:
        """A new, empty disk. `die` draws how long each commit takes; a disk without latency draws nothing."""
        storage = SimStorage(self._engine, name, Platter(bytes_max=bytes_max), die, latency_ns=latency_ns)
        self._storages.append(storage)
        return storage

    def throw_away(self) -> None:
        """All disks, at the end of a run; what is open on them is dropped as it is."""
        for storage in self._storages:
            storage.drop()
        self._storages.clear()

    def close(self) -> None:
        """Twice is harmless."""
        self.throw_away()
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
