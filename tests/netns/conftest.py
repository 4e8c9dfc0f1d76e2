"""Real daemons as real processes: on loopback, behind a lossy UDP proxy, or in network namespaces of our own."""

import asyncio
import contextlib
import itertools
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest

READY_S = 20.0
COMMAND_S = 40.0


class Daemon:
    """One `meshnode run`, and `meshctl` for it."""

    def __init__(self, home: Path, *options: str, namespace: str | None = None) -> None:
        self.home = home
        self.options = options
        self.prefix = ["ip", "netns", "exec", namespace] if namespace else []
        self.process: subprocess.Popen[str] | None = None
        self.node_id = ""

    def start(self) -> "Daemon":
        command = [
            *self.prefix,
            sys.executable,
            "-m",
            "meshnode.cli.daemon",
            "run",
            "--data-dir",
            str(self.home),
        ]
        log = (self.home.parent / f"{self.home.name}.log").open("a")
        self.process = subprocess.Popen(
            [*command, *self.options], stdout=subprocess.PIPE, stderr=log, text=True, cwd=Path.cwd()
        )
        log.close()
        line = self._first_line()
        assert line.startswith("ready node="), f"{line!r}; log: {self.log()[-2000:]}"
        self.node_id = line.split()[1].removeprefix("node=")
        return self

    def _first_line(self) -> str:
        assert self.process is not None
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], READY_S)
        return self.process.stdout.readline() if readable else ""

    def log(self) -> str:
        return (self.home.parent / f"{self.home.name}.log").read_text()

    def ctl(self, *arguments: str, fails: bool = False) -> Any:
        """What `meshctl --json` printed: one value, or a list where it printed several lines."""
        done = self.ctl_raw(*arguments)
        assert fails or done.returncode == 0, done.stderr + done.stdout
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
        return lines[0] if len(lines) == 1 else lines

    def ctl_raw(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [
            *self.prefix,
            sys.executable,
            "-m",
            "meshnode.cli.ctl",
            "--data-dir",
            str(self.home),
            "--json",
        ]
        return subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=COMMAND_S, check=False
        )

    def messages(self, *arguments: str) -> list[dict[str, Any]]:
        found = self.ctl("messages", *arguments)
        return cast("list[dict[str, Any]]", found if isinstance(found, list) else [found])

    def port(self) -> int:
        """The UDP port of its IPv4 listener."""
        addresses = [a for t in self.ctl("transports") for a in t["listening"] if "[" not in a]
        return int(addresses[0].rsplit(":", 1)[1])

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self._let_go()

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(timeout=10)
        self._let_go()
        return code

    def sleep(self) -> None:
        """Stand still, as a laptop whose lid is shut. Returns once it does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)

    def wake(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def _let_go(self) -> None:
        if self.process is not None and self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def home() -> Iterator[Path]:
    """A short path: namespaces and sockets have little room."""
    path = Path(tempfile.mkdtemp(prefix="mn"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def daemon(home: Path) -> Iterator[Callable[..., Daemon]]:
    made: list[Daemon] = []

    def make(name: str, *options: str, namespace: str | None = None) -> Daemon:
        one = Daemon(home / name, "--name", Path(name).name, *options, namespace=namespace)
        made.append(one)
        return one

    yield make
    for one in made:
        one.kill()


def eventually(look: Callable[[], Any], *, within_s: float = 30.0) -> Any:
    """Ask the outside world until it answers with something true. For processes only: it polls real time."""
    end = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < end, f"not within {within_s} s"
        select.select([], [], [], 0.05)
    return found


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[..., Any]:
    return eventually


@dataclass
class Lan:
    """Hosts in namespaces of our own on one bridge."""

    hosts: list[str]
    addresses: list[str]
    bridge: str
    commands: list[list[str]] = field(default_factory=list[list[str]])

    def change_address(self, index: int, address: str) -> None:
        host = self.hosts[index]
        ip(
            "-n", host, "addr", "del", f"{self.addresses[index]}/24", "dev", "eth0"
        )  # takes its secondaries along
        ip("-n", host, "addr", "add", f"{address}/24", "dev", "eth0")
        ip("-n", host, "route", "replace", "224.0.0.0/4", "dev", "eth0")
        self.addresses[index] = address

    def unplug(self, index: int) -> None:
        ip("-n", self.bridge, "link", "set", f"p{index}", "down")

    def plug(self, index: int) -> None:
        ip("-n", self.bridge, "link", "set", f"p{index}", "up")


COUNTER = itertools.count()


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def lan() -> Iterator[Callable[[int], Lan]]:
    """`lan(3)`: three hosts that see one another and nothing else. Skips where namespaces are not allowed."""
    spaces: list[str] = []

    def make(count: int) -> Lan:
        tag = f"mn{os.getpid()}x{next(COUNTER)}"
        switch = f"{tag}s"
        try:
            ip("netns", "add", switch)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("network namespaces are not allowed here")
        spaces.append(switch)
        ip("-n", switch, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        ip("-n", switch, "link", "set", "br0", "up")
        hosts: list[str] = []
        addresses: list[str] = []
        for index in range(count):
            host, address = f"{tag}h{index}", f"10.77.0.{index + 1}"
            ip("netns", "add", host)
            spaces.append(host)
            ip(
                "link",
                "add",
                "eth0",
                "netns",
                host,
                "type",
                "veth",
                "peer",
                "name",
                f"p{index}",
                "netns",
                switch,
            )
            ip("-n", switch, "link", "set", f"p{index}", "master", "br0", "up")
            ip("-n", host, "link", "set", "lo", "up")
            ip("-n", host, "addr", "add", f"{address}/24", "dev", "eth0")
            ip("-n", host, "link", "set", "eth0", "up")
            ip("-n", host, "route", "add", "224.0.0.0/4", "dev", "eth0")
            hosts.append(host)
            addresses.append(address)
        return Lan(hosts, addresses, switch)

    yield make
    for space in spaces:
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("netns", "del", space)


class LossyProxy:
    """Forwards UDP to a target and back, losing a share in each direction; one socket per client."""

    def __init__(self, target: tuple[str, int], loss: float, seed: int) -> None:
        self.target, self.loss, self.die = target, loss, Random(seed)
        self.loop = asyncio.get_running_loop()
        self.front = self._socket()
        self.front.bind(("127.0.0.1", 0))
        self.backs: dict[tuple[str, int], socket.socket] = {}
        self.dropped = self.passed = 0
        self.loop.add_reader(self.front, self._from_client)

    @property
    def port(self) -> int:
        return self.front.getsockname()[1]

    def _socket(self) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setblocking(False)
        return made

    def _lose(self) -> bool:
        lost = self.die.random() < self.loss
        self.dropped += lost
        self.passed += not lost
        return lost

    def _from_client(self) -> None:
        data, client = self.front.recvfrom(65_536)
        back = self.backs.get(client)
        if back is None:
            back = self.backs[client] = self._socket()
            back.connect(self.target)
            self.loop.add_reader(back, self._from_target, back, client)
        if not self._lose():
            back.send(data)

    def _from_target(self, back: socket.socket, client: tuple[str, int]) -> None:
        data = back.recv(65_536)
        if not self._lose():
            self.front.sendto(data, client)

    def close(self) -> None:
        for each in [*self.backs.values(), self.front]:
            self.loop.remove_reader(each)
            each.close()


@pytest.fixture
async def lossy() -> AsyncIterator[Callable[..., Any]]:
    """`await lossy(port, loss=.2, seed=1)`: the port of a proxy on loopback in front of that port."""
    made: list[LossyProxy] = []

    async def make(port: int, *, loss: float, seed: int) -> tuple[int, LossyProxy]:
        proxy = LossyProxy(("127.0.0.1", port), loss, seed)
        made.append(proxy)
        return proxy.port, proxy

    yield make
    for proxy in made:
        proxy.close()
