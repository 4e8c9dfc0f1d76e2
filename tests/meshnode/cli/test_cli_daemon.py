"""What `meshnode run` makes of its flags. Running for real is the daemon's own test."""

import sys
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from meshnode import __version__
from meshnode.cli.daemon import cli
from meshnode.cli.options import DaemonOptions
from protocols.errors import RefusedError


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[DaemonOptions]:
    """The daemon's front door, held open: it notes what it was told, and returns 0."""
    seen: list[DaemonOptions] = []

    def run_daemon(options: DaemonOptions) -> int:
        seen.append(options)
        return 0

    door = ModuleType("meshnode.daemon")
    door.run_daemon = run_daemon  # pyright: ignore[reportAttributeAccessIssue] - a door
    monkeypatch.setitem(sys.modules, "meshnode.daemon", door)
    return seen


def test_without_flags_everything_is_as_the_settings_say(
    started: list[DaemonOptions], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MESHNODE_DATA_DIR", str(tmp_path))
    assert CliRunner().invoke(cli, ["run"]).exit_code == 0
    assert started == [DaemonOptions(data_dir=tmp_path)]


def test_every_flag_reaches_the_daemon(started: list[DaemonOptions], tmp_path: Path) -> None:
    words = (
        f"run --data-dir {tmp_path} --name alice --listen quic://0.0.0.0:1 --listen quic://[::]:1 --peer quic://a:1"
        " --peer meshnode://invite/x --no-mdns --control-tcp 127.0.0.1:7 --log-format json --log-level debug"
        f" --passphrase-file {tmp_path / 'p'}"
    )
    assert CliRunner().invoke(cli, words.split()).exit_code == 0
    assert started == [
        DaemonOptions(
            data_dir=tmp_path,
            name="alice",
            listen=("quic://0.0.0.0:1", "quic://[::]:1"),
            peers=("quic://a:1", "meshnode://invite/x"),
            mdns=False,
            control_tcp="127.0.0.1:7",
            log_format="json",
            log_level="debug",
            passphrase_file=Path(tmp_path / "p"),
        )
    ]


def test_a_refusal_of_the_daemon_is_a_sentence_and_exit_code_1(
    started: list[DaemonOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_options: DaemonOptions) -> int:
        raise RefusedError("already_running", "a node already runs on this data directory")

    sys.modules["meshnode.daemon"].run_daemon = refuse  # pyright: ignore[reportAttributeAccessIssue] - a door
    result = CliRunner().invoke(cli, ["run"], prog_name="meshnode")
    assert result.exit_code == 1
    assert result.stderr == "meshnode: a node already runs on this data directory\n"


def test_wrong_flags_are_2(started: list[DaemonOptions]) -> None:
    assert CliRunner().invoke(cli, ["run", "--log-format", "xml"]).exit_code == 2
    assert started == []


def test_the_version_is_the_packages() -> None:
    assert CliRunner().invoke(cli, ["version"]).stdout == f"meshnode {__version__}\n"
