from collections.abc import Callable

import pytest

from sim.dice import Dice
from sim.media import DIAL_NS, Medium, MediumKind, Port, guest_name
from sim.models.way import Trouble
from sim.models.wire import Conditions, SimLink
from sim.timeline import NS_PER_MS, NS_PER_S, Timeline
from transports.api import Link, LinkTraits

MS, S = NS_PER_MS, NS_PER_S
TRAITS = LinkTraits("ble", 469, has_reliable_lane=True)
QUIET = Conditions(delay_min_ns=10 * MS)


class Person:
    """Somebody with one foot in the medium, who keeps what links bring."""

    def __init__(
        self, medium: Medium, name: str, *, host: str = "", claims: str = "", opens: bool = True
    ) -> None:
        self.medium, self.seen, self.links, self.frames = medium, list[str](), list[SimLink](), list[bytes]()
        self.lost: list[str] = []
        self.answers: list[tuple[int, str]] = []
        self.port = Port(medium, name, self.take, self._see, host=host, claims=claims)
        if opens:
            medium.open(self.port)

    def _see(self, port: Port) -> None:
        self.seen.append(port.name)

    def take(self, link: SimLink) -> None:
        self.links.append(link)
        link.attach(self)

    def dial(self, name: str) -> None:
        self.medium.dial(self.port, self.medium.address(name), self._answered)

    def _answered(self, link: SimLink | None, reason: str) -> None:
        self.answers.append((self.medium.timeline.now_ns, reason))
        if link is not None:
            self.take(link)

    def link_received(self, link: Link, frames: list[bytes]) -> None:
        self.frames += frames

    def link_writable(self, link: Link) -> None: ...

    def link_lost(self, link: Link, reason: str) -> None:
        self.lost.append(reason)


@pytest.fixture
def make() -> Callable[..., Medium]:
    def build(*, everywhere: bool = True, links_max: int | None = None, loss: float = 0.0) -> Medium:
        conditions = Conditions(delay_min_ns=10 * MS, loss=loss)
        kind = MediumKind("ble", TRAITS, conditions, links_max, everywhere)
        return Medium(kind, Timeline(), Dice(7))

    return build


def run(medium: Medium, span_ns: int = S) -> None:
    medium.timeline.run(medium.timeline.now_ns + span_ns)


# -- dialling -------------------------------------------------------------------------------------------------


def test_a_dial_takes_a_round_trip(make: Callable[..., Medium]) -> None:
    medium = make()
    alice, bob = Person(medium, "alice"), Person(medium, "bob")
    alice.dial("bob")
    run(medium)
    assert alice.answers == [(20 * MS, "")]
    assert alice.links[0].address == "ble://bob"
    assert bob.links[0].address == "ble://alice"
    assert alice.links[0].binding == bob.links[0].binding
    assert (alice.links[0].dialled, bob.links[0].dialled) == (True, False)
    assert medium.joined() == [("alice", "bob")]
    assert medium.links() == 1


@pytest.mark.parametrize("address", ["ble://nobody", "quic://bob", "rubbish"])
def test_a_dial_that_nobody_answers_is_given_up_in_time(make: Callable[..., Medium], address: str) -> None:
    medium = make()
    alice = Person(medium, "alice")
    Person(medium, "bob")
    medium.dial(alice.port, address, alice._answered)
    run(medium, 10 * S)
    assert alice.answers == [(DIAL_NS, "nobody answers")]


def test_a_dial_needs_both_directions(make: Callable[..., Medium]) -> None:
    medium = make()
    alice, bob = Person(medium, "alice"), Person(medium, "bob")
    medium.bar(["bob"], one_way=True)
    alice.dial("bob")
    bob.dial("alice")
    run(medium, 10 * S)
    assert [reason for _, reason in alice.answers + bob.answers] == ["nobody answers"] * 2


def test_a_cut_in_the_middle_of_a_dial_costs_the_whole_patience(make: Callable[..., Medium]) -> None:
    medium = make()
    alice = Person(medium, "alice")
    Person(medium, "bob")
    alice.dial("bob")
    medium.timeline.at(5 * MS, "cut", medium.bar, ["bob"])
    run(medium, 10 * S)
    assert alice.answers == [(DIAL_NS, "nobody answers")]


def test_whoever_is_killed_while_dialling_gets_no_answer_and_leaves_no_link(
    make: Callable[..., Medium],
) -> None:
    medium = make()
    alice, bob = Person(medium, "alice"), Person(medium, "bob")
    alice.dial("bob")
    alice.dial("nobody")
    medium.timeline.at(5 * MS, "kill", alice.port.unplug)
    run(medium, 10 * S)
    assert alice.answers == []
    assert bob.links == []
    assert medium.links() == 0


def test_whoever_closes_while_dialling_is_told(make: Callable[..., Medium]) -> None:
    medium = make()
    alice = Person(medium, "alice")
    Person(medium, "bob")
    alice.dial("bob")
    medium.timeline.at(5 * MS, "close", alice.port.close)
    run(medium, 10 * S)
    assert [reason for _, reason in alice.answers] == ["closed"]


def test_a_callee_that_restarts_meanwhile_does_not_answer_for_its_former_self(
    make: Callable[..., Medium],
) -> None:
    medium = make()
    alice, bob = Person(medium, "alice"), Person(medium, "bob")
    alice.dial("bob")
    medium.timeline.at(5 * MS, "kill", bob.port.unplug)
    medium.timeline.at(6 * MS, "boot", lambda: Person(medium, "bob"))
    run(medium, 10 * S)
    assert [reason for _, reason in alice.answers] == ["nobody answers"]
    alice.dial("bob")
    run(medium, 10 * S)
    assert alice.answers[-1][1] == ""


def test_a_lossy_way_takes_more_attempts(make: Callable[..., Medium]) -> None:
    medium = make(loss=0.3)
    people = [Person(medium, f"n{number}") for number in range(101)]
    for person in people[1:]:
        person.dial("n0")
    run(medium, 10 * S)
    at_once = sum(1 for person in people if person.answers and person.answers[0] == (20 * MS, ""))
    in_vain = sum(1 for person in people if person.answers and person.answers[0][1])
    assert 35 < at_once < 63  # 49 % of attempts pass both ways
    assert 15 < in_vain < 40  # two attempts, then the patience is over


def test_a_clog_slows_a_dial(make: Callable[..., Medium]) -> None:
    medium = make()
    alice = Person(medium, "alice")
    Person(medium, "bob")
    medium.ways.hinder(Trouble(delay_ns=100 * MS), "bob", "alice")
    alice.dial("bob")
    run(medium)
    assert alice.answers == [(120 * MS, "")]


def test_a_radio_holds_so_many_links_and_a_lost_one_makes_room(make: Callable[..., Medium]) -> None:
    medium = make(links_max=2)
    hub, *others = [Person(medium, f"n{number}") for number in range(4)]
    for other in others:
        other.dial("n0")
        run(medium)
    assert [other.answers[0][1] for other in others] == ["", "", "no free connection"]
    assert medium.full("n0")
    assert medium.links_of("n0") == 2
    others[0].links[0].shut("enough")
    run(medium)
    others[2].dial("n0")
    run(medium)
    assert others[2].answers[-1][1] == ""
    assert len(hub.links) == 3


# -- hearing --------------------------------------------------------------------------------------------------


def test_those_who_meet_see_each_other_and_can_call(make: Callable[..., Medium]) -> None:
    medium = make(everywhere=False)
    alice, bob = Person(medium, "alice"), Person(medium, "bob")
    alice.dial("bob")
    run(medium, 10 * S)
    assert alice.answers[-1][1] == "nobody answers"
    medium.meet("alice", "bob")
    alice.dial("bob")
    run(medium)
    assert (alice.seen, bob.seen) == (["bob"], ["alice"])
    assert alice.answers[-1][1] == ""


def test_those_who_part_lose_their_link_by_silence(make: Callable[..., Medium]) -> None:
    medium = make(everywhere=False)
    alice, bob = Person(medium, "alice"), Person(medium, "bob")
    medium.meet("alice", "bob")
    alice.dial("bob")
    run(medium)
    medium.part("alice", "bob")
    medium.part("bob", "alice")  # twice is harmless
    run(medium, 10 * S)
    assert alice.lost == bob.lost == ["timed_out"]


def test_meeting_again_saves_the_link(make: Callable[..., Medium]) -> None:
    medium = make(everywhere=False)
    alice, bob = Person(medium, "alice"), Person(medium, "bob")
    medium.meet("alice", "bob")
    medium.meet("bob", "alice")  # twice is harmless
    alice.dial("bob")
    run(medium)
    medium.part("alice", "bob")
    alice.links[0].send([b"held"], reliable=True)
    run(medium, 5 * S)
    medium.meet("alice", "bob")
    run(medium)
    assert bob.frames == [b"held"]


def test_where_an_address_is_enough_parting_only_ends_the_sightings(make: Callable[..., Medium]) -> None:
    medium = make()
    alice, bob = Person(medium, "alice"), Person(medium, "bob")
    medium.meet("alice", "bob")
    alice.dial("bob")
    run(medium)
    medium.part("alice", "bob")
    run(medium, 20 * S)
    alice.links[0].send([b"still"], reliable=True)
    run(medium)
    assert bob.frames == [b"still"]


def test_parting_and_meeting_behind_a_cut_leaves_the_cut(make: Callable[..., Medium]) -> None:
    medium = make(everywhere=False)
    alice, bob = Person(medium, "alice"), Person(medium, "bob")
    medium.meet("alice", "bob")
    alice.dial("bob")
    run(medium)
    barrier = medium.bar(["alice"])
    medium.part("alice", "bob")
    medium.meet("alice", "bob")
    alice.links[0].send([b"not yet"], reliable=True)
    run(medium)
    assert bob.frames == []
    medium.lift(barrier)
    run(medium)
    assert bob.frames == [b"not yet"]


def test_a_newcomer_is_seen_by_all_who_hear_it(make: Callable[..., Medium]) -> None:
    medium = make(everywhere=False)
    alice = Person(medium, "alice")
    medium.meet("alice", "bob")
    bob = Person(medium, "bob")
    run(medium)
    assert (alice.seen, bob.seen) == (["bob"], ["alice"])


def test_nobody_is_seen_behind_a_cut_and_all_are_when_it_goes(make: Callable[..., Medium]) -> None:
    medium = make(everywhere=False)
    alice, bob = Person(medium, "alice"), Person(medium, "bob")
    barrier = medium.bar(["bob"], one_way=True)
    medium.meet("alice", "bob")
    run(medium)
    assert (alice.seen, bob.seen) == ([], ["alice"])
    medium.lift(barrier)
    run(medium)
    assert alice.seen == ["bob"]


# -- cuts -----------------------------------------------------------------------------------------------------


def test_a_cut_leaves_those_on_the_same_side_alone(make: Callable[..., Medium]) -> None:
    medium = make()
    people = {name: Person(medium, name) for name in ("a", "b", "c", "d")}
    for one, other in (("a", "b"), ("c", "d"), ("b", "c")):
        people[one].dial(other)
    run(medium)
    medium.bar(["a", "b"])
    run(medium, 20 * S)
    assert sorted(medium.joined()) == [("a", "b"), ("c", "d")]


def test_overlapping_cuts_are_lifted_one_by_one(make: Callable[..., Medium]) -> None:
    medium = make()
    first, second = medium.bar(["a"]), medium.bar(["b"], one_way=True)
    assert not medium.ways.is_open("b", "a")
    medium.lift(first)
    medium.lift(first)  # twice is harmless
    assert medium.ways.is_open("a", "b")
    assert not medium.ways.is_open("b", "a")
    medium.lift(second)
    assert medium.ways.passes("a", "b")


def test_a_cut_holds_for_links_that_come_later(make: Callable[..., Medium]) -> None:
    medium = make()
    alice, bob = Person(medium, "alice"), Person(medium, "bob")
    barrier = medium.bar(["alice"])
    medium.ways.hinder(Trouble(0.1), "alice", "bob")  # a way that was made behind the cut
    medium.lift(barrier)
    alice.dial("bob")
    run(medium, 5 * S)
    assert len(bob.links) == 1


# -- what is kept ---------------------------------------------------------------------------------------------


def test_nothing_is_kept_of_pairs_that_have_neither_link_nor_fault(make: Callable[..., Medium]) -> None:
    medium = make(everywhere=False)
    people = [Person(medium, f"n{number}") for number in range(5)]
    for person in people[1:]:
        medium.meet("n0", person.port.name)
        person.dial("n0")
    run(medium)
    trouble = Trouble(0.5)
    medium.ways.hinder(trouble, "n1", "n2")
    assert len(medium.ways) == 2 * 5
    people[0].port.close()
    run(medium)
    medium.ways.ease(trouble, "n1", "n2")
    assert len(medium.ways) == 0
    assert medium.links() == 0
    assert all(not person.port.links for person in people)


def test_a_killed_process_leaves_its_neighbours_links_until_they_notice(make: Callable[..., Medium]) -> None:
    medium = make()
    alice, bob = Person(medium, "alice"), Person(medium, "bob")
    alice.dial("bob")
    run(medium)
    alice.port.unplug()
    run(medium)
    assert bob.lost == []
    run(medium, 10 * S)
    assert bob.lost == ["timed_out"]
    assert alice.lost == []
    assert len(medium.ways) == 0


# -- those who are not who they say ---------------------------------------------------------------------------


def test_a_guest_is_seen_beside_its_host_and_answers_at_its_own_address(make: Callable[..., Medium]) -> None:
    medium = make(everywhere=False)
    alice = Person(medium, "alice")
    Person(medium, "mallory")
    medium.meet("alice", "mallory")
    run(medium)
    name = guest_name("mallory", "bob")
    guest = Person(medium, name, host="mallory", claims="bob")
    run(medium)
    assert name in alice.seen
    alice.dial(name)
    run(medium)
    assert alice.links[0].address == f"ble://{name}"
    medium.bar(["mallory"])  # what befalls a host befalls its guest
    run(medium, 20 * S)
    assert guest.lost == ["timed_out"]


def test_a_diversion_answers_a_share_of_the_calls_while_it_lasts(make: Callable[..., Medium]) -> None:
    medium = make()
    alice, bob = Person(medium, "alice"), Person(medium, "bob")
    mallory = Person(medium, guest_name("mallory", "bob"), host="mallory")
    medium.divert("bob", mallory.port, 0.5)
    for _ in range(100):
        alice.dial("bob")
    run(medium)
    assert 30 < len(mallory.links) < 70
    assert len(mallory.links) + len(bob.links) == 100
    medium.undivert(mallory.port)
    alice.dial("bob")
    run(medium)
    assert len(mallory.links) + len(bob.links) == 101
    assert len(alice.links) == 101


def test_what_happens_between_others_does_not_change_a_pairs_luck(make: Callable[..., Medium]) -> None:
    def lost(*, crowd: bool) -> int:
        medium = make(loss=0.3)
        alice, bob = Person(medium, "alice"), Person(medium, "bob")
        if crowd:
            carol, dave = Person(medium, "carol"), Person(medium, "dave")
            carol.dial("dave")
            dave.dial("carol")
        while not alice.links:
            alice.dial("bob")
            run(medium, 4 * S)
        for _ in range(100):
            alice.links[0].send([b"x"])
        run(medium)
        assert len(bob.frames) + alice.links[0].stats.dropped["lost"] == 100
        return alice.links[0].stats.dropped["lost"]

    assert lost(crowd=False) == lost(crowd=True)
