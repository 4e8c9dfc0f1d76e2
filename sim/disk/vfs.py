"""SQLite on platters: a virtual file system of our own, registered in the library that Python's module uses.

It belongs to `Disks` and serves all nodes: `file:/<place>/<file>?vfs=<name>`. It has no shared memory, so connections
lock exclusively, and each database has one. Nothing is raised through C: a fault becomes the
code that SQLite knows, and one of ours is kept for `raise_fault`.

Behind a crash, files that were open then refuse everything; so connections to them can be closed and change nothing.
"""

import ctypes
import errno
import sqlite3
from collections.abc import Callable
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char_p,
    c_double,
    c_int,
    c_int64,
    c_void_p,
    memmove,
    memset,
    string_at,
)
from typing import Any, NamedTuple
from urllib.parse import quote

from sim.disk.file import SECTOR_BYTES, PlatterFile
from sim.disk.library import SqliteLibrary
from sim.disk.platter import Platter

PATH_BYTES_MAX = 512
STATEMENTS_CACHED_MAX = 24  # of 1 to 3 KB each, and a thousand nodes have some
JULIAN_DAY = 2_461_345.0  # what SQL's own clock shows, always: nodes hand in their time

OPEN_READONLY, OPEN_READWRITE, OPEN_CREATE = 0x1, 0x2, 0x4
OPEN_JOURNALS = 0x800 | 0x4000 | 0x80000  # of one database, of several, write-ahead
POWERSAFE_OVERWRITE = 0x1000  # as SQLite believes of real disks: what lies beside a torn write is not harmed
OK, NOTFOUND = 0, 12
SHORT_READ, DELETE_NOENT = 522, 5_898

_ON_FILE = CFUNCTYPE(c_int, c_void_p)
_ON_BYTES = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_ON_INT = CFUNCTYPE(c_int, c_void_p, c_int)
_ON_INT64 = CFUNCTYPE(c_int, c_void_p, c_int64)
_ON_SIZE = CFUNCTYPE(c_int, c_void_p, POINTER(c_int64))
_ON_ANSWER = CFUNCTYPE(c_int, c_void_p, POINTER(c_int))
_ON_CONTROL = CFUNCTYPE(c_int, c_void_p, c_int, c_void_p)
_ON_OPEN = CFUNCTYPE(c_int, c_void_p, c_char_p, c_void_p, c_int, POINTER(c_int))
_ON_DELETE = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)
_ON_ACCESS = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int, POINTER(c_int))
_ON_PATH = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int, c_void_p)
_ON_TIME = CFUNCTYPE(c_int, c_void_p, POINTER(c_double))


class Open(NamedTuple):
    """A file that SQLite has opened."""

    platter: Platter
    file: PlatterFile
    life: int  # of the platter, then
    new_journal: bool


class _Methods(Structure):
    """sqlite3_io_methods. What SQLite keeps for a file is no more than the address of these."""

    _fields_ = (
        ("version", c_int),
        ("close", _ON_FILE),
        ("read", _ON_BYTES),
        ("write", _ON_BYTES),
        ("truncate", _ON_INT64),
        ("sync", _ON_INT),
        ("size", _ON_SIZE),
        ("lock", _ON_INT),
        ("unlock", _ON_INT),
        ("is_reserved", _ON_ANSWER),
        ("control", _ON_CONTROL),
        ("sector_size", _ON_FILE),
        ("traits", _ON_FILE),
    )


class _Vfs(Structure):
    """sqlite3_vfs."""

    _fields_ = (
        ("version", c_int),
        ("file_bytes", c_int),
        ("path_bytes_max", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", _ON_OPEN),
        ("delete", _ON_DELETE),
        ("access", _ON_ACCESS),
        ("full_path", _ON_PATH),
        ("extensions", c_void_p * 4),
        ("randomness", _ON_CONTROL),
        ("sleep", _ON_INT),
        ("time", _ON_TIME),
        ("last_error", _ON_CONTROL),
    )


class PlatterVfs:
    def __init__(self, library: SqliteLibrary) -> None:
        self._library = library
        self._name = f"platter-{id(self):x}"  # another for each that lives
        self._platters: dict[str, Platter] = {}  # those that SQLite has been shown
        self._open: dict[int, Open] = {}  # by the address of SQLite's own record
        self._fault: BaseException | None = None
        self._methods = self._all_methods()
        self._vfs = self._all_of_vfs()
        if library.register(ctypes.byref(self._vfs), 0) != OK:
            raise OSError("SQLite takes no further file system")
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self))  # SQLite points to us, until `close`

    def close(self) -> None:
        """Every connection must be closed before."""
        assert not self._open, "a simulated database is still open"
        self._library.unregister(ctypes.byref(self._vfs))
        ctypes.pythonapi.Py_DecRef(ctypes.py_object(self))

    def connect(self, platter: Platter, file: str, *, read_only: bool) -> sqlite3.Connection:
        place = _place(platter)
        self._platters[place] = platter
        mode = "ro" if read_only else "rwc"
        address = f"file:/{place}/{quote(file)}?vfs={self._name}&mode={mode}"
        return sqlite3.connect(
            address,
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=STATEMENTS_CACHED_MAX,
        )

    def forget(self, platter: Platter) -> None:
        self._platters.pop(_place(platter), None)

    def raise_fault(self) -> None:
        """What broke in here, as it can't be raised where it broke."""
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault

    # -- files ------------------------------------------------------------------------------------------------

    def _live(self, address: int) -> Open:
        opened = self._open[address]
        if opened.life != opened.platter.lives:
            raise OSError(errno.EIO, "the power went")
        return opened

    def _close_file(self, address: int) -> int:
        del self._open[address]
        return OK

    def _read(self, address: int, buffer: int, amount: int, at: int) -> int:
        data = bytes(self._live(address).file.data[at : at + amount])
        memmove(buffer, data, len(data))
        if len(data) == amount:
            return OK
        memset(buffer + len(data), 0, amount - len(data))
        return SHORT_READ

    def _write(self, address: int, buffer: int, amount: int, at: int) -> int:
        opened = self._live(address)
        opened.platter.write(opened.file, at, string_at(buffer, amount))
        return OK

    def _truncate(self, address: int, size: int) -> int:
        opened = self._live(address)
        opened.platter.truncate(opened.file, size)
        return OK

    def _sync(self, address: int, _how: int) -> int:
        opened = self._live(address)
        opened.platter.sync(opened.file)
        if opened.new_journal:  # whose name SQLite makes last on a real disk too
            opened.platter.sync_names()
            self._open[address] = opened._replace(new_journal=False)
        return OK

    def _size(self, address: int, size: Any) -> int:
        size[0] = len(self._live(address).file.data)
        return OK

    def _lock(self, address: int, _kind: int) -> int:
        self._live(address)  # else the closing of a dead connection would remove a journal that lives
        return OK

    def _is_reserved(self, _address: int, answer: Any) -> int:
        answer[0] = 0
        return OK

    # -- names ------------------------------------------------------------------------------------------------

    def _find(self, path: bytes) -> tuple[Platter, str]:
        _, place, name = path.decode().split("/", 2)
        return self._platters[place], name

    def _open_file(self, _vfs: int, path: bytes | None, address: int, flags: int, answer: Any) -> int:
        record = c_void_p.from_address(address)
        record.value = None  # until it is open
        if path is None:  # what SQLite can't hold in memory for the moment
            platter, file = Platter(), PlatterFile()
        else:
            platter, name = self._find(path)
            if name not in platter.files and not flags & OPEN_CREATE:
                return sqlite3.SQLITE_CANTOPEN
            file = platter.files.get(name) or platter.create(name)
        new_journal = bool(flags & OPEN_CREATE and flags & OPEN_JOURNALS)
        self._open[address] = Open(platter, file, platter.lives, new_journal)
        record.value = ctypes.addressof(self._methods)
        if answer:
            answer[0] = flags & ~OPEN_READWRITE | OPEN_READONLY if platter.read_only else flags
        return OK

    def _delete(self, _vfs: int, path: bytes, sync: int) -> int:
        platter, name = self._find(path)
        if name not in platter.files:
            return DELETE_NOENT
        platter.remove(name)
        if sync:
            platter.sync_names()
        return OK

    def _access(self, _vfs: int, path: bytes, _what: int, answer: Any) -> int:
        platter, name = self._find(path)
        file = platter.files.get(name)
        answer[0] = int(file is not None and len(file.data) > 0)
        return OK

    def _full_path(self, _vfs: int, path: bytes, size: int, buffer: int) -> int:
        if len(path) >= size:
            return sqlite3.SQLITE_CANTOPEN
        memmove(buffer, path + b"\0", len(path) + 1)
        return OK

    def _randomness(self, _vfs: int, size: int, buffer: int) -> int:
        memset(buffer, 0, size)
        return size

    def _sleep(self, _vfs: int, us: int) -> int:
        """It doesn't: nobody else holds a file here."""
        return us

    def _time(self, _vfs: int, answer: Any) -> int:
        answer[0] = JULIAN_DAY
        return OK

    # -- for C ------------------------------------------------------------------------------------------------

    def _guarded(self, kind: Any, method: Callable[..., int], code: int = sqlite3.SQLITE_IOERR) -> Any:
        def call(*given: Any) -> int:
            try:
                return method(*given)
            except OSError as error:
                return sqlite3.SQLITE_FULL if error.errno == errno.ENOSPC else code
            except BaseException as error:  # noqa: BLE001 - it is raised by `raise_fault`, which C can't
                self._fault = self._fault or error
                return code

        return kind(call)

    def _all_methods(self) -> _Methods:
        on = self._guarded
        return _Methods(
            version=1,  # 2 is for shared memory, 3 for mapped files
            close=on(_ON_FILE, self._close_file),
            read=on(_ON_BYTES, self._read),
            write=on(_ON_BYTES, self._write),
            truncate=on(_ON_INT64, self._truncate),
            sync=on(_ON_INT, self._sync),
            size=on(_ON_SIZE, self._size),
            lock=on(_ON_INT, self._lock),
            unlock=on(_ON_INT, lambda *_: OK),
            is_reserved=on(_ON_ANSWER, self._is_reserved),
            control=on(_ON_CONTROL, lambda *_: NOTFOUND),
            sector_size=on(_ON_FILE, lambda *_: SECTOR_BYTES),
            traits=on(_ON_FILE, lambda *_: POWERSAFE_OVERWRITE),
        )

    def _all_of_vfs(self) -> _Vfs:
        on = self._guarded
        return _Vfs(
            version=1,
            file_bytes=ctypes.sizeof(c_void_p),
            path_bytes_max=PATH_BYTES_MAX,
            name=self._name.encode(),
            open=on(_ON_OPEN, self._open_file, sqlite3.SQLITE_CANTOPEN),
            delete=on(_ON_DELETE, self._delete),
            access=on(_ON_ACCESS, self._access),
            full_path=on(_ON_PATH, self._full_path),
            randomness=on(_ON_CONTROL, self._randomness),
            sleep=on(_ON_INT, self._sleep),
            time=on(_ON_TIME, self._time),
            last_error=on(_ON_CONTROL, lambda *_: 0),
        )


def _place(platter: Platter) -> str:
    """A name for as long as it lives; it reaches no byte and no order."""
    return f"{id(platter):x}"
