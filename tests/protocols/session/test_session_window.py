"""The replay window against a plain model: a list of what was seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from protocols.errors import RemoteError
from protocols.session.limits import WINDOW_COUNTERS
from protocols.session.padding import padded_length
from protocols.session.window import ReplayWindow

SPAN = 3 * WINDOW_COUNTERS


class WindowMachine(RuleBasedStateMachine):
    @initialize(first=st.sampled_from([0, 1 << 20]))
    def begin(self, first: int) -> None:
        self.first = first
        self.window = ReplayWindow(first)
        self.seen: list[int] = []

    def see(self, counter: int) -> None:
        highest = max(self.seen, default=self.first - 1)
        fresh = counter not in self.seen and counter > highest - WINDOW_COUNTERS
        try:
            self.window.check(counter)
        except RemoteError:
            assert not fresh, counter
        else:
            assert fresh, counter
            self.window.mark(counter)
            self.seen.append(counter)

    @rule(offset=st.integers(0, SPAN))
    def any_counter(self, offset: int) -> None:
        self.see(self.first + offset)

    @rule(step=st.integers(1, 5))
    def next_one(self, step: int) -> None:
        self.see(max(self.seen, default=self.first - 1) + step)

    @rule(
        step=st.sampled_from([WINDOW_COUNTERS - 1, WINDOW_COUNTERS, WINDOW_COUNTERS + 1, 5 * WINDOW_COUNTERS])
    )
    def far_jump(self, step: int) -> None:
        self.see(max(self.seen, default=self.first - 1) + step)

    @rule(age=st.integers(0, 10) | st.integers(WINDOW_COUNTERS - 3, WINDOW_COUNTERS + 3))
    def late_one(self, age: int) -> None:
        counter = max(self.seen, default=self.first - 1) - age
        if counter >= self.first:
            self.see(counter)

    @rule(which=st.integers(0, 1_000))
    def again(self, which: int) -> None:
        if self.seen:
            self.see(self.seen[which % len(self.seen)])


TestReplayWindow = WindowMachine.TestCase


def test_a_window_never_grows_beyond_its_bits() -> None:
    window = ReplayWindow(0)
    for counter in range(0, 10 * WINDOW_COUNTERS, 3):
        window.check(counter)
        window.mark(counter)
    assert window._missing.bit_length() <= WINDOW_COUNTERS


def test_what_is_too_old_to_tell_counts_as_replayed() -> None:
    window = ReplayWindow(0)
    window.mark(WINDOW_COUNTERS)
    window.check(1)
    with pytest.raises(RemoteError, match="replayed"):
        window.check(0)


@given(st.integers(0, 70_000))
def test_padding_adds_little_and_leaves_few_lengths(length: int) -> None:
    padded = padded_length(length)
    assert padded >= max(length, 64)
    assert length <= 64 or padded - length <= 0.12 * length
    assert padded_length(padded) == padded


def test_padded_lengths_are_those_of_the_paper() -> None:
    assert [padded_length(length) for length in (0, 64, 65, 100, 200, 1_000, 1_025, 9_000, 65_520)] == [
        64,
        64,
        72,
        104,
        208,
        1_024,
        1_088,
        9_216,
        65_536,
    ]
    assert len({padded_length(length) for length in range(65_537)}) < 160
