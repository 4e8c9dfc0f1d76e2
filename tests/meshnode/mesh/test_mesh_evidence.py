"""What neighbours did, as it is kept."""

from random import Random

import pytest

from meshnode.mesh.evidence import (
    ANSWER_NS,
    FLOW_REST_NS,
    FLOWS_MAX,
    FLOWS_PER_SOURCE_MAX,
    GOOD_NS,
    HALF_LIFE_NS,
    NEIGHBOURS_MAX,
    PAIRS_MAX,
    SECOND_NS,
    TRIED_MAX,
    Evidence,
)
from protocols.ids import NodeId


def node(number: int) -> NodeId:
    return NodeId(number.to_bytes(32, "big"))


BAD, GOOD, ME = node(1), node(2), node(3)


def avoided(evidence: Evidence, source: NodeId, destination: NodeId, now_ns: int) -> tuple[NodeId, ...]:
    return evidence.choice(source, destination, None, now_ns)[1]


def flows(
    evidence: Evidence, neighbour: NodeId, count: int, *, answered: int, at_ns: int, first: int
) -> None:
    """So many fresh flows of ours to as many destinations."""
    for number in range(count):
        destination = node(50_000 + first + number)
        evidence.forwarded(neighbour, ME, destination, at_ns)
        if number < answered:
            evidence.passed(destination, ME, neighbour, at_ns + SECOND_NS)


def test_an_answer_in_time_speaks_for_the_neighbour() -> None:
    evidence = Evidence(ME)
    evidence.forwarded(GOOD, ME, node(9), 0)
    evidence.passed(node(9), ME, GOOD, ANSWER_NS)
    assert (evidence.why(GOOD).flows, evidence.why(GOOD).answered) == (1, 1)


def test_what_passes_the_same_way_is_no_answer() -> None:
    evidence = Evidence(ME)
    evidence.forwarded(GOOD, ME, node(9), 0)
    evidence.passed(ME, node(9), GOOD, SECOND_NS)
    evidence.standing(GOOD, 2 * ANSWER_NS)
    evidence.forwarded(GOOD, ME, node(8), 2 * ANSWER_NS)
    assert (evidence.why(GOOD).flows, evidence.why(GOOD).answered) == (1, 0)


def test_an_answer_that_comes_too_late_is_none() -> None:
    evidence = Evidence(ME)
    evidence.forwarded(GOOD, ME, node(9), 0)
    evidence.passed(node(9), ME, GOOD, ANSWER_NS + 1)
    evidence.forwarded(GOOD, ME, node(8), ANSWER_NS + 1)
    assert (evidence.why(GOOD).flows, evidence.why(GOOD).answered) == (1, 0)


def test_a_flow_counts_once_until_it_has_rested() -> None:
    evidence = Evidence(ME)
    for second in range(0, 60, 2):
        evidence.forwarded(GOOD, ME, node(9), second * SECOND_NS)
        evidence.passed(node(9), ME, GOOD, second * SECOND_NS + 1)
    assert evidence.why(GOOD).flows == pytest.approx(1, abs=0.1)
    evidence.forwarded(GOOD, ME, node(9), FLOW_REST_NS + SECOND_NS)
    evidence.passed(node(9), ME, GOOD, FLOW_REST_NS + SECOND_NS)
    assert evidence.why(GOOD).flows == pytest.approx(2, abs=0.2)


def test_a_flow_holds_to_the_neighbour_that_the_answer_came_from() -> None:
    evidence = Evidence(ME)
    evidence.forwarded(BAD, ME, node(9), 0)
    evidence.forwarded(GOOD, ME, node(9), SECOND_NS)
    evidence.passed(node(9), ME, GOOD, 2 * SECOND_NS)
    assert evidence.choice(ME, node(9), None, 3 * SECOND_NS) == (GOOD, ())
    assert evidence.choice(ME, node(9), None, 2 * SECOND_NS + GOOD_NS + 1)[0] is None


def test_an_answer_speaks_for_the_neighbour_that_it_came_from_alone() -> None:
    evidence = Evidence(ME)
    evidence.forwarded(BAD, ME, node(9), 0)
    evidence.forwarded(GOOD, ME, node(9), SECOND_NS)
    evidence.passed(node(9), ME, GOOD, 2 * SECOND_NS)
    assert (evidence.why(GOOD).flows, evidence.why(GOOD).answered) == (1, 1)
    evidence.standing(BAD, 2 * ANSWER_NS)
    assert (evidence.why(BAD).flows, evidence.why(BAD).answered) == (1, 0)


def test_on_a_flow_of_others_an_answer_by_one_who_was_never_asked_clears_everybody() -> None:
    evidence = Evidence(ME)
    evidence.forwarded(BAD, node(7), node(8), 0)
    evidence.passed(node(8), node(7), GOOD, 2 * SECOND_NS)
    evidence.standing(BAD, 2 * ANSWER_NS)
    assert evidence.why(BAD).flows == 0
    assert BAD not in avoided(evidence, node(7), node(8), 2 * ANSWER_NS)


def test_on_a_flow_of_others_silence_counts_where_another_was_asked_and_answered() -> None:
    evidence = Evidence(ME)
    evidence.forwarded(BAD, node(7), node(8), 0)
    evidence.forwarded(GOOD, node(7), node(8), SECOND_NS)
    evidence.passed(node(8), node(7), GOOD, 2 * SECOND_NS)
    assert (evidence.why(GOOD).flows, evidence.why(GOOD).answered) == (1, 1)
    evidence.standing(BAD, 2 * ANSWER_NS)
    assert (evidence.why(BAD).flows, evidence.why(BAD).answered) == (1, 0)


def test_who_does_not_answer_soon_is_avoided_before_it_is_judged() -> None:
    evidence = Evidence(ME)
    evidence.forwarded(BAD, ME, node(9), 0)
    assert evidence.choice(ME, node(9), SECOND_NS, SECOND_NS - 1) == (None, ())
    assert evidence.choice(ME, node(9), SECOND_NS, SECOND_NS) == (None, (BAD,))
    assert evidence.choice(ME, node(9), None, SECOND_NS) == (None, ())
    assert evidence.why(BAD).flows == 0


def test_where_all_were_tried_all_but_the_last_are_tried_again() -> None:
    evidence = Evidence(ME)
    evidence.forwarded(GOOD, ME, node(9), 0)
    evidence.forwarded(BAD, ME, node(9), SECOND_NS)
    evidence.tried_all(ME, node(9), BAD)
    assert evidence.choice(ME, node(9), SECOND_NS, 2 * SECOND_NS) == (None, (BAD,))
    assert evidence.tried(ME, node(9)) == 1


def test_what_a_neighbour_does_for_itself_says_nothing_of_what_it_does_for_others() -> None:
    evidence = Evidence(ME)
    evidence.forwarded(BAD, ME, BAD, 0)
    evidence.passed(BAD, ME, BAD, SECOND_NS)
    evidence.standing(BAD, 2 * ANSWER_NS)
    assert evidence.why(BAD).flows == 0


def test_no_more_neighbours_of_a_flow_are_remembered_than_the_limit() -> None:
    evidence = Evidence(ME)
    for number in range(TRIED_MAX + 5):
        evidence.forwarded(node(100 + number), ME, node(9), number)
    assert evidence.tried(ME, node(9)) == TRIED_MAX
    evidence.standing(BAD, 2 * ANSWER_NS)
    assert len(avoided(evidence, ME, node(9), 2 * ANSWER_NS)) == TRIED_MAX


def test_a_link_that_broke_holds_no_flow() -> None:
    evidence = Evidence(ME)
    evidence.passed(node(9), ME, GOOD, 0)
    evidence.gone(GOOD)
    assert evidence.choice(ME, node(9), None, 1) == (None, ())


def test_a_link_that_broke_leaves_no_blame() -> None:
    evidence = Evidence(ME)
    flows(evidence, BAD, 20, answered=0, at_ns=0, first=100)
    evidence.gone(BAD)
    flows(evidence, GOOD, 20, answered=20, at_ns=2 * ANSWER_NS, first=200)
    assert evidence.why(BAD).flows == 0


def test_a_link_that_broke_explains_the_silence_before_it() -> None:
    evidence = Evidence(ME)
    for _ in range(200):
        evidence.hop_ack(BAD, 0, came=False)
    evidence.gone(BAD)
    assert evidence.standing(BAD, SECOND_NS).place == "full"


def test_a_dropper_loses_its_place_and_the_others_keep_theirs() -> None:
    evidence = Evidence(ME)
    flows(evidence, GOOD, 60, answered=55, at_ns=0, first=100)
    flows(evidence, BAD, 40, answered=0, at_ns=0, first=200)
    later = ANSWER_NS + SECOND_NS
    assert evidence.standing(BAD, later).place == "none"
    assert evidence.standing(GOOD, later).place == "full"


def test_a_dropper_that_mends_its_ways_comes_back() -> None:
    evidence = Evidence(ME)
    now_ns = 0
    for minute in range(8):
        flows(evidence, GOOD, 40, answered=36, at_ns=now_ns, first=1_000 + 100 * minute)
        flows(evidence, BAD, 8, answered=0, at_ns=now_ns, first=10_000 + 100 * minute)
        now_ns += 60 * SECOND_NS
    assert evidence.standing(BAD, now_ns).place == "none"
    for minute in range(240):  # the others carry on; nothing goes through it
        flows(evidence, GOOD, 20, answered=18, at_ns=now_ns, first=100_000 + 100 * minute)
        now_ns += 60 * SECOND_NS
        if evidence.standing(BAD, now_ns).place == "full":
            break
    assert now_ns < 5 * HALF_LIFE_NS + 8 * 60 * SECOND_NS


@pytest.mark.parametrize("loss", [0.1, 0.3])
def test_honest_neighbours_keep_their_places_though_the_network_loses_much(loss: float) -> None:
    die = Random(f"evidence/{loss}")
    evidence, neighbours = Evidence(ME), [node(number) for number in range(1, 9)]
    for second in range(900):
        now_ns = second * SECOND_NS
        source = ME if die.random() < 0.5 else node(die.randrange(100, 120))
        destination = node(die.randrange(200, 300))
        neighbour = neighbours[destination[-1] % 8]
        evidence.forwarded(neighbour, source, destination, now_ns)
        if die.random() < (1 - loss) ** 2:
            evidence.passed(destination, source, neighbour, now_ns + SECOND_NS // 2)
        assert evidence.standing(neighbour, now_ns).place == "full"


def test_words_of_the_machines_below_are_sorted_by_what_they_mean() -> None:
    evidence = Evidence(ME)
    for _ in range(400):
        evidence.suspicious(BAD, "replay")
    assert evidence.standing(BAD, SECOND_NS).place == "none"
    assert "replays" in evidence.standing(BAD, SECOND_NS).reasons[0]


def test_a_liar_among_routers_loses_its_place_within_minutes() -> None:
    evidence = Evidence(ME)
    for second in range(0, 180, 10):  # as often as the router tells it
        evidence.frames(BAD, 10, 1_000, second * SECOND_NS)
        evidence.suspicious(BAD, "false_origin")
    assert evidence.standing(BAD, 180 * SECOND_NS).place == "none"
    assert evidence.why(BAD).lies == pytest.approx(36, rel=0.2)


def test_entries_that_come_out_of_order_do_not_cost_a_place() -> None:
    evidence = Evidence(ME)
    for second in range(0, 7_200, 10):
        evidence.frames(GOOD, 1, 100, second * SECOND_NS)
        evidence.suspicious(GOOD, "stale_entry")
        assert evidence.standing(GOOD, second * SECOND_NS).place == "full"


def test_a_word_that_nobody_knows_is_a_frame_that_makes_no_sense() -> None:
    evidence = Evidence(ME)
    evidence.suspicious(BAD, "unknown_version")
    assert evidence.why(BAD).rubbish == 1


def test_a_flooder_loses_its_place_and_a_busy_neighbour_does_not() -> None:
    evidence = Evidence(ME)
    for second in range(20):
        evidence.frames(BAD, 100, 100_000, second * SECOND_NS)
        evidence.refused(BAD, 98, second * SECOND_NS)
        evidence.frames(GOOD, 1_000, 1_000_000, second * SECOND_NS)
        evidence.refused(GOOD, 50, second * SECOND_NS)
    assert evidence.standing(BAD, 20 * SECOND_NS).place == "none"
    assert evidence.standing(GOOD, 20 * SECOND_NS).place == "full"


def test_silence_is_counted_and_costs_the_first_rank() -> None:
    evidence = Evidence(ME)
    for _ in range(100):
        evidence.hop_ack(BAD, 0, came=False)
        evidence.hop_ack(GOOD, 0, came=True)
        evidence.service(GOOD, 0, answered=True)
        evidence.service(BAD, 0, answered=False)
    assert evidence.standing(BAD, SECOND_NS).place == "last"
    assert evidence.standing(GOOD, SECOND_NS).place == "full"
    assert (evidence.why(BAD).asked, evidence.why(BAD).failed) == (100, 100)


def test_a_judgement_holds_for_a_moment_only() -> None:
    evidence = Evidence(ME)
    evidence.frames(BAD, 1, 1, 0)
    assert evidence.standing(BAD, 0).place == "full"
    for _ in range(100):
        evidence.suspicious(BAD, "replay")
    assert evidence.standing(BAD, SECOND_NS).score == 1.0
    assert evidence.standing(BAD, 3 * SECOND_NS).score < 1.0


def test_a_flow_of_others_that_was_never_answered_by_us_is_held_against_nobody() -> None:
    """Its answers may go another way."""
    evidence = Evidence(ME)
    for number in range(100):
        evidence.forwarded(GOOD, node(1_000 + number), node(9), number * SECOND_NS)
    evidence.standing(GOOD, 200 * SECOND_NS)
    assert evidence.why(GOOD).flows == 0


def test_a_flow_of_others_whose_answers_came_by_us_and_stop_counts_once() -> None:
    evidence = Evidence(ME)
    evidence.forwarded(BAD, node(7), node(8), 0)
    evidence.passed(node(8), node(7), BAD, SECOND_NS)
    for minute in range(2, 60, 2):
        evidence.forwarded(BAD, node(7), node(8), minute * 60 * SECOND_NS)
        evidence.standing(BAD, minute * 60 * SECOND_NS + 2 * ANSWER_NS)
        if minute == 2:
            assert evidence.why(BAD).flows == pytest.approx(2, rel=0.2)
    assert evidence.why(BAD).flows < 0.1


def test_a_dead_destination_that_is_tried_for_hours_counts_ever_more_rarely() -> None:
    evidence = Evidence(ME)
    counted = 0.0
    for second in range(0, 4 * 3_600, 20):
        before = evidence.why(GOOD).flows
        evidence.forwarded(GOOD, ME, node(9), second * SECOND_NS)
        counted += evidence.why(GOOD).flows > before
    assert counted <= 10
    assert evidence.standing(GOOD, 4 * 3_600 * SECOND_NS).place == "full"


def test_one_that_answers_late_is_not_dead() -> None:
    evidence = Evidence(ME)
    for minute in range(0, 40, 2):
        evidence.forwarded(GOOD, ME, node(9), minute * 60 * SECOND_NS)
        evidence.passed(node(9), ME, GOOD, minute * 60 * SECOND_NS + 2 * ANSWER_NS)
    assert evidence.why(GOOD).answered == 0
    evidence.forwarded(GOOD, ME, node(9), 41 * 60 * SECOND_NS)
    evidence.passed(node(9), ME, GOOD, 41 * 60 * SECOND_NS)
    assert evidence.why(GOOD).answered == 1


def test_a_flow_that_a_neighbour_swallowed_goes_through_another_for_a_while() -> None:
    evidence = Evidence(ME)
    evidence.forwarded(BAD, ME, node(9), 0)
    assert BAD not in avoided(evidence, ME, node(9), SECOND_NS)
    evidence.standing(BAD, 2 * ANSWER_NS)
    assert BAD in avoided(evidence, ME, node(9), 2 * ANSWER_NS)
    evidence.forwarded(GOOD, ME, node(9), 2 * ANSWER_NS)
    evidence.passed(node(9), ME, GOOD, 2 * ANSWER_NS + SECOND_NS)
    assert (evidence.why(GOOD).flows, evidence.why(GOOD).answered) == (1, 1)
    assert BAD in avoided(evidence, ME, node(9), 10 * ANSWER_NS)
    assert BAD not in avoided(evidence, ME, node(9), 2 * HALF_LIFE_NS)


def test_where_all_are_silent_each_is_tried_in_turn_and_then_all_rest() -> None:
    evidence, counted = Evidence(ME), 0.0
    for turn in range(60):
        now_ns = 2 * turn * ANSWER_NS
        evidence.standing(GOOD, now_ns)
        neighbour = GOOD if BAD in avoided(evidence, ME, node(9), now_ns) else BAD
        before = evidence.why(GOOD).flows + evidence.why(BAD).flows
        evidence.forwarded(neighbour, ME, node(9), now_ns)
        evidence.standing(GOOD, now_ns + ANSWER_NS + 1)
        counted += evidence.why(GOOD).flows + evidence.why(BAD).flows > before
    assert 2 < counted < 14


def test_a_flow_of_others_tries_another_neighbour_too_though_nobody_is_blamed() -> None:
    evidence = Evidence(ME)
    evidence.forwarded(BAD, node(7), node(8), 0)
    evidence.standing(BAD, 2 * ANSWER_NS)
    assert BAD in avoided(evidence, node(7), node(8), 2 * ANSWER_NS)
    assert evidence.why(BAD).flows == 0


def test_one_source_cannot_fill_the_table_of_flows() -> None:
    evidence = Evidence(ME)
    for number in range(FLOWS_MAX):
        evidence.forwarded(BAD, node(6), node(1_000 + number), 0)
    assert len(evidence._due) == FLOWS_PER_SOURCE_MAX
    evidence.forwarded(GOOD, node(7), node(8), 0)
    evidence.passed(node(8), node(7), GOOD, 1)
    assert evidence.why(GOOD).answered == 1


def test_a_full_table_of_flows_watches_no_more_until_some_are_judged() -> None:
    evidence = Evidence(ME)
    for number in range(2 * FLOWS_MAX):
        evidence.forwarded(BAD, node(1_000 + number), node(9), 0)
    assert len(evidence._due) == FLOWS_MAX
    evidence.forwarded(GOOD, node(7), node(8), 2 * ANSWER_NS)
    assert len(evidence._due) == 1


def test_pairs_are_remembered_up_to_a_limit() -> None:
    evidence = Evidence(ME)
    for number in range(PAIRS_MAX + 50):
        evidence.forwarded(GOOD, node(1_000 + number), node(9), number * SECOND_NS)
        evidence.passed(node(9), node(1_000 + number), GOOD, number * SECOND_NS)
    assert len(evidence._pairs) == PAIRS_MAX
    evidence.standing(GOOD, 2 * PAIRS_MAX * SECOND_NS)
    assert not evidence._of_source


def test_of_more_neighbours_than_there_may_be_one_without_blame_is_forgotten() -> None:
    evidence = Evidence(ME)
    for _ in range(400):
        evidence.suspicious(BAD, "replay")
    assert evidence.standing(BAD, 0).place == "none"
    for number in range(NEIGHBOURS_MAX + 50):
        evidence.frames(node(1_000 + number), 1, 1, (10 + number) * SECOND_NS)
    assert len(evidence.known()) == NEIGHBOURS_MAX
    assert BAD in evidence.known()


def test_one_that_the_owner_forgets_begins_anew() -> None:
    evidence = Evidence(ME)
    for _ in range(400):
        evidence.suspicious(BAD, "replay")
    evidence.forget(BAD)
    assert evidence.standing(BAD, SECOND_NS).place == "full"
    assert evidence.why(BAD).replays == 0


def test_a_contact_is_given_more_patience() -> None:
    evidence = Evidence(ME, is_contact=lambda peer: peer == GOOD)
    for _ in range(220):
        evidence.suspicious(GOOD, "replay")
        evidence.suspicious(BAD, "replay")
    assert evidence.standing(GOOD, SECOND_NS).score > evidence.standing(BAD, SECOND_NS).score
