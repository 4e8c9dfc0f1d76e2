"""Calls as both ends see them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.envelope import TrafficClass
from protocols.errors import LocalError, RefusedError, RemoteError
from protocols.rpc import (
    CallCancelled,
    CallEnded,
    CallReceived,
    CallRefused,
    CallWritable,
    Code,
    MessagesReceived,
    RpcLimits,
    RpcSession,
)
from protocols.rpc.frames import END_FRAME, REQUEST, Request, message_head
from protocols.rpc.limits import HEADS_KEPT_MAX, STALE_DEADLINES_MAX
from protocols.stream import (
    Closed,
    Connection,
    ControlReceived,
    Path,
    StreamData,
    StreamLimits,
    StreamOpened,
    StreamReset,
    StreamStopped,
    StreamWritable,
)

if TYPE_CHECKING:
    from conftest import Line

MS, MIB = 1_000_000, 1024 * 1024
BULK = TrafficClass.BULK
LANE_SMALL = Path(1, reliable=True, bytes_max=500)
REQUEST_HEAD = Request("echo", "once", 0, BULK).encode()


def ask(
    line: Line, body: bytes = b"hi", *, deadline_ms: int = 0, end: bool = True, method: str = "once"
) -> int:
    return line.caller.rpc.call(
        "echo", method, body, deadline_ms=deadline_ms, traffic=BULK, end=end, now_ns=line.now_ns
    )


def test_a_unary_call_is_one_record_each_way(make_line: Callable[..., Line]) -> None:
    line = make_line()
    line.run()
    before = line.caller.counter, line.callee.counter
    call = ask(line, deadline_ms=20)
    line.run()
    assert line.callee.pop() == [CallReceived(call, "echo", "once", b"hi", 20 * MS, BULK), CallEnded(call)]
    line.callee.rpc.send(call, b"ho", end=True)
    line.run()
    assert line.caller.pop() == [MessagesReceived(call, [b"ho"]), CallEnded(call)]
    assert (line.caller.counter, line.callee.counter) == (before[0] + 1, before[1] + 1)
    assert line.caller.rpc.open_calls == line.callee.rpc.open_calls == 0
    assert line.caller.rpc.next_timeout() is None


def test_messages_stream_both_ways(make_line: Callable[..., Line]) -> None:
    line = make_line()
    call = ask(line, b"first", end=False)
    line.caller.rpc.send_many(call, [b"second", b"", b"third"])
    line.run()
    line.callee.rpc.send_many(call, [bytes(20_000), bytes(30_000)])
    line.callee.rpc.send(call, b"answer")
    line.caller.rpc.send(call, b"fourth")
    line.caller.rpc.end(call)
    line.run()
    assert line.callee.messages(call) == [b"second", b"", b"third", b"fourth"]
    assert line.callee.events[-1] == CallEnded(call)
    with pytest.raises(LocalError):
        line.caller.rpc.send(call, b"after the end")
    line.callee.rpc.end(call)
    line.run()
    assert line.caller.messages(call) == [bytes(20_000), bytes(30_000), b"answer"]
    assert line.caller.events[-1] == CallEnded(call)


def test_a_refusal_reaches_the_caller_as_a_sentence(make_line: Callable[..., Line]) -> None:
    line = make_line()
    call = ask(line, end=False)
    line.run()
    line.callee.rpc.refuse(call, "blocked", "This node has blocked yours.")
    line.callee.rpc.refuse(call, "twice", "Nothing.")
    line.run()
    refused = CallRefused(call, "blocked", "This node has blocked yours.")
    assert line.caller.pop() == [CallWritable(call), refused]
    assert line.caller.rpc.open_calls == line.callee.rpc.open_calls == 0
    assert line.caller.connection.open_streams == 0


def test_only_a_request_can_be_refused(make_line: Callable[..., Line]) -> None:
    line = make_line()
    with pytest.raises(LocalError):
        line.caller.rpc.refuse(ask(line), "no", "No.")


def test_a_complete_answer_ends_an_unfinished_request(make_line: Callable[..., Line]) -> None:
    line = make_line()
    call = ask(line, end=False)
    line.run()
    line.caller.rpc.send_many(call, [bytes(1_000)] * 2_000)
    line.callee.rpc.send(call, b"enough", end=True)
    line.run()
    assert line.caller.messages(call) == [b"enough"]
    assert CallEnded(call) in line.caller.events
    line.caller.rpc.send(call, b"into the void")
    line.caller.rpc.end(call)
    line.run()
    assert line.caller.connection.open_streams == line.callee.connection.open_streams == 0
    assert line.callee.connection.unread_bytes == 0


@pytest.mark.parametrize("who", ["caller", "callee"])
def test_a_cancelled_call_is_over_on_both_sides(who: str, make_line: Callable[..., Line]) -> None:
    line = make_line()
    call = ask(line, end=False)
    line.run()
    line.caller.pop()
    line.callee.pop()
    end, other = (line.caller, line.callee) if who == "caller" else (line.callee, line.caller)
    end.rpc.cancel(call)
    end.rpc.cancel(call)
    end.rpc.send(call, b"dropped")
    line.run()
    assert other.pop() == [CallCancelled(call, Code.CANCELLED)]
    assert end.pop() == []
    for side in (line.caller, line.callee):
        assert side.rpc.open_calls == side.connection.open_streams == side.connection.unread_bytes == 0


def test_a_deadline_passes_on_both_sides_by_itself(make_line: Callable[..., Line]) -> None:
    line = make_line()
    call = ask(line, deadline_ms=30)
    line.now_ns = 5 * MS
    line.run()
    line.callee.pop()
    assert line.caller.rpc.next_timeout() == 30 * MS
    assert line.callee.rpc.next_timeout() == 35 * MS
    assert line.caller.rpc.handle_timeout(29 * MS) == []
    assert line.caller.rpc.handle_timeout(30 * MS) == [CallCancelled(call, Code.DEADLINE)]
    assert line.callee.rpc.handle_timeout(35 * MS) == [CallCancelled(call, Code.DEADLINE)]
    line.run()
    assert line.caller.pop() == line.callee.pop() == []
    assert line.callee.rpc.next_timeout() is None


def test_deadlines_of_calls_that_are_over_do_not_pile_up(make_line: Callable[..., Line]) -> None:
    line = make_line()
    for _ in range(300):
        line.caller.rpc.cancel(ask(line, deadline_ms=10_000))
        line.run()
    deadlines = line.caller.rpc._deadlines
    assert deadlines is not None
    assert len(deadlines) <= STALE_DEADLINES_MAX + 3


def test_one_call_too_many_is_reset_with_code_3(make_line: Callable[..., Line]) -> None:
    line = make_line(limits=RpcLimits(calls_in_max=2))
    calls = [ask(line) for _ in range(3)]
    line.run()
    assert line.caller.pop() == [CallCancelled(calls[2], Code.OVER_LIMIT)]
    assert line.callee.rpc.open_calls == 2
    assert line.callee.rpc.calls_over_limit == 1
    line.callee.rpc.end(calls[0])
    line.run()
    calls.append(ask(line))
    line.run()
    assert line.callee.rpc.open_calls == 2


def test_an_application_that_takes_nothing_stops_its_peer(make_line: Callable[..., Line]) -> None:
    line = make_line(streams=StreamLimits(data_window_bytes=2 * MIB, stream_window_bytes=MIB))
    line.callee.takes = False
    call = ask(line, end=False)
    sent = 0
    while line.caller.rpc.unsent_bytes(call) < MIB:
        line.caller.rpc.send_many(call, [bytes(50_000)] * 20)
        sent += 20
        line.run()
    assert line.callee.connection.unread_bytes <= MIB
    told = [event for event in line.callee.pop() if isinstance(event, MessagesReceived)]
    with pytest.raises(LocalError):
        line.callee.rpc.took(call, messages=10**6, nbytes=0)
    line.callee.takes = True
    for event in told:
        line.callee.take(event)
    line.run()
    assert sum(len(event.messages) for event in told) + len(line.callee.messages(call)) == sent
    assert line.callee.connection.unread_bytes == 0


def test_a_message_longer_than_the_window_still_arrives(make_line: Callable[..., Line]) -> None:
    line = make_line(streams=StreamLimits(data_window_bytes=MIB, stream_window_bytes=256 * 1024))
    calls = [ask(line, bytes([n]) * MIB) for n in range(4)]
    line.run()
    received = {event.call_id: event.body for event in line.callee.events if isinstance(event, CallReceived)}
    assert received == {call: bytes([n]) * MIB for n, call in enumerate(calls)}
    assert line.callee.rpc._ahead == 0


def test_too_much_of_unfinished_messages_ends_the_call(make_line: Callable[..., Line]) -> None:
    line = make_line(limits=RpcLimits(unfinished_bytes_max=MIB), bytes_max=1_000)
    first = ask(line, b"x", end=False)
    calls = [ask(line, bytes(MIB)) for _ in range(3)]
    line.caller.rpc.send(first, bytes(MIB))
    line.run()
    assert line.callee.rpc.calls_over_limit > 0
    cancelled = [event.call_id for event in line.caller.events if isinstance(event, CallCancelled)]
    assert cancelled
    assert len(cancelled) < 4
    assert [event.code for event in line.callee.events if isinstance(event, CallCancelled)] in (
        [],
        [Code.OVER_LIMIT],
    )
    assert {first, *calls} >= set(cancelled)


def test_a_full_call_says_when_it_takes_more(make_line: Callable[..., Line]) -> None:
    line = make_line(streams=StreamLimits(unsent_bytes_max=100_000))
    call = ask(line, end=False)
    assert line.caller.rpc.send(call, bytes(200_000)) > 200_000
    with pytest.raises(LocalError):
        line.caller.rpc.send(call, b"x")
    line.run()
    assert line.caller.pop() == [CallWritable(call)]


def test_a_lost_session_ends_every_call(make_line: Callable[..., Line]) -> None:
    line = make_line()
    calls = [ask(line, deadline_ms=50) for _ in range(2)]
    line.run()
    line.callee.pop()
    line.callee.connection.close(0, "bye")
    line.run()
    assert line.caller.pop() == [CallCancelled(call, Code.SESSION_GONE) for call in calls]
    assert line.callee.rpc.abandon() == [CallCancelled(call, Code.SESSION_GONE) for call in calls]
    assert line.callee.rpc.next_timeout() is None


def test_a_request_that_was_given_up_before_it_was_whole_is_never_announced(
    make_line: Callable[..., Line],
) -> None:
    line = make_line(bytes_max=500)
    call = ask(line, bytes(10_000))
    record = line.caller.connection.next_record(LANE_SMALL, 0, now_ns=0)
    assert record is not None
    line.caller.counter = 1
    line.callee.hear(record, 0, 0)
    line.caller.rpc.cancel(call)
    line.run()
    assert line.callee.pop() == []
    assert line.callee.rpc.open_calls == 0


def test_known_heads_are_kept_and_their_number_is_bounded(make_line: Callable[..., Line]) -> None:
    line = make_line()
    for n in range(HEADS_KEPT_MAX + 5):
        call = ask(line, method=f"m{n}")
        line.run()
        line.callee.rpc.end(call)
        line.run()
    assert len(line.caller.rpc._heads_out) == len(line.callee.rpc._heads_in) == 5
    with pytest.raises(RefusedError):
        ask(line, method="m" * 600)
    with pytest.raises(RefusedError):
        ask(line, bytes(MIB + 1))
    assert line.caller.rpc.open_calls == 0


def callee() -> RpcSession:
    return RpcSession(Connection(initiator=False, now_ns=0))


def fed(*messages: bytes, fin: bool = False, opened_by_us: bool = False) -> None:
    """One stream's bytes, as if the connection had delivered them."""
    connection = Connection(initiator=opened_by_us, now_ns=0)
    rpc = RpcSession(connection)
    if opened_by_us:
        rpc.call("a", "b", b"", deadline_ms=0, traffic=BULK, end=True, now_ns=0)
    else:
        rpc.stream_event(StreamOpened(0), now_ns=0)
    data = b"".join(messages)
    connection._inflow._owed += len(data)
    rpc.stream_event(StreamData(0, data, fin=fin), now_ns=0)


@pytest.mark.parametrize(
    "messages",
    [
        [message_head(0)],  # a message before its request
        [REQUEST_HEAD, REQUEST_HEAD],
        [REQUEST_HEAD, message_head(0), REQUEST_HEAD],
        [REQUEST_HEAD, message_head(0), END_FRAME],  # only answers end by END
    ],
)
def test_a_request_out_of_order_breaks_the_rules(messages: list[bytes]) -> None:
    with pytest.raises(RemoteError, match="bad_call"):
        fed(*messages)


@pytest.mark.parametrize("messages", [[REQUEST_HEAD], [REQUEST_HEAD, message_head(0), b"\0\0"], [b""]])
def test_a_request_cut_short_breaks_the_rules(messages: list[bytes]) -> None:
    with pytest.raises(RemoteError, match="cut short"):
        fed(*messages, fin=True)


def test_an_answer_without_its_end_breaks_the_rules() -> None:
    with pytest.raises(RemoteError, match="cut short"):
        fed(message_head(1) + b"x", fin=True, opened_by_us=True)
    with pytest.raises(RemoteError, match="bad_call"):
        fed(REQUEST_HEAD, opened_by_us=True)
    with pytest.raises(RemoteError, match="bad_call"):
        fed(END_FRAME, END_FRAME, opened_by_us=True)
    with pytest.raises(RemoteError, match="bad_call"):
        fed(END_FRAME, message_head(0), opened_by_us=True)
    fed(END_FRAME, fin=True, opened_by_us=True)


def test_a_reset_without_a_reason_breaks_the_rules() -> None:
    rpc = callee()
    rpc.stream_event(StreamOpened(0), now_ns=0)
    with pytest.raises(RemoteError):
        rpc.stream_event(StreamReset(0, Code.ANSWERED), now_ns=0)


def test_events_of_calls_that_are_over_are_ignored() -> None:
    rpc = callee()
    for event in (
        StreamReset(0, 1),
        StreamStopped(0, 1),
        StreamWritable(0),
        ControlReceived(1, b""),
        Closed(0, ""),
    ):
        assert rpc.stream_event(event, now_ns=0) == []
    rpc.took(0, messages=1, nbytes=1)
    rpc.end(0)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(st.lists(st.binary(max_size=300), max_size=30), max_size=8),
    big=st.booleans(),
    bytes_max=st.integers(200, 5_000),
)
def test_messages_survive_any_size_of_record(
    *, batches: list[list[bytes]], big: bool, bytes_max: int, make_line: Callable[..., Line]
) -> None:
    line = make_line(bytes_max=bytes_max)
    call = ask(line, b"begin", end=False)
    sent: list[bytes] = []
    for batch in batches:
        messages = [*batch, bytes(20_000)] if big else batch
        line.caller.rpc.send_many(call, messages)
        sent += messages
        if len(batch) % 2:
            line.run()
    line.caller.rpc.end(call)
    line.run()
    assert line.callee.messages(call) == sent
    assert line.callee.connection.unread_bytes == 0


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=10))
def test_any_bytes_on_a_call_raise_nothing_but_remote_errors(pieces: list[bytes]) -> None:
    connection = Connection(initiator=False, now_ns=0)
    rpc = RpcSession(connection)
    rpc.stream_event(StreamOpened(0), now_ns=0)
    try:
        for piece in [REQUEST_HEAD, *pieces]:
            connection._inflow._owed += len(piece)
            rpc.stream_event(StreamData(0, piece, fin=False), now_ns=0)
    except RemoteError:
        pass
    assert REQUEST_HEAD[4] == REQUEST
