"""Pairs of linked transports, of every kind."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from transports.api import Link, Transport
from transports.memory import MemoryNetwork, MemoryTransport
from transports.quic import QuicLimits, QuicTransport
from transports.recorder import Recorder

# A hung test fails after this; nothing waits for it to pass.
HANG_S = 20.0


class RealClock:
    def now_ns(self) -> int:
        return time.monotonic_ns()


@dataclass
class Pair:
    """Two linked ends with their transports."""

    dialler: Transport
    listener: Transport
    near: Link
    far: Link
    address: str
    near_owner: Recorder = field(default_factory=Recorder)
    far_owner: Recorder = field(default_factory=Recorder)

    def attach(self) -> None:
        self.near.attach(self.near_owner)
        self.far.attach(self.far_owner)


@pytest.fixture
async def make_quic() -> AsyncIterator[Callable[..., QuicTransport]]:
    made: list[QuicTransport] = []

    def make(engine: str = "qh3", limits: QuicLimits | None = None) -> QuicTransport:
        made.append(QuicTransport(RealClock(), os.urandom, engine=engine, limits=limits))
        return made[-1]

    yield make
    for transport in made:
        await transport.close()


async def connect(dialler: Transport, listener: Transport, address: str) -> Pair:
    [bound] = await listener.listen(address)
    near = await dialler.dial(bound)
    async with asyncio.timeout(HANG_S):
        far = await anext(listener.accept())
    return Pair(dialler, listener, near, far, bound)


@pytest.fixture
def connect_pair() -> Callable[[Transport, Transport, str], Awaitable[Pair]]:
    return connect


@pytest.fixture
def until() -> Callable[[Callable[[], object]], Awaitable[None]]:
    """Turns of the loop until something has happened; a hung test fails, a passing one waits for no clock."""

    async def wait(happened: Callable[[], object]) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(HANG_S):
            while not happened():
                turn = loop.create_future()
                loop.call_soon(turn.set_result, None)
                await turn

    return wait


@pytest.fixture
def hang_s() -> float:
    return HANG_S


@pytest.fixture(params=["memory", "qh3 to qh3", "aioquic to aioquic", "qh3 to aioquic", "aioquic to qh3"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
async def transports(
    kind: str, make_quic: Callable[..., QuicTransport]
) -> AsyncIterator[tuple[Transport, Transport, str]]:
    """Who dials, who listens, and the address to listen on."""
    if kind == "memory":
        network = MemoryNetwork()
        both = MemoryTransport(network, "alice"), MemoryTransport(network, "bob")
        yield *both, "memory://bob"
        for transport in both:
            await transport.close()
    else:
        dialler, listener = kind.split(" to ")
        limits = QuicLimits(dial_s=0.5)
        yield make_quic(dialler, limits), make_quic(listener, limits), "quic://127.0.0.1:0"


@pytest.fixture
async def pair(transports: tuple[Transport, Transport, str]) -> Pair:
    return await connect(*transports)
