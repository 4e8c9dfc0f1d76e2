"""Relays that wrong what they should pass on, in rings of cores where only neighbours have links."""

from collections.abc import Callable

import pytest

from policies.routing import HOP_COST
from protocols.routing.frames import COST_SHIFT, make_word
from sim.builder import settle
from sim.disk import Disks
from sim.faults.behaviours import AT_RELAYS, Behaviour, Spot
from sim.faults.behaviours.relays import AGAIN, INFINITE, FalseHops
from sim.host import Host
from sim.scenario import parse_scenario
from sim.timeline import NS_PER_S, Timeline
from sim.village import Village

RING = """
about = "Each knows the two beside it"
lane = "a"
nodes = {nodes}
[[media]]
kind = "ip"
[acquaintances]
kind = "ring"
degree = 2
"""


class Ring:
    def __init__(self, nodes: int, disks: Disks) -> None:
        settlement = settle(parse_scenario(RING.format(nodes=nodes), "ring"), 7, Timeline(), disks)
        self.village: Village = settlement.village
        self.hosts: list[Host] = list(self.village.hosts.values())
        settlement.start()
        self.run(5)

    def run(self, seconds: float) -> None:
        self.village.timeline.run(self.village.timeline.now_ns + int(seconds * NS_PER_S))

    def misbehaves(self, number: int, name: str, share: float = 1.0) -> Behaviour:
        behaviour = AT_RELAYS[name](Spot(self.village, self.hosts[number], share=share))
        behaviour.start()
        return behaviour

    def arrived(self) -> list[int]:
        """How often each letter did."""
        return [len(letter.arrivals) for letter in self.village.journal]

    def refused(self, word: str) -> int:
        meshes = [host.process.mesh for host in self.hosts if host.process is not None]
        return sum(mesh.counts[word] for mesh in meshes if mesh is not None)

    def counted(self, word: str) -> int:
        return sum(host.counted()[word] for host in self.hosts)


@pytest.fixture
def ring(disks: Disks) -> Callable[[int], Ring]:
    return lambda nodes: Ring(nodes, disks)


def test_what_relays_on_all_ways_swallow_arrives_once_they_are_honest_again(
    ring: Callable[[int], Ring],
) -> None:
    village = ring(4)
    swallowing = [village.misbehaves(number, "swallow") for number in (1, 3)]
    village.hosts[0].send(village.hosts[2])
    village.hosts[0].send(village.hosts[1])  # its own sessions are honest
    village.run(30)
    assert village.arrived() == [0, 1]
    for behaviour in swallowing:
        behaviour.stop()
    village.run(100)
    assert village.arrived() == [1, 1]


@pytest.mark.parametrize("liar", [1, 3])
@pytest.mark.parametrize("name", ["swallow", "black_hole"])
def test_a_letter_goes_around_a_relay_that_swallows_within_seconds(
    ring: Callable[[int], Ring], name: str, liar: int
) -> None:
    village = ring(4)
    village.misbehaves(liar, name)
    village.hosts[0].send(village.hosts[2])
    village.hosts[2].send(village.hosts[0])
    village.run(4)
    assert village.arrived() == [1, 1]


def test_a_session_goes_around_a_relay_that_swallows_from_now_on(ring: Callable[[int], Ring]) -> None:
    village = ring(4)
    for _ in range(2):
        village.hosts[0].send(village.hosts[2])
        village.run(2)
    village.misbehaves(1, "swallow")
    village.run(1)
    village.hosts[0].send(village.hosts[2])
    village.hosts[2].send(village.hosts[0])
    village.run(10)
    assert village.arrived() == [1, 1, 1, 1]


def test_false_hops_are_believed_by_neighbours_and_forgotten_afterwards(ring: Callable[[int], Ring]) -> None:
    village = ring(8)
    lying = village.misbehaves(1, "false_hops")
    village.run(60)

    def cost() -> int:
        mesh = village.hosts[0].process.mesh if village.hosts[0].process is not None else None
        assert mesh is not None
        known = mesh.relay.router.describe().destinations
        return next(each.cost for each in known if each.prefix == village.hosts[4].node_id[:12])

    assert cost() < 3 * HOP_COST
    lying.stop()
    village.run(300)
    assert cost() > 3 * HOP_COST


def test_false_hops_leave_what_cannot_be_cheaper_and_what_is_no_way(ring: Callable[[int], Ring]) -> None:
    village = ring(4)
    liar = FalseHops(Spot(village.village, village.hosts[0]))
    for cost in (0, HOP_COST, INFINITE):
        word = make_word(9, cost, 7, 16, 0)
        assert liar._cheap(word) == word
    assert liar._cheap(make_word(9, 100, 7, 16, 1)) == make_word(9, HOP_COST, 7, 16, 1)
    assert liar._cheap(make_word(9, 100, 7, 16, 1)) >> COST_SHIFT & INFINITE == HOP_COST


def test_what_is_replayed_on_the_way_goes_no_farther_than_one_hop(ring: Callable[[int], Ring]) -> None:
    village = ring(6)
    for number in (1, 4):
        village.misbehaves(number, "replay_routed")
    before = village.counted("relayed")
    for _ in range(5):
        village.hosts[0].send(village.hosts[3])
        village.run(2)
    assert village.arrived() == [1] * 5
    assert village.refused("duplicate") > AGAIN * 5
    assert village.counted("relayed") - before < village.refused("duplicate")
    assert not village.village.breaches


def test_who_floods_with_made_up_records_keeps_nobody_from_writing(ring: Callable[[int], Ring]) -> None:
    village = ring(6)
    flooding = village.misbehaves(1, "flood_routed")
    for number in (0, 2, 4):
        village.hosts[number].send(village.hosts[(number + 3) % 6])
    village.run(5)
    assert village.arrived() == [1, 1, 1]
    assert village.counted("relayed") > 500
    flooding.stop()
    village.run(2)
    before = village.counted("relayed")
    village.run(2)
    assert village.counted("relayed") - before < 100


@pytest.mark.parametrize("name", list(AT_RELAYS))
def test_a_process_that_boots_meanwhile_misbehaves_too_until_the_end(
    ring: Callable[[int], Ring], name: str
) -> None:
    village = ring(3)
    behaviour = village.misbehaves(0, name)
    village.hosts[0].crash()
    village.run(2)
    village.hosts[0].boot()
    village.run(2)
    process = village.hosts[0].process
    assert process is not None
    assert process.mesh is not None
    assert "pass_on" in vars(process.mesh.relay)
    behaviour.stop()
    assert "pass_on" not in vars(process.mesh.relay)
    assert "outgoing" not in vars(process.mesh.relay.router)
