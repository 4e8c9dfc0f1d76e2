"""rpc between two nodes as services and callers see it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from meshnode.rpc import Call
from protocols.errors import LinkError, RefusedError, RemoteError
from protocols.stream import StreamLimits
from protocols.stream.limits import STREAM_BYTES_INITIAL

if TYPE_CHECKING:
    from conftest import Peer, Street

Pair = tuple["Peer", "Peer"]
Settle = Callable[[], Awaitable[None]]
CHUNK = 65_536
FOR_EVER_S = 60.0  # longer than any test may take
SHORT_S = 0.05


async def shout(call: Call) -> bytes:
    return call.body.upper()


async def echo(call: Call) -> None:
    async for message in call.messages():
        await call.send(message)


async def count(call: Call) -> bytes:
    return b"%d" % sum([len(message) async for message in call.messages()])


async def wait_for_ever(_: Call) -> None:
    await asyncio.Event().wait()


async def test_a_call_is_answered(pair: Pair) -> None:
    alice, bob = pair
    bob.hub.register("post", shout)
    assert await alice.hub.call(bob.id, "post", "shout", b"hello") == b"HELLO"


async def test_the_called_one_may_call_back(pair: Pair) -> None:
    alice, bob = pair
    alice.hub.register("post", shout)
    assert await bob.hub.call(alice.id, "post", "shout", b"who is there?") == b"WHO IS THERE?"


async def test_the_handler_knows_who_calls_and_what(pair: Pair) -> None:
    alice, bob = pair
    seen: list[tuple[object, ...]] = []

    async def note(call: Call) -> bytes:
        seen.append((call.peer, call.method, call.body))
        return b""

    bob.hub.register("post", note)
    await alice.hub.call(bob.id, "post", "look", b"body")
    assert seen == [(alice.id, "look", b"body")]


async def test_a_call_to_somebody_unconnected_dials(street: "Street") -> None:
    alice, bob = await street.peer("alice"), await street.peer("bob")
    bob.hub.register("post", shout)
    assert await alice.hub.call(bob.id, "post", "shout", b"hello") == b"HELLO"


async def test_messages_stream_both_ways(pair: Pair) -> None:
    alice, bob = pair
    bob.hub.register("post", echo)
    call = await alice.hub.open(bob.id, "post", "echo", b"")
    answers = call.messages()
    for number in range(20):
        await call.send(b"%d" % number)
        assert await anext(answers) == b"%d" % number
    await call.end()
    assert [message async for message in answers] == []


async def test_large_messages_arrive_whole(pair: Pair) -> None:
    alice, bob = pair
    bob.hub.register("post", count)
    call = await alice.hub.open(bob.id, "post", "count", b"")
    for _ in range(50):
        await call.send(bytes(200_000))
    await call.end()
    assert [message async for message in call.messages()] == [b"10000000"]


async def test_a_slow_reader_holds_its_caller_back(pair: Pair, settled: Settle) -> None:
    alice, bob = pair
    reading = asyncio.Event()

    async def read_late(call: Call) -> bytes:
        await reading.wait()
        return await count(call)

    bob.hub.register("post", read_late)
    call = await alice.hub.open(bob.id, "post", "count", b"")
    chunks = 128
    sent = 0

    async def push() -> None:
        nonlocal sent
        for _ in range(chunks):
            await call.send(bytes(CHUNK))
            sent += CHUNK
        await call.end()

    async with asyncio.TaskGroup() as crew:
        crew.create_task(push())
        await settled()
        held = bob.unread_bytes(alice)
        assert 0 < held <= STREAM_BYTES_INITIAL
        assert sent <= held + StreamLimits().unsent_bytes_max + 2 * CHUNK
        reading.set()
    assert [message async for message in call.messages()] == [b"%d" % (chunks * CHUNK)]


async def test_a_sender_that_gave_up_waiting_harms_no_later_one(pair: Pair, settled: Settle) -> None:
    alice, bob = pair
    reading = asyncio.Event()

    async def read_late(call: Call) -> bytes:
        await reading.wait()
        return await count(call)

    bob.hub.register("post", read_late)
    call = await alice.hub.open(bob.id, "post", "count", b"")

    async def push() -> None:
        while True:
            await call.send(bytes(CHUNK))

    pusher = asyncio.create_task(push())
    await settled()
    pusher.cancel()
    await asyncio.wait([pusher])
    reading.set()
    await call.send(b"the last")
    await call.end()
    (total,) = [message async for message in call.messages()]
    assert int(total) % CHUNK == len(b"the last")


async def test_a_refusal_keeps_its_code_and_sentence(pair: Pair) -> None:
    alice, bob = pair

    async def refuse(_: Call) -> None:
        raise RefusedError("not_today", "come again tomorrow")

    bob.hub.register("post", refuse)
    with pytest.raises(RefusedError, match="come again tomorrow") as refused:
        await alice.hub.call(bob.id, "post", "ask", b"")
    assert refused.value.code == "not_today"


async def test_a_service_that_nobody_offers_is_refused(pair: Pair) -> None:
    alice, bob = pair
    with pytest.raises(RefusedError) as refused:
        await alice.hub.call(bob.id, "telegraph", "send", b"")
    assert refused.value.code == "unknown_service"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (RemoteError("bad_field", "of a letter"), "bad_request"),
        (LinkError("the third node is away"), "unreachable"),
        (ZeroDivisionError("a bug"), "internal"),
    ],
)
async def test_a_handler_that_fails_answers_and_the_node_lives_on(
    pair: Pair, fault: Exception, code: str
) -> None:
    alice, bob = pair

    async def fail(_: Call) -> None:
        raise fault

    bob.hub.register("post", fail)
    bob.hub.register("still", shout)
    with pytest.raises(RefusedError) as refused:
        await alice.hub.call(bob.id, "post", "ask", b"")
    assert refused.value.code == code
    assert await alice.hub.call(bob.id, "still", "alive", b"yes") == b"YES"


async def test_an_answer_above_the_limit_is_refused(pair: Pair) -> None:
    alice, bob = pair

    async def babble(_: Call) -> bytes:
        return bytes(1 << 21)

    bob.hub.register("post", babble)
    with pytest.raises(RefusedError) as refused:
        await alice.hub.call(bob.id, "post", "ask", b"")
    assert refused.value.code == "too_long"


async def test_a_call_ends_at_its_deadline(pair: Pair) -> None:
    alice, bob = pair
    bob.hub.register("post", wait_for_ever)
    with pytest.raises(TimeoutError):
        await alice.hub.call(bob.id, "post", "wait", b"", timeout_s=SHORT_S)


async def test_a_streamed_call_ends_at_its_deadline(pair: Pair) -> None:
    alice, bob = pair
    bob.hub.register("post", wait_for_ever)
    call = await alice.hub.open(bob.id, "post", "wait", b"", timeout_s=SHORT_S)
    with pytest.raises(TimeoutError):
        await anext(call.messages())


async def test_a_cancelled_call_reaches_the_sends_of_its_handler(pair: Pair) -> None:
    alice, bob = pair
    over: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def talk(call: Call) -> None:
        try:
            while True:
                await call.send(bytes(CHUNK))
        except LinkError as error:
            over.set_result(str(error))
            raise

    bob.hub.register("post", talk)
    call = await alice.hub.open(bob.id, "post", "talk", b"")
    answers = call.messages()
    await anext(answers)
    await call.cancel()
    assert "cancelled" in await over
    with pytest.raises(LinkError):
        await call.send(b"more")
    assert bob.hub.counts["callers_gone"] == 1


async def test_a_cut_link_is_dialled_again_and_the_call_goes_on(street: "Street", pair: Pair) -> None:
    alice, bob = pair
    bob.hub.register("post", echo)
    call = await alice.hub.open(bob.id, "post", "echo", b"")
    answers = call.messages()
    await call.send(b"before")
    assert await anext(answers) == b"before"
    street.cut(alice, bob)
    await call.send(b"after")
    assert await anext(answers) == b"after"


async def test_nothing_is_lost_or_doubled_when_links_are_cut_in_the_middle(
    street: "Street", pair: Pair, settled: Settle
) -> None:
    alice, bob = pair
    bob.hub.register("post", echo)
    call = await alice.hub.open(bob.id, "post", "echo", b"")
    answers: list[bytes] = []

    async def listen() -> None:
        answers.extend([message async for message in call.messages()])

    async with asyncio.TaskGroup() as crew:
        crew.create_task(listen())
        for number in range(300):
            await call.send(b"%d" % number * 300)
            if number in {100, 200}:
                await settled()
                street.cut(alice, bob)
        await call.end()
    assert answers == [b"%d" % number * 300 for number in range(300)]


async def test_calls_to_a_peer_that_restarted_fail(street: "Street", pair: Pair) -> None:
    alice, bob = pair
    bob.hub.register("post", wait_for_ever)
    call = await alice.hub.open(bob.id, "post", "wait", b"")
    asking = asyncio.create_task(alice.hub.call(bob.id, "post", "wait", b"", timeout_s=FOR_EVER_S))
    await asyncio.wait([asking], timeout=0)
    await bob.stop()
    await bob.start()
    alice.driver.want(bob.id)
    with pytest.raises(LinkError, match="peer_restarted"):
        await asking
    with pytest.raises(LinkError, match="peer_restarted"):
        await anext(call.messages())
    assert street.find(bob.id) is bob
    bob.hub.register("post", shout)
    assert await alice.hub.call(bob.id, "post", "shout", b"again") == b"AGAIN"


async def test_a_node_that_stops_fails_its_own_calls(pair: Pair, settled: Settle) -> None:
    alice, bob = pair
    bob.hub.register("post", wait_for_ever)
    asking = asyncio.create_task(alice.hub.call(bob.id, "post", "wait", b"", timeout_s=FOR_EVER_S))
    await settled()
    await alice.stop()
    with pytest.raises(LinkError, match="stopping"):
        await asking


async def test_what_happens_on_a_call_that_is_over_is_harmless(pair: Pair) -> None:
    alice, bob = pair
    bob.hub.register("post", shout)
    call = await alice.hub.open(bob.id, "post", "shout", b"one")
    answers: list[Any] = [message async for message in call.messages()]
    assert answers == [b"ONE"]
    await call.cancel()
    await call.end()
    await call.send(b"nobody listens")
    assert [message async for message in call.messages()] == []
