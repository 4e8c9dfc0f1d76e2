"""What only the memory network can: weather to order."""

import asyncio
from random import Random
from typing import Any

import pytest

from protocols.errors import LinkError, SettingsError
from transports.memory import MemoryConditions, MemoryNetwork, MemoryTransport
from transports.recorder import Recorder


async def linked(connect_pair: Any, network: MemoryNetwork) -> Any:
    pair = await connect_pair(
        MemoryTransport(network, "alice"), MemoryTransport(network, "bob"), "memory://bob"
    )
    pair.attach()
    return pair


async def arrivals(connect_pair: Any, seed: int) -> list[bytes]:
    network = MemoryNetwork(MemoryConditions(loss=0.5), die=Random(seed))
    pair = await linked(connect_pair, network)
    pair.near.send([bytes([n]) for n in range(100)])
    pair.near.send([b"end"], reliable=True)
    while b"end" not in pair.far_owner.frames:
        await pair.far_owner.until_frames(len(pair.far_owner.frames) + 1)
    return pair.far_owner.frames


async def test_the_same_die_loses_the_same_datagrams(connect_pair: Any) -> None:
    one, same, other = [await arrivals(connect_pair, seed) for seed in (1, 1, 2)]
    assert one == same != other
    assert 30 < len(one) < 70


async def test_a_cut_ends_links_at_once_and_keeps_new_ones_away(connect_pair: Any) -> None:
    network = MemoryNetwork()
    pair = await linked(connect_pair, network)
    pair.near.send([b"in flight"], reliable=True)
    network.cut("bob", "alice")
    assert await pair.near_owner.until_lost() == "cut"
    assert await pair.far_owner.until_lost() == "cut"
    assert pair.far_owner.frames == []
    with pytest.raises(LinkError, match="nobody answers"):
        await pair.dialler.dial("memory://bob")
    network.mend("alice", "bob")
    assert (await pair.dialler.dial("memory://bob")).dialled


async def test_delay_keeps_the_order_of_everything(connect_pair: Any) -> None:
    pair = await linked(connect_pair, MemoryNetwork(MemoryConditions(delay_s=0.001)))
    for number in range(50):
        pair.near.send([bytes([number])], reliable=number % 3 == 0)
    assert await pair.far_owner.until_frames(50) == [bytes([number]) for number in range(50)]


async def test_two_networks_do_not_hear_each_other() -> None:
    here, there = (MemoryTransport(MemoryNetwork(), name) for name in ("alice", "bob"))
    await there.listen("memory://bob")
    with pytest.raises(LinkError):
        await here.dial("memory://bob")


async def test_links_that_nobody_takes_are_refused_in_the_end() -> None:
    network = MemoryNetwork()
    here, there = MemoryTransport(network, "alice"), MemoryTransport(network, "bob")
    await there.listen("memory://bob")
    for _ in range(64):
        await here.dial("memory://bob")
    with pytest.raises(LinkError, match="takes no more"):
        await here.dial("memory://bob")


async def test_a_link_without_an_owner_keeps_a_bounded_amount() -> None:
    network = MemoryNetwork()
    here, there = MemoryTransport(network, "alice"), MemoryTransport(network, "bob")
    await there.listen("memory://bob")
    link, owner = await here.dial("memory://bob"), Recorder()
    link.attach(owner)
    for _ in range(17):
        link.send([bytes(65_000)], reliable=True)
    assert await owner.until_lost() == "peer_closed"
    far = await anext(there.accept())
    late = Recorder()
    far.attach(late)
    assert await late.until_lost() == "nobody_listens"
    assert late.frames == []


async def test_a_name_that_makes_no_sense_is_a_sentence() -> None:
    transport = MemoryTransport(MemoryNetwork(), "alice")
    for address in ("bob", "memory://", "memory://Bob Smith", "quic://bob"):
        with pytest.raises(SettingsError, match="memory://name"):
            await transport.dial(address)


async def test_nothing_is_left_of_links_that_ended(connect_pair: Any) -> None:
    network = MemoryNetwork()
    pair = await linked(connect_pair, network)
    await asyncio.gather(pair.near.close(), pair.far.close())
    await pair.far_owner.until_lost()
    assert (pair.dialler.links, pair.listener.links) == ({}, {})
