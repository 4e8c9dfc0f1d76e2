from hypothesis import given
from hypothesis import strategies as st

from sim.failing.ddmin import shortest


@given(st.lists(st.integers(0, 30), max_size=40), st.sets(st.integers(0, 30), max_size=4))
def test_what_is_left_fails_and_nothing_of_it_can_be_left_out(items: list[int], culprits: set[int]) -> None:
    guilty = culprits.intersection(items)

    def fails(some: tuple[int, ...]) -> bool:
        return guilty.issubset(some)

    assert sorted(shortest(items, fails)) == sorted(guilty)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=16), st.integers(0, 2**32))
def test_also_where_less_may_fail_no_more_one_alone_can_not_be_left_out(items: list[int], salt: int) -> None:
    whole = tuple(items)

    def fails(some: tuple[int, ...]) -> bool:
        return some == whole or hash((some, salt)) % 3 == 0  # of ints alone: the same in every process

    left = shortest(items, fails)
    assert fails(left)
    assert not any(fails(left[:index] + left[index + 1 :]) for index in range(len(left)))


def test_one_of_a_thousand_is_found_in_few_questions() -> None:
    asked: list[tuple[int, ...]] = []

    def fails(some: tuple[int, ...]) -> bool:
        asked.append(some)
        return 617 in some

    assert shortest(range(1_000), fails) == (617,)
    assert len(asked) < 60


def test_the_order_stays() -> None:
    assert shortest("abcdef", lambda some: "e" in some and "b" in some) == ("b", "e")
