"""Expiry, retention and clocks that lie."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from meshnode.ports import IncomingCall
from meshnode.services.messages import DATABASE, MIGRATIONS, table_upkeep
from meshnode.services.messages.age import WALL_MS_MIN, Age, plausible_wall
from meshnode.services.messages.frames import WireMessage, decode_outcomes, encode_deliver
from meshnode.services.messages.limits import (
    AGE_SAVE_NS,
    CLOCK_SKEW_MS,
    DAY_S,
    OFF_MS_MAX,
    SETTLE_NS,
    TOMBSTONES_PER_SENDER,
)
from meshnode.settings import MessageSettings
from meshnode.store import MemoryStorage
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
    node.look_at_the_clock()
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


def test_a_long_absence_counts_for_a_day() -> None:
    assert Age(0, 50_000, now_ns=0).off_ms(wall_ms=10**12, now_ns=0) == OFF_MS_MAX == DAY_S * 1_000


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


async def test_a_clock_two_years_ahead_at_one_start_expires_and_deletes_nothing(
    net: Net, alice: Node, bob: Node
) -> None:
    net.connect(alice, bob)
    old = await alice.service.send(bob.id, "history")
    await alice.delivered([old.message_id])
    net.disconnect(alice, bob)
    waiting = await alice.service.send(bob.id, "waits")
    await swept_age(alice)
    right = alice.clock.wall
    for wrong in (2 * 365 * DAY_S * NS_PER_S, 0, 2 * 365 * DAY_S * NS_PER_S, 0):
        await alice.stop()
        alice.clock.wall = right + wrong
        await alice.start()
        await settled(alice)
        await swept(alice)
    assert await alice.texts() == ["history", "waits"]
    net.connect(alice, bob)
    await alice.delivered([waiting.message_id])


async def test_messages_age_while_the_node_is_off(alice: Node, bob: Node) -> None:
    old = await alice.service.send(bob.id, "old", expires_s=DAY_S)
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
    body = encode_deliver([message(0)])

    async def again() -> list[str]:
        return decode_outcomes(await alice.call(carol.id, "messages", "deliver", body), asked=1)

    assert await again() == ["accepted"]
    carol.pass_s(61)
    await swept(carol)
    assert await carol.texts() == []
    assert await again() == ["duplicate"]
    await tell_many(alice, carol)
    carol.pass_s(60 + CLOCK_SKEW_MS // 1_000)
    await swept(carol)
    assert await again() == ["accepted"]


@pytest.mark.parametrize("kept_for_ever", [0, 3])
async def test_when_there_are_too_many_tombstones_those_that_would_go_soonest_go(
    net: Net, alice: Node, bob: Node, monkeypatch: pytest.MonkeyPatch, kept_for_ever: int
) -> None:
    monkeypatch.setattr("meshnode.services.messages.table_upkeep.TOMBSTONES_MAX", 2)
    monkeypatch.setattr("meshnode.services.messages.tables.TOMBSTONES_PER_SENDER", kept_for_ever)
    net.connect(alice, bob)
    lives = (300, 100, 200)
    ids = [(await alice.service.send(bob.id, "x", expires_s=life)).message_id for life in lives]
    await alice.delivered(ids)
    retired = await bob.database.write(
        lambda connection: table_upkeep.retire(connection, 0, 0, keep_ms=0, keep_count=0, rows_max=10)
    )
    assert await bob.rows("SELECT id FROM tombstones ORDER BY until_ms") == [(ids[2],), (ids[0],)]
    assert retired.tombstones == 2


async def test_a_senders_last_batch_is_known_for_ever(
    net: Net, alice: Node, new_node: Callable[..., Awaitable[Node]]
) -> None:
    """Its answer was lost, it was deleted here, and the sender slept for a year: its clock stood still."""
    carol = await new_node("carol", MessageSettings(keep_s=60))
    carol.contacts[alice.id] = None
    net.connect(alice, carol)
    body = await tell_many(alice, carol)
    carol.pass_s(61)
    await swept(carol)
    carol.pass_s(365 * DAY_S)
    await swept(carol)
    answer = await alice.call(carol.id, "messages", "deliver", body)
    assert decode_outcomes(answer, asked=TOMBSTONES_PER_SENDER) == ["duplicate"] * TOMBSTONES_PER_SENDER
    assert await carol.texts() == []


async def test_tombstones_are_counted_at_the_start_alone(
    net: Net, alice: Node, new_node: Callable[..., Awaitable[Node]]
) -> None:
    carol = await new_node("carol", MessageSettings(keep_s=60))
    net.connect(alice, carol)
    asked: list[str] = []
    carol.contacts[alice.id] = None
    await tell_many(alice, carol)
    await carol.database.write(lambda connection: connection.set_trace_callback(asked.append))
    carol.pass_s(61)
    await swept(carol)
    carol.contacts.clear()
    await alice.call(carol.id, "messages", "deliver", encode_deliver([message(0)]))
    await carol.service.drop_request(alice.id)
    carol.pass_s(60 + CLOCK_SKEW_MS // 1_000)
    await swept(carol)
    assert [each for each in asked if "count" in each and "tombstones" in each] == []
    ((held,),) = await carol.rows("SELECT count(*) FROM tombstones")
    assert carol.service._desk.inbox.tombstones == held == TOMBSTONES_PER_SENDER
    await carol.start()
    await carol.service.requests()
    assert carol.service._desk.inbox.tombstones == held


async def test_tombstones_of_the_first_version_are_still_known() -> None:
    storage = MemoryStorage()
    old = await storage.open_database(DATABASE, MIGRATIONS[:1])
    await old.write(
        lambda connection: connection.execute("INSERT INTO tombstones VALUES (X'01', X'02', 3)").rowcount
    )
    await storage.close()
    new = await storage.open_database(DATABASE, MIGRATIONS)
    held = await new.read(lambda connection: connection.execute("SELECT * FROM tombstones").fetchall())
    assert held == [(b"\x01", b"\x02", 3, 1, 0)]
    await storage.close()


def message(number: int) -> WireMessage:
    return WireMessage(MessageId(number.to_bytes(16)), "text", b"hi", 0, 60_000, bytes(8))


async def tell_many(sender: Node, receiver: Node) -> bytes:
    """As many messages as one batch may hold. Gives the batch."""
    batch = encode_deliver([message(number) for number in range(1, TOMBSTONES_PER_SENDER + 1)])
    answer = await sender.call(receiver.id, "messages", "deliver", batch)
    assert decode_outcomes(answer, asked=TOMBSTONES_PER_SENDER) == ["accepted"] * TOMBSTONES_PER_SENDER
    return batch


# -- the disk ----------------------------------------------------------------------------------------------------------


async def test_an_idle_node_leaves_the_disk_alone(alice: Node) -> None:
    await swept_age(alice)

    async def changes() -> int:
        ((count,),) = await alice.rows("SELECT total_changes()")
        return count

    before = await changes()
    alice.pass_s(AGE_SAVE_NS // NS_PER_S - 61)
    await swept(alice)
    assert await changes() == before
    alice.pass_s(61)
    await swept(alice)
    assert await changes() == before + 1


async def test_a_full_disk_puts_the_upkeep_off(alice: Node, bob: Node) -> None:
    sent = await alice.service.send(bob.id, "hi", expires_s=5)
    alice.database.full = True
    alice.pass_s(60)
    told = await alice.next_event("store_failed")
    assert told["store"] == "messages"
    alice.database.full = False
    alice.pass_s(2)
    assert await alice.service.wait(sent.message_id, "delivered", timeout_s=5) == "expired"


async def test_one_outage_of_the_disk_is_told_once(alice: Node, bob: Node) -> None:
    await alice.until(lambda: alice.database.writes > 0)
    failures = alice.service._desk.counts
    for outage in (1, 2):
        alice.database.full = True
        for times in (1, 2, 3):
            alice.pass_s(60)
            await alice.until(lambda: failures["store_failures"] == (outage - 1) * 3 + times)  # noqa: B023
        alice.database.full = False
        alice.pass_s(60)
        await swept(alice)
        assert [name for name, _ in alice.events] == ["store_failed"] * outage
