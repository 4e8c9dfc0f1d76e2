"""Messages for who is away go to couriers too, and stay in the outbox; what couriers bring is a message like any other."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from meshnode.services.messages.frames import (
    WireMessage,
    decode_deliver,
    encode_deliver,
)
from protocols.codec import encode
from protocols.courier import CONTENT_BYTES_MAX
from protocols.errors import StoreError
from protocols.ids import MessageId, NodeId

DAY_S = 86_400
Entrusted = tuple[NodeId, list[str], int]  # to whom, texts, days to live


@dataclass
class Courier:
    """Takes everything, or nothing."""

    near: bool = True
    room: bool = True
    disk_full: bool = False
    taken: list[Entrusted] = field(default_factory=list[Entrusted])
    told_over: list[MessageId] = field(default_factory=list[MessageId])
    carries: dict[MessageId, int] = field(default_factory=dict[MessageId, int])

    def can_carry(self, to: NodeId) -> bool:
        return self.near

    def couriers_of(self, message: MessageId) -> int | None:
        return self.carries.get(message)

    async def entrust(
        self, to: NodeId, content: bytes, messages: Sequence[MessageId], *, life_ms: int
    ) -> bool:
        assert len(content) <= CONTENT_BYTES_MAX
        if self.disk_full:
            raise StoreError("the disk is full")
        if not self.room:
            return False
        batch = decode_deliver(content)
        assert [each.id for each in batch] == list(messages)
        self.taken.append((to, [each.body.decode() for each in batch], life_ms // (DAY_S * 1_000)))
        self.carries.update(dict.fromkeys(messages, 0))
        return True

    def over(self, messages: Sequence[MessageId]) -> None:
        self.told_over += messages

    @property
    def texts(self) -> list[list[str]]:
        return [texts for _, texts, _ in self.taken]


@pytest.fixture
def courier() -> Courier:
    return Courier()


@pytest.fixture
async def writer(alice: Any, courier: Courier) -> Any:
    """Alice, who has a courier, and has been there for a while."""
    alice.service.use_couriers(courier)
    alice.pass_s(1)
    return alice


async def after(writer: Any, seconds: float, holds: Callable[[], object]) -> None:
    writer.pass_s(seconds)
    await writer.until(lambda: bool(holds()))


async def looked(writer: Any) -> None:
    """The service went through its loop again."""
    reads = writer.moments
    writer.look_at_the_clock()
    await writer.rows("SELECT 1")
    await writer.rows("SELECT 1")
    assert writer.moments > reads


async def test_what_is_written_in_one_go_goes_to_the_courier_in_one_go(
    writer: Any, bob: Any, courier: Courier
) -> None:
    for text in ("one", "two", "three"):
        await writer.service.send(bob.id, text)
    assert courier.taken == []
    await after(writer, 1, lambda: courier.taken)
    assert courier.texts == [["one", "two", "three"]]
    await writer.service.send(bob.id, "four")
    await after(writer, 1, lambda: len(courier.taken) == 2)
    assert courier.texts[1] == ["four"]


async def test_a_peer_that_left_a_moment_ago_may_be_back_in_a_moment(
    new_node: Callable[..., Awaitable[Any]], bob: Any, alice: Any, courier: Courier
) -> None:
    alice.service._entruster._after_ns = 30_000_000_000
    alice.service.use_couriers(courier)
    alice.pass_s(100)
    alice.net.connect(alice, bob)
    alice.net.disconnect(alice, bob)
    await alice.service.send(bob.id, "soon")
    alice.pass_s(29)
    await looked(alice)
    assert courier.taken == []
    await after(alice, 1, lambda: courier.taken)
    await alice.service.send(bob.id, "it is known to be away")
    await after(alice, 1, lambda: len(courier.taken) == 2)


async def test_without_a_courier_it_waits_for_one(
    writer: Any, bob: Any, carol: Any, courier: Courier
) -> None:
    courier.near = False
    await writer.service.send(bob.id, "hello")
    writer.pass_s(5)
    await looked(writer)
    assert courier.taken == []
    courier.near = True
    writer.net.connect(writer, carol)
    await writer.until(lambda: bool(courier.taken))


@pytest.fixture
async def carol(new_node: Callable[..., Awaitable[Any]]) -> Any:
    return await new_node("carol")


async def test_who_is_here_needs_no_courier(writer: Any, bob: Any, courier: Courier) -> None:
    writer.net.connect(writer, bob)
    sent = await writer.service.send(bob.id, "hello")
    await writer.delivered([sent.message_id])
    writer.pass_s(5)
    await looked(writer)
    assert courier.taken == []
    assert courier.told_over == [sent.message_id]


async def test_what_the_courier_has_no_room_for_still_goes_directly(
    writer: Any, bob: Any, courier: Courier
) -> None:
    courier.room = False
    sent = await writer.service.send(bob.id, "hello")
    await after(writer, 1, lambda: writer.service._desk.counts["not_carried"])
    courier.room = True
    await after(writer, 61, lambda: courier.taken)
    writer.net.connect(writer, bob)
    await writer.delivered([sent.message_id])


async def test_a_full_disk_of_the_courier_is_tried_again_in_a_minute(
    writer: Any, bob: Any, courier: Courier
) -> None:
    courier.disk_full = True
    await writer.service.send(bob.id, "hello")
    await after(writer, 1, lambda: writer.service._desk.counts["store_failures"])
    courier.disk_full = False
    await after(writer, 61, lambda: courier.taken)


async def test_a_message_too_long_for_couriers_waits_and_does_not_hold_up_others(
    writer: Any, bob: Any, courier: Courier
) -> None:
    await writer.service.send(bob.id, "x" * 65_000)
    await writer.service.send(bob.id, "short")
    await after(writer, 1, lambda: courier.taken)
    assert courier.texts == [["short"]]


async def test_an_object_is_full_at_its_bytes_or_its_messages(
    writer: Any, bob: Any, courier: Courier
) -> None:
    for _ in range(3):
        await writer.service.send(bob.id, "x" * 30_000)
    for number in range(70):
        await writer.service.send(bob.id, str(number))
    await after(writer, 1, lambda: sum(map(len, courier.texts)) == 73)
    assert [len(texts) for texts in courier.texts] == [2, 64, 7]


async def test_what_lives_for_a_day_does_not_end_what_lives_for_a_year(
    writer: Any, bob: Any, courier: Courier
) -> None:
    for text, hours in (("year", 8_760), ("day", 24), ("night too", 36), ("moment", 0.3)):
        await writer.service.send(bob.id, text, expires_s=int(hours * 3_600))
    await after(writer, 1, lambda: len(courier.taken) == 2)
    assert courier.texts == [["year"], ["day", "night too"]]


async def test_after_a_restart_only_what_is_not_sealed_yet_is_handed_over(
    writer: Any, bob: Any, courier: Courier
) -> None:
    await writer.service.send(bob.id, "before")
    await after(writer, 1, lambda: courier.taken)
    again = Courier(carries=courier.carries)
    await writer.start()
    writer.service.use_couriers(again)
    await writer.service.send(bob.id, "after")
    await after(writer, 1, lambda: again.taken)
    assert again.texts == [["after"]]


async def test_what_was_carried_in_vain_is_sealed_again(writer: Any, bob: Any, courier: Courier) -> None:
    await writer.service.send(bob.id, "hello")
    await after(writer, 1, lambda: courier.taken)
    courier.carries.clear()
    writer.service.lapsed(bob.id)
    await after(writer, 1, lambda: len(courier.taken) == 2)


async def test_its_writer_sees_how_many_carry_it(writer: Any, bob: Any, courier: Courier) -> None:
    sent = await writer.service.send(bob.id, "hello")
    courier.carries[sent.message_id] = 3
    (listed,) = await writer.listed()
    assert (listed.state, listed.couriers) == ("queued", 3)


async def test_what_a_courier_brought_is_delivered(writer: Any, bob: Any, courier: Courier) -> None:
    one, two = [await writer.service.send(bob.id, text) for text in ("one", "two")]
    await writer.service.brought(bob.id, [one.message_id])
    assert (await writer.service.get(one.message_id)).state == "delivered"
    assert (await writer.service.get(two.message_id)).state == "queued"
    assert (await writer.service.counts()).queued == 1
    assert (await writer.next_event("message_delivered"))["trace"] == one.trace
    await writer.service.brought(bob.id, [one.message_id])
    assert (await writer.service.counts()).queued == 1
    writer.net.connect(writer, bob)
    await writer.delivered([two.message_id])
    assert await bob.texts() == ["two"]


async def test_a_peer_brings_only_what_was_for_it(writer: Any, bob: Any, carol: Any) -> None:
    sent = await writer.service.send(bob.id, "hello")
    await writer.service.brought(carol.id, [sent.message_id])
    assert (await writer.service.get(sent.message_id)).state == "queued"


async def test_what_was_given_up_and_then_brought_is_delivered(
    writer: Any, bob: Any, courier: Courier
) -> None:
    sent = await writer.service.send(bob.id, "hello", expires_s=1)
    writer.pass_s(2)
    await writer.next_event("message_expired")
    assert courier.told_over == [sent.message_id]
    await writer.service.brought(bob.id, [sent.message_id])
    assert (await writer.service.get(sent.message_id)).state == "delivered"


# -- at the receiver ----------------------------------------------------------------------------------------------


def letter(number: int, text: str = "hello", kind: str = "text") -> WireMessage:
    return WireMessage(MessageId(bytes([number]) * 16), kind, text.encode(), 5, DAY_S * 1_000, bytes(8))


async def test_a_message_that_came_sealed_is_a_message_of_its_writer(alice: Any, bob: Any) -> None:
    assert await bob.service.arrived(alice.id, encode_deliver([letter(1), letter(2, "again")])) == "kept"
    assert await bob.texts(alice) == ["hello", "again"]
    assert (await bob.next_event("message_received"))["request"] is False


async def test_it_is_there_once_however_often_and_by_whichever_way_it_comes(alice: Any, bob: Any) -> None:
    alice.net.connect(alice, bob)
    sent = await alice.service.send(bob.id, "hello")
    await alice.delivered([sent.message_id])
    again = WireMessage(sent.message_id, "text", b"hello", 5, DAY_S * 1_000, bytes.fromhex(sent.trace))
    for _ in range(2):
        assert await bob.service.arrived(alice.id, encode_deliver([again])) == "kept"
    assert await bob.texts() == ["hello"]


async def test_a_strangers_waits_in_the_request_box(bob: Any, carol: Any) -> None:
    assert await bob.service.arrived(carol.id, encode_deliver([letter(1)])) == "kept"
    assert [each.peer for each in await bob.service.requests()] == [carol.id]


async def test_without_room_or_from_the_blocked_it_comes_later_or_never(alice: Any, bob: Any) -> None:
    bob.database.full = True
    assert await bob.service.arrived(alice.id, encode_deliver([letter(1)])) == "later"
    bob.database.full = False
    bob.blocked[alice.id] = None
    assert await bob.service.arrived(alice.id, encode_deliver([letter(1)])) == "later"
    assert await bob.texts() == []


@pytest.mark.parametrize(
    "content", [b"", b"rubbish", encode({"v": 9}), encode_deliver([letter(1, kind="film")])]
)
async def test_what_can_not_be_read_is_hopeless(alice: Any, bob: Any, content: bytes) -> None:
    assert await bob.service.arrived(alice.id, content) == "hopeless"
