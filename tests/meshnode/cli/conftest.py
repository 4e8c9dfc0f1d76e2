"""The command lines against a live control API, served from a thread, by the small node of the control API's tests."""

import asyncio
import importlib.util
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from meshnode.cli.ctl import cli
from meshnode.control import ControlServer

CONTROL = Path(__file__).parents[1] / "control" / "conftest.py"


def small_node() -> Any:
    spec = importlib.util.spec_from_file_location("control_conftest", CONTROL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["control_conftest"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module.SmallNode()


# Whoever runs the tests in the background may ignore SIGINT, and children inherit that.
HEED_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"


class Shell:
    """A person with a data directory, who types."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir

    def ctl(self, *words: str, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(
            cli, ["--data-dir", str(self.data_dir), *words], input=stdin, prog_name="meshctl"
        )

    def json(self, *words: str, stdin: str | None = None) -> Any:
        result = self.ctl("--json", *words, stdin=stdin)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def process(
        self, *words: str, program: str = "ctl", stdin: bool = False, **settings: Any
    ) -> "subprocess.Popen[str]":
        code = f"{HEED_CTRL_C}; from meshnode.cli.{program} import main; main()"
        where = ["--data-dir", str(self.data_dir)] if program == "ctl" else []
        return subprocess.Popen(
            [sys.executable, "-c", code, *where, *words],
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **settings,
        )


class LiveShell(Shell):
    """Its node runs. `do` calls something on the node's own thread."""

    def __init__(self, data_dir: Path, node: Any, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(data_dir)
        self.node, self._loop = node, loop

    def do(self, work: Callable[[], object]) -> None:
        async def done() -> None:
            work()

        asyncio.run_coroutine_threadsafe(done(), self._loop).result(10)


@pytest.fixture
def alone(tmp_path: Path) -> Shell:
    """No node runs here."""
    return Shell(tmp_path / "node")


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveShell]:
    data_dir = tmp_path / "node"
    data_dir.mkdir(mode=0o700)
    ready, stop = threading.Event(), asyncio.Event()
    found: list[Any] = []

    async def serve() -> None:
        node = small_node()
        server = ControlServer(
            node, data_dir, version="1", entropy=lambda size: b"e" * size, log=lambda _name, _fields: None
        )
        await server.start()
        found.extend([node, asyncio.get_running_loop()])
        ready.set()
        await stop.wait()
        await server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    node, loop = found
    yield LiveShell(data_dir, node, loop)
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
