from hypothesis import given
from hypothesis import strategies as st

from policies.backoff import BackoffLimits, backoff_range_ns

LIMITS = BackoffLimits(first_ns=1_000, longest_ns=10_000)


def test_the_rest_doubles_up_to_a_ceiling() -> None:
    rests = [backoff_range_ns(failures, LIMITS) for failures in range(6)]
    assert rests == [
        (500, 1_000),
        (1_000, 2_000),
        (2_000, 4_000),
        (4_000, 8_000),
        (5_000, 10_000),
        (5_000, 10_000),
    ]


@given(failures=st.integers())
def test_any_number_of_failures_gives_a_range_within_the_limits(failures: int) -> None:
    low_ns, high_ns = backoff_range_ns(failures)
    assert 0 < low_ns <= high_ns <= BackoffLimits().longest_ns


@given(failures=st.integers(0, 1_000))
def test_one_more_failure_never_shortens_the_rest(failures: int) -> None:
    assert backoff_range_ns(failures + 1) >= backoff_range_ns(failures)
