from collections.abc import Callable
from math import pi, sqrt

import pytest

from sim.baselines import Graph
from sim.dice import Dice
from sim.models.movement import Area, Contact, ContactTrace, contacts, scattered

SIDE_M = 1_000.0

MakeGraph = Callable[[int, float, int], Graph]


@pytest.fixture
def scatter() -> MakeGraph:
    """Nodes, degree in the middle of the place, seed: as the research note's tables have it, thinner at the rim."""

    def make(nodes: int, degree: float, seed: int) -> Graph:
        ground = scattered(Dice(seed).die("place"), Area(SIDE_M, SIDE_M), nodes)
        return Graph.of(nodes, contacts(ground.positions, SIDE_M * sqrt(degree / (pi * nodes))))

    return make


@pytest.fixture
def meetings() -> Callable[..., ContactTrace]:
    """Each (start, end, one, other) in seconds; the last of them is a day later, so that letters have their time."""

    def make(nodes: int, *rows: tuple[int, int, int, int]) -> ContactTrace:
        return ContactTrace(nodes, 1, tuple(Contact(*row) for row in rows))

    return make
