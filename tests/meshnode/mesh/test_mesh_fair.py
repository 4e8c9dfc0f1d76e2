"""Who is served when a link is congested."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshnode.mesh.fair import QUANTUM_BYTES, FairQueue
from protocols.envelope import ENVELOPE_BYTES_MAX, TrafficClass
from protocols.ids import NodeId

EMERGENCY, INTERACTIVE = TrafficClass.EMERGENCY, TrafficClass.INTERACTIVE
BULK, BACKGROUND = TrafficClass.BULK, TrafficClass.BACKGROUND


def node(number: int) -> NodeId:
    return NodeId(number.to_bytes(32, "big"))


ALICE, BOB, CAROL = node(1), node(2), node(3)


def put(
    queue: FairQueue,
    neighbour: NodeId,
    size: int = 100,
    *,
    traffic: int = INTERACTIVE,
    source: NodeId | None = None,
    count: int = 1,
) -> int:
    """How many had to go."""
    return sum(
        len(
            queue.put(
                neighbour,
                traffic,
                bytes(size),
                source=source or node(10_000 * neighbour[-1] + 1_000 * traffic + number),
            )
        )
        for number in range(count)
    )


def test_what_comes_first_leaves_first() -> None:
    queue = FairQueue()
    for letter in (b"a", b"b", b"c"):
        queue.put(ALICE, INTERACTIVE, letter, source=ALICE)
    assert [each.frame for each in queue.take(100)] == [b"a", b"b", b"c"]
    assert len(queue) == queue.nbytes == 0


def test_emergencies_leave_before_all_else_and_background_last() -> None:
    queue = FairQueue()
    for traffic in (BACKGROUND, BULK, INTERACTIVE, EMERGENCY):
        put(queue, ALICE, traffic=traffic)
    assert [each.traffic for each in queue.take(10_000)] == [EMERGENCY, INTERACTIVE, BULK, BACKGROUND]


def test_a_neighbour_who_sends_ten_times_as_much_gets_no_more() -> None:
    queue = FairQueue()
    put(queue, ALICE, 1_000, count=100)
    put(queue, BOB, 1_000, count=10)
    taken = [each.neighbour for each in queue.take(16_000)]
    assert (taken.count(ALICE), taken.count(BOB)) == (8, 8)


def test_fairness_is_in_bytes_not_in_frames() -> None:
    queue = FairQueue(bytes_max=1 << 20)
    put(queue, ALICE, 4_000, count=50)
    put(queue, BOB, 100, count=800)
    taken = queue.take(64_000)
    of = {peer: sum(len(each.frame) for each in taken if each.neighbour == peer) for peer in (ALICE, BOB)}
    assert abs(of[ALICE] - of[BOB]) <= 2 * QUANTUM_BYTES


def test_the_largest_frame_there_is_gets_its_turn() -> None:
    queue = FairQueue()
    put(queue, ALICE, ENVELOPE_BYTES_MAX)
    put(queue, BOB, 100, count=3)
    assert len(queue.take(ENVELOPE_BYTES_MAX + 300)) == 4


def test_nothing_overtakes_a_frame_that_does_not_fit_the_budget() -> None:
    queue = FairQueue()
    put(queue, ALICE, 1_000)
    put(queue, ALICE, 10, traffic=BACKGROUND)
    assert queue.take(999) == []
    assert len(queue.take(1_010)) == 2


def test_when_it_is_full_the_newest_of_the_longest_queue_goes() -> None:
    queue = FairQueue(bytes_max=10_000)
    for number in range(8):
        queue.put(ALICE, INTERACTIVE, bytes([number]) * 1_000, source=node(number))
    put(queue, BOB, 1_000, count=2)
    [gone] = queue.put(CAROL, INTERACTIVE, bytes(1_000), source=CAROL)
    assert (gone.neighbour, gone.frame[0]) == (ALICE, 7)


def test_the_one_with_the_longest_queue_makes_no_room_at_the_expense_of_others() -> None:
    queue = FairQueue(bytes_max=10_000)
    put(queue, ALICE, 1_000, count=8)
    put(queue, BOB, 1_000, count=2)
    [gone] = queue.put(ALICE, INTERACTIVE, b"new", source=ALICE)
    assert gone.frame == b"new"
    assert queue.waiting_of(BOB) == (2, 2_000)


def test_lower_classes_give_way_first_and_never_the_other_way_round() -> None:
    queue = FairQueue(bytes_max=4_000)
    put(queue, ALICE, 1_000, traffic=BULK, count=4)
    [gone] = queue.put(ALICE, INTERACTIVE, bytes(1_000), source=ALICE)
    assert gone.traffic == BULK
    put(queue, ALICE, 1_000, traffic=INTERACTIVE, count=3)
    [refused] = queue.put(BOB, BULK, bytes(1_000), source=BOB)
    assert refused.neighbour == BOB


def test_an_emergency_finds_room_in_a_full_queue() -> None:
    queue = FairQueue(frames_max=10)
    put(queue, ALICE, count=10)
    [gone] = queue.put(BOB, EMERGENCY, b"help", source=BOB)
    assert gone.neighbour == ALICE
    assert queue.take(1_000)[0].frame == b"help"


def test_one_source_holds_a_share_however_many_neighbours_bring_it() -> None:
    queue = FairQueue(bytes_max=40_000)
    gone = sum(put(queue, node(number), 1_000, source=CAROL) for number in range(20))
    assert gone == 10
    assert put(queue, ALICE, 1_000, source=BOB) == 0


def test_a_lone_large_frame_is_not_refused_for_its_share() -> None:
    assert put(FairQueue(), ALICE, ENVELOPE_BYTES_MAX, source=BOB) == 0


def test_a_link_that_is_gone_gives_back_all_that_waited() -> None:
    queue = FairQueue()
    put(queue, ALICE, 60_000, count=3)
    put(queue, BOB, traffic=BACKGROUND)
    assert len(queue.drain()) == 4
    assert len(queue) == 0


traffics = st.sampled_from([EMERGENCY, INTERACTIVE, BULK, BACKGROUND])
puts = st.tuples(st.integers(1, 6), traffics, st.integers(1, 5_000), st.integers(1, 4))


@given(st.lists(st.one_of(puts, st.integers(0, 20_000)), max_size=80))
def test_nothing_is_lost_or_doubled_and_no_bound_is_passed(
    steps: list[tuple[int, TrafficClass, int, int] | int],
) -> None:
    queue, inside = FairQueue(bytes_max=20_000, frames_max=16), 0
    for step in steps:
        if isinstance(step, int):
            taken = queue.take(step)
            assert sum(len(each.frame) for each in taken) <= step
            inside -= len(taken)
        else:
            neighbour, traffic, size, source = step
            gone = queue.put(node(neighbour), traffic, bytes(size), source=node(source))
            inside += 1 - len(gone)
        assert len(queue) == inside <= 16
        assert queue.nbytes <= 20_000
    assert len(queue.drain()) == inside
    assert queue.nbytes == 0


@pytest.mark.parametrize("seed", range(3))
def test_over_time_each_of_many_neighbours_gets_its_even_share(seed: int) -> None:
    die, queue = Random(f"fair/{seed}"), FairQueue()
    served = dict.fromkeys(map(node, range(1, 9)), 0)
    for _ in range(4_000):
        for number, neighbour in enumerate(served, 1):
            if die.random() < number / 4:  # the last offers eight times as much as the first
                put(queue, neighbour, die.randint(50, 1_500), source=node(die.randrange(100, 200)))
        for each in queue.take(1_500):
            served[each.neighbour] += len(each.frame)
    shares = [count / sum(served.values()) for count in served.values()]
    assert min(shares) > 0.10
    assert max(shares) < 0.15
