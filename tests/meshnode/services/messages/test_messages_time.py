"""Expiry, retention and clocks that lie."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from meshnode.ports import IncomingCall
from meshnode.services.messages import table_upkeep
from meshnode.services.messages.age import WALL_MS_MIN, Age, plausible_wall
from meshnode.services.messages.frames import WireMessage, decode_outcomes, encode_deliver
from meshnode.services.messages.limits import CLOCK_SKEW_MS, DAY_S, SETTLE_NS
from meshnode.settings import MessageSettings
from protocols.ids import MessageId

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from conftest import Net, Node

NS_PER_S = 1_000_000_000
SETTLE_S = SETTLE_NS // NS_PER_S
WEEK_S = 7 * DAY_S


async def swept(node: Node) -> None:
    """Waits until a sweep that begins now has been on disk."""
    before = node.database.writes
    node.service.wake()
    await node.until(lambda: node.database.writes > before)


async def settled(node: Node) -> Node:
    """Restart, and wait until the clock is believed."""
    node.pass_s(SETTLE_S)
    await node.until(lambda: node.service._desk.age.settled)
    return node


# -- the store's age ---------------------------------------------------------------------------------------------------


def test_while_the_node_runs_only_the_monotonic_clock_counts() -> None:
    age = Age(1_000, None, now_ns=0)
    assert age.settled
    assert age.now_ms(5 * NS_PER_S) == 6_000


def test_the_time_that_the_node_was_off_counts_once_the_clock_is_believed() -> None:
    age = Age(1_000, 50_000, now_ns=0)
    assert not age.may_settle(SETTLE_NS - 1)
    assert age.may_settle(SETTLE_NS)
    off_ms = age.off_ms(wall_ms=50_000 + 7_000 + SETTLE_NS // 1_000_000, now_ns=SETTLE_NS)
    assert off_ms == 7_000
    age.settle(off_ms)
    assert age.now_ms(SETTLE_NS) == 8_000 + SETTLE_NS // 1_000_000
    assert not age.may_settle(2 * SETTLE_NS)


@pytest.mark.parametrize(("kept", "wall"), [(50_000, 0), (None, 10**15)])
def test_a_clock_that_went_back_or_was_never_known_adds_nothing(kept: int | None, wall: int) -> None:
    assert Age(0, kept, now_ns=0).off_ms(wall_ms=wall, now_ns=0) == 0


def test_a_clock_that_was_never_set_is_not_kept() -> None:
    assert plausible_wall(3_600_000) is None
    assert plausible_wall(WALL_MS_MIN) == WALL_MS_MIN


# -- expiry ------------------------------------------------------------------------------------------------------------


async def test_a_message_whose_time_is_over_is_given_up(net: Net, alice: Node, bob: Node) -> None:
    sent = await alice.service.send(bob.id, "hi", expires_s=60)
    alice.pass_s(59)
    assert (await alice.service.get(sent.message_id)).state == "queued"
    alice.pass_s(2)
    assert await alice.service.wait(sent.message_id, "delivered", timeout_s=5) == "expired"
    told = await alice.next_event("message_expired")
    assert told["reason"] == "expired"
    assert (await alice.service.counts()).queued == 0
    net.connect(alice, bob)
    await alice.delivered([(await alice.service.send(bob.id, "later")).message_id])
    assert await bob.texts() == ["later"]


async def test_an_answer_that_comes_after_all_is_believed(net: Net, alice: Node, bob: Node) -> None:
    may_answer = asyncio.Event()
    answer = bob.handler
    assert answer is not None

    async def slowly(call: IncomingCall) -> bytes:
        await may_answer.wait()
        return await answer(call)

    bob.handler = slowly
    net.connect(alice, bob)
    sent = await alice.service.send(bob.id, "hi", expires_s=5)
    alice.pass_s(6)
    assert await alice.service.wait(sent.message_id, "delivered", timeout_s=5) == "expired"
    may_answer.set()
    await alice.next_event("message_delivered")
    assert (await alice.service.get(sent.message_id)).state == "delivered"
    assert (await alice.service.counts()).queued == 0


async def test_a_wall_clock_that_leaps_while_the_node_runs_expires_nothing(
    net: Net, alice: Node, bob: Node
) -> None:
    sent = await alice.service.send(bob.id, "hi")
    alice.clock.wall += 10 * 365 * DAY_S * NS_PER_S
    alice.pass_s(3_600)
    await swept(alice)
    assert (await alice.service.get(sent.message_id)).state == "queued"


async def test_a_node_that_starts_in_1970_loses_nothing_when_its_clock_is_set(
    net: Net, alice: Node, bob: Node
) -> None:
    right = alice.clock.wall
    before = await alice.service.send(bob.id, "before")
    await alice.stop()
    alice.clock.wall = 0
    await alice.start()
    during = await alice.service.send(bob.id, "in 1970")
    alice.clock.wall = right + DAY_S * NS_PER_S
    await settled(alice)
    await swept(alice)
    net.connect(alice, bob)
    await alice.delivered([before.message_id, during.message_id])


async def test_messages_age_while_the_node_is_off(alice: Node, bob: Node) -> None:
    old = await alice.service.send(bob.id, "old")
    await swept_age(alice)
    await alice.stop()
    alice.clock.wall += 2 * WEEK_S * NS_PER_S
    await alice.start()
    new = await alice.service.send(bob.id, "new")
    alice.pass_s(60)
    assert (await alice.service.get(old.message_id)).state == "queued", "the clock is not believed yet"
    await settled(alice)
    assert await alice.service.wait(old.message_id, "delivered", timeout_s=5) == "expired"
    assert (await alice.service.get(new.message_id)).state == "queued"


async def test_a_message_of_a_run_that_never_settled_begins_a_new_life(alice: Node, bob: Node) -> None:
    await swept_age(alice)
    for text in ("in the first short run", "in the second"):
        await alice.stop()
        alice.clock.wall += 2 * WEEK_S * NS_PER_S
        await alice.start()
        await alice.service.send(bob.id, text)
    await settled(alice)
    first, second = await alice.listed()
    assert (first.state, second.state) == ("queued", "queued")
    alice.pass_s(WEEK_S)
    assert await alice.service.wait(first.message_id, "delivered", timeout_s=5) == "expired"


async def test_short_lives_end_before_the_clock_is_believed(alice: Node, bob: Node) -> None:
    await swept_age(alice)
    await alice.start()
    sent = await alice.service.send(bob.id, "hi", expires_s=5)
    alice.pass_s(6)
    assert await alice.service.wait(sent.message_id, "delivered", timeout_s=5) == "expired"


async def swept_age(node: Node) -> None:
    """Waits until the store knows its age and the time."""
    await node.until(lambda: node.database.writes > 0)
    node.pass_s(60)
    await swept(node)


# -- retention ---------------------------------------------------------------------------------------------------------


async def test_the_oldest_go_when_there_are_more_than_are_kept(
    net: Net, alice: Node, new_node: Callable[..., Awaitable[Node]]
) -> None:
    carol = await new_node("carol", MessageSettings(keep_count=3))
    carol.contacts[alice.id] = None
    net.connect(alice, carol)
    ids = [(await alice.service.send(carol.id, f"{number}")).message_id for number in range(5)]
    await alice.delivered(ids)
    carol.pass_s(60)
    await swept(carol)
    assert await carol.texts() == ["2", "3", "4"]
    assert (await carol.service.counts()).inbox_bytes == 3


async def test_what_a_sweep_leaves_is_done_soon(
    net: Net, alice: Node, new_node: Callable[..., Awaitable[Node]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meshnode.services.messages.upkeep.SWEEP_ROWS_MAX", 2)
    carol = await new_node("carol", MessageSettings(keep_count=1))
    carol.contacts[alice.id] = None
    net.connect(alice, carol)
    await alice.delivered(
        [(await alice.service.send(carol.id, f"{number}")).message_id for number in range(5)]
    )
    carol.pass_s(60)
    await swept(carol)
    assert await carol.texts() == ["2", "3", "4"]
    carol.pass_s(1)
    await swept(carol)
    assert await carol.texts() == ["4"]


async def test_what_waits_is_kept_though_it_is_old(alice: Node, bob: Node) -> None:
    alice.settings = MessageSettings(keep_s=60)
    await alice.start()
    await alice.service.send(bob.id, "hi")
    alice.pass_s(3_600)
    await swept(alice)
    assert await alice.texts() == ["hi"]


async def test_a_deleted_message_is_still_known_until_its_sender_has_surely_given_up(
    net: Net, alice: Node, new_node: Callable[..., Awaitable[Node]]
) -> None:
    carol = await new_node("carol", MessageSettings(keep_s=60))
    carol.contacts[alice.id] = None
    net.connect(alice, carol)
    body = encode_deliver([WireMessage(MessageId(bytes(16)), "text", b"hi", 0, 60_000, bytes(8))])

    async def again() -> list[str]:
        return decode_outcomes(await alice.call(carol.id, "messages", "deliver", body), asked=1)

    assert await again() == ["accepted"]
    carol.pass_s(61)
    await swept(carol)
    assert await carol.texts() == []
    assert await again() == ["duplicate"]
    carol.pass_s(60 + CLOCK_SKEW_MS // 1_000)
    await swept(carol)
    assert await again() == ["accepted"]


async def test_when_there_are_too_many_tombstones_those_that_would_go_soonest_go(
    net: Net, alice: Node, bob: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meshnode.services.messages.tables.TOMBSTONES_MAX", 2)
    net.connect(alice, bob)
    lives = (300, 100, 200)
    ids = [(await alice.service.send(bob.id, "x", expires_s=life)).message_id for life in lives]
    await alice.delivered(ids)
    await bob.database.write(
        lambda connection: table_upkeep.retire(connection, 0, keep_ms=0, keep_count=0, rows_max=10)
    )
    left = await bob.database.read(
        lambda connection: connection.execute("SELECT id FROM tombstones ORDER BY until_ms").fetchall()
    )
    assert left == [(ids[2],), (ids[0],)]


async def test_a_full_disk_puts_the_upkeep_off(alice: Node, bob: Node) -> None:
    sent = await alice.service.send(bob.id, "hi", expires_s=5)
    alice.database.full = True
    alice.pass_s(60)
    told = await alice.next_event("store_failed")
    assert told["store"] == "messages"
    alice.database.full = False
    alice.pass_s(2)
    assert await alice.service.wait(sent.message_id, "delivered", timeout_s=5) == "expired"
