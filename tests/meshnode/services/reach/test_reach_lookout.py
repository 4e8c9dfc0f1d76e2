"""What neighbours told of us, for how long it is believed, and what we tell from it."""

from meshnode.services.reach.limits import MeetingLimits
from meshnode.services.reach.lookout import Lookout
from policies.reach import Observation, Place
from protocols.ids import NodeId

LIMITS = MeetingLimits()
LAN, LAN6, DOOR = Place("192.168.1.2", 7_420), Place("2a00::2", 7_420), Place("45.0.1.10", 20_000)


def peer(number: int) -> NodeId:
    return NodeId(bytes([number]) * 32)


def told(number: int, seen: Place = DOOR, *, uninvited: bool = False) -> Observation:
    return Observation(Place(f"45.0.9.{number}", 7_420), seen, not uninvited, uninvited)


def lookout(*observations: Observation, at_ns: int = 0, own: tuple[Place, ...] = (LAN,)) -> Lookout:
    made = Lookout(LIMITS)
    made.own = own
    for number, each in enumerate(observations):
        made.note(peer(number), each, now_ns=at_ns)
    return made


def test_each_ip_version_of_this_machine_is_judged_by_itself() -> None:
    reach = lookout(told(1), told(2), own=(LAN, LAN6)).reach(now_ns=0)
    assert {version: each.kind for version, each in reach.items()} == {4: "mapped", 6: "unknown"}
    assert list(lookout(told(1)).reach(now_ns=0)) == [4]


def test_what_was_told_long_ago_is_forgotten() -> None:
    old = lookout(told(1), told(2))
    assert old.reach(now_ns=LIMITS.observation_ns)[4].kind == "mapped"
    assert old.reach(now_ns=LIMITS.observation_ns + 1)[4].kind == "unknown"


def test_the_oldest_of_too_many_observations_goes() -> None:
    limits = MeetingLimits(observations_max=2)
    crowded = Lookout(limits)
    for number in range(3):
        crowded.note(peer(number), told(number), now_ns=0)
        assert crowded.is_due(peer(number), soon=False, now_ns=0)
    assert crowded.observers == 2
    assert crowded.is_due(peer(0), soon=False, now_ns=0)


def test_a_neighbour_is_asked_again_after_a_while_and_sooner_when_somebody_is_to_be_met() -> None:
    made = lookout()
    assert made.is_due(peer(1), soon=False, now_ns=0)
    assert not made.is_due(peer(1), soon=True, now_ns=LIMITS.ask_soon_ns - 1)
    assert not made.is_due(peer(1), soon=False, now_ns=LIMITS.ask_soon_ns)
    assert made.is_due(peer(1), soon=True, now_ns=LIMITS.ask_soon_ns)
    assert made.is_due(peer(1), soon=False, now_ns=LIMITS.ask_soon_ns + LIMITS.ask_ns)


def test_an_older_word_that_a_newer_one_contradicts_is_doubted_until_it_is_given_again() -> None:
    made = lookout(told(0), told(1))
    later_ns = LIMITS.ask_soon_ns
    made.note(peer(2), told(2, DOOR._replace(port=1)), now_ns=later_ns)
    assert [made.is_doubtful(peer(number)) for number in range(4)] == [True, True, False, False]
    made.note(peer(0), told(0, DOOR._replace(port=1)), now_ns=later_ns)
    made.note(peer(1), told(1), now_ns=later_ns)
    assert not any(made.is_doubtful(peer(number)) for number in range(3))


def test_words_of_the_same_moment_and_of_different_ip_versions_contradict_nothing() -> None:
    assert not lookout(told(0), told(1, DOOR._replace(port=1))).is_doubtful(peer(0))
    both = lookout(told(0))
    both.note(peer(1), told(1, Place("2a00::9", 1)), now_ns=LIMITS.ask_soon_ns)
    assert not both.is_doubtful(peer(0))


def test_on_another_network_nothing_of_it_holds() -> None:
    made = lookout(told(1), told(2))
    made.is_due(peer(1), soon=False, now_ns=0)
    made.forget()
    assert made.reach(now_ns=0)[4].kind == "unknown"
    assert made.is_due(peer(1), soon=False, now_ns=0)


def test_a_side_names_interfaces_and_what_others_see_each_once() -> None:
    side = lookout(told(1), told(2), told(3, LAN)).side(now_ns=0)
    assert (side.kind, side.hosts, side.outside) == ("mapped", (LAN,), (DOOR,))


def test_one_observers_word_is_told_though_not_believed() -> None:
    side = lookout(told(1)).side(now_ns=0)
    assert (side.kind, side.outside) == ("unknown", (DOOR,))


def test_only_where_strangers_come_in_or_our_router_forwards_is_for_everybody() -> None:
    assert lookout(told(1), told(2)).uninvited(now_ns=0) == ()
    assert lookout(told(1, uninvited=True)).uninvited(now_ns=0) == (DOOR,)
    forwarded = lookout()
    forwarded.forwarded = DOOR
    assert forwarded.uninvited(now_ns=0) == (DOOR,)
    six = lookout(own=(LAN6,))
    six.forwarded = DOOR
    assert six.uninvited(now_ns=0) == ()


def test_a_public_address_of_our_own_needs_no_second_mention() -> None:
    assert lookout(told(1, DOOR, uninvited=True), own=(DOOR,)).uninvited(now_ns=0) == ()


def test_a_machine_without_addresses_has_no_side() -> None:
    side = lookout(own=()).side(now_ns=0)
    assert (side.kind, side.hosts, side.outside) == ("unknown", (), ())
