"""When contacts that are away are looked for, and who announces whom."""

from random import Random

import pytest

from meshnode.services.directory.gateways import Gateways, Wards
from meshnode.services.directory.limits import (
    GATEWAYS_MAX,
    NS_PER_S,
    SEEK_AGAIN_NS,
    SEEK_FIRST_NS,
    SEEK_NEWS_NS,
    SEEK_REST_NS_MAX,
    SEEKS_AT_ONCE_MAX,
    WARD_LIFE_S,
    WARDS_MAX,
)
from meshnode.services.directory.seeking import Absences
from protocols.directory import NodeRecord
from protocols.directory.kademlia import Card, place_of, relay_address
from protocols.errors import RefusedError
from protocols.ids import NodeId

ALICE, BOB, CAROL, DAVE = (NodeId(bytes([n]) * 32) for n in range(1, 5))
LATER_NS = 2 * SEEK_FIRST_NS


@pytest.fixture
def absences() -> Absences:
    absences = Absences(Random(1))
    absences.away(ALICE, now_ns=0)
    return absences


def test_the_dialler_has_a_moment_first(absences: Absences) -> None:
    assert absences.take(now_ns=SEEK_FIRST_NS - 1) == []
    assert absences.take(now_ns=LATER_NS) == [ALICE]


def test_who_comes_back_is_not_sought(absences: Absences) -> None:
    absences.back(ALICE)
    absences.back(BOB)
    assert (absences.take(now_ns=LATER_NS), len(absences), absences.next_timeout()) == ([], 0, None)


def test_a_search_without_success_is_followed_by_longer_and_longer_waits(absences: Absences) -> None:
    now_ns, waits = LATER_NS, list[int]()
    for _ in range(16):
        assert absences.take(now_ns=now_ns) == [ALICE]
        absences.sought(ALICE)
        due_ns = absences.next_timeout()
        assert due_ns is not None
        waits.append(due_ns - now_ns)
        now_ns = due_ns
    assert waits[0] <= SEEK_AGAIN_NS * 5 // 4
    assert waits[5] > 8 * waits[0]
    assert max(waits) <= SEEK_REST_NS_MAX * 5 // 4


def test_news_bring_the_search_forward_but_not_again_and_again(absences: Absences) -> None:
    absences.take(now_ns=LATER_NS)
    absences.sought(ALICE)
    absences.news(now_ns=LATER_NS + 1)
    assert absences.take(now_ns=LATER_NS + SEEK_NEWS_NS) == []
    assert absences.take(now_ns=LATER_NS + SEEK_AGAIN_NS) == [ALICE]


def test_news_hurry_whoever_was_not_sought_lately(absences: Absences) -> None:
    absences.news(now_ns=0)
    assert absences.take(now_ns=SEEK_NEWS_NS) == [ALICE]


def test_few_are_sought_at_once(absences: Absences) -> None:
    for peer in (BOB, CAROL, DAVE):
        absences.away(peer, now_ns=0)
    taken = absences.take(now_ns=LATER_NS)
    assert len(taken) == SEEKS_AT_ONCE_MAX
    assert (absences.take(now_ns=LATER_NS), absences.next_timeout()) == ([], None)
    absences.back(taken[0])
    absences.sought(taken[1])
    assert len(absences.take(now_ns=LATER_NS)) == SEEKS_AT_ONCE_MAX


def card(node: NodeId, *addresses: str, sequence: int = 1) -> Card:
    record = NodeRecord(node, sequence, 2_000_000_000, bytes(32), addresses, (), ("directory",), "")
    return Card(node, place_of(node), record, b"")


def test_a_ward_is_published_once_its_record_names_us() -> None:
    wards = Wards(ALICE)
    assert wards.take(card(BOB, "ble://bob"), now_ns=0)
    assert wards.to_publish(now_ns=0) == []
    named = card(BOB, relay_address(ALICE), sequence=2)
    assert wards.take(named, now_ns=0)
    assert not wards.take(card(BOB, "ble://bob", sequence=1), now_ns=0)
    assert wards.to_publish(now_ns=0) == [named]


def test_a_ward_that_does_not_ask_again_or_takes_leave_is_let_go() -> None:
    wards = Wards(ALICE)
    wards.take(card(BOB, relay_address(ALICE)), now_ns=0)
    wards.take(card(CAROL, relay_address(ALICE)), now_ns=0)
    wards.drop(BOB)
    assert len(wards) == 1
    assert wards.to_publish(now_ns=WARD_LIFE_S * NS_PER_S) == []
    assert len(wards) == 0


def test_a_node_announces_only_so_many() -> None:
    wards = Wards(ALICE)
    for number in range(WARDS_MAX):
        wards.take(card(NodeId(number.to_bytes(32))), now_ns=0)
    with pytest.raises(RefusedError, match="ask another"):
        wards.take(card(BOB), now_ns=0)
    assert not wards.take(card(NodeId(bytes(32))), now_ns=0)


def test_gateways_are_asked_again_at_half_time_and_new_ones_up_to_a_few() -> None:
    gateways, able = Gateways(), [NodeId(bytes([n]) * 32) for n in range(1, 6)]
    assert gateways.to_ask(able, now_ns=0) == able[:GATEWAYS_MAX]
    for gateway in able[:GATEWAYS_MAX]:
        gateways.agreed(gateway, life_s=WARD_LIFE_S, now_ns=0)
    assert gateways.to_ask(able, now_ns=0) == []
    half_ns = WARD_LIFE_S * NS_PER_S // 2
    assert gateways.to_ask(able, now_ns=half_ns) == able[:GATEWAYS_MAX]
    gateways.gone(able[0])
    assert gateways.to_ask(able, now_ns=0) == [able[0]]
    assert gateways.current(now_ns=2 * half_ns) == []
    gateways.agreed(able[1], life_s=WARD_LIFE_S, now_ns=0)
    assert (gateways.clear(), gateways.current(now_ns=0)) == ([able[1]], [])
