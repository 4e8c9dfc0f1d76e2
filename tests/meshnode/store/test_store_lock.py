"""One daemon for one directory."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshnode.store import DirectoryLock
from protocols.errors import RefusedError, StoreError

HOLDER = """
import os, sys
from pathlib import Path
from meshnode.store import DirectoryLock
with DirectoryLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(Path(__file__).parents[3])},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_and_told_who_holds_it(
    holder: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    with pytest.raises(RefusedError, match=rf"process {holder.pid}\); stop it first") as refused:
        DirectoryLock(tmp_path).__enter__()
    assert refused.value.code == "already_running"


def test_a_process_that_was_killed_holds_nothing(holder: subprocess.Popen[bytes], tmp_path: Path) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with DirectoryLock(tmp_path):
        pass


def test_a_second_lock_in_the_same_process_is_refused_until_the_first_is_left(tmp_path: Path) -> None:
    with DirectoryLock(tmp_path / "new"), pytest.raises(RefusedError):
        DirectoryLock(tmp_path / "new").__enter__()
    with DirectoryLock(tmp_path / "new"):
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_a_holder_of_unknown_number_is_refused_without_it(tmp_path: Path) -> None:
    with DirectoryLock(tmp_path):
        (tmp_path / "lock").write_bytes(b"?")
        with pytest.raises(RefusedError, match=r"already runs on [^(]*; stop it first"):
            DirectoryLock(tmp_path).__enter__()


def test_a_directory_that_cant_be_used_is_a_fault_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(StoreError, match="lock"):
        DirectoryLock(tmp_path).__enter__()
