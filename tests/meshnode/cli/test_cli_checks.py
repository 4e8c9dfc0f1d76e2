"""What `meshctl doctor` finds on a machine, and what it says to do about it."""

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from meshnode.cli import checks
from meshnode.control import socket_path

NOW_NS = 1_800_000_000 * 10**9


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Its path leaves room for a socket's name, which pytest's own may not."""
    with tempfile.TemporaryDirectory(prefix="mn", dir="/tmp") as path:
        yield Path(path).resolve()


def states(found: list[checks.Check]) -> dict[str, str]:
    return {check.name: check.state for check in found}


def test_a_fresh_machine_is_well(data_dir: Path) -> None:
    found = checks.check_machine(data_dir, running=False, wall_ns=lambda: NOW_NS)
    assert "failed" not in states(found).values()
    assert {"data directory", "disk", "clock", "control socket", "mdns"} <= states(found).keys()


def test_beside_a_running_node_only_what_it_does_not_know_is_checked(data_dir: Path) -> None:
    found = states(checks.check_machine(data_dir, running=True))
    assert "data directory" in found
    assert "clock" not in found


def test_what_is_wrong_comes_with_a_way_to_mend_it(data_dir: Path) -> None:
    data_dir.chmod(0o755)
    (data_dir / "identity.seed").write_text("")
    (data_dir / "identity.seed").chmod(0o644)
    (data_dir / "config.toml").write_text("nonsense = 1")
    (data_dir / "control.sock").write_text("")
    found = checks.check_machine(data_dir, running=False, wall_ns=lambda: 0)
    wrong = {check.name: check for check in found if check.state != "ok"}
    assert {"data directory", "identity.seed", "configuration", "control socket", "clock"} <= wrong.keys()
    assert all(check.mend for check in wrong.values())
    assert wrong["identity.seed"].mend == f"chmod 600 '{data_dir}/identity.seed'"


def test_a_data_directory_that_is_not_there_yet_is_no_fault(tmp_path: Path) -> None:
    assert checks.check_data_dir(tmp_path / "none").state == "ok"
    assert checks.check_disk(tmp_path / "none" / "deeper").state == "ok"


def test_a_data_directory_that_cannot_be_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    assert checks.check_data_dir(tmp_path / "file" / "under").state == "failed"
    monkeypatch.setattr("os.access", Mock(return_value=False))
    assert "chown" in checks.check_data_dir(tmp_path).mend


def test_a_disk_that_fills_up_is_said_in_time(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, state in ((1 << 40, "ok"), (100 << 20, "warning"), (1 << 20, "failed")):
        monkeypatch.setattr("shutil.disk_usage", Mock(return_value=Mock(free=free)))
        assert checks.check_disk(data_dir).state == state


@pytest.mark.parametrize(
    ("wall_s", "state"), [(0, "failed"), (1_800_000_000, "ok"), (2**40, "failed"), (-5, "failed")]
)
def test_a_clock_that_cannot_be_right_is_found(wall_s: int, state: str) -> None:
    assert checks.check_clock(wall_s * 10**9).state == state


def test_a_missing_engine_is_found() -> None:
    assert checks.check_engine(lambda name: name == "qh3").detail == "qh3"
    assert checks.check_engine(lambda name: name == "aioquic").state == "ok"
    assert checks.check_engine(lambda _name: None).state == "failed"


def test_few_open_files_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", Mock(return_value=(64, 64)))
    assert checks.check_open_files().state == "warning"


def test_a_port_that_is_taken_or_makes_no_sense_is_found() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        taken = f"quic://127.0.0.1:{holder.getsockname()[1]}"
        found = checks.check_ports(
            (taken, "quic://127.0.0.1:0", "quic://x", "quic://[::1]:99999", "memory://x")
        )
    assert [check.state for check in found] == ["warning", "ok", "warning", "warning"]


def test_a_socket_that_was_left_behind_is_named(data_dir: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(socket_path(data_dir)))
    left.close()
    assert "left by a node that died" in checks.check_socket(data_dir).detail


def test_a_configuration_that_cannot_be_read_is_found(data_dir: Path) -> None:
    (data_dir / "config.toml").write_bytes(b"\xff")
    assert checks.check_config(data_dir)[1].state == "failed"
    (data_dir / "config.toml").write_text("[links]\nmdns = false")
    settings, check = checks.check_config(data_dir)
    assert (settings.links.mdns, check.state) == (False, "ok")
    assert "mdns" not in states(checks.check_machine(data_dir, running=False))


def test_multicast_that_cannot_be_joined_is_a_warning() -> None:
    assert checks.check_mdns(group="127.0.0.1", port=0).state == "warning"
