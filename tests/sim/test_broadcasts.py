"""Broadcasts among whole simulated daemons, in trouble."""

from sim.faults import Plan
from sim.faults.plan import Crash, Cut
from sim.stage import Stage, node_of, village


async def texts(stage: Stage, number: int) -> list[str]:
    node = node_of(stage.hosts[number])
    return [] if node is None else [one.text for one in await node.broadcasts.broadcasts(limit=1_000)]


async def tell(stage: Stage, number: int, text: str) -> None:
    node = node_of(stage.hosts[number])
    assert node is not None
    await node.broadcasts.send(text)


async def test_a_village_hears_what_one_of_it_tells() -> None:
    stage = await village(nodes=12, seed=5, scenario="crash")
    await stage.pass_s(10)
    for number in range(4):
        await tell(stage, number, f"from {number}")
    await stage.pass_s(30)
    for number in range(12):
        assert sorted(await texts(stage, number)) == [f"from {each}" for each in range(4)]


async def test_two_halves_tell_each_other_when_they_meet_again() -> None:
    stage = await village(nodes=8, seed=6, scenario="crash")
    await stage.pass_s(10)
    half = tuple(host.name for host in stage.hosts[:4])
    stage.suffer(Plan((Cut(at_ms=0, these=half, for_ms=120_000),)))
    await stage.pass_s(60)
    await tell(stage, 0, "here")
    await tell(stage, 7, "there")
    await stage.pass_s(30)
    assert await texts(stage, 3) == ["here"]
    assert await texts(stage, 4) == ["there"]
    await stage.pass_s(90)
    for number in range(8):
        assert sorted(await texts(stage, number)) == ["here", "there"]


async def test_power_cuts_lose_nothing_and_double_nothing() -> None:
    stage = await village(nodes=5, seed=7, scenario="crash")
    await stage.pass_s(10)
    crashes = tuple(
        Crash(at_ms=50 + 900 * number, host=stage.hosts[number].name, down_ms=4_000, power=True)
        for number in range(1, 5)
    )
    stage.suffer(Plan(crashes))
    for number in range(10):
        await tell(stage, 0, f"news {number}")
        await stage.pass_s(0.4)
    await stage.pass_s(90)
    for number in range(5):
        assert sorted(await texts(stage, number)) == [f"news {each}" for each in range(10)]
