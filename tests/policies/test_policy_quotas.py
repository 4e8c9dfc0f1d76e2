from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.quotas import Accept, QuotaLimits, QuotaView, Refuse, decide_accept

EMPTY = QuotaView(size=100, sender_messages=0, sender_bytes=0, strangers=0, total_bytes=0)
LIMITS = QuotaLimits()
COUNTS = st.integers(0, 1 << 24)
VIEWS = st.builds(
    QuotaView, size=COUNTS, sender_messages=COUNTS, sender_bytes=COUNTS, strangers=COUNTS, total_bytes=COUNTS
)


def test_the_first_message_of_a_stranger_comes_in() -> None:
    assert decide_accept(EMPTY, LIMITS) == Accept()


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        (replace(EMPTY, sender_messages=1_024), "sender_messages"),
        (replace(EMPTY, sender_bytes=(1 << 20) - 99), "sender_bytes"),
        (replace(EMPTY, strangers=64), "too_many_strangers"),
        (replace(EMPTY, total_bytes=(8 << 20) - 99), "box_full"),
    ],
)
def test_each_limit_refuses_with_its_own_word(view: QuotaView, reason: str) -> None:
    assert decide_accept(view, LIMITS) == Refuse(reason)  # type: ignore[arg-type]


def test_a_stranger_already_in_the_box_is_not_kept_out_by_the_number_of_strangers() -> None:
    assert decide_accept(replace(EMPTY, strangers=64, sender_messages=1), LIMITS) == Accept()


@given(view=VIEWS)
def test_what_is_accepted_never_takes_the_box_over_a_limit(view: QuotaView) -> None:
    if decide_accept(view, LIMITS) == Accept():
        assert view.sender_messages + 1 <= LIMITS.sender_messages_max
        assert view.sender_bytes + view.size <= LIMITS.sender_bytes_max
        assert view.total_bytes + view.size <= LIMITS.total_bytes_max


@given(view=VIEWS, more=COUNTS)
def test_a_larger_message_is_never_accepted_where_a_smaller_one_was_refused(
    view: QuotaView, more: int
) -> None:
    if isinstance(decide_accept(view, LIMITS), Refuse):
        assert isinstance(decide_accept(replace(view, size=view.size + more), LIMITS), Refuse)


def test_an_owner_who_wants_no_strangers_gets_none() -> None:
    assert decide_accept(EMPTY, QuotaLimits(strangers_max=0)) == Refuse("too_many_strangers")
