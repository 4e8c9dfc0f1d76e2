"""Lookups: they find what is there, whoever is dead or lies, and the newest of what they are told counts."""

import heapq
from collections.abc import Callable
from statistics import mean
from typing import Any

import pytest

from protocols.directory.kademlia import (
    Answer,
    Directory,
    DirectoryLimits,
    Goal,
    Holding,
    place_of,
    place_of_key,
)
from protocols.ids import NodeId

Rings = Callable[..., Any]
CROWD = 1_000
KEY, WALL_S = b"k" * 32, 1_800_000_000
LOOKUPS = 60


def itself(ring: Any) -> Callable[[Directory, int], Answer]:
    return lambda liar, _: Answer(near=(ring.cards[liar.me],))


def nothing(_: Directory, __: int) -> Answer:
    return Answer()


def sequences(ring: Any, sequence: int, pairs: list[Any]) -> Callable[[Directory, int], Answer]:
    """A liar that tells of the real nodes, but replays an old record."""

    def lie(liar: Directory, place: int) -> Answer:
        owner = next(owner for _, owner in pairs if owner.place == place)
        card = ring.cards[owner.me]
        near = liar.find(place, friend=False, asker=NodeId(b""), wall_s=0).near
        old = type(card)(card.node, card.place, type(card.record)(**record_of(card, sequence)), b"")
        return Answer(near, old)

    return lie


def record_of(card: Any, sequence: int) -> dict[str, Any]:
    fields = {name: getattr(card.record, name) for name in card.record.__slots__}
    return {**fields, "sequence": sequence}


def in_league(ring: Any) -> Callable[[Directory, int], Answer]:
    """Liars who know each other, and name only each other."""

    def lie(_: Directory, place: int) -> Answer:
        liars = [ring.cards[node] for node in ring.liars]
        return Answer(near=tuple(heapq.nsmallest(20, liars, key=lambda card: card.place ^ place)))

    return lie


@pytest.fixture(scope="module")
def crowd_of() -> dict[str, Any]:
    return {}


@pytest.fixture
def crowd(ring: Rings, crowd_of: dict[str, Any]) -> Any:
    """A thousand nodes that joined one by one, sixty of them published; shared, since it takes seconds to grow."""
    if not crowd_of:
        grown = ring("crowd")
        nodes = grown.grow(CROWD)
        owners = grown.die.sample(nodes, LOOKUPS)
        crowd_of["replicas"] = [len(grown.publish(owner, sequence=2)) for owner in owners]
        crowd_of["ring"], crowd_of["owners"] = grown, owners
    grown = crowd_of["ring"]
    grown.dead.clear()
    grown.liars.clear()
    return grown


def outcomes(ring: Any, owners: list[Any]) -> list[Any]:
    able = [each for node, each in ring.nodes.items() if node not in ring.dead and node not in ring.liars]
    pairs = [(ring.die.choice(able), owner) for owner in owners]
    return [ring.look(asker, Goal.RECORD, owner.place) for asker, owner in pairs if asker is not owner]


def test_a_record_is_published_to_the_twenty_nearest_of_a_thousand(crowd: Any, crowd_of: Any) -> None:
    assert mean(crowd_of["replicas"]) > 19.5
    owner = crowd_of["owners"][0]
    nearest = heapq.nsmallest(
        20, (n for n in crowd.nodes if n != owner.me), key=lambda n: place_of(n) ^ owner.place
    )
    keepers = [node for node in nearest if crowd.nodes[node].records.get(owner.place, wall_s=0)]
    assert len(keepers) >= 18


def test_everything_is_found_in_few_steps_and_more_than_once(crowd: Any, crowd_of: Any) -> None:
    found = outcomes(crowd, crowd_of["owners"])
    assert all(each.record is not None and each.replicas >= 4 for each in found)
    assert mean(each.asked for each in found) < 20
    assert max(each.steps for each in found) <= 12
    assert mean(each.paths_found for each in found) > 2.9


@pytest.mark.parametrize("lie", ["dead", "itself", "nothing"])
def test_with_a_fifth_dead_or_lying_everything_is_still_found(crowd: Any, crowd_of: Any, lie: str) -> None:
    spared = [owner.me for owner in crowd_of["owners"]]
    if lie == "dead":
        crowd.kill(0.2, but=spared)
    else:
        crowd.corrupt(0.2, itself(crowd) if lie == "itself" else nothing, but=spared)
    found = outcomes(crowd, crowd_of["owners"])
    assert all(each.record is not None for each in found)
    assert mean(each.replicas for each in found) > 4


def test_a_fifth_in_league_does_not_hide_what_is_there(crowd: Any, crowd_of: Any) -> None:
    crowd.corrupt(0.2, in_league(crowd), but=[owner.me for owner in crowd_of["owners"]])
    found = outcomes(crowd, crowd_of["owners"])
    assert sum(each.record is not None for each in found) >= 0.97 * len(found)


def test_who_replays_an_old_record_does_not_prevail(crowd: Any, crowd_of: Any) -> None:
    owners = crowd_of["owners"]
    crowd.corrupt(0.2, sequences(crowd, 1, [(None, owner) for owner in owners]), but=[o.me for o in owners])
    found = outcomes(crowd, owners)
    assert all(each.record is not None and each.record.sequence == 2 for each in found)
    assert sum(each.older for each in found) > 0


def test_two_nodes_are_a_mesh(ring: Rings) -> None:
    pair = ring("pair")
    alice, bob = pair.grow(2)
    assert pair.publish(alice) == [bob.me]
    found = pair.look(bob, Goal.RECORD, alice.place)
    assert (found.record.node, found.replicas) == (alice.me, 1)
    lost = pair.look(bob, Goal.RECORD, place_of(NodeId(b"x" * 32)))
    assert (lost.record, lost.asked) == (None, 1)


def test_among_twenty_nearly_everybody_keeps_everything(ring: Rings) -> None:
    village = ring("village")
    nodes = village.grow(20)
    assert len(village.publish(nodes[3])) >= 17
    found = village.look(nodes[7], Goal.RECORD, nodes[3].place)
    assert (found.record is not None, found.paths, found.failed) == (True, 3, 0)


def test_a_node_that_knows_nobody_finds_nobody(ring: Rings) -> None:
    alone = ring("alone").add()
    lookup = alone.look_up(Goal.NODES, alone.place, now_ns=0, wall_s=0)
    assert lookup.over
    assert lookup.asks() == []
    assert lookup.outcome().nearest == ()


def test_each_node_is_asked_on_one_path_only(ring: Rings) -> None:
    town = ring("town")
    nodes = town.grow(150)
    lookup = nodes[0].look_up(Goal.NODES, nodes[99].place, now_ns=0, wall_s=0)
    asked: list[NodeId] = []
    while not lookup.over:
        for card in lookup.asks():
            asked.append(card.node)
            town.ask(nodes[0], lookup, card.node)
    assert len(asked) == len(set(asked)) == lookup.asked
    outcome = lookup.outcome()
    everybody = heapq.nsmallest(
        20, (n for n in town.nodes if n != nodes[0].me), key=lambda n: place_of(n) ^ nodes[99].place
    )
    assert [card.node for card in outcome.nearest[:10]] == everybody[:10]


def test_a_lookup_has_alpha_questions_under_way_and_stops_at_its_limit(ring: Rings) -> None:
    town = ring("limits", DirectoryLimits(asks_max=5))
    nodes = town.grow(100)
    lookup = nodes[0].look_up(Goal.NODES, nodes[50].place, now_ns=0, wall_s=0)
    first = lookup.asks()
    assert len(first) == 3
    assert lookup.asks() == []
    assert not lookup.over
    assert town.run(nodes[0], lookup_done(town, nodes[0], lookup, first)).asked == 5


def lookup_done(ring: Any, asker: Any, lookup: Any, cards: Any) -> Any:
    for card in cards:
        ring.ask(asker, lookup, card.node)
    return lookup


def test_an_answer_that_was_not_asked_for_changes_nothing(ring: Rings) -> None:
    town = ring("uninvited")
    nodes = town.grow(30)
    lookup = nodes[0].look_up(Goal.RECORD, nodes[9].place, now_ns=0, wall_s=0)
    lookup.answered(nodes[5].me, Answer(record=town.cards[nodes[9].me]))
    lookup.failed(nodes[5].me)
    assert lookup.outcome().record is None


def test_a_record_of_somebody_else_is_no_answer(ring: Rings) -> None:
    town = ring("other")
    nodes = town.grow(30)
    lookup = nodes[0].look_up(Goal.RECORD, nodes[9].place, now_ns=0, wall_s=0)
    for card in lookup.asks():
        lookup.answered(card.node, Answer(record=town.cards[nodes[8].me]))
    assert lookup.outcome().record is None


def test_a_known_record_is_not_worth_stopping_for(ring: Rings) -> None:
    town = ring("stale")
    nodes = town.grow(40)
    owner, asker = nodes[3], nodes[7]
    kept = town.publish(owner, sequence=1)
    fresh = town.publish(owner, sequence=2)
    assert kept == fresh
    eager = town.look(asker, Goal.RECORD, owner.place)
    patient = town.look(asker, Goal.RECORD, owner.place, newer_than=2)
    assert patient.asked > eager.asked
    assert patient.record.sequence == eager.record.sequence == 2


def test_of_one_network_a_path_asks_few_that_it_was_only_told_of(ring: Rings, card: Any) -> None:
    town = ring("sybil")
    nodes = town.grow(3)
    lookup = nodes[0].look_up(Goal.NODES, 7, now_ns=0, wall_s=0)
    first = lookup.asks()
    crowd = [card(NodeId(bytes([n]) * 32), address=f"quic://8.8.8.{n}:1") for n in range(1, 9)]
    lookup.answered(first[0].node, Answer(near=tuple(crowd)))
    asked = [each.node for _ in range(20) for each in fail_all(lookup)]
    assert sum(each.node in asked for each in crowd) == 3


def fail_all(lookup: Any) -> list[Any]:
    asks = lookup.asks()
    for each in asks:
        lookup.failed(each.node)
    return asks


def said(holder: Any, sequence: int, *, held: bool = True) -> Holding:
    return Holding(holder.me, KEY, sequence, WALL_S + 60, held, b"")


def test_holders_of_a_key_are_gathered_and_the_newest_word_of_each_counts(ring: Rings) -> None:
    town = ring("holders")
    nodes = town.grow(120)
    asker, stale, *holders = nodes[:5]
    keepers = town.look(holders[0], Goal.NODES, place_of_key(KEY)).nearest
    for at, keeper in enumerate(keepers):
        there = [said(each, 2) for each in holders] + [said(stale, 1 + at % 2, held=at % 2 == 0)]
        town.nodes[keeper.node].keep_holdings(there, wall_s=WALL_S)
    found = town.look(asker, Goal.HOLDERS, place_of_key(KEY)).holdings
    assert sorted(each.node for each in found if each.held) == sorted(each.me for each in holders)
    assert [each.sequence for each in found if each.node == stale.me] == [2]


def test_statements_about_another_key_and_more_than_a_key_may_have_are_left_out(ring: Rings) -> None:
    town = ring("many", DirectoryLimits(key_holders_max=2))
    nodes = town.grow(10)
    lookup = nodes[0].look_up(Goal.HOLDERS, place_of_key(KEY), now_ns=0, wall_s=0)
    [first, *_] = lookup.asks()
    other = Holding(nodes[4].me, b"o" * 32, 1, WALL_S + 60, True, b"")
    lookup.answered(first.node, Answer(holdings=(other, *(said(each, 1) for each in nodes[5:8]))))
    assert [each.node for each in lookup.outcome().holdings] == [each.me for each in nodes[5:7]]


def test_barred_nodes_are_neither_asked_nor_believed_in(ring: Rings) -> None:
    town = ring("barred")
    nodes = town.grow(30)
    barred = [node.me for node in nodes[10:20]]
    asker = nodes[0]
    asker._is_barred = barred.__contains__
    lookup = asker.look_up(Goal.NODES, nodes[12].place, now_ns=0, wall_s=0)
    asked: list[NodeId] = []
    while not lookup.over:
        for each in lookup.asks():
            asked.append(each.node)
            town.ask(asker, lookup, each.node)
    assert asked
    assert not [node for node in asked if node in barred]


def test_a_found_record_names_those_on_the_way_who_lacked_it(ring: Rings) -> None:
    town = ring("copies")
    nodes = town.grow(300)
    owner = nodes[3]
    town.publish(owner)
    asker = max(nodes, key=lambda each: each.place ^ owner.place)
    found = town.look(asker, Goal.RECORD, owner.place)
    assert found.without
    for each in found.without:
        assert town.nodes[each.node].records.get(owner.place, wall_s=0) is None
