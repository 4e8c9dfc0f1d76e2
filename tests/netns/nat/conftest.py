"""An internet of our own: public hosts, and hosts behind NATs of every kind, in network namespaces."""

import contextlib
import ctypes
import itertools
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # as a program beside the tests, nat.py has no package

CLONE_NEWNET = 0x4000_0000
READY_S = 10.0
COUNTER = itertools.count()


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def sysctl(space: str, *settings: str) -> None:
    subprocess.run(["ip", "netns", "exec", space, "sysctl", "-qw", *settings], check=True)


def udp_socket_in(space: str, address: str, port: int) -> socket.socket:
    """A UDP socket that lives in that namespace: the thread that makes it goes there, and ends."""
    made: list[socket.socket] = []

    def make() -> None:
        with Path(f"/var/run/netns/{space}").open() as handle:
            assert ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), CLONE_NEWNET) == 0
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.append(sock)
        sock.bind((address, port))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made[0]


@dataclass
class Place:
    """Where a host stands. `public` is the address by which the internet may know it: its own, or its NAT's."""

    space: str
    address: str
    public: str
    router: str = ""  # the namespace of its NAT


class Voice:
    """A UDP socket in a place, for people: `say` and `hears`."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.address: tuple[str, int] = sock.getsockname()

    def say(self, word: str, to: tuple[str, int]) -> None:
        self.sock.sendto(word.encode(), to)

    def hears(self, *, within_s: float = 5.0) -> tuple[str, tuple[str, int]]:
        """The next word, and where it seems to come from."""
        readable, _, _ = select.select([self.sock], [], [], within_s)
        assert readable, "nothing came"
        data, address = self.sock.recvfrom(2_048)
        return data.decode(), address


@dataclass
class Internet:
    """A router in the middle; every host or NAT hangs on a network of its own, 45.0.N.0/24."""

    tag: str
    spaces: list[str] = field(default_factory=list[str])
    programs: dict[str, subprocess.Popen[str]] = field(default_factory=dict[str, subprocess.Popen[str]])
    voices: list[Voice] = field(default_factory=list[Voice])
    count: int = 0

    @property
    def middle(self) -> str:
        return f"{self.tag}m"

    def open(self) -> None:
        self._space(self.middle)
        sysctl(self.middle, "net.ipv4.ip_forward=1")

    def host(self) -> Place:
        """With a public address, and nothing in between."""
        space, address = self._hang("h")
        return Place(space, address, address)

    def router(self) -> Place:
        """A machine with a public address that forwards for 192.168.N.0/24; what it does to packets is not said."""
        space, address = self._hang("r")
        sysctl(space, "net.ipv4.ip_forward=1")
        return Place(space, address, address, space)

    def behind(self, kind: str, *options: str) -> Place:
        """A host behind a NAT of its own (`nat.KINDS`)."""
        router = self.router()
        self.translate(router, kind, *options)
        return self.join(router)

    def translate(self, router: Place, kind: str, *options: str) -> None:
        """Start the NAT's program there. Its public address is another than the router's own, which the kernel keeps."""
        router.public = f"{router.address.rsplit('.', 1)[0]}.10"
        ip("-n", self.middle, "route", "add", f"{router.public}/32", "via", router.address)
        for command in (
            ("tuntap", "add", "dev", "nat0", "mode", "tun"),
            ("link", "set", "nat0", "up"),
            ("route", "add", f"{router.public}/32", "dev", "nat0"),
            ("rule", "add", "iif", "in0", "lookup", "100"),
            ("route", "add", "default", "dev", "nat0", "table", "100"),
        ):
            subprocess.run(["ip", "-n", router.space, *command], check=True, capture_output=True)
        program = subprocess.Popen(
            [
                *("ip", "netns", "exec", router.space, sys.executable, str(HERE / "nat.py")),
                *("--device", "nat0", "--public", router.public, "--kind", kind, *options),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.programs[router.space] = program
        assert program.stdout is not None
        readable, _, _ = select.select([program.stdout], [], [], READY_S)
        assert readable, "the NAT did not start"
        assert program.stdout.readline() == "ready\n"

    def restart(self, place: Place) -> None:
        """Its NAT forgets all it knew, as after a power cut."""
        self.programs[place.router].send_signal(signal.SIGUSR1)

    def join(self, router: Place, number: int = 2) -> Place:
        """A host on the network behind that router, or beside another host there."""
        inside = f"192.168.{router.address.split('.')[2]}"
        space = f"{self.tag}i{len(self.spaces)}"
        self._space(space)
        if number == 2:
            ip("-n", router.router, "link", "add", "in0", "type", "bridge", "mcast_snooping", "0")
            ip("-n", router.router, "link", "set", "in0", "up")
            ip("-n", router.router, "addr", "add", f"{inside}.1/24", "dev", "in0")
        self._wire(space, "eth0", router.router, f"p{number}")
        ip("-n", router.router, "link", "set", f"p{number}", "master", "in0")
        ip("-n", space, "addr", "add", f"{inside}.{number}/24", "dev", "eth0")
        ip("-n", space, "route", "add", "default", "via", f"{inside}.1")
        return Place(space, f"{inside}.{number}", router.public, router.router)

    def voice(self, place: Place, port: int = 4_000) -> Voice:
        made = Voice(udp_socket_in(place.space, place.address, port))
        self.voices.append(made)
        return made

    def close(self) -> None:
        for voice in self.voices:
            voice.sock.close()
        for program in self.programs.values():
            program.kill()
            program.wait()
            if program.stdout is not None:
                program.stdout.close()
        for space in self.spaces:
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "del", space)

    def _hang(self, letter: str) -> tuple[str, str]:
        self.count += 1
        space, network = f"{self.tag}{letter}{self.count}", f"45.0.{self.count}"
        self._space(space)
        self._wire(space, "out0", self.middle, f"w{self.count}")
        ip("-n", self.middle, "addr", "add", f"{network}.1/24", "dev", f"w{self.count}")
        ip("-n", space, "addr", "add", f"{network}.2/24", "dev", "out0")
        ip("-n", space, "route", "add", "default", "via", f"{network}.1")
        return space, f"{network}.2"

    def _space(self, space: str) -> None:
        ip("netns", "add", space)
        self.spaces.append(space)
        ip("-n", space, "link", "set", "lo", "up")
        sysctl(space, "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")

    @staticmethod
    def _wire(one: str, name: str, other: str, other_name: str) -> None:
        ip(
            *("link", "add", name, "netns", one, "type", "veth"),
            *("peer", "name", other_name, "netns", other),
        )
        for space, each in ((one, name), (other, other_name)):
            ip("-n", space, "link", "set", each, "up")


@pytest.fixture
def internet() -> Iterator[Internet]:
    """Skips where namespaces or TUN devices are not allowed."""
    made = Internet(f"mi{os.getpid()}x{next(COUNTER)}")
    if shutil.which("ip") is None or not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("there is no 'ip' command or no TUN device here")
    try:
        made.open()
    except subprocess.CalledProcessError:
        pytest.skip("network namespaces are not allowed here")
    yield made
    made.close()


@pytest.fixture
def voices(internet: Internet) -> Callable[..., Voice]:
    return internet.voice
