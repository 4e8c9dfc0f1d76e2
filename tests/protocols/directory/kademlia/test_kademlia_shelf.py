"""What is kept for others: the newest, until it expires, and not too much of it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from protocols.directory.kademlia import Card, DirectoryLimits, Holding, HoldingShelf, RecordShelf, place_of
from protocols.ids import NodeId

ME = place_of(NodeId(bytes(32)))
NOW = 1_800_000_000
LIMITS = DirectoryLimits(
    records_max=3, cached_max=2, teacher_records_max=2, holdings_max=4, key_holders_max=3, node_holdings_max=2
)
NODES = sorted((NodeId(bytes([n]) * 32) for n in range(1, 9)), key=lambda node: place_of(node) ^ ME)
TEACHER, OTHER = NodeId(b"t" * 32), NodeId(b"o" * 32)
KEY = b"k" * 32


def shelf() -> RecordShelf:
    return RecordShelf(ME, LIMITS)


def keep(kept: RecordShelf, card: Card, *, teacher: NodeId = TEACHER, life_s: int | None = None) -> str:
    return kept.put(card, teacher=teacher, life_s=life_s, wall_s=NOW)


def test_the_higher_sequence_wins_and_an_equal_one_changes_nothing(card: Callable[..., Card]) -> None:
    kept = shelf()
    words = [keep(kept, card(NODES[0], sequence=sequence)) for sequence in (5, 5, 4, 6)]
    assert words == ["kept", "known", "older", "kept"]
    found = kept.get(place_of(NODES[0]), wall_s=NOW)
    assert found is not None
    assert found.sequence == 6


def test_what_has_expired_is_neither_taken_nor_told(card: Callable[..., Card]) -> None:
    kept = shelf()
    assert keep(kept, card(NODES[0], expires_at=NOW)) == "expired"
    keep(kept, card(NODES[0], expires_at=NOW + 10))
    assert kept.get(place_of(NODES[0]), wall_s=NOW + 10) is None
    assert (kept.purge(wall_s=NOW + 10), len(kept)) == (1, 0)


def test_a_copy_lives_shorter_and_the_real_thing_takes_its_place(card: Callable[..., Card]) -> None:
    kept = shelf()
    assert keep(kept, card(NODES[0]), life_s=60) == "kept"
    assert kept.get(place_of(NODES[0]), wall_s=NOW + 60) is None
    assert (keep(kept, card(NODES[0])), kept.cached) == ("kept", 0)
    assert kept.get(place_of(NODES[0]), wall_s=NOW + 60) is not None


def test_a_newer_copy_of_what_is_kept_is_kept_as_that_was(card: Callable[..., Card]) -> None:
    kept = shelf()
    keep(kept, card(NODES[0], sequence=1))
    assert keep(kept, card(NODES[0], sequence=1), life_s=60) == "known"
    assert (keep(kept, card(NODES[0], sequence=2), life_s=60), kept.cached) == ("kept", 0)


def test_of_copies_the_oldest_goes(card: Callable[..., Card]) -> None:
    kept = shelf()
    for node in NODES[:3]:
        keep(kept, card(node), life_s=60)
    assert [place_of(node) for node in NODES[1:3]] == [each.card.place for each in kept]


def test_a_full_shelf_keeps_what_is_nearest_to_us(card: Callable[..., Card]) -> None:
    kept = shelf()
    for node in NODES[1:4]:
        keep(kept, card(node), teacher=node)
    assert keep(kept, card(NODES[5]), teacher=NODES[5]) == "full"
    assert keep(kept, card(NODES[0]), teacher=NODES[0]) == "kept"
    assert kept.get(place_of(NODES[3]), wall_s=NOW) is None
    assert kept.changed[NODES[3]] is None


def test_one_teacher_fills_but_its_share_and_its_own_comes_beside_that(card: Callable[..., Card]) -> None:
    kept = shelf()
    assert [keep(kept, card(node)) for node in NODES[:3]] == ["kept", "kept", "full"]
    assert keep(kept, card(TEACHER)) in {"kept", "full"}
    assert keep(kept, card(NODES[0], sequence=2)) == "kept"


def test_a_newer_one_that_finds_no_room_leaves_the_old_one_there(card: Callable[..., Card]) -> None:
    kept = shelf()
    for node in NODES[:2]:
        keep(kept, card(node))
    keep(kept, card(NODES[2]), teacher=OTHER)
    assert keep(kept, card(NODES[2], sequence=2)) == "full"
    found = kept.get(place_of(NODES[2]), wall_s=NOW)
    assert found is not None
    assert found.sequence == 1


def test_nothing_stays_of_a_node_that_was_blocked_nor_of_what_it_taught(card: Callable[..., Card]) -> None:
    kept = shelf()
    keep(kept, card(NODES[0]), teacher=OTHER)
    keep(kept, card(NODES[1]), teacher=NODES[0])
    kept.forget(NODES[0], place_of(NODES[0]))
    assert len(kept) == 0
    assert keep(kept, card(NODES[2]), teacher=NODES[0]) == "kept"


def holding(
    node: NodeId, key: bytes = KEY, *, sequence: int = 1, life_s: int = 60, held: bool = True
) -> Holding:
    return Holding(node, key, sequence, NOW + life_s, held, b"signed")


def test_of_a_holders_statements_the_newest_counts_also_when_it_takes_it_back() -> None:
    kept = HoldingShelf(LIMITS)
    words = [
        kept.put(each, wall_s=NOW)
        for each in (
            holding(NODES[0]),
            holding(NODES[0], sequence=2, held=False),
            holding(NODES[0]),
            holding(NODES[0], sequence=2, held=False),
        )
    ]
    assert words == ["kept", "kept", "older", "known"]
    assert [each.held for each in kept.get(KEY, wall_s=NOW)] == [False]


@pytest.mark.parametrize(("life_s", "word"), [(0, "expired"), (8 * 86_400, "refused"), (7 * 86_400, "kept")])
def test_a_statement_lives_a_week_at_most(life_s: int, word: str) -> None:
    assert HoldingShelf(LIMITS).put(holding(NODES[0], life_s=life_s), wall_s=NOW) == word


def test_a_key_a_node_and_the_shelf_have_their_bounds() -> None:
    kept = HoldingShelf(LIMITS)
    assert [kept.put(holding(node), wall_s=NOW) for node in NODES[:4]] == ["kept", "kept", "kept", "full"]
    assert kept.put(holding(NODES[0], b"2" * 32), wall_s=NOW) == "kept"
    assert kept.put(holding(NODES[0], b"3" * 32), wall_s=NOW) == "full"
    assert kept.put(holding(NODES[5], b"3" * 32), wall_s=NOW) == "full"
    assert len(kept) == 4


def test_expired_and_blocked_statements_go() -> None:
    kept = HoldingShelf(LIMITS)
    kept.put(holding(NODES[0]), wall_s=NOW)
    kept.put(holding(NODES[1], life_s=600), wall_s=NOW)
    kept.put(holding(NODES[2], life_s=600), wall_s=NOW)
    assert kept.get(KEY, wall_s=NOW + 60) == [replace(holding(node, life_s=600)) for node in NODES[1:3]]
    assert kept.purge(wall_s=NOW + 60) == 1
    kept.forget(NODES[1])
    assert ([each.node for each in kept], kept.changed[KEY, NODES[1]]) == ([NODES[2]], None)
