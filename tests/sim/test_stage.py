"""A test may ask for a village and talk to real nodes."""

import asyncio

import pytest

from meshnode.node import Node
from protocols.errors import SettingsError
from sim.faults import Plan
from sim.faults.plan import Crash, Cut
from sim.stage import Stage, node_of, village
from sim.timeline import SimulationError


async def test_a_village_has_as_many_real_nodes_as_asked_for() -> None:
    stage = await village(nodes=20, seed=7)
    assert len(stage.nodes) == 20
    assert all(isinstance(node, Node) for node in stage.nodes)


async def test_a_letter_between_acquaintances_arrives_once() -> None:
    stage = await village(nodes=6, seed=1)
    sender = stage.hosts[0]
    letter = sender.send(sender.acquaintances[0])
    await stage.until(lambda: letter.arrivals)
    assert letter.accepted_ns is not None
    await stage.pass_s(60)
    assert len(letter.arrivals) == 1


async def test_nodes_can_be_asked_what_a_daemon_can_be_asked() -> None:
    stage = await village(nodes=4, seed=2, scenario="crash")
    one, other = stage.hosts[:2]
    node = node_of(one)
    assert node is not None
    await stage.until(lambda: node.driver.is_connected(other.node_id))
    sent = await node.messages.send(other.node_id, "hello")
    assert await node.messages.wait(sent.message_id, "delivered", timeout_s=60) == "delivered"


async def letters_of(stage: Stage) -> list[int]:
    sender = stage.hosts[0]
    letters = [sender.send(other) for other in sender.acquaintances for _ in range(3)]
    await stage.until(lambda: all(letter.arrivals for letter in letters))
    return [len(letter.arrivals) for letter in letters]


async def test_what_was_accepted_arrives_once_though_a_host_loses_power_in_the_middle() -> None:
    stage = await village(nodes=4, seed=3, scenario="crash")
    stage.suffer(Plan((Crash(at_ms=30, host="n1", down_ms=3_000, power=True),)))
    assert set(await letters_of(stage)) == {1}


async def test_what_a_cut_held_back_comes_after_it() -> None:
    stage = await village(nodes=4, seed=4, scenario="crash")
    faults = stage.suffer(Plan((Cut(at_ms=0, these=("n0",), for_ms=3_600_000),)))
    sender = stage.hosts[0]
    await stage.pass_s(1)
    letter = sender.send(stage.hosts[1])
    await stage.pass_s(120)
    assert not letter.arrivals
    faults.heal()
    await stage.until(lambda: letter.arrivals)


async def test_an_unknown_scenario_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="moon"):
        await village(nodes=2, scenario="moon")


def test_a_village_on_a_real_loop_is_refused() -> None:
    with pytest.raises(SimulationError, match="SimLoop"):
        asyncio.run(village(nodes=2))
