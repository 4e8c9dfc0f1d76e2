"""The stream of events: live, resumed, and for readers who can't keep up."""

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshnode.client import ControlError, MeshClient, NoDaemonError
from meshnode.control import EventHub, events
from meshnode.control.dispatch import sse_frame
from meshnode.control.shapes import Event
from meshnode.control.sse import FRAME_BYTES_MAX, EventReader
from protocols.errors import RefusedError, RemoteError


def fresh_hub() -> EventHub:
    return EventHub(wall_ns=lambda: 0, boot="boot")


async def taken(follower: events.Follower, count: int) -> list[Event]:
    return [event for _ in range(count) if (event := await follower.next())]


# The hub


async def test_a_follower_sees_what_happens_from_then_on() -> None:
    hub = fresh_hub()
    hub.emit("before", {})
    follower = hub.follow()
    hub.emit("after", {"n": 1})
    [event] = await taken(follower, 1)
    assert event == Event(id="boot-2", kind="after", at="1970-01-01T00:00:00.000Z", fields={"n": 1})


async def test_a_follower_waits_until_something_happens() -> None:
    hub = fresh_hub()
    follower = hub.follow()
    waiting = asyncio.ensure_future(follower.next())
    await asyncio.sleep(0)
    hub.emit("news", {})
    event = await waiting
    assert event is not None
    assert event.kind == "news"


async def test_a_follower_resumes_just_after_what_it_saw_last() -> None:
    hub = fresh_hub()
    for n in range(5):
        hub.emit("tick", {"n": n})
    follower = hub.follow("boot-3")
    assert [event.id for event in await taken(follower, 2)] == ["boot-4", "boot-5"]


async def test_resuming_at_the_very_last_event_repeats_nothing() -> None:
    hub = fresh_hub()
    hub.emit("tick", {})
    follower = hub.follow("boot-1")
    hub.emit("tock", {})
    assert [event.kind for event in await taken(follower, 1)] == ["tock"]


@pytest.mark.parametrize(
    "after", ["other-1", "boot-99", "boot-x", "", "boot-", "boot-" + "9" * 400, "boot-²"]
)
async def test_what_cannot_be_resumed_is_said_first(after: str) -> None:
    hub = fresh_hub()
    hub.emit("tick", {})
    missed, tick = await taken(hub.follow(after), 2)
    assert (missed.kind, missed.id, tick.id) == ("events_missed", "", "boot-1")


async def test_an_event_that_fell_out_of_the_ring_is_told_as_missed() -> None:
    hub = fresh_hub()
    for _ in range(events.RING_MAX + 2):
        hub.emit("tick", {})
    assert [event.kind for event in await taken(hub.follow("boot-1"), 1)] == ["events_missed"]
    assert [event.id for event in await taken(hub.follow("boot-2"), 1)] == ["boot-3"]


async def test_a_slow_follower_is_dropped_with_a_word_and_slows_nobody() -> None:
    hub = fresh_hub()
    slow, quick = hub.follow(), hub.follow()
    for _ in range(events.QUEUE_MAX + 1):
        hub.emit("tick", {})
        await quick.next()
    word = await slow.next()
    assert word is not None
    assert (word.kind, word.fields) == ("events_dropped", {"count": events.QUEUE_MAX + 1})
    assert await slow.next() is None
    assert hub.followers == 1


async def test_there_is_a_limit_to_followers() -> None:
    hub = fresh_hub()
    followers = [hub.follow() for _ in range(events.FOLLOWERS_MAX)]
    with pytest.raises(RefusedError, match="close one first"):
        hub.follow()
    followers[0].close()
    hub.follow()


async def test_a_closed_hub_ends_every_stream() -> None:
    hub = fresh_hub()
    follower = hub.follow()
    hub.emit("last", {})
    hub.close()
    hub.emit("unheard", {})
    assert [event.kind for event in await taken(follower, 1)] == ["last"]
    assert await follower.next() is None
    assert await hub.follow().next() is None


# Over the socket


async def test_events_travel_as_server_sent_events_with_keepalives(place: Any, node: Any) -> None:
    reader, writer = await asyncio.open_unix_connection(place.socket)
    writer.write(b"GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"content-type: text/event-stream" in head
    await reader.readuntil(b": welcome\n\n")
    node.events.emit("peer_connected", {"name": "bob\nbib"})
    frame = await reader.readuntil(b"}\n\n")
    assert b"id: boot-1\nevent: peer_connected\ndata: {" in frame
    await reader.readuntil(b": still here\n\n")
    writer.close()


async def test_a_follower_that_hangs_up_is_forgotten(place: Any, node: Any) -> None:
    _, writer = await asyncio.open_unix_connection(place.socket)
    writer.write(b"GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n")
    await place.followed()
    writer.close()
    task = await place.connection()
    await asyncio.wait_for(task, 5)
    assert node.events.followers == 0


async def test_the_client_gives_events_as_they_happen(client: MeshClient, place: Any, node: Any) -> None:
    async with aclosing(client.events()) as stream:
        first = asyncio.ensure_future(anext(stream))
        await place.followed()
        node.events.emit("peer_connected", {"name": "bob"})
        assert (await first).fields == {"name": "bob"}


async def test_the_client_resumes_where_a_restart_broke_its_stream(
    client: MeshClient, place: Any, node: Any
) -> None:
    node.events.emit("one", {})
    async with aclosing(client.events(after="boot-0")) as stream:
        assert (await anext(stream)).kind == "one"
        await place.servers[0].close()
        node.events = fresh_hub()
        for kind in ("one", "two"):
            node.events.emit(kind, {})
        await place.serve()
        assert (await anext(stream)).kind == "two"


async def test_the_client_learns_that_another_run_of_the_daemon_answers(
    client: MeshClient, place: Any, node: Any
) -> None:
    node.events.emit("one", {})
    async with aclosing(client.events(after="boot-0")) as stream:
        await anext(stream)
        await place.servers[0].close()
        node.events = EventHub(wall_ns=lambda: 0, boot="reboot")
        await place.serve()
        assert (await anext(stream)).kind == "events_missed"


async def test_following_a_node_that_is_not_there_fails_at_once(
    tmp_path: Path, client: MeshClient, place: Any
) -> None:
    await place.servers[0].close()
    with pytest.raises(NoDaemonError):
        await anext(client.events())


async def test_too_many_streams_are_refused_in_words(client: MeshClient, node: Any) -> None:
    followers = [node.events.follow() for _ in range(events.FOLLOWERS_MAX)]
    with pytest.raises(ControlError, match="close one first"):
        await anext(client.events())
    followers[0].close()


# Messages as they come


async def test_following_messages_begins_with_the_stored_ones_and_repeats_none(
    client: MeshClient, node: Any
) -> None:
    node.store("one")
    async with aclosing(client.follow_messages()) as stream:
        assert (await anext(stream)).text == "one"
        node.store("two")
        node.store("three", "out")
        assert [(await anext(stream)).text for _ in range(2)] == ["two", "three"]


async def test_following_messages_asks_for_more_while_pages_are_full(client: MeshClient, node: Any) -> None:
    for n in range(5):
        node.store(str(n))
    async with aclosing(client.follow_messages(since="m1", limit=2)) as stream:
        assert [(await anext(stream)).text for _ in range(4)] == ["1", "2", "3", "4"]


async def test_a_restart_in_the_middle_loses_no_message(client: MeshClient, place: Any, node: Any) -> None:
    node.store("one")
    async with aclosing(client.follow_messages()) as stream:
        await anext(stream)
        node.events.emit("something_else", {})
        await place.servers[0].close()
        node.events = EventHub(wall_ns=lambda: 0, boot="reboot")
        node.store("two")
        await place.serve()
        assert (await anext(stream)).text == "two"


# The reader


@given(
    kinds=st.lists(st.text(min_size=1), max_size=5),
    cut=st.integers(1, 40),
)
def test_events_survive_any_cut_of_the_bytes(kinds: list[str], cut: int) -> None:
    wire = b": hello\n\n"
    sent = [Event(id=f"b-{n}", kind="k", at="t", fields={"text": kind}) for n, kind in enumerate(kinds)]
    wire += b"".join(map(sse_frame, sent))
    reader = EventReader()
    got = [event for i in range(0, len(wire), cut) for event in reader.feed(wire[i : i + cut])]
    assert got == sent
    assert reader.last_id == (sent[-1].id if sent else "")


@given(data=st.binary(max_size=200))
def test_any_bytes_are_events_or_a_remote_error(data: bytes) -> None:
    reader = EventReader()
    try:
        reader.feed(data)
        reader.feed(b"\n\ndata: " + data + b"\n\n")
    except RemoteError as error:
        assert error.reason == "bad_event"  # noqa: PT017 - the only one that may escape


def test_an_endless_event_is_refused() -> None:
    with pytest.raises(RemoteError, match="bad_event"):
        EventReader().feed(b"data: " + b"x" * FRAME_BYTES_MAX)
