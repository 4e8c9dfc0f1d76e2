"""How long to rest after a failure: doubling, with a ceiling, spread so that many nodes don't return at once."""

from dataclasses import dataclass

__all__ = ["BackoffLimits", "backoff_range_ns"]

DOUBLINGS_MAX = 62  # 2^62 ns are a century: more would only grow the number


@dataclass(frozen=True, slots=True)
class BackoffLimits:
    first_ns: int = 1_000_000_000  # a daemon that restarts is back within about a second
    longest_ns: int = 60_000_000_000  # what a person finds tolerable for "it comes back by itself"; guess


DEFAULT_LIMITS = BackoffLimits()


def backoff_range_ns(failures: int, limits: BackoffLimits = DEFAULT_LIMITS) -> tuple[int, int]:
    """(low, high) of the rest after `failures` earlier failures in a row (0: this was the first). Roll in between.

    The lower half is left out: two attempts never follow each other closely, whatever the die says.
    """
    high_ns = min(limits.longest_ns, limits.first_ns << min(max(failures, 0), DOUBLINGS_MAX))
    return high_ns // 2, high_ns
