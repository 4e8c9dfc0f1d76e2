"""The mapping on our router: asked for, renewed, taken back, and asked for again where it was refused."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random

import pytest

from meshnode.services.reach import Gateway, MeetingLimits
from meshnode.services.reach.limits import NS_PER_S
from policies.backoff import BackoffLimits
from policies.reach import Place
from protocols.errors import LinkError
from transports.portmap import Forwarded

SOON = BackoffLimits(first_ns=2, longest_ns=2)
FOREVER = BackoffLimits(first_ns=3_600 * NS_PER_S, longest_ns=3_600 * NS_PER_S)
DOOR = Place("45.0.1.2", 7_420)


class Router:
    """Answers as told, one answer for each question; the last one for ever."""

    def __init__(self, *answers: Forwarded | str) -> None:
        self.answers = list(answers)
        self.asked: list[int] = []
        self.withdrawn = 0
        self.silent = False

    async def open(self, port: int, *, life_s: int) -> Forwarded:
        self.asked.append(port)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, str):
            raise LinkError(answer)
        return answer

    async def withdraw(self) -> None:
        self.withdrawn += 1
        if self.silent:
            raise LinkError("the router keeps its mapping")


class Home:
    def __init__(self, router: Router, *, port: int | None, limits: MeetingLimits) -> None:
        self.told: asyncio.Queue[Place | None] = asyncio.Queue()
        self.gateway = Gateway(router, lambda: port, self.told.put, Random(1), limits)
        self.task = asyncio.create_task(self.gateway.run())

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


Open = Callable[..., Awaitable[Home]]


@pytest.fixture
async def home() -> AsyncIterator[Open]:
    made: list[Home] = []

    async def make(router: Router, *, port: int | None = 7_420, limits: MeetingLimits | None = None) -> Home:
        made.append(Home(router, port=port, limits=limits or MeetingLimits(map_rest=FOREVER)))
        return made[-1]

    yield make
    for each in made:
        await each.stop()


async def test_what_the_router_forwards_is_told_and_taken_back_at_the_end(home: Open) -> None:
    router = Router(Forwarded("45.0.1.2", 7_420, 3_600))
    one = await home(router)
    assert await one.told.get() == DOOR
    assert one.gateway.status == "the router forwards 45.0.1.2:7420 to us"
    await one.stop()
    assert (router.asked, router.withdrawn) == ([7_420], 1)


async def test_a_mapping_is_renewed_at_half_of_its_life(home: Open) -> None:
    router = Router(Forwarded("45.0.1.2", 7_420, 0))
    one = await home(router, limits=MeetingLimits(map_ns=2))
    assert [await one.told.get() for _ in range(3)] == [DOOR] * 3


async def test_a_router_that_refuses_is_asked_again_and_its_words_are_shown(home: Open) -> None:
    router = Router("no router here forwards ports by UPnP", Forwarded("45.0.1.2", 7_420, 3_600))
    one = await home(router, limits=MeetingLimits(map_rest=SOON))
    assert await one.told.get() is None
    assert one.gateway.status == "no router here forwards ports by UPnP"
    assert await one.told.get() == DOOR


async def test_a_router_behind_another_nat_is_no_door(home: Open) -> None:
    one = await home(Router(Forwarded("10.0.0.7", 7_420, 3_600)))
    assert await one.told.get() is None
    assert "behind another NAT" in one.gateway.status


async def test_a_host_that_is_no_address_is_no_door(home: Open) -> None:
    one = await home(Router(Forwarded("", 7_420, 3_600)))
    assert await one.told.get() is None


async def test_on_another_network_the_router_is_asked_at_once(home: Open) -> None:
    router = Router("none here", Forwarded("45.0.1.2", 7_420, 3_600))
    one = await home(router)
    assert await one.told.get() is None
    one.gateway.network_changed()
    assert await one.told.get() == DOOR


async def test_a_node_without_a_port_asks_nobody(home: Open) -> None:
    router = Router(Forwarded("45.0.1.2", 7_420, 3_600))
    one = await home(router, port=None)
    assert await one.told.get() is None
    assert router.asked == []


async def test_a_router_that_keeps_its_mapping_does_not_hold_up_the_end(home: Open) -> None:
    router = Router(Forwarded("45.0.1.2", 7_420, 3_600))
    router.silent = True
    one = await home(router)
    await one.told.get()
    await one.stop()
    assert router.withdrawn == 1
