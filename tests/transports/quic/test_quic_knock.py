"""A knock opens a NAT on our side, and lets a dial outlive what the other side's NAT says until its own is open."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from protocols.errors import LinkError, SettingsError
from transports.memory import MemoryNetwork, MemoryTransport

Until = Callable[[Callable[[], object]], Any]
ENGINES = ("qh3", "aioquic")


def port_of(address: str) -> str:
    return address.rpartition(":")[2]


async def dial(node: Any, address: str) -> Any:
    return await node.dial(address)


async def closed_address(make_quic: Any) -> str:
    """Where a node listened a moment ago."""
    gone = make_quic()
    [address] = await gone.listen("quic://127.0.0.1:0")
    await gone.close()
    return address


async def test_a_knock_is_one_byte_from_the_port_that_listens(
    make_quic: Any, stranger: Any, hang_s: float
) -> None:
    node = make_quic()
    [address] = await node.listen("quic://127.0.0.1:0")
    node.knock(stranger.address)
    async with asyncio.timeout(hang_s):
        assert len(await stranger.heard.get()) == 1
        dial = asyncio.ensure_future(node.dial(stranger.address))
        await stranger.heard.get()
    assert port_of(stranger.senders[0]) == port_of(stranger.senders[1]) == port_of(address)
    dial.cancel()
    await asyncio.gather(dial, return_exceptions=True)


async def test_a_knock_costs_whoever_hears_it_nothing(make_quic: Any, until: Until) -> None:
    one, other = make_quic(), make_quic()
    [address] = await other.listen("quic://127.0.0.1:0")
    one.knock(address)
    await until(lambda: other.dropped)
    assert (other.dropped, other.half_open) == ({"knock": 1}, 0)


async def test_without_a_knock_a_dial_ends_at_the_first_refusal(make_quic: Any) -> None:
    with pytest.raises(LinkError, match="no node listens on that port"):
        await make_quic().dial(await closed_address(make_quic))


@pytest.mark.parametrize("engine", ENGINES)
async def test_after_a_knock_a_dial_outlives_refusals(
    engine: str, make_quic: Any, until: Until, hang_s: float
) -> None:
    caller, late = make_quic(engine), make_quic(engine)
    address = await closed_address(make_quic)
    caller.knock(address)
    dial = asyncio.ensure_future(caller.dial(address))
    await until(lambda: "send_econnrefused" in caller.dropped or dial.done())
    await late.listen(address)
    async with asyncio.timeout(hang_s):
        assert (await dial).address == address


async def test_links_that_are_dialled_from_both_ends_at_once_both_open(make_quic: Any, hang_s: float) -> None:
    one, other = make_quic(), make_quic()
    [address] = await one.listen("quic://127.0.0.1:0")
    [other_address] = await other.listen("quic://127.0.0.1:0")
    async with asyncio.timeout(hang_s):
        near, far = await asyncio.gather(dial(one, other_address), dial(other, address))
        near_end, far_end = await anext(other.accept()), await anext(one.accept())
    assert (near.address, far.address) == (other_address, address)
    assert (near.binding, far.binding) == (near_end.binding, far_end.binding)


async def test_names_and_port_zero_are_not_knocked_at(make_quic: Any) -> None:
    node = make_quic()
    node.knock("quic://nobody.example:7420")
    node.knock("quic://127.0.0.1:0")
    assert node.dropped == {}
    with pytest.raises(SettingsError):
        node.knock("quic://127.0.0.1")


async def test_a_closed_node_knocks_nowhere(make_quic: Any, stranger: Any) -> None:
    node = make_quic()
    await node.close()
    node.knock(stranger.address)
    assert stranger.heard.empty()


async def test_where_nothing_stands_in_between_a_knock_changes_nothing() -> None:
    MemoryTransport(MemoryNetwork(), "here").knock("memory://there")
