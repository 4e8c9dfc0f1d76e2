from hypothesis import given
from hypothesis import strategies as st

from transports.discovery import Sighting
from transports.discovery.sightings import NEWS_MAX, SIGHTINGS_MAX, Sightings, is_instance_name

TYPE = "_meshnode._udp.local."


def seen(number: int, *, port: int = 7420) -> Sighting:
    return Sighting((f"quic://192.0.2.2:{port}",), token=number.to_bytes(16, "big"))


async def news(sightings: Sightings) -> list[Sighting]:
    """All that the reader is told once everything has stopped."""
    sightings.close()
    return [sighting async for sighting in sightings.stream()]


async def test_somebody_who_comes_and_goes_is_told_as_one_last_word() -> None:
    sightings = Sightings()
    sightings.add("a", seen(1))
    sightings.remove("a")
    assert await news(sightings) == [Sighting((), seen(1).token, gone=True)]


async def test_a_repeated_announcement_is_no_news() -> None:
    sightings = Sightings()
    sightings.add("a", seen(1))
    sightings.add("a", seen(1))
    assert await news(sightings) == [seen(1)]


async def test_a_changed_port_is_news() -> None:
    sightings = Sightings()
    sightings.add("a", seen(1))
    sightings.add("a", seen(1, port=9))
    assert await news(sightings) == [seen(1, port=9)]


async def test_an_instance_with_a_new_token_replaces_the_old_one() -> None:
    sightings = Sightings()
    sightings.add("a", seen(1))
    sightings.add("a", seen(2))
    assert await news(sightings) == [Sighting((), seen(1).token, gone=True), seen(2)]


async def test_a_copied_token_does_not_displace_the_first() -> None:
    sightings = Sightings()
    sightings.add("a", seen(1))
    sightings.add("b", seen(1, port=666))
    assert await news(sightings) == [seen(1)]
    assert sightings.dropped["token_taken"] == 1


async def test_in_a_full_table_the_oldest_makes_room() -> None:
    sightings = Sightings()
    for number in range(SIGHTINGS_MAX + 1):
        sightings.add(f"n{number}", seen(number))
    told = await news(sightings)
    assert [sighting.token for sighting in told if sighting.gone] == [seen(0).token]
    assert sightings.dropped["table_full"] == 1


async def test_a_reader_who_does_not_read_costs_bounded_memory() -> None:
    sightings = Sightings()
    for number in range(5_000):
        sightings.add(f"n{number}", seen(number))
    assert len(await news(sightings)) == NEWS_MAX
    assert sightings.dropped["reader_too_slow"] > 0


def test_names_with_control_characters_or_words_are_no_instances() -> None:
    assert is_instance_name(f"abcdefgh23456777.{TYPE}", TYPE)
    for label in ("Alice's laptop", "abc\x1b[31mdefgh", "short", "a" * 64, "a.bcdefghij", "ÄÖÜÄÖÜÄÖ", ""):
        assert not is_instance_name(f"{label}.{TYPE}", TYPE)
    assert not is_instance_name("abcdefgh23456777._http._tcp.local.", TYPE)


@given(name=st.text(max_size=100))
def test_any_name_is_judged(name: str) -> None:
    assert is_instance_name(name, TYPE) in {True, False}
