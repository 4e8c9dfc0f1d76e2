"""A user-space network in the middle, and first flights of real handshakes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random
from typing import Any

import pytest

from transports.quic import QuicLimits


class Ear(asyncio.DatagramProtocol):
    def __init__(self, hear: Callable[[bytes, Any], None]) -> None:
        self.hear = hear

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.hear(data, addr)


async def open_ear(hear: Callable[[bytes, Any], None]) -> asyncio.DatagramTransport:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Ear(hear), local_addr=("127.0.0.1", 0)
    )
    return transport


class Middle:
    """A NAT between one client and one server: forwards, loses, falls silent, or changes its port."""

    def __init__(self, server: tuple[str, int]) -> None:
        self.server, self.client = server, None
        self.die, self.loss = Random(1), 0.0
        self.silent = False
        self.front: Any = None
        self.back: Any = None

    @property
    def address(self) -> str:
        return "quic://{}:{}".format(*self.front.get_extra_info("sockname"))

    @property
    def port_towards_server(self) -> int:
        return self.back.get_extra_info("sockname")[1]

    async def open(self) -> None:
        self.front = await open_ear(self._from_client)
        await self.rebind()

    async def rebind(self) -> None:
        old, self.back = self.back, await open_ear(self._from_server)
        if old is not None:
            old.close()

    def close(self) -> None:
        self.front.close()
        self.back.close()

    def _lost(self) -> bool:
        return self.silent or self.die.random() < self.loss

    def _from_client(self, data: bytes, addr: Any) -> None:
        self.client = addr
        if not self._lost():
            self.back.sendto(data, self.server)

    def _from_server(self, data: bytes, addr: Any) -> None:
        if self.client is not None and not self._lost():
            self.front.sendto(data, self.client)


@pytest.fixture
async def middle() -> AsyncIterator[Callable[[str], Awaitable[Middle]]]:
    made: list[Middle] = []

    async def make(server: str) -> Middle:
        host, port = server.removeprefix("quic://").split(":")
        made.append(Middle((host, int(port))))
        await made[-1].open()
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()


@pytest.fixture
async def stranger() -> AsyncIterator[Any]:
    """A bare UDP socket: `send(data, address)`; `heard`, a queue of what comes back; `senders`, from where."""

    class Stranger:
        def __init__(self) -> None:
            self.heard: asyncio.Queue[bytes] = asyncio.Queue()
            self.senders: list[str] = []
            self.socket: Any = None

        def send(self, data: bytes, address: str) -> None:
            host, port = address.removeprefix("quic://").split(":")
            self.socket.sendto(data, (host, int(port)))

        @property
        def address(self) -> str:
            return "quic://{}:{}".format(*self.socket.get_extra_info("sockname"))

        def hear(self, data: bytes, address: Any) -> None:
            self.senders.append("quic://{}:{}".format(*address))
            self.heard.put_nowait(data)

    one = Stranger()
    one.socket = await open_ear(one.hear)
    yield one
    one.socket.close()


@pytest.fixture
def first_flights(hang_s: float, make_quic: Any, stranger: Any) -> Callable[[int], Awaitable[list[bytes]]]:
    """The first datagrams of so many dials by a real client, each of another connection."""

    async def capture(count: int) -> list[bytes]:
        client = make_quic("aioquic", QuicLimits(dial_s=0.02, connections_max=count + 1))
        found: dict[bytes, bytes] = {}
        async with asyncio.timeout(hang_s):
            while len(found) < count:
                dial = asyncio.ensure_future(client.dial(stranger.address))
                data = await stranger.heard.get()
                dial.cancel()
                await asyncio.gather(dial, return_exceptions=True)
                if data[0] & 0xF0 == 0xC0:  # an Initial, the first of its connection id
                    found.setdefault(data[6:14], data)
        return list(found.values())

    return capture
