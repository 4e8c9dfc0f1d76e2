"""Tests of the simulator that are coroutines run in virtual time."""

import asyncio
from collections.abc import Callable, Iterator, Mapping

import pytest
import structlog

from sim.failing.worker import be_quiet
from sim.stage import loop_factories


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return loop_factories()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Many nodes would log more than they do."""
    before = structlog.get_config()
    be_quiet()
    yield
    structlog.configure(**before)
