"""Real daemons: pairs that lose packets, crash, move and restart. Messages arrive, each once, all the same."""

import asyncio
import contextlib
import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meshnode.client import MeshClient
from meshnode.control.shapes import Message
from protocols.errors import MeshError

LOOPBACK = ("--no-mdns", "--listen", "quic://127.0.0.1:0")
KILLS = 100
SENT_PER_KILL = 6


def pair(daemon: Callable[..., Any], *options: str) -> tuple[Any, Any]:
    """Two daemons that know each other, connected over loopback."""
    alice, bob = daemon("alice", *LOOPBACK, *options).start(), daemon("bob", *LOOPBACK, *options).start()
    introduce(alice, bob)
    return alice, bob


def introduce(alice: Any, bob: Any) -> None:
    invite = alice.ctl("invite")["invite"]
    bob.ctl("peers", "add", invite, "--name", "alice")
    bob.ctl("ping", "alice", "-c", "1")
    alice.ctl("peers", "name", bob.node_id, "bob")


def texts(node: Any, direction: str = "in") -> list[str]:
    return [each["text"] for each in node.messages() if each["direction"] == direction]


def test_a_message_is_delivered_and_the_receiver_shows_it_once(daemon: Callable[..., Any]) -> None:
    alice, bob = pair(daemon)
    sent = alice.ctl("send", "bob", "hello", "--wait", "delivered", "--timeout", "20")
    assert sent["state"] in {"delivered", "read"}
    assert texts(bob) == ["hello"]


def test_a_peer_who_was_off_gets_the_message_when_both_are_up_again(
    daemon: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    alice, bob = pair(daemon)
    assert bob.stop() == 0
    assert alice.ctl("send", "bob", "for later")["state"] == "queued"
    assert alice.stop() == 0
    bob.start()
    alice.start()
    assert eventually(lambda: texts(bob)) == ["for later"]


def test_a_message_nobody_takes_stays_queued_and_the_wait_fails(daemon: Callable[..., Any]) -> None:
    alice, bob = pair(daemon)
    bob.stop()
    waited = alice.ctl_raw("send", "bob", "anybody?", "--wait", "delivered", "--timeout", "1")
    assert waited.returncode == 1
    assert [each["state"] for each in alice.messages()] == ["queued"]


def test_the_second_daemon_on_a_directory_is_refused_in_words(daemon: Callable[..., Any]) -> None:
    alice = daemon("alice", *LOOPBACK).start()
    command = [sys.executable, "-m", "meshnode.cli.daemon", "run", "--data-dir", str(alice.home)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode == 1
    assert "already runs" in second.stderr


def test_a_node_on_a_very_long_path_is_reached_all_the_same(daemon: Callable[..., Any], home: Any) -> None:
    deep = home / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    node = daemon(f"{'d' * 100}/{'e' * 100}/node", *LOOPBACK).start()
    assert node.ctl("id")["node_id"] == node.node_id


@pytest.mark.parametrize(("loss", "count"), [(0.05, 60), (0.2, 30)])
async def test_messages_cross_a_network_that_loses_packets(
    daemon: Callable[..., Any], lossy: Callable[..., Any], loss: float, count: int
) -> None:
    bob = daemon("bob", *LOOPBACK).start()
    port, proxy = await lossy(await asyncio.to_thread(bob.port), loss=loss, seed=11)
    alice = daemon("alice", *LOOPBACK, "--peer", f"quic://127.0.0.1:{port}")
    await asyncio.to_thread(alice.start)
    async with MeshClient(alice.home) as at_alice, MeshClient(bob.home) as at_bob, asyncio.timeout(90):
        await at_alice.ping(bob.node_id, count=1, timeout_s=60)
        for number in range(count):
            await at_alice.send(bob.node_id, f"message {number}")
        received = [each.text for each in await collect(at_bob, count)]
    assert received == [f"message {number}" for number in range(count)]
    assert proxy.dropped > 0


async def collect(node: MeshClient, count: int) -> list[Message]:
    """The first `count` messages, waiting for those that are still to come."""
    found: list[Message] = []
    async with contextlib.aclosing(node.follow_messages(limit=1_000)) as coming:
        async for message in coming:
            found.append(message)
            if len(found) == count:
                break
    return found


class Sender:
    """Whatever `send` returned for is promised; a call that failed may or may not have been stored."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.promised: list[str] = []
        self.wanted = asyncio.Semaphore(0)
        self.progress = asyncio.Event()
        self.node_is_up = asyncio.Event()

    async def run(self) -> None:
        numbers = itertools.count()
        while True:
            await self.node_is_up.wait()
            with contextlib.suppress(MeshError, OSError):
                async with MeshClient(self.home) as node:
                    while self.node_is_up.is_set():
                        await self.wanted.acquire()
                        text = f"message {next(numbers)}"
                        await node.send("bob", text)
                        self.promised.append(text)
                        self.progress.set()

    async def send_some(self) -> None:
        """Returns when two are promised and some are on their way."""
        goal = len(self.promised) + 2
        for _ in range(SENT_PER_KILL):
            self.wanted.release()
        while len(self.promised) < goal:
            self.progress.clear()
            await self.progress.wait()


async def test_a_hundred_kills_in_mid_message_lose_nothing_and_double_nothing(
    daemon: Callable[..., Any],
) -> None:
    alice, bob = await asyncio.to_thread(pair, daemon)
    sender = Sender(alice.home)
    sender.node_is_up.set()
    sending = asyncio.create_task(sender.run())
    for kill in range(KILLS):
        victim = alice if kill % 2 else bob
        async with asyncio.timeout(30):
            await sender.send_some()
        if victim is alice:
            sender.node_is_up.clear()
        await asyncio.to_thread(victim.kill)
        await asyncio.to_thread(victim.start)
        sender.node_is_up.set()
    async with asyncio.timeout(30):
        await sender.send_some()
    sending.cancel()
    await asyncio.wait([sending])
    async with MeshClient(bob.home) as at_bob, MeshClient(alice.home) as at_alice, asyncio.timeout(120):
        stored = await at_alice.messages(limit=1_000)
        await collect(at_bob, len(stored))
        received = [each.text for each in await at_bob.messages(since="", limit=1_000)]
    assert len(received) == len(set(received)), "a message came twice"
    missing = set(sender.promised) - set(received)
    assert not missing, f"{len(missing)} of {len(sender.promised)} promised messages never came"
