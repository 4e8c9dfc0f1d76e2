"""How others reach us, judged from where they see us; and who can meet whom."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.reach import (
    Meeting,
    Observation,
    Place,
    ReachView,
    Side,
    Stay,
    judge_reach,
    plan_meeting,
)

OURS = "192.168.1.2"
HOME = Place("45.0.1.10", 20_000)
AWAY = Place("45.0.2.10", 30_000)
LAN, THEIR_LAN = Place(OURS, 7_420), Place("192.168.7.2", 7_420)


def told(by: str, seen: Place, *, called: bool = True, uninvited: bool = False) -> Observation:
    return Observation(Place(by, 7_420), seen, called, uninvited)


def view(
    *observations: Observation, own: tuple[str, ...] = (OURS,), forwarded: Place | None = None
) -> ReachView:
    return ReachView(own, observations, forwarded)


def other_port(number: int) -> Place:
    return Place(HOME.host, HOME.port + number)


# Where we are


def test_nobody_who_looked_leaves_it_open() -> None:
    assert judge_reach(view()).kind == "unknown"


def test_one_observer_is_not_believed_alone_but_what_it_saw_may_be_tried() -> None:
    reach = judge_reach(view(told("45.0.9.1", HOME)))
    assert (reach.kind, reach.place) == ("unknown", HOME)


def test_two_who_see_the_same_address_make_a_mapping_that_holds_for_all() -> None:
    reach = judge_reach(view(told("45.0.9.1", HOME), told("45.0.9.2", HOME)))
    assert (reach.kind, reach.place, reach.uninvited) == ("mapped", HOME, False)


def test_two_observers_on_one_host_count_as_one() -> None:
    assert judge_reach(view(told("45.0.9.1", HOME), told("45.0.9.1", HOME))).kind == "unknown"


def test_another_address_for_each_is_a_symmetric_nat_whose_host_is_known() -> None:
    reach = judge_reach(view(told("45.0.9.1", HOME), told("45.0.9.2", other_port(1))))
    assert reach.kind == "symmetric"
    assert reach.place is not None
    assert reach.place.host == HOME.host


def test_one_liar_among_three_changes_nothing() -> None:
    reach = judge_reach(view(told("45.0.9.1", AWAY), told("45.0.9.2", HOME), told("45.0.9.3", HOME)))
    assert (reach.kind, reach.place) == ("mapped", HOME)


def test_two_pairs_that_contradict_each_other_prove_nothing() -> None:
    says = [HOME, HOME, AWAY, AWAY]
    reach = judge_reach(view(*(told(f"45.0.9.{number}", seen) for number, seen in enumerate(says, 1))))
    assert (reach.kind, reach.place) == ("unknown", None)


def test_an_address_of_our_own_that_is_seen_outside_means_no_nat() -> None:
    reach = judge_reach(view(told("45.0.9.1", HOME), own=(HOME.host,)))
    assert (reach.kind, reach.place, reach.uninvited) == ("public", HOME, False)


def test_neighbours_in_our_house_see_nothing_of_the_nat() -> None:
    assert judge_reach(view(told("192.168.1.3", LAN), told("192.168.1.4", LAN))).kind == "unknown"


def test_who_called_us_tells_nothing_of_our_mapping_unless_it_came_uninvited() -> None:
    called_us = told("45.0.9.1", HOME, called=False)
    assert judge_reach(view(called_us)).place is None
    uninvited = told("45.0.9.1", HOME, called=False, uninvited=True)
    reach = judge_reach(view(uninvited))
    assert (reach.kind, reach.place, reach.uninvited) == ("public", HOME, True)


def test_what_our_router_forwards_counts_before_all_else() -> None:
    symmetric = (told("45.0.9.1", HOME), told("45.0.9.2", other_port(1)))
    reach = judge_reach(view(*symmetric, forwarded=AWAY))
    assert (reach.kind, reach.place, reach.uninvited) == ("public", AWAY, True)


# Where to meet


def side(
    kind: str = "mapped", hosts: tuple[Place, ...] = (LAN,), outside: tuple[Place, ...] = (HOME,)
) -> Side:
    return Side(kind, hosts, outside)  # pyright: ignore[reportArgumentType] - the tests name real kinds


THEIRS = side(hosts=(THEIR_LAN,), outside=(AWAY,))


def targets(plan: Meeting | Stay) -> tuple[Place, ...]:
    assert isinstance(plan, Meeting)
    return plan.targets


def test_behind_two_nats_only_the_outside_is_called() -> None:
    assert targets(plan_meeting(side(), THEIRS)) == (AWAY,)


def test_in_one_house_the_private_address_comes_first() -> None:
    theirs = side(hosts=(THEIR_LAN,), outside=(other_port(7),))
    assert targets(plan_meeting(side(), theirs)) == (THEIR_LAN, other_port(7))


def test_where_nobody_saw_one_of_us_outside_private_addresses_are_tried() -> None:
    assert targets(plan_meeting(side(outside=()), THEIRS)) == (THEIR_LAN, AWAY)


@pytest.mark.parametrize("kinds", [("symmetric", "mapped"), ("mapped", "symmetric"), ("unknown", "unknown")])
def test_one_symmetric_nat_may_still_meet_another_that_is_not(kinds: tuple[str, str]) -> None:
    assert targets(plan_meeting(side(kinds[0]), side(kinds[1], (THEIR_LAN,), (AWAY,)))) == (AWAY,)


def test_two_symmetric_nats_stay_with_their_relay() -> None:
    plan = plan_meeting(side("symmetric"), side("symmetric", (THEIR_LAN,), (AWAY,)))
    assert isinstance(plan, Stay)
    assert "both NATs are symmetric" in plan.reason


def test_two_symmetric_nats_meet_where_one_has_a_public_address_of_its_own_or_both_are_one() -> None:
    six, our_six = Place("2a00::1", 7_420), Place("2a00::2", 7_420)
    ours = side("symmetric", (LAN, our_six))
    assert targets(plan_meeting(ours, side("symmetric", (THEIR_LAN, six), (AWAY,)))) == (AWAY, six)
    assert THEIR_LAN in targets(plan_meeting(side("symmetric"), side("symmetric", (THEIR_LAN,), (HOME,))))


def test_an_ip_version_that_we_lack_is_not_called() -> None:
    six = Place("2a00::1", 7_420)
    assert isinstance(plan_meeting(side(), side(hosts=(six,), outside=())), Stay)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "0.0.0.0", "224.0.0.251", "169.254.1.1", "255.255.255.255", "::1", "::ffff:45.0.1.1", "x"],
)
def test_nobody_can_send_us_where_no_other_machine_can_be(host: str) -> None:
    ours = side(hosts=(LAN, Place("2a00::2", 7_420)), outside=())
    assert isinstance(plan_meeting(ours, side(hosts=(Place(host, 7_420),), outside=(Place(host, 53),))), Stay)


def test_our_own_addresses_and_port_zero_are_not_called() -> None:
    assert isinstance(plan_meeting(side(), side(hosts=(LAN,), outside=(HOME, Place(AWAY.host, 0)))), Stay)


PLACES = st.builds(
    Place,
    st.one_of(
        st.ip_addresses().map(str), st.sampled_from([OURS, HOME.host, AWAY.host, "192.168.1.77", "", "name"])
    ),
    st.integers(-1, 70_000),
)
SIDES = st.builds(
    Side,
    st.sampled_from(["unknown", "public", "mapped", "symmetric"]),
    st.lists(PLACES, max_size=16).map(tuple),
    st.lists(PLACES, max_size=8).map(tuple),
)


@given(SIDES, SIDES)
def test_a_plan_is_short_and_calls_only_what_they_named(ours: Side, theirs: Side) -> None:
    plan = plan_meeting(ours, theirs)
    if isinstance(plan, Meeting):
        assert 1 <= len(plan.targets) <= 6
        assert len({*plan.targets}) == len(plan.targets)
        assert {*plan.targets} <= {*theirs.hosts, *theirs.outside}
        assert all(not ipaddress.ip_address(place.host).is_loopback for place in plan.targets)


@given(
    st.lists(st.builds(Observation, PLACES, PLACES, st.booleans(), st.booleans()), max_size=12).map(tuple),
    st.none() | PLACES,
)
def test_any_observations_give_a_judgement_with_a_reason(
    observations: tuple[Observation, ...], forwarded: Place | None
) -> None:
    reach = judge_reach(ReachView((OURS,), observations, forwarded))
    assert reach.reason
    assert reach.place is None or reach.place in {forwarded, *(each.seen for each in observations)}
