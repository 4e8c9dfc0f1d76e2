"""One daemon per data directory. The lock goes with the process, however that ends."""

import contextlib
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from meshnode.store.faults import store_errors
from meshnode.store.files import FILE_MODE, make_directory
from protocols.errors import RefusedError

LOCK_FILE = "lock"
PID_BYTES_MAX = 32


class DirectoryLock:
    """`with DirectoryLock(path): ...`

    Raises RefusedError("already_running") where another process holds it, StoreError where there can't be one.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / LOCK_FILE
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        assert self._descriptor is None, "it is held already"
        make_directory(self._path.parent)
        with store_errors(str(self._path)):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
            try:
                self._take(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _take(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(descriptor, PID_BYTES_MAX).decode(errors="replace").strip()
            whom = f" (process {pid})" if pid.isdigit() else ""
            raise RefusedError(
                "already_running",
                f"a node already runs on {self._path.parent}{whom}; stop it first, or choose another --data-dir",
            ) from None
        with contextlib.suppress(OSError):  # a full disk: the lock holds, only the refusal will not name us
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
