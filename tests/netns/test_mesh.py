"""Ten real daemons, each in a namespace of its own with wires to its neighbours alone: what goes farther is relayed.

Nobody is configured: along a wire there is link-local multicast, so neighbours find each other by themselves. Only those
who write to each other from afar have exchanged an invite.
"""

import contextlib
import itertools
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from meshnode.client import MeshClient

NODES = 10
LETTERS = 200
CONVERGE_S = 60.0  # ten daemons that start on two cores are up and know of all others after about 10 s
HEAL_S = 60.0  # a wire whose other end died is silent for 15 s before its link is given up
COUNTER = itertools.count()


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def wired() -> Iterator[Callable[..., list[str]]]:
    """`wired(10, ring=False)`: namespaces in a row, each joined by a wire to the next; a ring's last to its first."""
    spaces: list[str] = []

    def make(count: int, *, ring: bool) -> list[str]:
        tag = f"mw{os.getpid()}x{next(COUNTER)}h"
        for index in range(count):
            try:
                ip("netns", "add", f"{tag}{index}")
            except (OSError, subprocess.CalledProcessError):
                pytest.skip("network namespaces are not allowed here")
            spaces.append(f"{tag}{index}")
            ip("-n", spaces[-1], "link", "set", "lo", "up")
        for index in range(count if ring else count - 1):
            here, there = spaces[index], spaces[(index + 1) % count]
            ends = ("netns", here, "type", "veth", "peer", "name", "left", "netns", there)
            ip("link", "add", "right", *ends)
            for space, device, host in ((here, "right", 1), (there, "left", 2)):
                ip("-n", space, "addr", "add", f"10.78.{index}.{host}/30", "dev", device)
                ip("-n", space, "link", "set", device, "up")
        return spaces

    yield make
    for space in spaces:
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("netns", "del", space)


@pytest.fixture
def started(daemon: Callable[..., Any], wired: Callable[..., list[str]]) -> Callable[..., list[Any]]:
    def start(*, ring: bool) -> list[Any]:
        spaces = wired(NODES, ring=ring)
        return [daemon(f"n{index}", namespace=space).start() for index, space in enumerate(spaces)]

    return start


def introduce(one: Any, other: Any) -> None:
    one.ctl("peers", "add", other.ctl("invite")["invite"])


def texts(node: Any, sender: Any) -> list[str]:
    found = node.messages("--with", sender.node_id)
    return [each["text"] for each in found if each["direction"] == "in"]


def way(node: Any, to: Any) -> list[str]:
    """The NodeIds along the way, both ends included; empty while none leads there."""
    done = node.ctl_raw("trace", to.node_id, "--timeout", "5")
    return [step["node_id"] for step in json.loads(done.stdout)["steps"]] if done.returncode == 0 else []


def broadcasts(node: Any) -> list[str]:
    done = node.ctl_raw("broadcast", "list")
    return [json.loads(line)["text"] for line in done.stdout.splitlines()]


def test_in_a_line_of_ten_everything_arrives_once_over_nine_hops(
    started: Callable[..., list[Any]], eventually: Callable[..., Any]
) -> None:
    nodes = started(ring=False)
    first, last = nodes[0], nodes[-1]
    introduce(first, last)
    written = [f"over nine hops, {number}" for number in range(20)]
    for text in written:
        first.ctl("send", last.node_id, text)
    eventually(lambda: texts(last, first) == written, within_s=CONVERGE_S)
    answered = last.ctl("send", first.node_id, "and back", "--wait", "delivered", "--timeout", "30")
    assert answered["state"] in {"delivered", "read"}
    assert texts(first, last) == ["and back"]
    assert texts(last, first) == written

    line = [node.node_id for node in nodes]
    eventually(lambda: way(first, last) == line)

    nodes[4].ctl("broadcast", "send", "water at the school")
    for node in nodes:
        eventually(lambda node=node: broadcasts(node) == ["water at the school"], within_s=CONVERGE_S)


async def test_a_relay_of_a_ring_that_dies_between_messages_costs_none_of_them(
    started: Callable[..., list[Any]], eventually: Callable[..., Any]
) -> None:
    nodes = started(ring=True)
    alice, bob = nodes[0], nodes[NODES // 2]
    introduce(alice, bob)
    alice.ctl("send", bob.node_id, "are you there?", "--wait", "delivered", "--timeout", str(int(HEAL_S)))
    middle = way(alice, bob)[2]
    doomed = next(node for node in nodes if node.node_id == middle)
    async with MeshClient(alice.home) as desk:
        for number in range(LETTERS):
            await desk.send(bob.node_id, f"letter {number}")
            if number == LETTERS // 2:
                doomed.kill()
    wanted = ["are you there?", *(f"letter {number}" for number in range(LETTERS))]
    eventually(lambda: len(texts(bob, alice)) >= len(wanted), within_s=HEAL_S)
    assert texts(bob, alice) == wanted

    eventually(lambda: len(way(alice, bob)) == NODES // 2 + 1, within_s=HEAL_S)
    assert middle not in way(alice, bob)
