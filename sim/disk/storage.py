"""A node's storage in the simulator: its own store code on a platter, in virtual time, through crashes.

Disk and databases outlive the node. The end of a node is told to its storage first, and to its tasks then:

    storage.crash(die) ──► what dying tasks still ask for is refused ──► storage.power_on() ──► build_node(...)
"""

from asyncio import CancelledError
from contextlib import suppress
from random import Random
from typing import Any
from zlib import crc32

from meshnode.store import DirectoryStorage, SqliteDatabase
from meshnode.store.opening import CLEAN_MARK, Opened, clean_mark
from meshnode.store.recovery import SUFFIX
from protocols.errors import StoreError
from sim.disk.engine import Engine, Kind
from sim.disk.file import PowerLoss
from sim.disk.platter import Platter
from sim.disk.workplace import SlowWorkplace, Work

SEED_MASK = 0x7FFF_FFFF


class SimStorage(DirectoryStorage):
    """`meshnode.world.Storage`; `Disks` makes it.

    `platter.bytes_max`, `platter.read_only` and `platter.syncs` may be changed at any time.
    """

    def __init__(
        self, engine: Engine, name: str, platter: Platter, die: Random, *, latency_ns: tuple[int, int]
    ) -> None:
        super().__init__(engine.directory(platter), self._new_place)
        self.name, self.platter = name, platter
        self.on = True  # False between a crash and `power_on`
        self._engine, self._die, self._latency_ns = engine, die, latency_ns
        self._places: dict[str, SlowWorkplace] = {}
        self._works = 0
        self._dying = False

    @property
    def kind(self) -> Kind:
        return self._engine.kind

    async def open_database(self, name: str, migrations: tuple[str, ...]) -> SqliteDatabase:
        self._refuse_off()
        return await super().open_database(name, migrations)

    def read_file(self, name: str, *, bytes_max: int) -> bytes | None:
        self._refuse_off()
        return super().read_file(name, bytes_max=bytes_max)

    def write_file(self, name: str, data: bytes) -> None:
        self._refuse_off()
        super().write_file(name, data)

    # -- what befalls it --------------------------------------------------------------------------------------

    def crash(self, die: Random, loss: PowerLoss | None = None) -> None:
        """The power goes. Commits that were not acknowledged yet had come as far as `die` says."""
        left = self._interrupt(die)
        self.platter.crash(die, loss)
        self._bury(left)

    def kill(self, die: Random) -> None:
        """The process goes, the system stays: all that was written is there, synced or not."""
        left = self._interrupt(die)
        self.platter.kill()
        self._bury(left)

    def power_on(self) -> None:
        self.on = True

    def drop(self) -> None:
        """Its disk is thrown away."""
        self.on = False
        for place in self._places.values():
            place.break_off()
        self.platter.kill()
        self._bury([])
        self._engine.forget(self.platter)

    def _interrupt(self, die: Random) -> list[Opened]:
        """Gives the connections that nobody has got yet."""
        self.on = False
        under_way = [work for place in self._places.values() if (work := place.break_off()) is not None]
        die.shuffle(under_way)
        opened: list[Opened] = []
        self._dying = True
        for work in under_way:
            with suppress(StoreError, CancelledError):  # of which nobody will hear
                done = self.platter.cut(lambda work=work: self._do(work), die)
                if isinstance(done, Opened):
                    opened.append(done)
        self._dying = False
        return opened

    def _bury(self, left: list[Opened]) -> None:
        """Behind `lives`: from here on, closing a connection changes nothing."""
        for database in self._open.values():
            if not database.closed:
                database.abandon()
        for opened in left:
            opened.close()
        self._open.clear()
        self._recovered.clear()
        self._places.clear()

    # -- how work is done -------------------------------------------------------------------------------------

    def _new_place(self, name: str) -> SlowWorkplace:
        place = self._places[name] = SlowWorkplace(self._draw_latency_ns, self._do)
        return place

    def _draw_latency_ns(self) -> int:
        low, high = self._latency_ns
        return self._die.randint(low, high) if high else 0

    def _do(self, work: Work) -> Any:
        self._works += 1
        return self._engine.do(work, crc32(f"{self.name}/{self._works}".encode()) & SEED_MASK | 1)

    def _open_files(self, name: str, migrations: tuple[str, ...]) -> Opened:
        """A new database is a copy of one that was made before, unless a crash is to look into its making."""
        file, platter = name + SUFFIX, self.platter
        ordinary = platter.bytes_max is None and not platter.read_only and not self._dying
        if ordinary and not any(each.startswith(file) for each in platter.files):
            platter.adopt(file, self._engine.fresh_image(name, migrations))
            seen = self._directory.look(file)
            assert seen is not None, "it was put there"
            platter.adopt(file + CLEAN_MARK, clean_mark(seen))
        return super()._open_files(name, migrations)

    def _refuse_off(self) -> None:
        if not self.on:
            raise StoreError("the power is off")
