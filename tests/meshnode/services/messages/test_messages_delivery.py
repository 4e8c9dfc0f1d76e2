"""Two nodes, and all that can go wrong between them: every message arrives once, in order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from meshnode.services.messages.limits import TEXT_BYTES_MAX
from protocols.ids import MessageId

if TYPE_CHECKING:
    from conftest import Net, Node


async def send_all(node: Node, to: Node, texts: list[str]) -> list[MessageId]:
    return [(await node.service.send(to.id, text)).message_id for text in texts]


async def test_a_message_to_a_connected_peer_is_delivered_at_once(net: Net, alice: Node, bob: Node) -> None:
    net.connect(alice, bob)
    sent = await alice.service.send(bob.id, "hello")
    assert sent.state == "queued"
    assert await alice.service.wait(sent.message_id, "delivered", timeout_s=5) == "delivered"
    (got,) = await bob.listed()
    assert (got.text, got.direction, got.state, got.trace) == ("hello", "in", "delivered", sent.trace)
    assert (got.sender, got.recipient, got.at_ns) == (alice.id, bob.id, sent.at_ns)


async def test_everything_that_happens_to_a_message_is_told(net: Net, alice: Node, bob: Node) -> None:
    net.connect(alice, bob)
    sent = await alice.service.send(bob.id, "hello")
    await alice.delivered([sent.message_id])
    assert [name for name, _ in alice.events] == ["message_queued", "message_sent", "message_delivered"]
    told = await bob.next_event("message_received")
    assert told["text"] == "hello"
    assert told["trace"] == sent.trace == alice.events[0][1]["trace"]
    assert all("text" not in fields for _, fields in alice.events)


async def test_a_peer_who_was_away_gets_all_of_it_in_order(net: Net, alice: Node, bob: Node) -> None:
    texts = [f"{number}" for number in range(1_500)]  # more than one batch, and than is held in memory
    ids = await send_all(alice, bob, texts)
    assert bob.id in alice.wanted
    net.connect(alice, bob)
    await alice.delivered(ids)
    await bob.until(lambda: bob.database.writes > 0)
    got = await bob.service.messages(limit=1_000)
    assert [message.text for message in got] == texts[-1_000:]
    assert (await alice.service.counts()).queued == 0


async def test_long_messages_go_in_several_batches(net: Net, alice: Node, bob: Node) -> None:
    texts = [f"{number}".ljust(TEXT_BYTES_MAX) for number in range(20)]
    ids = await send_all(alice, bob, texts)
    net.connect(alice, bob)
    await alice.delivered(ids)
    assert await bob.texts() == texts
    assert len(net.calls) == 3


async def test_what_waits_survives_a_restart_of_the_sender(net: Net, alice: Node, bob: Node) -> None:
    ids = await send_all(alice, bob, ["one", "two"])
    await alice.start()
    alice.wanted.clear()
    await alice.until(lambda: bob.id in alice.wanted)
    net.connect(alice, bob)
    await alice.delivered(ids)
    assert await bob.texts() == ["one", "two"]


async def test_many_writers_at_once_lose_nothing(net: Net, alice: Node, bob: Node) -> None:
    net.connect(alice, bob)
    sent = await asyncio.gather(*(alice.service.send(bob.id, f"{number}") for number in range(400)))
    await alice.delivered(message.message_id for message in sent)
    got = await bob.texts()
    assert sorted(got, key=int) == [f"{number}" for number in range(400)]
    assert got == await alice.texts()


async def test_messages_written_during_a_flush_follow_the_ones_before_them(
    net: Net, alice: Node, bob: Node
) -> None:
    early = await send_all(alice, bob, [f"early {number}" for number in range(600)])
    net.connect(alice, bob)
    late = await send_all(alice, bob, [f"late {number}" for number in range(100)])
    await alice.delivered([*early, *late])
    assert await bob.texts() == await alice.texts()


@pytest.mark.parametrize("what", ["lose_requests", "lose_answers"])
async def test_what_the_network_loses_is_sent_again_and_stored_once(
    net: Net, alice: Node, bob: Node, what: str
) -> None:
    getattr(net, what)["deliver"] = 1
    net.connect(alice, bob)
    ids = await send_all(alice, bob, ["one", "two"])
    await alice.until(lambda: net.failed == 1)
    assert (await alice.service.messages())[0].state == "sent"
    alice.pass_s(2)
    await alice.delivered(ids)
    assert await bob.texts() == ["one", "two"]


async def test_a_peer_that_comes_back_is_not_kept_waiting(net: Net, alice: Node, bob: Node) -> None:
    net.lose_requests["deliver"] = 1
    net.connect(alice, bob)
    ids = await send_all(alice, bob, ["one"])
    await alice.until(lambda: net.failed == 1)
    net.disconnect(alice, bob)
    net.connect(alice, bob)
    await alice.delivered(ids)


async def exchange(net: Net, alice: Node, bob: Node, mortal: Node, dies_at: int | None) -> list[str]:
    """Five messages, during which one node dies at a certain moment and comes back. Gives the texts that were promised."""
    promised: list[str] = []

    async def write() -> None:
        for number in range(5):
            await alice.service.send(bob.id, f"{number}")
            promised.append(f"{number}")

    mortal.moments, mortal.dies_at = 0, dies_at
    net.connect(alice, bob)
    writing = asyncio.ensure_future(write())
    writing.add_done_callback(lambda _: net.happened.set())
    await alice.until(lambda: mortal.died.is_set() or (writing.done() and all_delivered(alice)))
    mortal.dies_at = None
    if mortal.died.is_set():
        if mortal is alice:
            writing.cancel()
        await mortal.start()
        net.connect(alice, bob)
    await asyncio.wait([writing])
    for message in await alice.listed():
        await alice.delivered([message.message_id])
    return promised


def all_delivered(node: Node) -> bool:
    return sum(name == "message_delivered" for name, _ in node.events) == 5


@pytest.mark.parametrize(
    ("who", "dies_at"),
    [("alice", moment) for moment in range(1, 46)] + [("bob", moment) for moment in range(1, 16)],
)  # 37 and 8 moments in a run without a death; beyond the last, nobody dies
async def test_whoever_dies_at_whatever_moment_each_message_arrives_once_and_in_order(
    net: Net, alice: Node, bob: Node, who: str, dies_at: int
) -> None:
    mortal = alice if who == "alice" else bob
    promised = await exchange(net, alice, bob, mortal, dies_at)
    got = await bob.texts()
    assert got == await alice.texts(), "both agree"
    assert got == sorted(dict.fromkeys(got)), "in order, none twice"
    assert [text for text in promised if text not in got] == [], "nothing that was promised is lost"
