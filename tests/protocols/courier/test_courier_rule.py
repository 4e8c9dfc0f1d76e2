from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.courier import Giving, Meetings
from protocols.courier.rule import CopyView, decide_giving
from protocols.ids import NodeId

NOW_S = 1_800_000_000
DAY_S = 86_400
VIEW = CopyView(
    copies=8, mark_s=None, taker_met_s=None, taken_s=NOW_S, expires_s=NOW_S + DAY_S, now_s=NOW_S + 60
)


def test_anybody_gets_half_of_the_copies_while_it_is_young() -> None:
    assert decide_giving(VIEW) == Giving(4, 4, None)
    assert decide_giving(replace(VIEW, copies=3)) == Giving(1, 2, None)


def test_the_last_copy_waits_for_somebody_better() -> None:
    assert decide_giving(replace(VIEW, copies=1)) is None


def test_in_the_second_half_of_its_time_it_is_not_spread_any_more() -> None:
    assert decide_giving(replace(VIEW, now_s=NOW_S + DAY_S // 2 - 1)) is not None
    assert decide_giving(replace(VIEW, now_s=NOW_S + DAY_S // 2)) is None


def test_who_met_the_receiver_gets_one_at_any_time_and_sets_the_mark() -> None:
    late = replace(VIEW, copies=1, now_s=NOW_S + DAY_S - 1, taker_met_s=NOW_S - 5)
    assert decide_giving(late) == Giving(1, 1, NOW_S - 5)


def test_who_met_him_longer_ago_than_another_gets_none_for_that() -> None:
    view = replace(VIEW, copies=1, mark_s=NOW_S - 5)
    assert decide_giving(replace(view, taker_met_s=NOW_S - 5)) is None
    assert decide_giving(replace(view, taker_met_s=NOW_S - 4)) == Giving(1, 1, NOW_S - 4)


@given(
    copies=st.integers(1, 64),
    mark_s=st.none() | st.integers(0, 2 * NOW_S),
    met_s=st.none() | st.integers(0, 2 * NOW_S),
    now_s=st.integers(NOW_S, NOW_S + DAY_S),
)
def test_copies_never_grow_by_more_than_the_one_of_somebody_better(
    copies: int, mark_s: int | None, met_s: int | None, now_s: int
) -> None:
    giving = decide_giving(CopyView(copies, mark_s, met_s, NOW_S, NOW_S + DAY_S, now_s))
    if giving is not None:
        assert giving.copies >= 1
        assert giving.kept >= 1
        assert giving.copies + giving.kept == max(2, copies)


class TestMeetings:
    one, other, third = (NodeId(bytes([each]) * 32) for each in (1, 2, 3))

    def test_an_age_is_told_since_the_last_meeting(self) -> None:
        meetings = Meetings(10)
        meetings.met(self.one, NOW_S - 50)
        meetings.met(self.one, NOW_S - 20)
        assert meetings.age_s(self.one, NOW_S) == 20
        assert meetings.age_s(self.other, NOW_S) is None

    def test_a_meeting_too_long_ago_says_nothing(self) -> None:
        meetings = Meetings(10, {self.one: NOW_S - 500 * DAY_S})
        assert meetings.age_s(self.one, NOW_S) is None
        assert meetings.last_s(self.one) == NOW_S - 500 * DAY_S

    def test_a_clock_that_falls_back_makes_no_age_negative(self) -> None:
        meetings = Meetings(10, {self.one: NOW_S})
        assert meetings.age_s(self.one, NOW_S - 100) == 0

    def test_when_full_the_one_met_longest_ago_is_forgotten(self) -> None:
        meetings = Meetings(2, {self.one: 5, self.other: 3})
        meetings.met(self.third, NOW_S)
        assert meetings.last_s(self.other) is None
        assert meetings.last_s(self.one) == 5
        assert meetings.take_changes() == ([(self.third, NOW_S)], [self.other])

    def test_changes_are_told_once(self) -> None:
        meetings = Meetings(2)
        meetings.met(self.one, NOW_S)
        meetings.met(self.other, NOW_S)
        meetings.met(self.third, NOW_S)
        changed, forgotten = meetings.take_changes()
        assert [peer for peer, _ in changed] == [self.other, self.third]
        assert forgotten == [self.one]
        assert meetings.take_changes() == ([], [])
        meetings.met(self.one, NOW_S)
        assert meetings.take_changes() == ([(self.one, NOW_S)], [self.other])


@pytest.mark.parametrize("copies", [1, 2, 8, 64])
def test_binary_splitting_ends_with_as_many_couriers_as_copies(copies: int) -> None:
    heaps, couriers = [copies], 1
    while heaps:
        giving = decide_giving(replace(VIEW, copies=heaps.pop()))
        if giving is not None:
            heaps += [giving.copies, giving.kept]
            couriers += 1
    assert couriers == copies
