"""The table: who gets a seat, who waits, who goes."""

from collections.abc import Callable
from random import Random

from protocols.directory.kademlia import Card, DirectoryLimits, Group, Table, place_of
from protocols.directory.kademlia.places import bucket_of
from protocols.ids import NodeId

ME = NodeId(bytes(32))
DIE = Random("table")
LIMITS = DirectoryLimits(k=4, waiting_max=2, group_max=2, group_table_max=3, near_group_max=3)


def nodes_in_bucket(number: int, count: int) -> list[NodeId]:
    found: list[NodeId] = []
    while len(found) < count:
        node = NodeId(DIE.randbytes(32))
        if bucket_of(place_of(ME), place_of(node)) == number:
            found.append(node)
    return found


FAR = nodes_in_bucket(255, 12)


def public(number: int) -> Group:
    return Group(f"20.0.{number}.0/24", near=False)


def filled(card: Callable[..., Card]) -> Table:
    table = Table(ME, LIMITS)
    for at in range(4):
        assert table.met(card(FAR[at]), group=public(at), trusted=False, now_ns=at)
    return table


def test_a_newcomer_to_a_full_bucket_waits(card: Callable[..., Card]) -> None:
    table = filled(card)
    assert not table.met(card(FAR[4]), group=public(4), trusted=False, now_ns=9)
    assert FAR[4] not in table
    assert table.sizes() == {255: (4, 1)}


def test_whoever_stops_answering_gives_its_seat_to_the_latest_who_waits(card: Callable[..., Card]) -> None:
    table = filled(card)
    for at in (4, 5, 6):  # the first of them is forgotten
        table.met(card(FAR[at]), group=public(at), trusted=False, now_ns=9)
    table.failed(FAR[0])
    assert FAR[0] in table
    table.failed(FAR[0])
    assert (FAR[0] in table, FAR[6] in table, FAR[4] in table) == (False, True, False)


def test_a_newcomer_takes_the_seat_of_one_that_did_not_answer_lately(card: Callable[..., Card]) -> None:
    table = filled(card)
    table.failed(FAR[2])
    assert table.met(card(FAR[4]), group=public(4), trusted=False, now_ns=9)
    assert FAR[2] not in table


def test_who_answers_again_is_forgiven(card: Callable[..., Card]) -> None:
    table = filled(card)
    table.failed(FAR[2])
    assert not table.met(card(FAR[2]), group=public(2), trusted=False, now_ns=9)
    assert not table.met(card(FAR[4]), group=public(4), trusted=False, now_ns=9)
    assert FAR[2] in table


def test_where_nobody_waits_the_silent_one_keeps_its_seat_for_a_while(card: Callable[..., Card]) -> None:
    table = filled(card)
    for _ in range(LIMITS.failures_gone - 1):
        table.failed(FAR[0])
    assert FAR[0] in table
    assert card(FAR[0]) not in table.nearest(place_of(FAR[0]), 4)
    table.failed(FAR[0])
    assert FAR[0] not in table


def test_one_network_gets_few_seats_however_many_nodes_it_has(card: Callable[..., Card]) -> None:
    table = Table(ME, LIMITS)
    for node in FAR:
        table.met(card(node), group=public(1), trusted=False, now_ns=0)
    assert len(table) == 2


def test_one_network_gets_few_seats_in_all_buckets_together(card: Callable[..., Card]) -> None:
    table = Table(ME, LIMITS)
    for number in (255, 254, 253):
        for node in nodes_in_bucket(number, 2):
            table.met(card(node), group=public(1), trusted=False, now_ns=0)
    assert len(table) == 3


def test_nodes_behind_one_neighbour_share_its_bound_and_contacts_none(card: Callable[..., Card]) -> None:
    behind = Group("behind x", near=True)
    table = Table(ME, LIMITS)
    for node in FAR[:4]:
        table.met(card(node), group=behind, trusted=False, now_ns=0)
    assert len(table) == 3
    assert table.met(card(FAR[5]), group=behind, trusted=True, now_ns=0)


def test_a_freed_network_may_sit_again(card: Callable[..., Card]) -> None:
    table = Table(ME, LIMITS)
    for node in FAR[:3]:
        table.met(card(node), group=public(1), trusted=False, now_ns=0)
    table.forget(FAR[0])
    assert (FAR[0] in table, FAR[2] in table) == (False, True)


def test_who_waits_but_is_of_a_full_network_is_passed_over(card: Callable[..., Card]) -> None:
    table = Table(ME, LIMITS)
    for at, group in enumerate((1, 1, 2, 3)):
        table.met(card(FAR[at]), group=public(group), trusted=False, now_ns=0)
    table.met(card(FAR[4]), group=public(5), trusted=False, now_ns=0)
    table.met(card(FAR[5]), group=public(1), trusted=False, now_ns=0)
    table.failed(FAR[3])
    table.failed(FAR[3])
    assert (FAR[4] in table, FAR[5] in table, FAR[3] in table) == (True, False, False)


def test_where_nobody_who_waits_may_sit_the_silent_one_stays(card: Callable[..., Card]) -> None:
    table = Table(ME, LIMITS)
    for at, group in enumerate((1, 1, 2, 3)):
        table.met(card(FAR[at]), group=public(group), trusted=False, now_ns=0)
    table.met(card(FAR[5]), group=public(1), trusted=False, now_ns=0)
    table.failed(FAR[3])
    table.failed(FAR[3])
    assert FAR[3] in table


def test_whoever_takes_itself_off_the_list_loses_its_seat(card: Callable[..., Card]) -> None:
    table = filled(card)
    assert not table.met(card(FAR[0], sequence=2, features=()), group=public(0), trusted=False, now_ns=9)
    assert FAR[0] not in table
    fresh = Table(ME, LIMITS)
    assert not fresh.met(card(FAR[0], features=()), group=public(0), trusted=False, now_ns=9)


def test_an_older_record_does_not_replace_a_newer_one(card: Callable[..., Card]) -> None:
    table = Table(ME, LIMITS)
    for sequence in (5, 4):
        table.met(card(FAR[0], sequence=sequence), group=public(0), trusted=False, now_ns=0)
    assert table.nearest(place_of(FAR[0]), 1)[0].sequence == 5


def test_we_ourselves_get_no_seat(card: Callable[..., Card]) -> None:
    table = Table(ME, LIMITS)
    assert not table.met(card(ME), group=public(0), trusted=False, now_ns=0)
    table.failed(ME)
    table.forget(ME)
    table.looked(table.me, now_ns=0)
    assert (ME in table, len(table)) == (False, 0)


def test_the_oldest_of_a_full_bucket_is_doubted_once_it_was_long_unheard(card: Callable[..., Card]) -> None:
    table = filled(card)
    table.met(card(FAR[4]), group=public(4), trusted=False, now_ns=9)
    assert table.doubtful(now_ns=LIMITS.stale_ns - 1) == []
    assert [each.node for each in table.doubtful(now_ns=LIMITS.stale_ns)] == [FAR[0]]


def test_a_bucket_where_no_lookup_went_is_named_after_an_hour(card: Callable[..., Card]) -> None:
    table = filled(card)
    assert table.unlooked(now_ns=LIMITS.refresh_ns - 1) is None
    assert table.unlooked(now_ns=LIMITS.refresh_ns) == 255
    table.looked(place_of(FAR[7]), now_ns=LIMITS.refresh_ns)
    assert table.unlooked(now_ns=LIMITS.refresh_ns) is None
    assert Table(ME, LIMITS).unlooked(now_ns=LIMITS.refresh_ns) is None


def test_the_nearest_are_those_by_exclusive_or(card: Callable[..., Card]) -> None:
    table = Table(ME, DirectoryLimits())
    nodes = [NodeId(DIE.randbytes(32)) for _ in range(60)]
    for at, node in enumerate(nodes):
        table.met(card(node), group=public(at), trusted=False, now_ns=0)
    seated = [node for node in nodes if node in table]
    target = place_of(NodeId(DIE.randbytes(32)))
    expected = sorted(seated, key=lambda node: place_of(node) ^ target)[:8]
    assert [each.node for each in table.nearest(target, 8)] == expected
