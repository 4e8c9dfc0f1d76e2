"""Villages of bare cores whose radios reach only a few: letters and shouts over several hops."""

from collections.abc import Callable, Sequence
from itertools import combinations, pairwise

import pytest

from sim.builder import Settlement
from sim.oracles import Oracles
from sim.runner import run_scenario
from sim.scenario import load_scenario
from sim.timeline import NS_PER_S
from sim.village import Village

Pairs = Sequence[tuple[int, int]]
ALL = ("reached", "present", "no_loops", "shouts")
SETTLING_S = 30
WALK = {
    "nodes": "20",
    "storm_s": "40",
    "calm_s": "30",
    "baselines": "[]",
    "oracles": '["no_loops", "present"]',
    "movement.kind": '"waypoint"',
    "movement.speed_m_s": "[1.4, 1.6]",
    "movement.pause_s": "[0.0, 5.0]",
}


def line(length: int) -> Pairs:
    return list(pairwise(range(length)))


def ring(length: int) -> Pairs:
    return [*line(length), (length - 1, 0)]


def grid(side: int) -> Pairs:
    across = [
        (row * side + column, row * side + column + 1) for row in range(side) for column in range(side - 1)
    ]
    return [*across, *((place, place + side) for place in range(side * (side - 1)))]


class Hops:
    """Who hears whom is told; everybody has everybody's key and nobody's address. Its oracles judge at the end."""

    def __init__(self, settlement: Settlement, medium: str, pairs: Pairs) -> None:
        self.here: Village = settlement.village
        self._medium = self.here.media[medium]
        self.oracles = Oracles(self.here, ALL)
        for one, other in pairs:
            self.meet(one, other)
        self.here.boot_all()
        self.oracles.start()
        self.pass_s(SETTLING_S)

    def meet(self, one: int, other: int) -> None:
        self._medium.meet(f"n{one}", f"n{other}")

    def part(self, one: int, other: int) -> None:
        self._medium.part(f"n{one}", f"n{other}")

    def pass_s(self, seconds: float) -> None:
        self.here.timeline.run(self.here.timeline.now_ns + int(seconds * NS_PER_S))

    def write(self, pairs: Pairs) -> list[int]:
        """A letter each way. Gives the letters' numbers."""
        hosts = list(self.here.hosts.values())
        both = [*pairs, *((other, one) for one, other in pairs)]
        return [hosts[one].send(hosts[other]).number for one, other in both]

    def arrived(self, letters: Sequence[int]) -> list[int]:
        """How often each did."""
        return [len(self.here.journal[number].arrivals) for number in letters]

    def shout(self, number: int) -> None:
        self.here.hosts[f"n{number}"].shout()

    def heard(self) -> list[int]:
        """By how many each shout was."""
        return [len(shout.heard) for shout in self.here.journal.shouts]

    def verdict(self) -> list[str]:
        self.oracles.finish()
        return [f"{breach.oracle}: {breach.who}: {breach.what}" for breach in self.here.breaches]


@pytest.fixture
def hops(settlement: Callable[..., Settlement]) -> Callable[..., Hops]:
    def build(pairs: Pairs, medium: str = "ble") -> Hops:
        return Hops(settlement(nodes=1 + max(map(max, pairs)), medium=medium), medium, pairs)

    return build


@pytest.mark.parametrize("medium", ["ble", "lan"])
@pytest.mark.parametrize("pairs", [line(8), ring(9), grid(4)], ids=["line", "ring", "grid"])
def test_everybody_reaches_everybody_once(hops: Callable[..., Hops], pairs: Pairs, medium: str) -> None:
    run = hops(pairs, medium)
    hosts = range(len(run.here.hosts))
    letters = run.write(list(combinations(hosts, 2)))
    run.shout(0)
    run.pass_s(60)
    assert run.arrived(letters) == [1] * len(letters)
    assert run.heard() == [len(hosts) - 1]
    assert run.verdict() == []


def test_a_ring_that_is_cut_goes_the_other_way_round(hops: Callable[..., Hops]) -> None:
    run = hops(ring(10))
    before = run.write([(0, 2), (1, 3)])
    run.pass_s(10)
    run.part(1, 2)
    during = run.write([(0, 2), (1, 3), (1, 2)])
    run.pass_s(40)
    assert run.arrived(before + during) == [1] * len(before + during)
    assert run.verdict() == []


def test_what_could_not_pass_while_a_line_was_cut_comes_when_it_is_mended(hops: Callable[..., Hops]) -> None:
    run = hops(line(8))
    run.part(3, 4)
    run.pass_s(10)
    letters = run.write([(0, 7), (3, 4)])
    run.shout(0)
    run.shout(7)
    run.pass_s(60)
    assert run.arrived(letters) == [0] * len(letters)
    assert run.heard() == [3, 3]
    run.meet(3, 4)
    run.pass_s(60)
    assert run.arrived(letters) == [1] * len(letters)
    assert run.heard() == [7, 7]
    assert run.verdict() == []


def test_a_relay_that_crashes_is_gone_round(hops: Callable[..., Hops]) -> None:
    run = hops(grid(4))
    far = [(0, 15), (3, 12), (1, 14)]
    run.here.hosts["n5"].crash()
    run.here.hosts["n10"].crash()
    letters = run.write(far)
    run.pass_s(40)
    assert run.arrived(letters) == [1] * len(letters)
    assert run.verdict() == []


def test_two_who_move_apart_keep_talking_over_those_between(hops: Callable[..., Hops]) -> None:
    run = hops([(0, 1), (1, 2), (0, 2)])
    letters = run.write([(0, 2)])
    run.pass_s(5)
    run.part(0, 2)
    letters += run.write([(0, 2)])
    run.pass_s(30)
    run.meet(0, 2)
    letters += run.write([(0, 2)])
    run.pass_s(30)
    assert run.arrived(letters) == [1] * len(letters)
    assert run.verdict() == []


def test_twenty_who_walk_lose_little_and_nothing_goes_in_circles() -> None:
    result = run_scenario("city", load_scenario("city", WALK), 1)
    assert result.broken == []
    assert result.metrics["delivery"] >= 0.95
    assert result.metrics["broadcast_30s"] >= 0.95
