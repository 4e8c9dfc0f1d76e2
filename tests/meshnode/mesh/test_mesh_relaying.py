"""How much goes on for whom, second by second."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshnode.mesh.relaying import SECOND_NS, SOURCES_MAX, Relaying
from policies.energy import EnergyLevel
from policies.relay import Refuse, Relay, RelayFor, allowance_of
from policies.trust import Place
from protocols.envelope import TrafficClass
from protocols.ids import NodeId


def node(number: int) -> NodeId:
    return NodeId(number.to_bytes(32, "big"))


ALICE, BOB, CAROL = node(1), node(2), node(3)
FULL = allowance_of(EnergyLevel.FULL).bytes_per_s


def ask(
    relaying: Relaying,
    neighbour: NodeId = ALICE,
    *,
    source: NodeId = CAROL,
    nbytes: int = 1_000,
    now_ns: int = 0,
    traffic: int = TrafficClass.INTERACTIVE,
) -> Relay | Refuse:
    return relaying.decide(
        neighbour,
        source,
        node(99),
        traffic=traffic,
        nbytes=nbytes,
        place="full",
        energy=EnergyLevel.FULL,
        now_ns=now_ns,
    )


def test_what_was_relayed_is_known_by_its_source() -> None:
    relaying = Relaying()
    ask(relaying, source=BOB)
    ask(relaying, source=CAROL, nbytes=5_000)
    ask(relaying, source=BOB)
    assert relaying.relayed_for() == [(CAROL, 1, 5_000), (BOB, 2, 2_000)]


def test_a_second_has_only_so_many_bytes_and_the_next_has_as_many_again() -> None:
    relaying = Relaying()
    assert isinstance(ask(relaying, nbytes=FULL), Relay)
    assert ask(relaying) == Refuse("too_much_in_all")
    assert isinstance(ask(relaying, now_ns=SECOND_NS), Relay)


def test_whoever_is_first_in_each_second_leaves_room_for_the_others() -> None:
    relaying = Relaying()
    ask(relaying, ALICE, nbytes=FULL, source=node(10))
    assert isinstance(ask(relaying, BOB, source=node(11)), Refuse)
    ask(relaying, ALICE, nbytes=FULL // 4, now_ns=SECOND_NS, source=node(10))
    ask(relaying, ALICE, nbytes=FULL // 4, now_ns=SECOND_NS, source=node(12))
    assert ask(relaying, ALICE, now_ns=SECOND_NS, source=node(13)) == Refuse("too_much_of_neighbour")
    assert isinstance(ask(relaying, BOB, nbytes=FULL // 4, now_ns=SECOND_NS, source=node(11)), Relay)


def test_emergencies_find_room_in_a_full_second() -> None:
    relaying = Relaying()
    ask(relaying, nbytes=FULL)
    assert ask(relaying, BOB, traffic=TrafficClass.EMERGENCY) == Relay(first=True)


@pytest.mark.parametrize("known", [ALICE, CAROL, node(99)])
def test_for_contacts_means_that_source_destination_or_neighbour_is_one(known: NodeId) -> None:
    relaying = Relaying("contacts", is_contact=lambda peer: peer == known)
    assert isinstance(ask(relaying), Relay)


def test_strangers_among_themselves_are_refused_where_only_contacts_are_relayed() -> None:
    assert ask(Relaying("contacts")) == Refuse("relays_for_contacts")


@pytest.mark.parametrize(
    ("relay_for", "transit"), [("everyone", True), ("contacts", True), ("nobody", False)]
)
def test_who_relays_for_nobody_tells_of_no_ways(relay_for: RelayFor, *, transit: bool) -> None:
    assert Relaying(relay_for).transit is transit


def test_only_the_heaviest_sources_are_remembered() -> None:
    relaying = Relaying()
    for number in range(SOURCES_MAX + 10):
        ask(relaying, source=node(1_000 + number), nbytes=100 + number, now_ns=number * SECOND_NS)
    told = relaying.relayed_for()
    assert len(told) == SOURCES_MAX
    assert told[0][0] == node(1_000 + SOURCES_MAX + 9)


ASKS = st.tuples(
    st.sampled_from((ALICE, BOB)),
    st.sampled_from((BOB, CAROL, node(7))),
    st.sampled_from((1_000, FULL // 8, FULL // 2)),
    st.integers(0, 2),
    st.sampled_from((TrafficClass.INTERACTIVE, TrafficClass.BULK, TrafficClass.EMERGENCY)),
)


@given(st.lists(ASKS, max_size=40))
def test_what_is_remembered_of_the_policy_changes_no_answer(
    asks: list[tuple[NodeId, NodeId, int, int, int]],
) -> None:
    remembers, forgets = Relaying(), Relaying()
    now_ns = 0
    for neighbour, source, nbytes, later, traffic in asks:
        now_ns += later * SECOND_NS // 2
        forgets._rooms.clear()
        answers = [
            ask(each, neighbour, source=source, nbytes=nbytes, now_ns=now_ns, traffic=traffic)
            for each in (remembers, forgets)
        ]
        assert answers[0] == answers[1]


def test_who_stops_relaying_stops_at_once() -> None:
    relaying = Relaying()
    ask(relaying)
    relaying.relay_for = "nobody"
    assert ask(relaying) == Refuse("relays_for_nobody")


def test_who_lost_its_place_and_what_the_battery_no_longer_allows_is_refused_at_once() -> None:
    relaying = Relaying()
    ask(relaying, traffic=TrafficClass.BULK)

    def again(place: Place, energy: EnergyLevel) -> Relay | Refuse:
        return relaying.decide(
            ALICE,
            CAROL,
            node(99),
            traffic=TrafficClass.BULK,
            nbytes=1_000,
            place=place,
            energy=energy,
            now_ns=0,
        )

    assert again("none", EnergyLevel.FULL) == Refuse("no_standing")
    assert again("full", EnergyLevel.SAVER) == Refuse("save_battery")
    assert isinstance(again("full", EnergyLevel.FULL), Relay)
