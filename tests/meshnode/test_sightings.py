from meshnode.sightings import SIGHTINGS_MAX, Sightings
from protocols.ids import NodeId
from transports.discovery import Sighting, hint_for

ALICE, BOB = NodeId(bytes(32)), NodeId(bytes([1]) * 32)


def seen(number: int, node: NodeId = ALICE, *addresses: str, gone: bool = False) -> Sighting:
    token = number.to_bytes(16, "big")
    return Sighting(
        addresses or (f"quic://192.0.2.1:{number}",), token, gone=gone, hint=hint_for(node, token)
    )


def test_who_was_seen_can_be_found_where_it_was_seen_last() -> None:
    around = Sightings()
    for number in (1, 2):
        around.take(seen(number))
    assert around.addresses_of(ALICE) == ["quic://192.0.2.1:2", "quic://192.0.2.1:1"]
    assert around.addresses_of(BOB) == []


def test_who_said_good_bye_is_not_found_any_more() -> None:
    around = Sightings()
    around.take(seen(1))
    around.take(seen(1, gone=True))
    assert around.addresses_of(ALICE) == []


def test_an_announcement_that_changed_counts_as_it_is_now() -> None:
    around = Sightings()
    around.take(seen(1))
    around.take(seen(1, ALICE, "quic://192.0.2.9:9"))
    assert around.addresses_of(ALICE) == ["quic://192.0.2.9:9"]


def test_of_too_many_the_oldest_is_forgotten() -> None:
    around = Sightings()
    around.take(seen(1, BOB))
    for number in range(2, SIGHTINGS_MAX + 2):
        around.take(seen(number))
    assert around.addresses_of(BOB) == []
    assert len(around.addresses_of(ALICE)) == SIGHTINGS_MAX
