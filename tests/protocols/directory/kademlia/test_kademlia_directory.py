"""One node's directory: what it answers, hands over and owes; addresses and networks."""

from random import Random
from typing import Any

import pytest

from protocols.directory.kademlia import (
    ALONE,
    Card,
    Directory,
    DirectoryLimits,
    Duty,
    Holding,
    Upkeep,
    gateways_of,
    group_behind,
    group_of,
    is_far_reaching,
    parse_relay,
    place_of,
    place_of_key,
    relay_address,
)
from protocols.directory.kademlia.places import bucket_of
from protocols.ids import NodeId

ME, FRIEND, STRANGER = (NodeId(bytes([n]) * 32) for n in (1, 2, 3))
NOW = 1_800_000_000
NODES = [NodeId(Random(n).randbytes(32)) for n in range(40)]
LIMITS = DirectoryLimits()


@pytest.fixture
def directory() -> Directory:
    return Directory(ME, Random(1), is_barred=lambda node: node == STRANGER)


def meet(directory: Directory, card: Card) -> None:
    directory.met(card, group=ALONE, trusted=True, now_ns=0, wall_s=NOW)


def keep(directory: Directory, *cards: Card, life_s: int | None = None) -> list[str]:
    return list(directory.keep_records(cards, teacher=FRIEND, life_s=life_s, wall_s=NOW))


def test_who_asks_is_not_told_of_itself(directory: Directory, card: Any) -> None:
    for node in NODES[:3]:
        meet(directory, card(node))
    told = directory.find(place_of(NODES[0]), friend=False, asker=NODES[0], wall_s=NOW)
    assert sorted(each.node for each in told.near) == sorted(NODES[1:3])


def test_an_unlisted_record_is_told_to_friends_only(directory: Directory, card: Any) -> None:
    keep(directory, card(NODES[0], features=()))
    place = place_of(NODES[0])
    assert directory.find(place, friend=False, asker=FRIEND, wall_s=NOW).record is None
    assert directory.find(place, friend=True, asker=FRIEND, wall_s=NOW).record is not None


def test_nothing_of_a_barred_node_is_kept_or_told(directory: Directory, card: Any) -> None:
    meet(directory, card(STRANGER))
    assert keep(directory, card(STRANGER), card(ME)) == ["refused", "refused"]
    said = Holding(STRANGER, b"k" * 32, 1, NOW + 60, True, b"")
    assert directory.keep_holdings([said], wall_s=NOW) == ["refused"]
    assert len(directory.table) == 0


def test_what_was_kept_of_a_node_goes_when_it_is_barred(card: Any) -> None:
    barred: list[NodeId] = []
    directory = Directory(ME, Random(1), is_barred=barred.__contains__)
    meet(directory, card(NODES[0]))
    keep(directory, card(NODES[0]))
    directory.keep_holdings([Holding(NODES[0], b"k" * 32, 1, NOW + 60, True, b"")], wall_s=NOW)
    barred.append(NODES[0])
    place = place_of(NODES[0])
    assert directory.find(place, friend=True, asker=FRIEND, wall_s=NOW).record is None
    assert directory.holders(b"k" * 32, asker=FRIEND, wall_s=NOW).holdings == ()
    directory.forget(NODES[0])
    assert (len(directory.table), len(directory.records), len(directory.holdings)) == (0, 0, 0)


def test_holders_of_a_key_are_told(directory: Directory) -> None:
    said = Holding(NODES[0], b"k" * 32, 1, NOW + 60, True, b"")
    assert directory.keep_holdings([said], wall_s=NOW) == ["kept"]
    assert directory.holders(b"k" * 32, asker=FRIEND, wall_s=NOW).holdings == (said,)
    assert directory.purge(wall_s=NOW + 60) == 1


def test_a_copy_lives_ten_minutes_whatever_its_bringer_says(directory: Directory, card: Any) -> None:
    keep(directory, card(NODES[0]), life_s=86_400)
    assert directory.find(place_of(NODES[0]), friend=False, asker=ME, wall_s=NOW + 600).record is None


def test_a_record_is_handed_to_whoever_comes_nearer_to_it(directory: Directory, card: Any) -> None:
    owner = NODES[0]
    nearer = min(NODES[1:], key=lambda node: place_of(node) ^ place_of(owner))
    keep(directory, card(owner))
    meet(directory, card(nearer))
    [(receiver, cards)] = directory.take_handovers().values()
    assert (receiver.node, [each.node for each in cards]) == (nearer, [owner])
    assert Duty.HAND_OVER in directory.upkeep.take(now_ns=LIMITS.soon_ns)
    assert directory.take_handovers() == {}


def test_only_the_nearest_of_those_who_keep_it_hands_it_over(directory: Directory, card: Any) -> None:
    owner = NODES[0]
    nearer, nearest = sorted(NODES[1:], key=lambda node: place_of(node) ^ place_of(owner))[1::-1]
    meet(directory, card(nearer))
    keep(directory, card(owner))
    meet(directory, card(nearest))
    assert directory.take_handovers() == {}


def test_copies_unlisted_ones_and_ones_nearer_to_us_stay_here(directory: Directory, card: Any) -> None:
    owner, other = NODES[0], NODES[1]
    nearer = min(NODES[2:], key=lambda node: place_of(node) ^ place_of(owner))
    keep(directory, card(owner), life_s=60)
    keep(directory, card(other, features=()))
    farther = max(NODES[2:], key=lambda node: place_of(node) ^ directory.place)
    meet(directory, card(nearer))
    meet(directory, card(farther))
    assert directory.take_handovers() == {}


def test_the_queue_of_handovers_is_bounded(card: Any) -> None:
    directory = Directory(ME, Random(1), limits=DirectoryLimits(handovers_max=1))
    for owner in NODES[:20]:
        keep(directory, card(owner))
    for node in NODES[20:]:
        meet(directory, card(node))
    assert sum(len(cards) for _, cards in directory.take_handovers().values()) == 1


def test_the_first_node_we_meet_makes_us_join_and_publish(directory: Directory, card: Any) -> None:
    assert directory.upkeep.take(now_ns=LIMITS.soon_ns) == []
    meet(directory, card(NODES[0]))
    taken = directory.upkeep.take(now_ns=LIMITS.soon_ns)
    assert {Duty.JOIN, Duty.PUBLISH} <= set(taken)


def test_what_failed_is_tried_again_later_and_later_and_what_went_well_within_the_hour() -> None:
    upkeep = Upkeep(Random(1), LIMITS, now_ns=0)
    upkeep.soon(Duty.PUBLISH, now_ns=0)
    now_ns, waits = LIMITS.soon_ns, list[int]()
    for _ in range(8):
        assert Duty.PUBLISH in upkeep.take(now_ns=now_ns)
        upkeep.done(Duty.PUBLISH, well=False, now_ns=now_ns)
        due_ns = upkeep._timers[Duty.PUBLISH].due_ns
        assert due_ns is not None
        waits.append(due_ns - now_ns)
        now_ns = due_ns
    assert waits[0] < 2 * LIMITS.retry_ns < waits[3]
    assert max(waits) <= LIMITS.publish_ns * 11 // 10
    upkeep.take(now_ns=now_ns)
    upkeep.done(Duty.PUBLISH, well=True, now_ns=now_ns)
    due_ns = upkeep._timers[Duty.PUBLISH].due_ns
    assert due_ns is not None
    assert LIMITS.publish_ns * 9 // 10 <= due_ns - now_ns <= LIMITS.publish_ns * 11 // 10


def test_a_change_while_a_duty_runs_makes_it_due_again_soon() -> None:
    upkeep = Upkeep(Random(1), LIMITS, now_ns=0)
    upkeep.soon(Duty.HAND_OVER, now_ns=0)
    assert upkeep.take(now_ns=LIMITS.soon_ns) == [Duty.HAND_OVER]
    upkeep.soon(Duty.HAND_OVER, now_ns=LIMITS.soon_ns)
    assert upkeep.take(now_ns=2 * LIMITS.soon_ns) == []
    upkeep.done(Duty.HAND_OVER, well=True, now_ns=2 * LIMITS.soon_ns)
    assert upkeep.take(now_ns=2 * LIMITS.soon_ns) == [Duty.HAND_OVER]
    upkeep.done(Duty.HAND_OVER, well=True, now_ns=2 * LIMITS.soon_ns)
    due_ns = upkeep.next_timeout()
    assert due_ns == LIMITS.purge_ns


@pytest.mark.parametrize("duty", list(Duty))
def test_every_duty_that_recurs_has_a_period(duty: Duty) -> None:
    upkeep = Upkeep(Random(1), LIMITS, now_ns=0)
    upkeep.soon(duty, now_ns=0)
    assert duty in upkeep.take(now_ns=LIMITS.soon_ns)
    upkeep.done(duty, well=True, now_ns=LIMITS.soon_ns)
    assert (upkeep._timers[duty].due_ns is None) is (duty is Duty.HAND_OVER)


def test_a_place_to_refresh_lies_in_the_bucket_that_waited_longest(directory: Directory, card: Any) -> None:
    assert directory.place_to_refresh(now_ns=LIMITS.refresh_ns) is None
    meet(directory, card(NODES[0]))
    place = directory.place_to_refresh(now_ns=LIMITS.refresh_ns)
    assert place is not None
    assert bucket_of(directory.place, place) == bucket_of(directory.place, place_of(NODES[0]))


@pytest.mark.parametrize(
    ("address", "name", "near"),
    [
        ("quic://9.9.9.77:7420", "9.9.9.0/24", False),
        ("quic://192.168.1.7:7420", "192.168.1.0/24", True),
        ("quic://[2620:fe:1:2::9]:7420", "2620:fe:1::/48", False),
        ("quic://[fe80::1%eth0]:7420", "fe80::/48", True),
        ("quic://name.example:7420", "quic://name.example:7420", True),
        ("memory://alice", "memory://alice", True),
        ("", "", True),
    ],
)
def test_addresses_belong_to_networks(address: str, name: str, near: bool) -> None:  # noqa: FBT001 - of the table above
    assert (group_of(address).name, group_of(address).near) == (name, near)


def test_a_relay_is_an_address() -> None:
    address = relay_address(FRIEND)
    assert (parse_relay(address), gateways_of((address, "quic://x:1", address))) == (FRIEND, [FRIEND])
    damaged = address[:-1] + ("a" if address[-1] != "a" else "b")
    assert parse_relay(damaged) is parse_relay("relay://x") is parse_relay("quic://x:1") is None
    assert is_far_reaching((address, "ble://aa")) is False
    assert is_far_reaching((address, "quic://9.9.9.9:1")) is True
    assert group_behind("k3v7q2ab").near


def test_keys_of_shards_are_places() -> None:
    assert place_of_key(b"\0" * 31 + b"\7") == 7
