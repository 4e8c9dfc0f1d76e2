"""`meshnode run` as a process: what it makes of its files and flags, and how it ends."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from meshnode.cli.options import DaemonOptions
from meshnode.client import MeshClient
from meshnode.daemon import _overlay
from meshnode.settings import CONFIG_FILE, load_settings

QUIET = ("--no-mdns", "--listen", "quic://127.0.0.1:0", "--log-level", "error")
STOP_S = 2.0  # the contract, and as much again for a busy machine
Run = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "node"


@pytest.fixture
def run(home: Path) -> Iterator[Run]:
    """Start a daemon on the one data directory."""
    started: list[subprocess.Popen[str]] = []

    def run(*options: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "meshnode.cli.daemon", "run", "--data-dir", str(home), *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate(timeout=30)


@pytest.fixture
def refused(run: Run) -> Callable[..., tuple[int, str]]:
    """(exit code, what it says) of a daemon that does not start."""

    def refused(*options: str) -> tuple[int, str]:
        out, err = (process := run(*QUIET, *options)).communicate(timeout=30)
        assert out == ""
        assert err.startswith("meshnode: ")
        assert err.count("\n") == 1, err
        return process.returncode, err

    return refused


def ready(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("ready node="), process.communicate(timeout=30)
    return line


def ask(home: Path, question: Callable[[MeshClient], Any]) -> Any:
    async def asked() -> Any:
        async with MeshClient(home) as client:
            return await question(client)

    return asyncio.run(asked())


# -- flags over the file ----------------------------------------------------------------------------------------


def test_flags_that_were_not_given_leave_the_file_alone(home: Path) -> None:
    assert _overlay(DaemonOptions(home), load_settings("")) == {}


def test_flags_stand_over_the_file_and_peers_beside_it(home: Path) -> None:
    file = load_settings('name = "pi"\n[links]\npeers = ["quic://a:1"]')
    options = DaemonOptions(
        home,
        name="desk",
        listen=("quic://0.0.0.0:1",),
        peers=("quic://b:1",),
        mdns=False,
        control_tcp="127.0.0.1:7",
    )
    assert _overlay(options, file) == {
        "name": "desk",
        "links": {"listen": ["quic://0.0.0.0:1"], "peers": ["quic://a:1", "quic://b:1"], "mdns": False},
        "control": {"tcp": "127.0.0.1:7"},
    }


# -- refusals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (b"name = = 1", "not TOML"),
        (b"[links]\nmnds = false", "mnds"),
        (b"\xff\xfe", "UTF-8"),
        (b'[links]\nlisten = ["pigeon://roof"]', "pigeon"),
        (b'[control]\ntcp = "0.0.0.0:7"', "loopback"),
    ],
)
def test_settings_that_make_no_sense_are_wrong_usage(home: Path, run: Run, text: bytes, word: str) -> None:
    home.mkdir()
    (home / CONFIG_FILE).write_bytes(text)
    out, err = (process := run("--no-mdns", "--log-level", "error")).communicate(timeout=30)
    assert (process.returncode, out, word in err, err.count("\n")) == (2, "", True, 1), err


def test_a_passphrase_file_that_is_not_there_is_said(
    refused: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    code, sentence = refused("--passphrase-file", str(tmp_path / "none"))
    assert (code, "no passphrase file" in sentence) == (1, True)


@pytest.mark.parametrize("content", [b"", b"\nsecret\n", b"\xff\xfe"])
def test_a_passphrase_file_without_a_passphrase_seals_nothing(
    refused: Callable[..., tuple[int, str]], home: Path, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "pass"
    file.write_bytes(content)
    code, sentence = refused("--passphrase-file", str(file))
    assert (code, "passphrase" in sentence, (home / "identity.seed").exists()) == (1, True, False)


def test_a_sealed_identity_opens_with_its_passphrase_only(
    run: Run, refused: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    file = tmp_path / "pass"
    file.write_text("correct horse\nignored\n")
    first = run(*QUIET, "--passphrase-file", str(file))
    line = ready(first)
    first.send_signal(signal.SIGTERM)
    assert first.wait(30) == 0
    assert "--passphrase-file" in refused()[1]
    file.write_text("wrong horse")
    assert refused("--passphrase-file", str(file))[0] == 1
    file.write_text("correct horse")
    assert ready(run(*QUIET, "--passphrase-file", str(file))) == line


def test_the_second_daemon_on_a_directory_is_refused(
    run: Run, refused: Callable[..., tuple[int, str]]
) -> None:
    ready(run(*QUIET))
    code, sentence = refused()
    assert (code, "already runs" in sentence) == (1, True)


# -- serving ----------------------------------------------------------------------------------------------------


def test_it_serves_what_file_and_flags_say_and_stops_when_asked(home: Path, run: Run) -> None:
    home.mkdir()
    (home / CONFIG_FILE).write_text('name = "pi"\nvisibility = "contacts"\n')
    process = run(*QUIET, "--name", "desk", "--log-format", "json")
    line = ready(process)
    status = ask(home, MeshClient.status)
    assert (status.name, status.node_id in line) == ("desk", True)
    sources = {setting.name: setting.source for setting in ask(home, MeshClient.config)}
    assert (sources["name"], sources["visibility"], sources["control.tcp"]) == ("flag", "file", "default")
    ask(home, MeshClient.stop)
    assert process.wait(30) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly_with_nothing_to_complain_of(run: Run, number: signal.Signals) -> None:
    process = run(*QUIET)
    ready(process)
    process.send_signal(number)
    out, err = process.communicate(timeout=2 * STOP_S)
    assert (process.returncode, out, err) == (0, "", "")
