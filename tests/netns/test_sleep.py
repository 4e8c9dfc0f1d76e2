"""Laptops that sleep longer than their links live, and wake where they were or on another network.

SIGSTOP is not quite a suspend: the process stands still, but CLOCK_MONOTONIC goes on, so that all its timers are overdue
when it wakes. A real suspend stops that clock too, and the timers of a daemon are then as far away as they were:
tests/meshnode/node/test_sleep.py tries that, in virtual time.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from meshnode.client import MeshClient
from transports.quic.limits import QuicLimits

ASLEEP_S = QuicLimits().idle_s + 1  # longer than either end keeps a silent link
WAKE_S = 20.0  # then everything has long been there: about 1 s is what it takes on an idle machine
SHARE = 10  # messages of one kind


class Pair:
    """Bob on his laptop, Alice wherever she is, and what each of them wrote to the other."""

    def __init__(self, daemon: Callable[..., Any], net: Any) -> None:
        self.net = net
        self.alice, self.bob = (
            daemon(f"{host}-{name}", "--no-mdns", "--listen", "quic://0.0.0.0:0", namespace=host)
            for name, host in zip(("alice", "bob"), net.hosts, strict=True)
        )
        self.written: dict[Any, list[str]] = {self.alice: [], self.bob: []}

    def introduce(self) -> None:
        self.alice.start()
        self.bob.start()
        self.bob.ctl("peers", "add", self.alice.ctl("invite")["invite"])
        self.bob.ctl("ping", self.alice.node_id, "-c", "1")

    def other(self, writer: Any) -> Any:
        return self.bob if writer is self.alice else self.alice

    async def write(self, writer: Any, when: str) -> None:
        """Returns when all is on the writer's disk."""
        async with MeshClient(writer.home) as node:
            for number in range(SHARE):
                text = f"{when} {number}"
                await node.send(self.other(writer).node_id, text)
                self.written[writer].append(text)

    async def lose_touch(self, node: Any) -> None:
        """Returns when this one noticed that the other is gone."""
        async with MeshClient(node.home) as at_node, contextlib.aclosing(at_node.events()) as events:
            async for event in events:
                if event.kind == "peer_disconnected":
                    return

    async def write_last(self, writer: Any) -> None:
        """What was written before is settled when this is delivered."""
        async with MeshClient(writer.home) as node:
            last = await node.send(
                self.other(writer).node_id, "that was all", wait="delivered", timeout_s=WAKE_S
            )
            assert last.state in {"delivered", "read"}
        self.written[writer].append("that was all")

    async def everything_came(self) -> None:
        """Each of the two got what the other wrote: all of it, once, in order."""
        async with asyncio.timeout(WAKE_S):
            await asyncio.gather(self.write_last(self.alice), self.write_last(self.bob))
        for reader in (self.alice, self.bob):
            async with MeshClient(reader.home) as node:
                found = await node.messages(since="", limit=1_000)
            received = [each.text for each in found if each.direction == "in"]
            assert received == self.written[self.other(reader)]

    async def bob_shuts_the_lid(self) -> None:
        """His network went first: what he wrote last is still with him."""
        self.net.unplug(1)
        await self.write(self.bob, "before I sleep")
        self.bob.sleep()
        self.net.plug(1)

    async def alice_is_up(self) -> None:
        """At first she writes on a link that she believes in, then for later."""
        async with asyncio.TaskGroup() as evening:
            losing_touch = evening.create_task(self.lose_touch(self.alice))
            await self.write(self.alice, "are you there?")
            await losing_touch
            await self.write(self.alice, "when you wake")

    async def night_passes(self) -> None:
        """By the clock: nothing tells how long a process has stood still."""
        await asyncio.sleep(ASLEEP_S)


async def bob_sleeps(pair: Pair) -> None:
    await pair.bob_shuts_the_lid()
    await asyncio.gather(pair.night_passes(), pair.alice_is_up())
    pair.bob.wake()


async def bob_wakes_on_another_network(pair: Pair) -> None:
    await pair.bob_shuts_the_lid()
    await asyncio.gather(pair.night_passes(), pair.alice_is_up())
    pair.net.change_address(1, "10.77.0.99")
    pair.bob.wake()


async def both_sleep(pair: Pair) -> None:
    await pair.bob_shuts_the_lid()
    await pair.write(pair.alice, "before I sleep too")
    pair.alice.sleep()
    await pair.night_passes()
    pair.alice.wake()
    pair.bob.wake()


async def test_whoever_sleeps_longer_than_links_live_gets_all_of_it_once_and_in_order(
    daemon: Callable[..., Any], lan: Callable[[int], Any]
) -> None:
    """All nights are the same one, since none can be made shorter."""

    async def live_through(night: Callable[[Pair], Any]) -> None:
        pair = Pair(daemon, lan(2))
        await asyncio.to_thread(pair.introduce)
        await night(pair)
        await pair.everything_came()

    async with asyncio.TaskGroup() as nights:
        for night in (bob_sleeps, bob_wakes_on_another_network, both_sleep):
            nights.create_task(live_through(night), name=night.__name__)
