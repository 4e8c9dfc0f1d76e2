from typing import Any

import pytest

from protocols.courier import PrekeyRing, open_bundle
from protocols.courier.limits import PREKEYS_MAX
from protocols.errors import LocalError

NOW_S = 1_800_000_000
DAY_S = 86_400
WEEK_S = 7 * DAY_S


def weekly(bob: Any, weeks: int) -> list[bytes]:
    """Ids of what was deleted while that time passed."""
    over: list[bytes] = []
    for week in range(weeks):
        bob.ring.rotate(NOW_S + week * WEEK_S, bob.entropy)
        over += bob.ring.take_over(NOW_S + week * WEEK_S)
    return over


def test_a_new_one_is_due_at_first_and_then_each_week(bob: Any) -> None:
    assert bob.ring.is_due(NOW_S)
    bob.ring.rotate(NOW_S, bob.entropy)
    assert not bob.ring.is_due(NOW_S + WEEK_S - 1)
    assert bob.ring.is_due(NOW_S + WEEK_S)


def test_no_two_are_the_same_and_none_comes_from_the_seed(bob: Any, person: Any) -> None:
    again = person("bob")
    again.drawn = 100  # the same seed, other chance
    assert len({bob.bundle().x25519, bob.bundle().x25519, again.bundle().x25519}) == 3


def test_sequences_rise_even_where_the_clock_does_not(bob: Any) -> None:
    first, second, third = bob.bundle(NOW_S), bob.bundle(NOW_S), bob.bundle(NOW_S - DAY_S)
    assert first.sequence < second.sequence < third.sequence


def test_a_key_is_deleted_after_twice_the_longest_expiry(bob: Any) -> None:
    first = bob.ring.rotate(NOW_S, bob.entropy).id
    for week in (1, 2, 3, 4):
        bob.ring.rotate(NOW_S + week * WEEK_S, bob.entropy)
        assert bob.ring.take_over(NOW_S + week * WEEK_S) == []
    assert bob.ring.take_over(NOW_S + 28 * DAY_S + 1) == [first]


def test_through_the_years_a_month_of_keys_is_kept(bob: Any) -> None:
    over = weekly(bob, 60)
    assert len(over) == 60 - bob.ring.count
    assert bob.ring.count == 5


def test_a_clock_that_leaps_ahead_deletes_nothing_at_once(bob: Any) -> None:
    weekly(bob, 3)
    bob.ring.rotate(NOW_S + 3_650 * DAY_S, bob.entropy)
    assert bob.ring.take_over(NOW_S + 3_650 * DAY_S) == []
    assert bob.ring.count == 4


def test_a_clock_that_falls_back_makes_a_new_one_due(bob: Any) -> None:
    bob.ring.rotate(NOW_S + 400 * DAY_S, bob.entropy)
    assert bob.ring.is_due(NOW_S)
    assert not bob.ring.is_due(NOW_S + 399 * DAY_S + DAY_S // 2)


def test_a_clock_that_was_never_set_makes_none(bob: Any) -> None:
    assert not bob.ring.is_due(5)
    with pytest.raises(LocalError):
        bob.ring.rotate(5, bob.entropy)


def test_who_rotates_by_hand_again_and_again_gives_up_the_oldest(bob: Any) -> None:
    made = [bob.ring.rotate(NOW_S, bob.entropy).id for _ in range(PREKEYS_MAX + 2)]
    assert bob.ring.take_over(NOW_S) == made[:2]
    assert bob.ring.count == PREKEYS_MAX
    assert [opener.id for opener in bob.ring.openers()] == made[:1:-1]


def test_a_ring_read_from_disk_is_the_ring_that_was_kept(bob: Any) -> None:
    weekly(bob, 3)
    again = PrekeyRing(bob.identity, bob.kem, reversed(bob.ring.kept))
    assert [each.id for each in again.openers()] == [each.id for each in bob.ring.openers()]
    current = again.current
    assert current is not None
    assert open_bundle(current.bundle).prekey_id == current.id


def test_secrets_are_not_shown(bob: Any) -> None:
    made = bob.ring.rotate(NOW_S, bob.entropy)
    assert made.secret.hex() not in repr(made)
    assert repr(made.secret) not in repr(made)
