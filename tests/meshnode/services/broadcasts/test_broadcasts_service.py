"""What people write to everybody, and what they see of others'."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from meshnode.services.broadcasts import TEXT_BYTES_MAX
from meshnode.services.broadcasts.limits import HEARD_MAX
from protocols.envelope import TrafficClass, decode_envelope
from protocols.errors import RefusedError, StoreError
from protocols.ids import MessageId, NodeId, node_id_text

NewNode = Callable[..., Awaitable[Any]]
Known = Callable[[str], NodeId]
NS_PER_S = 1_000_000_000


async def heard(node: Any, source: str, *texts: str, **changes: Any) -> None:
    for text in texts:
        node.hears(source, text, **changes)
        assert (await node.next_event())[0] == "broadcast_received"


# -- writing ----------------------------------------------------------------------------------------------------


async def test_what_is_sent_is_on_disk_before_it_is_shouted(node: Any) -> None:
    sent = await node.service.send("fire", hops=2, emergency=True, expires_s=60)
    (frame,) = node.shouted
    envelope = decode_envelope(frame)
    assert (envelope.id, envelope.hops_left, envelope.traffic) == (
        sent.broadcast_id,
        2,
        TrafficClass.EMERGENCY,
    )
    name, fields = await node.next_event()
    assert name == "broadcast_sent"
    assert (fields["text"], fields["emergency"], fields["hops"]) == ("fire", True, 2)
    await node.start()
    assert await node.texts() == ["fire"]


async def test_what_the_disk_refuses_is_not_shouted(node: Any) -> None:
    node.disk.full = True
    with pytest.raises(StoreError):
        await node.service.send("hello")
    assert not node.shouted


@pytest.mark.parametrize(
    ("text", "more", "code"),
    [
        ("", {}, "bad_text"),
        ("x" * (TEXT_BYTES_MAX + 1), {}, "bad_text"),
        ("\ud800", {}, "bad_text"),
        ("\x1b\u202e \n", {}, "bad_text"),
        ("x", {"hops": 33}, "bad_hops"),
        ("x", {"expires_s": 0}, "bad_expiry"),
        ("x", {"expires_s": 86_401}, "bad_expiry"),
    ],
)
async def test_what_makes_no_sense_is_refused(node: Any, text: str, more: dict[str, int], code: str) -> None:
    with pytest.raises(RefusedError) as refused:
        await node.service.send(text, **more)
    assert refused.value.code == code


@pytest.mark.parametrize(("kind", "burst"), [("news", 60), ("emergency", 6)])
async def test_nobody_shouts_more_than_others_would_pass_on(node: Any, kind: str, burst: int) -> None:
    emergency = kind == "emergency"
    for _ in range(burst):
        await node.service.send("again", emergency=emergency)
    with pytest.raises(RefusedError, match="wait a minute"):
        await node.service.send("again", emergency=emergency)
    await node.service.send("the other kind has room", emergency=not emergency)
    node.clock.now += 60 * NS_PER_S
    await node.service.send("a minute later", emergency=emergency)


async def test_two_equal_texts_of_one_moment_are_two(node: Any) -> None:
    one, other = await node.service.send("ping"), await node.service.send("ping")
    assert one.broadcast_id != other.broadcast_id
    assert await node.texts() == ["ping", "ping"]


# -- hearing ----------------------------------------------------------------------------------------------------


async def test_what_is_heard_is_kept_and_told_once(node: Any, known: Known) -> None:
    node.contacts[known("bob")] = None
    node.hears("bob", "hello", traffic=TrafficClass.EMERGENCY)
    name, fields = await node.next_event()
    assert name == "broadcast_received"
    assert fields["from"] == node_id_text(known("bob"))
    assert (fields["text"], fields["stranger"], fields["emergency"]) == ("hello", False, True)
    node.hears("carol", "hi")
    assert (await node.next_event())[1]["stranger"] is True
    await node.start()
    await heard(node, "erin", "so the store has been read")
    for frame in node.recalled:
        node.hears_again(frame)
    await heard(node, "dave", "new")
    assert await node.texts() == ["hello", "hi", "so the store has been read", "new"]
    assert node.events.empty()


async def test_after_a_restart_the_core_gets_back_what_it_had(node: Any) -> None:
    await heard(node, "bob", "one", "two")
    await node.service.send("three")
    await node.start()
    await node.service.send("four")
    texts = [bytes(decode_envelope(frame).payload) for frame in node.recalled]
    assert len(texts) == 3
    assert [word for word in (b"one", b"two", b"three") for text in texts if word in text] == [
        b"one",
        b"two",
        b"three",
    ]


async def test_strangers_become_known_when_the_owner_says_so(node: Any, known: Known) -> None:
    await heard(node, "bob", "hello")
    assert (await node.service.broadcasts())[0].stranger
    node.contacts[known("bob")] = None
    assert not (await node.service.broadcasts())[0].stranger


async def test_those_of_the_blocked_are_neither_kept_nor_shown(node: Any, known: Known) -> None:
    await heard(node, "bob", "before")
    await heard(node, "carol", "one", "two", "three")
    node.blocked[known("bob")] = None
    node.hears("bob", "after")
    await heard(node, "carol", "four")
    assert await node.texts() == ["one", "two", "three", "four"]
    assert await node.texts(limit=2) == ["three", "four"]
    assert await node.texts(oldest=True, limit=2) == ["one", "two"]
    assert (await node.service.counts()).happened["from_blocked"] == 1
    assert (await node.service.counts()).kept == 5


async def test_what_steers_a_terminal_or_turns_letters_round_is_left_out(node: Any) -> None:
    await heard(node, "bob", "a\x1b[31mb\u202ec\u0007\r\nd\te")
    assert await node.texts() == ["a[31mbc\nd\te"]


@pytest.mark.parametrize(
    ("body", "changes", "word"),
    [
        (b"\xff", {}, "unreadable"),
        (b"\x1b \n", {}, "unreadable"),
        (b"x" * (TEXT_BYTES_MAX + 1), {}, "unreadable"),
        (b"x", {"kind": "weather"}, "other_kind"),
        (b"x", {"topic": NodeId(b"t" * 32)}, "other_topic"),
    ],
)
async def test_what_is_not_for_people_is_counted(
    node: Any, body: bytes, changes: dict[str, Any], word: str
) -> None:
    node.hears("bob", body, **changes)
    await heard(node, "bob", "hello")
    assert await node.texts() == ["hello"]
    assert (await node.service.counts()).happened[word] == 1


async def test_what_waits_for_a_disk_that_refuses_is_kept_later(
    node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meshnode.services.broadcasts.service.RETRY_NS", 0)
    node.disk.full = True
    node.hears("bob", "hello")
    await node.disk.tried.wait()
    node.disk.full = False
    assert (await node.next_event())[0] == "broadcast_received"
    assert (await node.service.counts()).happened["store_failures"] > 0


async def test_what_waits_for_the_disk_is_bounded(node: Any) -> None:
    for number in range(HEARD_MAX + 2):
        node.hears(f"source {number}", "hello")
    for _ in range(HEARD_MAX):
        await node.next_event()
    assert (await node.service.counts()).happened["queue_full"] == 2


# -- room -------------------------------------------------------------------------------------------------------


async def test_of_one_source_the_newest_are_kept(new_node: NewNode) -> None:
    node = await new_node(source_count=2)
    await heard(node, "carol", "x")
    await heard(node, "bob", "one", "two", "three")
    assert await node.texts() == ["x", "two", "three"]


@pytest.mark.parametrize(
    ("limits", "left"),
    [
        ({"source_bytes": 300}, ["from carol", "b2"]),
        ({"bytes": 500}, ["b1", "b2"]),
        ({"strangers_bytes": 300}, ["from carol", "b2"]),
    ],
)
async def test_bytes_are_bounded_for_one_for_strangers_and_for_all(
    new_node: NewNode, known: Known, limits: dict[str, int], left: list[str]
) -> None:
    node = await new_node(**limits)
    node.contacts[known("carol")] = None
    await heard(node, "carol", "from carol")
    await heard(node, "bob", "b1")
    await heard(node, "bob", "b2")
    assert await node.texts() == left
    assert (await node.service.counts()).nbytes <= 500


# -- reading ----------------------------------------------------------------------------------------------------


async def test_a_list_goes_on_where_it_ended(node: Any) -> None:
    await heard(node, "bob", *"abcde")
    first = await node.service.broadcasts(limit=2, oldest=True)
    assert [one.text for one in first] == ["a", "b"]
    assert await node.texts(since=first[-1].broadcast_id, limit=2) == ["c", "d"]
    assert await node.texts(limit=2) == ["d", "e"]
    assert await node.texts(limit=0) == []


async def test_a_list_can_not_begin_after_what_is_not_here(node: Any) -> None:
    with pytest.raises(RefusedError) as refused:
        await node.service.broadcasts(since=MessageId(bytes(16)))
    assert refused.value.code == "unknown_broadcast"


async def test_callers_wait_until_the_store_was_read(new_node: NewNode) -> None:
    node = await new_node()
    sending = asyncio.ensure_future(node.service.send("early"))
    assert (await sending).text == "early"
