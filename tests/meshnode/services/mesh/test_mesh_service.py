"""What a node answers about the network, and how a trace goes from one to the next."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshnode.ports import Neighbour
from meshnode.services.mesh import Step, Tie
from meshnode.services.mesh.frames import (
    Neighbourhood,
    Question,
    decode_neighbourhood,
    decode_question,
    decode_steps,
    encode_steps,
)
from meshnode.services.mesh.limits import ASKERS_MAX, HOPS_MAX, TIES_MAX, TRACES_AT_ONCE_MAX
from meshnode.services.mesh.service import _Pace
from protocols.codec import encode
from protocols.errors import RefusedError, RemoteError
from protocols.ids import NodeId

Line = Callable[..., Any]


def node(number: int) -> NodeId:
    return NodeId(number.to_bytes(32, "big")[::-1])


# Traces


async def test_each_node_on_the_way_says_where_it_would_send_it(line: Line) -> None:
    room = line(4)
    trace = await room.services[0].trace(node(3), timeout_s=10)
    assert (trace.end, trace.hops) == ("arrived", 3)
    assert [step.id for step in trace.steps] == [node(number) for number in range(4)]
    assert [step.next for step in trace.steps] == [node(1), node(2), node(3), b""]
    assert [step.reason for step in trace.steps] == ["table", "table", "neighbour", "arrived"]
    assert [step.cost for step in trace.steps] == [48, 32, 16, None]


async def test_the_time_of_a_hop_is_what_is_left_of_the_whole(line: Line) -> None:
    room = line(4)
    room.air.ms = 20
    trace = await room.services[0].trace(node(3), timeout_s=10)
    assert [step.answered_us for step in trace.steps] == [60_000, 40_000, 20_000, None]


async def test_a_way_in_a_circle_ends_where_it_closes(line: Line) -> None:
    room = line(3)
    room.sketches[1].leads(node(9), node(0))
    room.sketches[0].leads(node(9), node(1))
    trace = await room.services[0].trace(node(9), timeout_s=10)
    assert (trace.end, len(trace.steps)) == ("loop", 2)


async def test_a_way_that_ends_says_at_whom(line: Line) -> None:
    room = line(3)
    room.sketches[0].leads(node(9), node(1))
    trace = await room.services[0].trace(node(9), timeout_s=10)
    assert (trace.end, trace.steps[-1].id) == ("no_route", node(1))


async def test_one_that_does_not_answer_is_where_it_ends(line: Line) -> None:
    room = line(4)
    room.air.dead.add(node(2))
    trace = await room.services[0].trace(node(3), timeout_s=10)
    assert (trace.end, trace.steps[-1].id, trace.steps[-1].next) == ("silent", node(1), node(2))


async def test_one_that_says_nothing_though_its_link_stands_is_remembered_for_it(line: Line) -> None:
    room = line(3)
    room.air.mute.add(node(1))
    assert (await room.services[0].trace(node(2), timeout_s=10)).end == "silent"
    assert room.heard == [(node(1), False)]
    room.air.mute.clear()
    assert (await room.services[0].trace(node(2), timeout_s=10)).end == "arrived"
    assert (node(1), True) in room.heard


async def test_one_that_is_too_old_for_traces_or_talks_nonsense_is_where_it_ends(line: Line) -> None:
    room = line(4)
    del room.air.handlers[node(2)]
    assert (await room.services[0].trace(node(3), timeout_s=10)).end == "refused"
    room.air.answers[node(2)] = b"nonsense"
    assert (await room.services[0].trace(node(3), timeout_s=10)).end == "refused"


async def test_one_that_is_shown_to_contacts_only_tells_strangers_nothing(line: Line) -> None:
    room = line(4, hidden=(2,))
    trace = await room.services[0].trace(node(3), timeout_s=10)
    assert (trace.end, trace.steps[-1].next) == ("refused", node(2)[:12])
    assert room.services[2].counts["refused_stranger"] == 1
    room.friends[2].mark_contact(node(1))
    trace = await room.services[0].trace(node(3), timeout_s=10)
    assert trace.end == "arrived"
    assert [len(step.id) for step in trace.steps] == [32, 32, 12, 32]


async def test_a_long_way_ends_at_the_limit_of_hops(line: Line) -> None:
    room = line(HOPS_MAX + 5)
    trace = await room.services[0].trace(node(HOPS_MAX + 4), timeout_s=30)
    assert (trace.end, len(trace.steps)) == ("too_far", HOPS_MAX)


async def test_with_too_little_time_left_nobody_else_is_asked(line: Line) -> None:
    room = line(60)
    trace = await room.services[0].trace(node(59), timeout_s=0.1)
    assert trace.end == "out_of_time"
    assert 1 < len(trace.steps) < 20


async def test_a_node_passes_on_only_so_many_traces_at_once(line: Line) -> None:
    room = line(3)
    held = asyncio.Event()

    async def slow(_call: Any) -> bytes:
        await held.wait()
        return encode_steps([Step(node(2), "arrived", b"", None, "", None, "arrived")])

    room.air.handlers[node(2)] = slow
    question = Question(node(2), 9, 9_000, ())
    askers = [node(100 + number) for number in range(TRACES_AT_ONCE_MAX)]
    handle = room.services[1]._handle
    tasks = [asyncio.create_task(handle(Call(asker, "trace", question.encode()))) for asker in askers]
    while room.air.calls < TRACES_AT_ONCE_MAX:  # noqa: ASYNC110 - what is waited for rings no bell
        await asyncio.sleep(0)
    with pytest.raises(RefusedError, match="many traces"):
        await handle(Call(node(99), "trace", question.encode()))
    held.set()
    assert all(decode_steps(answer)[-1].end == "arrived" for answer in await asyncio.gather(*tasks))
    assert await handle(Call(node(99), "trace", question.encode()))


# Neighbours


async def test_neighbours_are_told_with_cost_and_transport(line: Line) -> None:
    room = line(3)
    told = await room.services[0].ties_of(node(1), timeout_s=5)
    assert told == Neighbourhood((Tie(node(0), 16, "quic"), Tie(node(2), 16, "quic")))


async def test_a_neighbour_that_hides_is_told_by_what_routing_tells_anyway(line: Line) -> None:
    room = line(3, hidden=(2,))
    told = await room.services[0].ties_of(node(1), timeout_s=5)
    assert [tie.id for tie in told.ties] == [node(0), node(2)[:12]]
    assert [tie.id for tie in room.services[1].own_ties().ties] == [node(0), node(2)]


async def test_a_hub_tells_its_cheapest_neighbours_and_how_many_more_there_are(line: Line) -> None:
    room = line(2)
    one: Neighbour = room.sketches[1].near[0]
    room.sketches[1].near = [
        replace(one, peer=node(1_000 + number), cost=500 - number) for number in range(TIES_MAX + 7)
    ]
    told = await room.services[0].ties_of(node(1), timeout_s=5)
    assert (len(told.ties), told.left_out) == (TIES_MAX, 7)
    assert told.ties[0].cost == 500 - TIES_MAX - 6


async def test_an_unknown_method_is_refused(line: Line) -> None:
    room = line(2)
    with pytest.raises(RefusedError, match="no method"):
        await room.services[1]._handle(Call(node(0), "dance", b""))


async def test_a_question_that_makes_no_sense_is_the_askers_fault(line: Line) -> None:
    room = line(2)
    with pytest.raises(RemoteError):
        await room.services[1]._handle(Call(node(0), "trace", b"?"))


async def test_one_neighbour_asks_at_a_pace_and_the_others_are_not_held_up(line: Line) -> None:
    room = line(2)
    refused = 0
    for _ in range(40):
        try:
            await room.services[1]._handle(Call(node(7), "neighbours", b""))
        except RefusedError:
            refused += 1
    assert refused == 20
    assert await room.services[1]._handle(Call(node(8), "neighbours", b""))
    room.air.pass_s(1)
    assert await room.services[1]._handle(Call(node(7), "neighbours", b""))


def test_the_pace_of_so_many_askers_is_remembered_and_no_more() -> None:
    pace = _Pace(lambda: 0)
    for number in range(ASKERS_MAX + 50):
        assert pace.may(node(number))
    assert len(pace._buckets) == ASKERS_MAX


# Frames


ids = st.one_of(st.binary(min_size=12, max_size=12), st.binary(min_size=32, max_size=32))
ties = st.builds(Tie, ids, st.integers(0, 65_535), st.sampled_from(["quic", "ble", ""]))
seen = st.lists(st.binary(min_size=12, max_size=12), max_size=HOPS_MAX).map(tuple)


@given(st.builds(Neighbourhood, st.lists(ties, max_size=TIES_MAX).map(tuple), st.integers(0, 1_000)))
def test_neighbours_survive_the_wire(told: Neighbourhood) -> None:
    assert decode_neighbourhood(told.encode()) == told


@given(
    st.builds(
        Question, st.binary(min_size=32, max_size=32), st.integers(1, HOPS_MAX), st.integers(1, 30_000), seen
    )
)
def test_questions_survive_the_wire(question: Question) -> None:
    assert decode_question(question.encode()) == question


def test_the_longest_trace_fits_an_answer() -> None:
    step = Step(node(1), "breadcrumb", node(2), 65_535, "x" * 16, 600_000_000, None)
    steps = [step] * (HOPS_MAX - 1) + [replace(step, end="too_far")]
    assert decode_steps(encode_steps(steps)) == steps


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_a_remote_error(data: bytes) -> None:
    for decode in (decode_neighbourhood, decode_question, decode_steps):
        try:
            decode(data)
        except RemoteError:
            continue


GOOD_STEP = [node(1), "table", b"", None, "", None, "no_route"]


@pytest.mark.parametrize(
    "body",
    [
        {"steps": []},
        {"steps": [GOOD_STEP] * (HOPS_MAX + 1)},
        {"steps": [[*GOOD_STEP[:6], None]]},  # no end
        {"steps": [GOOD_STEP, GOOD_STEP]},  # an end in the middle
        {"steps": [[*GOOD_STEP[:6], "somewhere"]]},
        {"steps": [[b"short", *GOOD_STEP[1:]]]},
        {"steps": [[node(1), "w" * 33, *GOOD_STEP[2:]]]},
        {"steps": [[node(1), "table", b"", -1, "", None, "no_route"]]},
        {"steps": [[node(1), "table", b"", True, "", None, "no_route"]]},
        {"steps": [GOOD_STEP[:6]]},
        {"steps": ["step"]},
        {"steps": 7},
    ],
)
def test_steps_that_break_the_rules_are_refused(body: dict[str, Any]) -> None:
    with pytest.raises(RemoteError):
        decode_steps(encode(body))


@pytest.mark.parametrize(
    "body",
    [
        {"ties": [[node(1), 16]], "more": 0},
        {"ties": ["tie"], "more": 0},
        {"ties": [[node(1), 16, 7]], "more": 0},
        {"ties": [[node(1), 16, "quic"]] * (TIES_MAX + 1), "more": 0},
        {"ties": [], "more": -1},
        {"more": 0},
    ],
)
def test_neighbours_that_break_the_rules_are_refused(body: dict[str, Any]) -> None:
    with pytest.raises(RemoteError):
        decode_neighbourhood(encode(body))


@pytest.mark.parametrize(
    "change",
    [
        {"to": b"short"},
        {"hops": 0},
        {"hops": HOPS_MAX + 1},
        {"ms": 0},
        {"seen": [bytes(12)] * (HOPS_MAX + 1)},
        {"seen": [bytes(32)]},
        {"seen": 1},
    ],
)
def test_questions_that_break_the_rules_are_refused(change: dict[str, Any]) -> None:
    body: dict[str, Any] = {"to": node(1), "hops": 3, "ms": 1_000, "seen": list[bytes](), **change}
    with pytest.raises(RemoteError):
        decode_question(encode(body))


class Call:
    """A request from that neighbour."""

    def __init__(self, peer: NodeId, method: str, body: bytes) -> None:
        self.peer, self.method, self.body = peer, method, body

    def messages(self) -> Any:
        raise AssertionError("a question is one message")

    async def send(self, message: bytes) -> None:
        raise AssertionError("no answer is streamed")
