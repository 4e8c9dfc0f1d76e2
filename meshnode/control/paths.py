"""Where a node keeps its data, and where its control socket is. Daemon and clients derive the same place from the data directory alone.

It lies in the data directory. Where that makes the path too long for the kernel, it lies in a short runtime directory
(mode 0700, ours) under a name that is a hash of the data directory. XDG_RUNTIME_DIR may be set for the one and not
for the other (a service, a cron job), so a client looks at all places where a daemon may have put it.
"""

import hashlib
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from protocols.errors import StoreError

SOCKET_NAME = "control.sock"
TOKEN_NAME = "control.token"  # noqa: S105 - the name of a file
SOCKET_PATH_BYTES_MAX = 103 if sys.platform == "darwin" else 107  # sockaddr_un.sun_path less its final zero
PRIVATE_DIRECTORY = 0o700


def default_data_dir(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """MESHNODE_DATA_DIR, else the platform's place for a user's data."""
    if chosen := environ.get("MESHNODE_DATA_DIR"):
        return Path(chosen).expanduser()
    if platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "meshnode"
    data_home = environ.get("XDG_DATA_HOME", "")
    return (Path(data_home) if data_home.startswith("/") else Path.home() / ".local" / "share") / "meshnode"


def socket_path(data_dir: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Where a daemon on this data directory listens."""
    return socket_candidates(data_dir, environ)[0]


def find_socket(data_dir: Path, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The socket that is there, in a directory that nobody else can write to; None: no daemon has run here."""
    for path in socket_candidates(data_dir, environ):
        if is_socket(path) and (path.parent == data_dir.resolve() or is_private(path.parent)):
            return path
    return None


def socket_candidates(data_dir: Path, environ: Mapping[str, str] = os.environ) -> list[Path]:
    """Most wanted first; never empty."""
    home = data_dir.resolve()
    if _fits(home / SOCKET_NAME):
        return [home / SOCKET_NAME]
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:24] + ".sock"
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    places = [Path(runtime) / "meshnode"] if runtime.startswith("/") else []
    places.append(Path(f"/tmp/meshnode-{os.getuid()}"))  # noqa: S108 - mode and owner are checked before use
    return [place / name for place in places if _fits(place / name)]


def make_private(directory: Path) -> None:
    """Make the directory if it is missing, mode 0700. Raises StoreError where it is somebody else's or open to others."""
    try:
        directory.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make {directory}: {error.strerror}") from None
    if not is_private(directory):
        raise StoreError(f"{directory} must belong to you alone; remove it, or 'chmod 700 {directory}'")


def is_private(directory: Path) -> bool:
    """A real directory of ours that nobody else can write to."""
    try:
        found = os.lstat(directory)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022


def is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(os.lstat(path).st_mode)
    except OSError:
        return False


def remove_socket(path: Path) -> None:
    """Raises StoreError where something that is no socket is in the way."""
    if os.path.lexists(path) and not is_socket(path):
        raise StoreError(f"{path} is in the way and is no socket; move it away")
    path.unlink(missing_ok=True)


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX
