from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.timeline import CHUNK, SWEEP_MIN, BudgetSpentError, SimulationError, Timeline


def placed(times: list[int]) -> tuple[Timeline, list[tuple[int, int]]]:
    timeline, seen = Timeline(), list[tuple[int, int]]()

    def act(number: int) -> None:
        seen.append((timeline.now_ns, number))

    for number, when_ns in enumerate(times):
        timeline.at(when_ns, "act", act, number)
    return timeline, seen


@given(st.lists(st.integers(0, 10**12)))
def test_actions_happen_in_order_of_time_and_then_of_placing(times: list[int]) -> None:
    timeline, seen = placed(times)
    timeline.run(10**12)
    assert seen == sorted((when_ns, number) for number, when_ns in enumerate(times))
    assert timeline.now_ns == 10**12
    assert timeline.events == len(times)


def test_what_is_due_at_the_end_of_a_run_still_happens_and_what_comes_later_waits() -> None:
    timeline, seen = placed([5, 6])
    timeline.run(5)
    assert [number for _, number in seen] == [0]
    assert timeline.next_ns() == 6


def test_an_action_for_the_past_happens_now_behind_those_that_are_due() -> None:
    timeline, seen = placed([10])
    timeline.at(10, "late", lambda: timeline.at(3, "past", lambda: seen.append((timeline.now_ns, 99))))
    timeline.run(20)
    assert seen == [(10, 0), (10, 99)]


def test_a_cancelled_action_never_happens_and_is_not_counted() -> None:
    timeline, seen = placed([1])
    entry = timeline.at(2, "act", seen.append, (2, 2))
    timeline.cancel(entry)
    timeline.cancel(entry)
    timeline.run(5)
    assert seen == [(1, 0)]
    assert timeline.events == 1
    assert len(timeline) == 0


def test_many_cancelled_actions_take_no_room() -> None:
    timeline = Timeline()
    for _ in range(5 * SWEEP_MIN):
        timeline.cancel(timeline.at(10**9, "act", lambda: None))
    assert len(timeline._heap) <= 2 * SWEEP_MIN
    assert len(timeline) == 0


def test_cancelling_what_has_happened_is_harmless() -> None:
    timeline = Timeline()
    entry = timeline.at(1, "act", lambda: None)
    timeline.run(2)
    timeline.cancel(entry)
    assert len(timeline) == 0


def test_stopped_from_inside_an_action_nothing_follows() -> None:
    timeline, seen = placed([3])
    timeline.at(1, "stop", lambda: timeline.stop(SimulationError("enough")))
    with pytest.raises(SimulationError, match="enough"):
        timeline.run(5)
    assert seen == []
    assert timeline.now_ns == 1


def test_a_run_without_an_end_is_stopped_by_its_budget() -> None:
    timeline = Timeline()
    timeline.limit(1_500)

    def again() -> None:
        timeline.after(1, "again", again)

    again()
    with pytest.raises(BudgetSpentError, match="1,500"):
        timeline.run(10**9)


def run_of(steps: int, *, at: Callable[[int], int] = lambda step: step, label: str = "act") -> Timeline:
    timeline = Timeline()
    for step in range(steps):
        timeline.at(at(step), label, lambda: None)
    timeline.run(10**9)
    return timeline


def test_the_digest_tells_runs_apart_by_when_and_what() -> None:
    one = run_of(100).digest()
    assert run_of(100).digest() == one
    assert run_of(101).digest() != one
    assert run_of(100, at=lambda step: step + (step == 50)).digest() != one
    assert run_of(100, label="other").digest() != one


def test_the_digest_covers_what_was_marked() -> None:
    plain, marked = run_of(3), run_of(3)
    marked.mark(7)
    assert plain.digest() != marked.digest()


def test_chunks_name_the_place_where_two_runs_part() -> None:
    whole = run_of(3 * CHUNK)
    other = run_of(3 * CHUNK, at=lambda step: step + (step == 3 * CHUNK // 2))
    assert len(whole.chunks) == 3
    assert [one == two for one, two in zip(whole.chunks, other.chunks, strict=True)] == [True, False, False]


def test_the_trail_keeps_the_last_notes_and_is_not_in_the_digest() -> None:
    timeline = run_of(1)
    before = timeline.digest()
    for number in range(1_000):
        timeline.note("n1", str(number))
    assert timeline.trail[-1].text == "999"
    assert len(timeline.trail) < 1_000
    assert timeline.digest() == before
