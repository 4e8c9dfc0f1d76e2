"""What a receiver refuses, and what its sender makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from meshnode.ports import IncomingCall
from meshnode.services.messages.frames import (
    DELIVER,
    RECEIPT,
    SERVICE,
    WireMessage,
    decode_deliver,
    decode_outcomes,
    encode_deliver,
    encode_outcomes,
    encode_receipt,
)
from meshnode.settings import QuotaSettings
from protocols.codec import encode
from protocols.errors import RefusedError
from protocols.ids import MessageId, node_id_text

if TYPE_CHECKING:
    from conftest import Net, Node


def message(number: int, *, kind: str = "text", body: bytes = b"hi") -> WireMessage:
    return WireMessage(MessageId(bytes([number]) * 16), kind, body, 0, 60_000, bytes(8))


async def deliver(sender: Node, receiver: Node, *batch: WireMessage) -> list[str]:
    answer = await sender.call(receiver.id, SERVICE, DELIVER, encode_deliver(batch))
    return decode_outcomes(answer, asked=len(batch))


def answering(node: Node, answer: Callable[[list[WireMessage]], bytes]) -> None:
    """From now on this node answers so, as a later version or a broken one might."""

    async def handle(call: IncomingCall) -> bytes:
        return answer(decode_deliver(call.body))

    node.handler = handle


# -- the receiver ------------------------------------------------------------------------------------------------------


async def test_a_full_disk_refuses_and_nothing_is_lost(net: Net, alice: Node, bob: Node) -> None:
    bob.database.full = True
    net.connect(alice, bob)
    ids = [(await alice.service.send(bob.id, text)).message_id for text in ("one", "two")]
    await alice.until(lambda: alice.service._desk.counts["peer_has_no_room"] > 0)
    bob.database.full = False
    alice.pass_s(5)
    await alice.delivered(ids)
    assert await bob.texts() == ["one", "two"]


async def test_what_is_on_disk_is_told_though_its_sender_went_away_meanwhile(alice: Node, bob: Node) -> None:
    batch = encode_deliver([message(1)])
    hearing = asyncio.ensure_future(bob.hear(alice, DELIVER, batch))
    bob.database.in_write = hearing.cancel
    assert (await bob.next_event("message_received"))["text"] == "hi"
    bob.database.in_write = lambda: None
    await asyncio.wait([hearing])
    assert hearing.cancelled()
    assert (await bob.service.counts()).inbox_bytes == 2
    assert await bob.hear(alice, DELIVER, batch) == encode_outcomes(["duplicate"])


async def test_a_receipt_counts_though_its_sender_went_away_meanwhile(
    net: Net, alice: Node, bob: Node
) -> None:
    sent = await alice.service.send(bob.id, "hi")
    hearing = asyncio.ensure_future(alice.hear(bob, RECEIPT, encode_receipt([sent.message_id])))
    alice.database.in_write = hearing.cancel
    await alice.next_event("message_read")
    assert (await alice.service.counts()).queued == 0


async def test_one_that_must_wait_holds_up_those_behind_it(net: Net, alice: Node, bob: Node) -> None:
    net.connect(alice, bob)
    bob.service._desk.inbox.contact_bytes = QuotaSettings().inbox_bytes - 2
    small, large = message(1), message(2, body=b"too large")
    assert await deliver(alice, bob, small, large, message(3, body=b"")) == ["accepted", "inbox_full"]
    assert await deliver(alice, bob, small) == ["duplicate"], "what is known needs no room"


@pytest.mark.parametrize(
    ("quotas", "outcome", "setting"),
    [
        (QuotaSettings(strangers=0), "too_many_strangers", "quotas.strangers"),
        (QuotaSettings(stranger_messages=1), "sender_messages", "quotas.stranger_messages"),
        (QuotaSettings(stranger_bytes=3), "sender_bytes", "quotas.stranger_bytes"),
        (QuotaSettings(requests_bytes=3), "box_full", "quotas.requests_bytes"),
        (QuotaSettings(inbox_bytes=3), "inbox_full", "quotas.inbox_bytes"),
    ],
)
async def test_the_owner_hears_once_which_setting_keeps_messages_out(
    net: Net,
    alice: Node,
    new_node: Callable[..., Awaitable[Node]],
    quotas: QuotaSettings,
    outcome: str,
    setting: str,
) -> None:
    carol = await new_node("carol", quotas=quotas)
    if outcome == "inbox_full":
        carol.contacts[alice.id] = None
    net.connect(alice, carol)
    for _ in range(3):
        outcomes = await deliver(alice, carol, message(1), message(2))
        assert outcomes[-1] == outcome
    told = [fields for name, fields in carol.events if name == "quota_reached"]
    assert told == [{"setting": setting, "peer": node_id_text(alice.id)}]


async def test_a_quota_is_told_of_again_once_there_was_room(
    net: Net, alice: Node, new_node: Callable[..., Awaitable[Node]]
) -> None:
    carol = await new_node("carol", quotas=QuotaSettings(stranger_messages=1))
    net.connect(alice, carol)
    await deliver(alice, carol, message(1), message(2))
    await carol.service.drop_request(alice.id)
    await deliver(alice, carol, message(3), message(4))
    assert [name for name, _ in carol.events].count("quota_reached") == 2


async def test_what_can_never_be_taken_does_not_hold_up_the_rest(net: Net, alice: Node, bob: Node) -> None:
    net.connect(alice, bob)
    batch = (message(1, kind="file"), message(2, body=b"\xff"), message(3), message(3))
    assert await deliver(alice, bob, *batch) == ["unsupported_kind", "bad_text", "accepted", "duplicate"]
    assert await bob.texts() == ["hi"]


async def test_nobody_can_take_another_messages_id(
    net: Net, alice: Node, bob: Node, new_node: Callable[..., Awaitable[Node]]
) -> None:
    carol = await new_node("carol")
    for sender in (alice, carol):
        net.connect(sender, bob)
        bob.contacts[sender.id] = None
    assert await deliver(alice, bob, message(1)) == ["accepted"]
    assert await deliver(carol, bob, message(1, body=b"forged")) == ["id_taken"]
    assert await bob.texts() == ["hi"]


async def test_bytes_that_make_no_sense_are_refused_and_counted(net: Net, alice: Node, bob: Node) -> None:
    net.connect(alice, bob)
    for method in ("deliver", "receipt"):
        with pytest.raises(RefusedError) as told:
            await alice.call(bob.id, SERVICE, method, b"\xc1")
        assert told.value.code == "bad_request"
    assert (await bob.service.counts()).happened["bad_encoding"] == 2
    with pytest.raises(RefusedError) as told:
        await alice.call(bob.id, SERVICE, "sing", b"")
    assert told.value.code == "unknown_method"


async def test_a_receipt_counts_only_for_what_that_peer_was_sent(
    net: Net, alice: Node, bob: Node, new_node: Callable[..., Awaitable[Node]]
) -> None:
    carol = await new_node("carol")
    net.connect(alice, bob)
    net.connect(alice, carol)
    sent = await alice.service.send(bob.id, "hi")
    await alice.delivered([sent.message_id])
    await carol.call(alice.id, SERVICE, "receipt", encode_receipt([sent.message_id]))
    assert (await alice.service.get(sent.message_id)).state == "delivered"


async def test_a_receipt_is_not_answered_before_it_is_on_disk(net: Net, alice: Node, bob: Node) -> None:
    net.connect(alice, bob)
    alice.database.full = True
    with pytest.raises(RefusedError) as told:
        await bob.call(alice.id, SERVICE, "receipt", encode_receipt([message(1).id]))
    assert told.value.code == "store_full"


# -- the sender --------------------------------------------------------------------------------------------------------


async def test_what_the_peer_can_never_take_is_given_up_and_the_rest_goes_on(
    net: Net, alice: Node, bob: Node
) -> None:
    def answer(batch: list[WireMessage]) -> bytes:
        return encode_outcomes(["unsupported_kind" if each.body == b"odd" else "accepted" for each in batch])

    answering(bob, answer)
    odd = await alice.service.send(bob.id, "odd")
    even = await alice.service.send(bob.id, "even")
    net.connect(alice, bob)
    await alice.delivered([even.message_id])
    given_up = await alice.service.get(odd.message_id)
    assert (given_up.state, given_up.reason) == ("expired", "unsupported_kind")


async def test_the_one_that_the_peer_cannot_read_is_found(net: Net, alice: Node, bob: Node) -> None:
    def answer(batch: list[WireMessage]) -> bytes:
        if any(each.body == b"poison" for each in batch):
            raise RefusedError("bad_request", "not understood")
        return encode_outcomes(["accepted"] * len(batch))

    answering(bob, answer)
    ids = [(await alice.service.send(bob.id, text)).message_id for text in ("one", "poison", "three")]
    net.connect(alice, bob)
    await alice.delivered([ids[0], ids[2]])
    assert (await alice.service.get(ids[1])).reason == "bad_request"


async def test_a_short_answer_means_that_the_rest_is_sent_again(net: Net, alice: Node, bob: Node) -> None:
    answering(bob, lambda batch: encode_outcomes(["accepted"]))
    ids = [(await alice.service.send(bob.id, text)).message_id for text in ("one", "two", "three")]
    net.connect(alice, bob)
    await alice.delivered(ids)
    assert len(net.calls) == 3


@pytest.mark.parametrize("answer", [b"", encode({"v": 1, "out": ["accepted"] * 9}), encode({"v": 2})])
async def test_an_answer_that_breaks_the_rules_is_counted_and_asked_for_again(
    net: Net, alice: Node, bob: Node, answer: bytes
) -> None:
    right = bob.handler
    answering(bob, lambda batch: answer)
    net.connect(alice, bob)
    sent = await alice.service.send(bob.id, "hi")
    counts = alice.service._desk.counts
    await alice.until(lambda: counts["peer_broke_rules"] + counts["peer_refused"] == 1)
    bob.handler = right
    alice.pass_s(2)
    await alice.delivered([sent.message_id])


async def test_a_peer_that_wants_no_receipts_is_left_in_peace(net: Net, alice: Node, bob: Node) -> None:
    net.connect(alice, bob)
    sent = await alice.service.send(bob.id, "hi")
    await alice.delivered([sent.message_id])

    async def handle(call: IncomingCall) -> bytes:
        raise RefusedError("unknown_method", "no receipts here")

    alice.handler = handle
    await bob.service.mark_read([sent.message_id])
    await bob.until(lambda: bob.service._desk.counts["receipts_refused"] == 1)
    assert (await bob.service.counts()).queued == 0


async def test_what_the_own_disk_does_not_keep_is_sent_again_and_known_there(
    net: Net, alice: Node, bob: Node
) -> None:
    sent = await alice.service.send(bob.id, "hi")
    alice.database.full = True
    net.connect(alice, bob)
    await alice.until(lambda: alice.service._desk.counts["store_failures"] > 0)
    alice.database.full = False
    alice.pass_s(2)
    await alice.delivered([sent.message_id])
    assert await bob.texts() == ["hi"]


@pytest.mark.parametrize(
    ("failure", "word"),
    [
        (TimeoutError(), "peer_timeouts"),
        (RefusedError("over_limit", "too much"), "peer_refused"),
        (RefusedError("unsupported_version", "version 9"), "peer_refused"),
    ],
)
async def test_whatever_a_call_ends_with_the_message_waits(
    net: Net, alice: Node, bob: Node, failure: Exception, word: str
) -> None:
    right = bob.handler

    async def handle(call: IncomingCall) -> bytes:
        raise failure

    bob.handler = handle
    net.connect(alice, bob)
    sent = await alice.service.send(bob.id, "hi")
    await alice.until(lambda: alice.service._desk.counts[word] == 1)
    bob.handler = right
    alice.pass_s(2)
    await alice.delivered([sent.message_id])


async def test_receipts_that_the_own_disk_does_not_record_are_told_again(
    net: Net, alice: Node, bob: Node
) -> None:
    net.connect(alice, bob)
    sent = await alice.service.send(bob.id, "hi")
    await alice.delivered([sent.message_id])
    net.disconnect(alice, bob)
    await bob.service.mark_read([sent.message_id])
    bob.database.full = True
    net.connect(alice, bob)
    await bob.until(lambda: bob.service._desk.counts["store_failures"] > 0)
    bob.database.full = False
    bob.pass_s(2)
    await bob.until(lambda: [method for _, method, _ in net.calls].count("receipt") == 2)
    assert await alice.service.wait(sent.message_id, "read", timeout_s=5) == "read"
