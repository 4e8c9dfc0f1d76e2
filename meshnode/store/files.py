"""Small files, written so that a crash leaves the old one or the new one, never half of each."""

import contextlib
import os
from pathlib import Path

from meshnode.store.faults import store_errors
from protocols.errors import StoreError

CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
DIRECTORY_MODE, FILE_MODE = 0o700, 0o600


def make_directory(directory: Path) -> None:
    """With mode 0700, where it isn't there yet; a directory that is there keeps the mode its owner gave it."""
    with store_errors(str(directory)):
        directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)


def read_file(path: Path, bytes_max: int) -> bytes | None:
    """None where there is none. Raises StoreError."""
    with store_errors(str(path)):
        try:
            with path.open("rb") as file:
                data = file.read(bytes_max + 1)
        except FileNotFoundError:
            return None
    refuse_longer(str(path), data, bytes_max)
    return data


def refuse_longer(name: str, data: bytes, bytes_max: int) -> None:
    if len(data) > bytes_max:
        raise StoreError(f"{name} is larger than the {bytes_max} bytes that it may have; move it away")


def write_file(path: Path, data: bytes) -> None:
    """Atomic, synced, mode 0600. Raises StoreError."""
    draft = path.with_name(f".{path.name}.new")
    with store_errors(str(path)):
        draft.unlink(missing_ok=True)  # of a crash in the middle of this
        try:
            with os.fdopen(os.open(draft, CREATE, FILE_MODE), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise
        sync_directory(path.parent)


def create_file(path: Path) -> None:
    """Empty, and ours alone to read before anything is in it."""
    os.close(os.open(path, CREATE, FILE_MODE))


def sync_directory(directory: Path) -> None:
    """Make renames in it outlast a loss of power."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
