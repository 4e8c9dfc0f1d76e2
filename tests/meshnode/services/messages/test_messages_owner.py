"""What the owner asks: lists, waiting, reading, the request box."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from meshnode.services.messages import Letter, StoredMessage
from meshnode.services.messages.frames import WireMessage, decode_outcomes, encode_deliver, encode_receipt
from meshnode.services.messages.limits import LIST_MAX, SEND_MANY_MAX, TEXT_BYTES_MAX, WAITERS_MAX
from meshnode.services.messages.waiters import Waiters
from meshnode.settings import MessageSettings, QuotaSettings
from policies.quotas import QuotaLimits
from protocols.errors import RefusedError, StoreError
from protocols.ids import MessageId

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from conftest import Net, Node

ELSEWHERE = MessageId(b"no such message!")


async def refusal(work: Awaitable[object]) -> str:
    with pytest.raises(RefusedError) as told:
        await work
    return told.value.code


# -- sending -----------------------------------------------------------------------------------------------------------


async def test_what_cannot_be_sent_is_refused_with_a_reason(alice: Node, bob: Node) -> None:
    send = alice.service.send
    assert await refusal(send(alice.id, "to me")) == "is_self"
    assert await refusal(send(bob.id, "")) == "bad_text"
    assert await refusal(send(bob.id, "x" * (TEXT_BYTES_MAX + 1))) == "bad_text"
    assert await refusal(send(bob.id, "\ud800")) == "bad_text"
    assert await refusal(send(bob.id, "hi", expires_s=0)) == "bad_expiry"
    alice.blocked[bob.id] = None
    assert await refusal(send(bob.id, "hi")) == "blocked"
    assert await alice.texts() == []


async def test_writing_to_somebody_makes_a_contact_of_them(alice: Node, bob: Node) -> None:
    await alice.service.send(bob.id, "hi")
    assert alice.is_contact(bob.id)


async def test_an_outbox_that_is_full_refuses_the_newest(
    bob: Node, new_node: Callable[..., Awaitable[Node]]
) -> None:
    carol = await new_node("carol", quotas=QuotaSettings(outbox_per_peer=1))
    await carol.service.send(bob.id, "first")
    assert await refusal(carol.service.send(bob.id, "one too many")) == "outbox_full"
    assert await carol.texts() == ["first"]


async def test_many_are_stored_by_one_commit_in_order(net: Net, alice: Node, bob: Node) -> None:
    await alice.until(lambda: alice.database.writes > 0)  # the first sweep
    before = alice.database.writes
    texts = [f"{number}" for number in range(SEND_MANY_MAX)]
    sent = await alice.service.send_many([Letter(bob.id, text) for text in texts])
    assert alice.database.writes == before + 1
    assert [one.text for one in sent if isinstance(one, StoredMessage)] == texts
    net.connect(alice, bob)
    await alice.delivered([one.message_id for one in sent if isinstance(one, StoredMessage)])
    assert await bob.texts() == texts


async def test_each_of_many_is_refused_by_itself(bob: Node, new_node: Callable[..., Awaitable[Node]]) -> None:
    carol = await new_node("carol", quotas=QuotaSettings(outbox_per_peer=2))
    texts = ["one", "", "two", "three"]
    letters = [Letter(carol.id, "to me"), *(Letter(bob.id, text) for text in texts)]
    outcomes = await carol.service.send_many(letters)
    told = [one.code if isinstance(one, RefusedError) else one.text for one in outcomes]
    assert told == ["is_self", "one", "bad_text", "two", "outbox_full"]
    assert await carol.texts() == ["one", "two"]
    assert (await carol.service.counts()).queued == 2


async def test_a_full_book_of_peers_refuses_a_new_recipient_and_takes_no_room(
    alice: Node, bob: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_peer: object) -> None:
        raise RefusedError("too_many_contacts", "remove one first")

    monkeypatch.setattr(alice, "mark_contact", full)
    assert await refusal(alice.service.send(bob.id, "hi")) == "too_many_contacts"
    assert (await alice.service.counts()).queued == 0


async def test_a_full_disk_stores_none_of_many(alice: Node, bob: Node) -> None:
    alice.database.full = True
    with pytest.raises(StoreError):
        await alice.service.send_many([Letter(bob.id, "one"), Letter(bob.id, "two")])
    assert (await alice.service.counts()).queued == 0


async def test_more_than_one_commit_may_hold_are_refused(alice: Node, bob: Node) -> None:
    letters = [Letter(bob.id, "hi")] * (SEND_MANY_MAX + 1)
    assert await refusal(alice.service.send_many(letters)) == "too_many"


async def test_a_full_disk_promises_nothing(net: Net, alice: Node, bob: Node) -> None:
    alice.database.full = True
    with pytest.raises(StoreError):
        await alice.service.send(bob.id, "hi")
    alice.database.full = False
    assert (await alice.service.counts()).queued == 0
    net.connect(alice, bob)
    await alice.delivered([(await alice.service.send(bob.id, "again")).message_id])
    assert await bob.texts() == ["again"]


async def test_a_caller_who_goes_away_while_it_is_stored_changes_nothing(
    net: Net, alice: Node, bob: Node
) -> None:
    net.connect(alice, bob)
    await alice.until(lambda: alice.database.writes > 0)  # the first sweep
    sending = asyncio.ensure_future(alice.service.send(bob.id, "hi"))
    before = alice.moments
    await alice.until(lambda: alice.moments > before)
    sending.cancel()
    await alice.next_event("message_delivered")
    assert await bob.texts() == ["hi"]


async def test_an_answer_names_what_it_answers(net: Net, alice: Node, bob: Node) -> None:
    net.connect(alice, bob)
    first = await alice.service.send(bob.id, "question")
    await alice.delivered([first.message_id])
    second = await bob.service.send(alice.id, "answer", reply_to=first.message_id)
    await bob.delivered([second.message_id])
    assert (await alice.listed())[-1].reply_to == first.message_id


# -- waiting -----------------------------------------------------------------------------------------------------------


async def test_who_waits_for_a_message_to_somebody_away_is_told_that_it_is_queued(
    alice: Node, bob: Node
) -> None:
    sent = await alice.service.send(bob.id, "hi")
    assert await alice.service.wait(sent.message_id, "delivered", timeout_s=0) == "queued"
    assert await alice.service.wait(sent.message_id, "queued", timeout_s=0) == "queued"
    assert await refusal(alice.service.wait(ELSEWHERE, "sent", timeout_s=0)) == "unknown_message"


async def test_too_many_who_wait_are_refused() -> None:
    waiters = Waiters()
    with ExitStack() as others:
        for _ in range(WAITERS_MAX):
            others.enter_context(waiters.bell(ELSEWHERE))
        with pytest.raises(RefusedError), waiters.bell(ELSEWHERE):
            pass
    with waiters.bell(ELSEWHERE) as bell:
        waiters.ring([ELSEWHERE])
        assert bell.is_set()


# -- lists -------------------------------------------------------------------------------------------------------------


async def test_a_list_shows_the_newest_and_goes_on_from_any_message(alice: Node, bob: Node) -> None:
    ids = [(await alice.service.send(bob.id, f"{number}")).message_id for number in range(6)]
    newest = await alice.service.messages(limit=2)
    assert [message.text for message in newest] == ["4", "5"]
    after = await alice.service.messages(since=ids[1], limit=2)
    assert [message.text for message in after] == ["2", "3"]
    assert await alice.service.messages(since=ids[-1]) == []
    assert await refusal(alice.service.messages(since=ELSEWHERE)) == "unknown_message"


async def test_a_list_may_be_of_one_peer_only(
    alice: Node, bob: Node, new_node: Callable[..., Awaitable[Node]]
) -> None:
    carol = await new_node("carol")
    await alice.service.send(bob.id, "to bob")
    await alice.service.send(carol.id, "to carol")
    assert await alice.texts(carol) == ["to carol"]
    assert await alice.texts() == ["to bob", "to carol"]


# -- reading -----------------------------------------------------------------------------------------------------------


async def test_a_read_message_is_told_to_its_sender(net: Net, alice: Node, bob: Node) -> None:
    net.connect(alice, bob)
    sent = await alice.service.send(bob.id, "hi")
    await alice.delivered([sent.message_id])
    assert await bob.service.mark_read([sent.message_id, ELSEWHERE]) == 1
    assert await alice.service.wait(sent.message_id, "read", timeout_s=5) == "read"
    assert await bob.service.mark_read([sent.message_id]) == 0
    assert [message.state for message in await bob.listed()] == ["read"]


async def test_a_receipt_waits_for_the_senders_return_and_a_restart(net: Net, alice: Node, bob: Node) -> None:
    net.connect(alice, bob)
    sent = await alice.service.send(bob.id, "hi")
    await alice.delivered([sent.message_id])
    net.disconnect(alice, bob)
    await bob.service.mark_read([sent.message_id])
    await bob.start()
    await bob.service.requests()
    net.lose_answers["receipt"] = 1
    net.connect(alice, bob)
    await bob.until(lambda: net.failed == 1)
    bob.pass_s(2)
    assert await alice.service.wait(sent.message_id, "read", timeout_s=5) == "read"


async def test_what_was_read_was_delivered_though_its_answer_was_lost(
    net: Net, alice: Node, bob: Node
) -> None:
    net.lose_answers["deliver"] = 1
    net.connect(alice, bob)
    sent = await alice.service.send(bob.id, "hi")
    await alice.until(lambda: net.failed == 1)
    await bob.service.mark_read([sent.message_id])
    assert await alice.service.wait(sent.message_id, "read", timeout_s=5) == "read"
    assert (await alice.service.counts()).queued == 0


async def test_a_receipt_that_comes_before_the_queue_is_read_again_ends_the_waiting(
    net: Net, alice: Node, bob: Node
) -> None:
    net.lose_answers["deliver"] = 1
    net.connect(alice, bob)
    sent = await alice.service.send(bob.id, "hi")
    await alice.until(lambda: net.failed == 1)
    net.disconnect(alice, bob)
    await alice.hear(bob, "receipt", encode_receipt([sent.message_id]))
    assert (await alice.service.get(sent.message_id)).state == "read"
    assert (await alice.service.counts()).queued == 0
    assert not alice.service._desk.outbox.waits_for(bob.id)


async def test_no_receipt_is_sent_where_the_settings_say_so(
    net: Net, alice: Node, new_node: Callable[..., Awaitable[Node]]
) -> None:
    shy = await new_node("shy", MessageSettings(read_receipts=False))
    shy.contacts[alice.id] = None
    net.connect(alice, shy)
    sent = await alice.service.send(shy.id, "hi")
    await alice.delivered([sent.message_id])
    assert await shy.service.mark_read([sent.message_id]) == 1
    assert (await alice.service.get(sent.message_id)).state == "delivered"
    assert [method for _, method, _ in net.calls] == ["deliver"]


async def test_too_much_at_once_is_refused(alice: Node) -> None:
    assert await refusal(alice.service.mark_read([ELSEWHERE] * (LIST_MAX + 1))) == "too_many"


# -- strangers ---------------------------------------------------------------------------------------------------------


@pytest.fixture
async def stranger(new_node: Callable[..., Awaitable[Node]], net: Net, alice: Node) -> Node:
    """Has written to Alice, who doesn't know it."""
    node = await new_node("stranger")
    net.connect(node, alice)
    for text in ("hello", "anybody there?"):
        await node.delivered([(await node.service.send(alice.id, text)).message_id])
    return node


async def test_a_stranger_waits_in_the_request_box(alice: Node, stranger: Node) -> None:
    assert [message.requested for message in await alice.listed()] == [True, True]
    (request,) = await alice.service.requests()
    assert (request.peer, request.messages, request.nbytes) == (stranger.id, 2, 19)
    assert alice.requested == [stranger.id] * 2
    assert (await alice.next_event("request_received"))["messages"] == 1
    assert (await alice.service.counts()).inbox_bytes == 0


async def test_who_is_accepted_waits_no_longer(alice: Node, stranger: Node) -> None:
    assert await alice.service.accept_request(stranger.id) == 2
    assert alice.is_contact(stranger.id)
    assert [message.requested for message in await alice.listed()] == [False, False]
    assert await alice.service.requests() == []
    assert await alice.service.accept_request(stranger.id) == 0
    assert (await alice.service.counts()).inbox_bytes == 19


async def test_writing_back_accepts_too(alice: Node, stranger: Node) -> None:
    await alice.service.send(stranger.id, "who are you?")
    assert not any(message.requested for message in await alice.listed())
    assert await alice.service.requests() == []


async def test_who_became_a_contact_otherwise_comes_in_with_the_next_message(
    alice: Node, stranger: Node
) -> None:
    alice.contacts[stranger.id] = None
    await stranger.delivered([(await stranger.service.send(alice.id, "third")).message_id])
    assert await alice.texts() == ["hello", "anybody there?", "third"]
    assert await alice.service.requests() == []


async def test_what_was_dropped_does_not_come_again(net: Net, alice: Node, stranger: Node) -> None:
    batch = net.calls[0][2]
    assert await alice.service.drop_request(stranger.id) == 2
    assert await alice.service.requests() == []
    answer = await stranger.call(alice.id, "messages", "deliver", batch)
    assert decode_outcomes(answer, asked=1) == ["duplicate"]
    assert await alice.texts(stranger) == []
    assert await alice.service.drop_request(stranger.id) == 0


async def test_the_box_survives_a_restart(alice: Node, stranger: Node) -> None:
    await alice.start()
    (request,) = await alice.service.requests()
    assert (request.messages, request.nbytes) == (2, 19)


async def test_a_stranger_keeps_to_the_quota_and_nothing_is_lost(
    net: Net, alice: Node, stranger: Node
) -> None:
    quota = QuotaLimits().sender_messages_max
    texts = [f"{number}" for number in range(quota)]
    for text in texts:
        await stranger.service.send(alice.id, text)
    await stranger.until(lambda: stranger.service._desk.counts["peer_has_no_room"] > 0)
    (request,) = await alice.service.requests()
    assert request.messages == quota
    alice.mark_contact(stranger.id)
    stranger.pass_s(5)
    await stranger.delivered(message.message_id for message in await stranger.listed())
    assert await alice.texts(stranger) == (await stranger.texts())[-1_000:]


async def test_a_stranger_is_not_told_what_was_read(net: Net, alice: Node, stranger: Node) -> None:
    ids = [message.message_id for message in await alice.listed(stranger)]
    assert await alice.service.mark_read(ids) == 2
    assert all(method == "deliver" for _, method, _ in net.calls)


async def test_who_is_blocked_cannot_tell_it_from_a_full_disk(alice: Node, bob: Node) -> None:
    bob.blocked[alice.id] = None
    batch = encode_deliver([WireMessage(ELSEWHERE, "text", b"hi", 0, 1, bytes(8))])
    read = encode_receipt([ELSEWHERE])

    async def answers() -> list[object]:
        return [
            await bob.hear(alice, "deliver", batch),
            await refusal(bob.hear(alice, "receipt", read)),
            await refusal(bob.hear(alice, "sing", b"")),
        ]

    told = await answers()
    assert await bob.texts(alice) == []
    bob.blocked.clear()
    bob.database.full = True
    assert await answers() == told
