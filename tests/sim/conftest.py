"""Coroutines run in virtual time; small villages on the heap, and whole ones on the virtual loop."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import pytest
import structlog

from sim.builder import Settlement, settle
from sim.disk import Disks
from sim.failing.worker import be_quiet
from sim.loop import run_in_loop
from sim.scenario import parse_scenario
from sim.stage import loop_factories
from sim.timeline import Timeline
from sim.village import Village

WORLD = """
about = "A few who all know each other"
lane = "{lane}"
nodes = {nodes}
[[media]]
kind = "{medium}"
[acquaintances]
kind = "all"
"""


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return loop_factories()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Many nodes would log more than they do."""
    before = structlog.get_config()
    be_quiet()
    yield
    structlog.configure(**before)


@pytest.fixture
def disks() -> Iterator[Disks]:
    disks = Disks()
    yield disks
    disks.close()


@pytest.fixture
def settlement(disks: Disks) -> Callable[..., Settlement]:
    """Of cores or daemons that all know each other, nothing of it started yet."""

    def build(*, nodes: int = 4, lane: str = "a", medium: str = "ip", seed: int = 7) -> Settlement:
        scenario = parse_scenario(WORLD.format(lane=lane, nodes=nodes, medium=medium), "world")
        built = settle(scenario, seed, Timeline(), disks)
        built.village.stop_at_breach = False
        return built

    return build


@pytest.fixture
def village(settlement: Callable[..., Settlement]) -> Callable[..., Village]:
    """Of cores, running."""

    def build(**given: Any) -> Village:
        built = settlement(**given)
        built.start()
        return built.village

    return build


@pytest.fixture
def live(settlement: Callable[..., Settlement], disks: Disks) -> Callable[..., Village]:
    """Whole daemons, through a story told on their loop; gives the village as the story left it."""

    def tell(story: Callable[[Village], Awaitable[None]], **given: Any) -> Village:
        built = settlement(lane="b", **given)

        async def run() -> None:
            built.start()
            await asyncio.sleep(5)  # of virtual time: they boot and meet
            await story(built.village)

        run_in_loop(built.village.timeline, run(), at_end=disks.close)
        return built.village

    return tell
