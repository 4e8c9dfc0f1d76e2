"""Who begins a meeting, and when the next one follows."""

from random import Random

from meshnode.services.reach.limits import MeetingLimits
from meshnode.services.reach.outcomes import Outcomes
from protocols.ids import NodeId

LIMITS = MeetingLimits()
LOW, HIGH = NodeId(bytes([1]) * 32), NodeId(bytes([9]) * 32)


def outcomes(me: NodeId = LOW, limits: MeetingLimits = LIMITS) -> Outcomes:
    return Outcomes(me, Random(1), limits)


def test_the_lower_node_id_begins_at_once_and_the_higher_waits_for_it() -> None:
    assert outcomes(LOW).may_begin(HIGH, now_ns=0)
    patient = outcomes(HIGH)
    assert not patient.may_begin(LOW, now_ns=0)
    assert not patient.may_begin(LOW, now_ns=LIMITS.patience_ns - 1)
    assert patient.may_begin(LOW, now_ns=LIMITS.patience_ns)


def test_while_a_meeting_is_under_way_no_other_begins() -> None:
    busy = outcomes()
    busy.began(HIGH)
    assert not busy.may_begin(HIGH, now_ns=10**18)


def test_of_two_meetings_that_cross_the_one_of_the_lower_node_id_stands() -> None:
    low, high = outcomes(LOW), outcomes(HIGH)
    low.began(HIGH)
    high.began(LOW)
    assert not low.may_answer(HIGH, now_ns=0)
    assert high.may_answer(LOW, now_ns=0)


def test_a_peer_cannot_make_us_call_addresses_over_and_over() -> None:
    answering, now_ns = outcomes(), 0
    for failures in range(10):
        assert answering.may_answer(HIGH, now_ns=now_ns)
        answering.began(HIGH)
        answering.failed(HIGH, "nobody answered", now_ns=now_ns)
        answering.relayed(HIGH, "no word", now_ns=now_ns)
        pause_ns = LIMITS.answered_ns << min(failures + 1, LIMITS.answered_doublings_max)
        assert not answering.may_answer(HIGH, now_ns=now_ns + pause_ns - 1)
        now_ns += pause_ns


def test_a_peer_that_rests_as_it_should_is_answered_each_time() -> None:
    beginning, answering, now_ns = outcomes(LOW), outcomes(HIGH), 0
    dial_ns = int(LIMITS.dial_s * 1e9)
    for _ in range(12):
        assert answering.may_answer(LOW, now_ns=now_ns)
        for each, peer in ((beginning, HIGH), (answering, LOW)):
            each.began(peer)
            each.failed(peer, "nobody answered", now_ns=now_ns + dial_ns)
        due_ns = beginning.next_due([HIGH])
        assert due_ns is not None
        now_ns = due_ns


def test_failures_are_followed_by_longer_and_longer_rests_up_to_half_an_hour() -> None:
    tried, now_ns, rests = outcomes(), 0, list[int]()
    for _ in range(14):
        tried.failed(HIGH, "nobody answered", now_ns=now_ns)
        due_ns = tried.next_due([HIGH])
        assert due_ns is not None
        rests.append(due_ns - now_ns)
        assert not tried.may_begin(HIGH, now_ns=due_ns - 1)
        assert tried.may_begin(HIGH, now_ns=due_ns)
        now_ns = due_ns
    assert rests[0] <= LIMITS.rest.first_ns
    assert sum(rests[:3]) < 30_000_000_000
    assert LIMITS.rest.longest_ns // 2 <= rests[-1] <= LIMITS.rest.longest_ns


def test_what_cannot_be_done_is_asked_again_after_the_longest_rest() -> None:
    hopeless = outcomes()
    hopeless.relayed(HIGH, "both NATs are symmetric", now_ns=0)
    assert hopeless.next_due([HIGH]) == LIMITS.rest.longest_ns
    [view] = hopeless.views(now_ns=LIMITS.rest.longest_ns // 2)
    assert (view.outcome, view.reason) == ("relayed", "both NATs are symmetric")
    assert view.again_in_ns == LIMITS.rest.longest_ns // 2


def test_when_our_reachability_changes_all_rests_end_but_what_is_under_way_goes_on() -> None:
    mixed, other = outcomes(), NodeId(bytes([8]) * 32)
    mixed.relayed(HIGH, "both NATs are symmetric", now_ns=0)
    mixed.began(other)
    mixed.hurry()
    assert mixed.may_begin(HIGH, now_ns=0)
    assert not mixed.may_begin(other, now_ns=0)


def test_a_link_that_came_by_itself_ends_a_rest_but_no_meeting() -> None:
    found = outcomes(HIGH)
    found.may_begin(LOW, now_ns=0)
    found.found_direct(LOW)
    assert found.views(now_ns=0) == ()
    found.began(LOW)
    found.found_direct(LOW)
    assert [view.outcome for view in found.views(now_ns=0)] == ["under_way"]


def test_once_direct_nothing_is_due_in_words_and_a_lost_link_is_tried_soon() -> None:
    met = outcomes()
    met.began(HIGH)
    met.direct(HIGH, now_ns=0)
    [view] = met.views(now_ns=0)
    assert (view.outcome, view.again_in_ns, view.tries) == ("direct", None, 0)
    assert met.may_begin(HIGH, now_ns=LIMITS.rest.first_ns)


def test_the_oldest_of_too_many_peers_is_forgotten() -> None:
    crowded = outcomes(limits=MeetingLimits(peers_max=2))
    for number in range(2, 6):
        crowded.failed(NodeId(bytes([number]) * 32), "", now_ns=0)
    assert [view.peer[0] for view in crowded.views(now_ns=0)] == [4, 5]
