"""The SQLite that Python's own module uses, by its C interface.

`reach` gives None where that can't be had: linked into the interpreter with its names hidden, or built without what
makes its chance repeatable. Then the simulator does without sectors (`sim.disk.images`).
"""

import _sqlite3
import ctypes
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from ctypes import c_char_p, c_int, c_void_p

PRNG_SEED = 28  # SQLITE_TESTCTRL_PRNG_SEED
PROBE_BYTES = 8


class SqliteLibrary:
    def __init__(self, functions: ctypes.CDLL) -> None:
        """Raises AttributeError where a function is missing."""
        self._seed = 0  # of the moment; 0: the system's chance
        self._randomness = functions.sqlite3_randomness
        self._randomness.argtypes, self._randomness.restype = [c_int, c_void_p], None
        self._test_control = functions.sqlite3_test_control
        self._test_control.argtypes, self._test_control.restype = [c_int], c_int
        self.register = functions.sqlite3_vfs_register
        self.register.argtypes, self.register.restype = [c_void_p, c_int], c_int
        self.unregister = functions.sqlite3_vfs_unregister
        self.unregister.argtypes, self.unregister.restype = [c_void_p], c_int
        self._version = functions.sqlite3_libversion
        self._version.argtypes, self._version.restype = [], c_char_p

    @classmethod
    def reach(cls) -> "SqliteLibrary | None":
        try:
            library = cls(ctypes.CDLL(getattr(_sqlite3, "__file__", None)))
        except (AttributeError, OSError):
            return None
        same = library._version() == sqlite3.sqlite_version.encode()
        return library if same and library._is_repeatable() else None

    @contextmanager
    def seeded(self, seed: int) -> Generator[None]:
        """SQLite draws the salts of its journals from one generator for all; for as long as this, from `seed`."""
        before = self._seed
        self._sow(seed)
        try:
            yield
        finally:
            self._sow(before)

    def _sow(self, seed: int) -> None:
        self._seed = seed
        self._test_control(PRNG_SEED, c_int(seed), c_void_p(None))

    def _is_repeatable(self) -> bool:
        draws: list[bytes] = []
        for _ in range(2):
            with self.seeded(1):
                drawn = ctypes.create_string_buffer(PROBE_BYTES)
                self._randomness(PROBE_BYTES, drawn)
                draws.append(drawn.raw)
        return draws[0] == draws[1]
