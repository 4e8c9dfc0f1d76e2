"""What `meshctl doctor` can see of the machine without asking the node."""

import importlib.util
import os
import shutil
import socket
import stat
import struct
import time
from collections.abc import Callable
from pathlib import Path

from meshnode.control.paths import is_socket, socket_path
from meshnode.control.shapes import Check
from meshnode.settings import CONFIG_FILE, NodeSettings, load_settings
from protocols.errors import SettingsError

MIB = 1 << 20
DISK_LOW_BYTES, DISK_OUT_BYTES = (
    256 * MIB,
    16 * MIB,
)  # room for a year's texts; room for SQLite to work at all
CLOCK_FROM_S, CLOCK_TO_S = 1_767_225_600, 4_102_444_800  # the years 2026 to 2099
FILES_MIN = 256  # databases, sockets, and a few hundred links
MDNS_GROUP, MDNS_PORT = "224.0.0.251", 5353
OTHERS = 0o077


def check_machine(data_dir: Path, *, running: bool, wall_ns: Callable[[], int] = time.time_ns) -> list[Check]:
    """With `running`, disk, clock and ports are left to the node, which knows them better."""
    settings, config = check_config(data_dir)
    checks = [check_data_dir(data_dir), *check_secrets(data_dir), config, check_engine(), check_open_files()]
    if running:
        return checks
    checks += [check_disk(data_dir), check_clock(wall_ns()), check_socket(data_dir)]
    checks += check_ports(settings.links.listen)
    return [*checks, check_mdns()] if settings.links.mdns else checks


def check_data_dir(data_dir: Path) -> Check:
    name = "data directory"
    try:
        mode = stat.S_IMODE(data_dir.stat().st_mode)
    except FileNotFoundError:
        return _ok(name, f"{data_dir} is not there yet; 'meshnode run' makes it")
    except OSError as error:
        return _failed(name, f"{data_dir}: {error.strerror}", "choose another with --data-dir")
    if not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
        return _failed(
            name, f"{data_dir} is not ours to write", f"chown it to you: sudo chown -R $USER '{data_dir}'"
        )
    if mode & OTHERS:
        return _warning(name, f"others on this machine can look into {data_dir}", f"chmod 700 '{data_dir}'")
    return _ok(name, str(data_dir))


def check_secrets(data_dir: Path) -> list[Check]:
    """Files that must be the owner's alone."""
    found = [path for name in ("identity.seed", "control.token") if (path := data_dir / name).exists()]
    return [
        _failed(path.name, "others on this machine can read it", f"chmod 600 '{path}'")
        if stat.S_IMODE(path.stat().st_mode) & OTHERS
        else _ok(path.name, "readable by you alone")
        for path in found
    ]


def check_config(data_dir: Path) -> tuple[NodeSettings, Check]:
    file = data_dir / CONFIG_FILE
    try:
        text = file.read_text()
        return load_settings(text), _ok("configuration", str(file))
    except FileNotFoundError:
        return NodeSettings(), _ok("configuration", "none; the defaults are in force")
    except (OSError, UnicodeDecodeError) as error:
        return NodeSettings(), _failed(
            "configuration", f"{file}: {error}", "make it readable UTF-8, or move it away"
        )
    except SettingsError as error:
        return NodeSettings(), _failed(
            "configuration", str(error), "'meshctl config example' shows what may stand there"
        )


def check_disk(data_dir: Path) -> Check:
    place = next((path for path in (data_dir, *data_dir.absolute().parents) if path.exists()), Path("/"))
    free = shutil.disk_usage(place).free
    detail = f"{free // MIB} MiB free"
    mend = f"make room on the file system of {place}"
    if free < DISK_OUT_BYTES:
        return _failed("disk", detail, mend)
    return _warning("disk", detail, mend) if free < DISK_LOW_BYTES else _ok("disk", detail)


def check_clock(wall_ns: int) -> Check:
    now_s = wall_ns // 1_000_000_000
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(min(max(now_s, 0), CLOCK_TO_S)))
    if CLOCK_FROM_S <= now_s < CLOCK_TO_S:
        return _ok("clock", shown)
    mend = "set it, or switch on network time: sudo timedatectl set-ntp true"
    return _failed(
        "clock", f"it says {shown}, which cannot be; invites and messages would expire wrongly", mend
    )


def check_engine(find: Callable[[str], object | None] = importlib.util.find_spec) -> Check:
    if find("qh3") is not None:
        return _ok("quic engine", "qh3")
    if find("aioquic") is not None:
        return _ok("quic engine", "aioquic; qh3 would use less CPU, where there is a wheel of it")
    return _failed(
        "quic engine", "neither qh3 nor aioquic is installed", "install meshnode again: pip install meshnode"
    )


def check_open_files() -> Check:
    import resource  # noqa: PLC0415 - Windows has none, and the rest of this file should work there

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft in {resource.RLIM_INFINITY, -1} or soft >= FILES_MIN:
        return _ok("open files", f"up to {soft}")
    return _warning(
        "open files", f"only {soft} are allowed", f"ulimit -n {FILES_MIN * 4} before starting the node"
    )


def check_ports(listen: tuple[str, ...]) -> list[Check]:
    return [_check_port(address) for address in listen if address.startswith("quic://")]


def _check_port(address: str) -> Check:
    host, _, port = address.removeprefix("quic://").rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind((host.strip("[]"), int(port)))
    except (OSError, ValueError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return _warning(f"port {address}", reason, "choose another with --listen, or in config.toml")
    return _ok(f"port {address}", "free")


def check_socket(data_dir: Path) -> Check:
    path = socket_path(data_dir)
    if is_socket(path):
        return _ok("control socket", f"{path} was left by a node that died; the next one replaces it")
    if path.exists():
        return _failed("control socket", f"{path} is in the way and is no socket", "move it away")
    return _ok("control socket", str(path))


def check_mdns(group: str = MDNS_GROUP, port: int = MDNS_PORT) -> Check:
    """Whether the multicast port can be shared and the group joined, as the node will do."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            probe.bind(("", port))
            membership = struct.pack("4s4s", socket.inet_aton(group), socket.inet_aton("0.0.0.0"))  # noqa: S104 - any interface
            probe.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    except OSError as error:
        mend = "peers can still be added by invite or address; allow multicast and UDP port 5353 to be found by mDNS"
        return _warning("mdns", f"cannot listen on UDP port {port}: {error.strerror}", mend)
    return _ok("mdns", "multicast works on this machine; a network may still filter it")


def _ok(name: str, detail: str) -> Check:
    return Check(name=name, state="ok", detail=detail)


def _warning(name: str, detail: str, mend: str) -> Check:
    return Check(name=name, state="warning", detail=detail, mend=mend)


def _failed(name: str, detail: str, mend: str) -> Check:
    return Check(name=name, state="failed", detail=detail, mend=mend)
