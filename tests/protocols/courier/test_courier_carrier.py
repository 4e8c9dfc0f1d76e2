"""What one node offers, takes and stops carrying."""

from collections.abc import Callable
from typing import Any

import pytest

from protocols.courier import Carrier, Custody, DeliveredNote, Giving, Offer, Reply, Sealed
from protocols.courier.limits import (
    COPIES_MAX,
    HOLDERS_MAX,
    NOTES_PER_CALL,
    OFFERS_PER_CALL,
    REOFFER_NS,
    SESSIONS_MAX,
    STRANGE_NOTES_MAX,
)
from protocols.errors import RefusedError
from protocols.ids import NodeId

NOW_S = 1_800_000_000
DAY_S = 86_400
MakeCarrier = Callable[..., Carrier]
MakeParcel = Callable[..., Sealed]


def node(number: int) -> NodeId:
    return NodeId(number.to_bytes(2) * 16)


BOB, CAROL, DAVE, EVE = (node(each) for each in (1, 2, 3, 4))


def offer_of(sealed: Sealed) -> Offer:
    return Offer(sealed.id, sealed.receiver, sealed.size, sealed.expires_s)


def note_of(sealed: Sealed, by: NodeId | None = None) -> DeliveredNote:
    return DeliveredNote(by or sealed.receiver, sealed.id, sealed.expires_s, b"signed" + sealed.id)


def offered(carrier: Carrier, peer: NodeId, now_ns: int = 0) -> list[bytes]:
    return [each.id for each in carrier.offers(peer, now_s=NOW_S, now_ns=now_ns)]


def takes(carrier: Carrier, giver: NodeId, sealed: Sealed, **given: Any) -> Custody | None:
    chosen: dict[str, Any] = {"copies": 4, "mark_age_s": None, "contact": True, "now_s": NOW_S} | given
    return carrier.take(giver, sealed, **chosen)


@pytest.fixture
def alice(carrier: MakeCarrier) -> Carrier:
    """With Carol near."""
    made = carrier("alice")
    made.up(CAROL, now_s=NOW_S)
    return made


# -- giving -------------------------------------------------------------------------------------------------------


def test_what_is_ours_is_offered_to_a_neighbour_once_while_it_stays(
    alice: Carrier, parcel: MakeParcel
) -> None:
    custody = alice.entrust(parcel(BOB), now_s=NOW_S)
    assert offered(alice, CAROL) == [custody.id]
    alice.offered(CAROL, custody.id, now_ns=0)
    assert offered(alice, CAROL) == []
    assert offered(alice, CAROL, REOFFER_NS) == [custody.id]
    alice.down(CAROL, now_s=NOW_S)
    alice.up(CAROL, now_s=NOW_S)
    assert offered(alice, CAROL) == [custody.id]


def test_nothing_is_offered_to_who_is_not_here_or_only_over_others(
    alice: Carrier, parcel: MakeParcel
) -> None:
    alice.entrust(parcel(BOB), now_s=NOW_S)
    alice.up(DAVE, now_s=NOW_S, near=False)
    assert offered(alice, DAVE) == offered(alice, EVE) == []
    alice.up(DAVE, now_s=NOW_S)
    assert len(offered(alice, DAVE)) == 1


def test_a_call_offers_no_more_than_fits_it(alice: Carrier, parcel: MakeParcel) -> None:
    for number in range(OFFERS_PER_CALL + 5):
        alice.entrust(parcel(BOB, number), now_s=NOW_S)
    assert len(offered(alice, CAROL)) == OFFERS_PER_CALL


def test_what_is_over_is_not_offered(alice: Carrier, parcel: MakeParcel) -> None:
    alice.entrust(parcel(BOB, expires_s=NOW_S - 1), now_s=NOW_S - 100)
    assert offered(alice, CAROL) == []


def test_half_of_the_copies_go_to_who_wants_it(alice: Carrier, parcel: MakeParcel) -> None:
    custody = alice.entrust(parcel(BOB), now_s=NOW_S)
    assert alice.answered(CAROL, custody.id, Reply("want"), now_s=NOW_S) == Giving(4, 4, None)
    alice.taken(CAROL, custody.id)
    assert (custody.copies, custody.couriers) == (4, 1)
    assert alice.counts["handed"] == 1


def test_copies_that_were_not_taken_come_back(alice: Carrier, parcel: MakeParcel) -> None:
    custody = alice.entrust(parcel(BOB), now_s=NOW_S)
    giving = alice.answered(CAROL, custody.id, Reply("want"), now_s=NOW_S)
    assert giving is not None
    alice.not_taken(custody.id, giving)
    assert custody.copies == 8


def test_a_taker_that_met_the_receiver_later_than_we_is_better(alice: Carrier, parcel: MakeParcel) -> None:
    alice.up(BOB, now_s=NOW_S - 600)
    alice.down(BOB, now_s=NOW_S - 300)
    custody = alice.entrust(parcel(BOB), now_s=NOW_S)
    assert custody.mark_s == NOW_S - 300
    custody.copies = 1
    assert alice.answered(CAROL, custody.id, Reply("want", 301), now_s=NOW_S) is None
    assert alice.answered(CAROL, custody.id, Reply("want", 10**12), now_s=NOW_S) is None
    assert alice.answered(CAROL, custody.id, Reply("want", 299), now_s=NOW_S) == Giving(1, 1, NOW_S - 299)


def test_who_has_it_already_counts_as_a_courier_and_gets_nothing(alice: Carrier, parcel: MakeParcel) -> None:
    custody = alice.entrust(parcel(BOB), now_s=NOW_S)
    assert alice.answered(CAROL, custody.id, Reply("have"), now_s=NOW_S) is None
    assert custody.couriers == 1


@pytest.mark.parametrize("word", ["refused", "delivered"])
def test_other_words_hand_over_nothing(alice: Carrier, parcel: MakeParcel, word: Any) -> None:
    custody = alice.entrust(parcel(BOB), now_s=NOW_S)
    assert alice.answered(CAROL, custody.id, Reply(word), now_s=NOW_S) is None
    assert (custody.copies, custody.couriers) == (8, 0)


def test_an_answer_about_what_is_gone_is_no_matter(alice: Carrier, parcel: MakeParcel) -> None:
    custody = alice.entrust(parcel(BOB), now_s=NOW_S)
    alice.drop(custody.id)
    assert alice.answered(CAROL, custody.id, Reply("want"), now_s=NOW_S) is None
    alice.taken(CAROL, custody.id)
    alice.not_taken(custody.id, Giving(1, 1, None))
    alice.offered(EVE, custody.id, now_ns=0)


def test_so_many_objects_of_ours_may_be_under_way(carrier: MakeCarrier, parcel: MakeParcel) -> None:
    alice = carrier("alice", own_max=2)
    for number in range(2):
        alice.entrust(parcel(BOB, number), now_s=NOW_S)
    with pytest.raises(RefusedError, match="under way"):
        alice.entrust(parcel(BOB, 2), now_s=NOW_S)
    alice.drop(parcel(BOB, 0).id)
    alice.entrust(parcel(BOB, 2), now_s=NOW_S)


def test_of_the_holders_of_one_object_a_bounded_number_is_known(alice: Carrier, parcel: MakeParcel) -> None:
    custody = alice.entrust(parcel(BOB), now_s=NOW_S)
    for number in range(100, 101 + HOLDERS_MAX):
        custody.held_by(node(number))
    assert custody.couriers == HOLDERS_MAX
    assert node(100) not in custody.holders


# -- taking -------------------------------------------------------------------------------------------------------


def test_a_courier_wants_what_it_does_not_have_and_says_when_it_met_the_receiver(
    alice: Carrier, parcel: MakeParcel
) -> None:
    sealed = parcel(BOB)
    assert alice.consider(CAROL, offer_of(sealed), contact=True, now_s=NOW_S) == Reply("want", None)
    alice.up(BOB, now_s=NOW_S - 100)
    assert alice.consider(CAROL, offer_of(sealed), contact=True, now_s=NOW_S) == Reply("want", 0)
    alice.down(BOB, now_s=NOW_S - 40)
    assert alice.consider(CAROL, offer_of(sealed), contact=True, now_s=NOW_S) == Reply("want", 40)


def test_who_is_reached_over_others_was_not_met(alice: Carrier, parcel: MakeParcel) -> None:
    alice.up(BOB, now_s=NOW_S - 100, near=False)
    alice.down(BOB, now_s=NOW_S - 40)
    assert alice.consider(CAROL, offer_of(parcel(BOB)), contact=True, now_s=NOW_S) == Reply("want", None)


def test_what_was_taken_is_offered_on_but_not_back(alice: Carrier, parcel: MakeParcel) -> None:
    alice.up(DAVE, now_s=NOW_S)
    custody = takes(alice, CAROL, parcel(BOB), copies=4, mark_age_s=50)
    assert custody is not None
    assert (custody.copies, custody.mark_s, custody.giver) == (4, NOW_S - 50, CAROL)
    assert offered(alice, DAVE) == [custody.id]
    assert offered(alice, CAROL, 10 * REOFFER_NS) == []


def test_what_is_here_already_is_not_taken_again(alice: Carrier, parcel: MakeParcel) -> None:
    assert takes(alice, CAROL, parcel(BOB)) is not None
    assert alice.consider(DAVE, offer_of(parcel(BOB)), contact=True, now_s=NOW_S) == Reply("have")
    assert takes(alice, DAVE, parcel(BOB)) is None
    assert alice.shelf.objects == 1


def test_it_is_for_its_receiver_and_nobody_needs_to_be_asked(alice: Carrier, parcel: MakeParcel) -> None:
    sealed = parcel(BOB)
    takes(alice, CAROL, sealed)
    alice.up(BOB, now_s=NOW_S, near=False)  # over others is good enough
    assert [each.id for each in alice.arrivals(BOB, now_s=NOW_S, now_ns=0)] == [sealed.id]
    assert offered(alice, BOB) == []
    alice.offered(BOB, sealed.id, now_ns=0)
    assert alice.arrivals(BOB, now_s=NOW_S, now_ns=0) == []


def test_what_is_ours_goes_to_its_receiver_by_the_messages_service(
    alice: Carrier, parcel: MakeParcel
) -> None:
    alice.entrust(parcel(BOB), now_s=NOW_S)
    alice.up(BOB, now_s=NOW_S)
    assert alice.arrivals(BOB, now_s=NOW_S, now_ns=0) == []


def test_what_is_for_us_is_always_wanted(carrier: MakeCarrier, parcel: MakeParcel) -> None:
    hermit = carrier("hermit", willing="nobody")
    sealed = parcel(hermit._me)
    assert hermit.consider(CAROL, offer_of(sealed), contact=False, now_s=NOW_S).word == "want"


@pytest.mark.parametrize(
    ("willing", "contact", "word"),
    [
        ("everyone", False, "want"),
        ("contacts", True, "want"),
        ("contacts", False, "refused"),
        ("nobody", True, "refused"),
    ],
)
def test_its_owner_says_for_whom_it_carries(
    carrier: MakeCarrier, parcel: MakeParcel, willing: Any, *, contact: bool, word: str
) -> None:
    courier = carrier("courier", willing=willing)
    assert courier.consider(CAROL, offer_of(parcel(BOB)), contact=contact, now_s=NOW_S).word == word
    if word == "refused":
        with pytest.raises(RefusedError):
            takes(courier, CAROL, parcel(BOB), contact=contact)
        assert courier.counts["refused_unwilling"] == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"expires_s": NOW_S - 1}, "bad_expiry"),
        ({"expires_s": NOW_S + 30 * DAY_S}, "bad_expiry"),
        ({"expires_s": 2**64 - 1}, "bad_expiry"),
    ],
)
def test_what_is_over_or_would_live_too_long_is_refused(
    alice: Carrier, parcel: MakeParcel, change: dict[str, int], reason: str
) -> None:
    with pytest.raises(RefusedError) as refused:
        takes(alice, CAROL, parcel(BOB, **change))
    assert refused.value.code == reason


def test_an_offer_of_something_too_long_is_refused(alice: Carrier) -> None:
    offer = Offer(bytes(16), BOB, 70_000, NOW_S + DAY_S)
    assert alice.consider(CAROL, offer, contact=True, now_s=NOW_S).word == "refused"


def test_a_node_whose_clock_was_never_set_carries_nothing(alice: Carrier, parcel: MakeParcel) -> None:
    offer = offer_of(parcel(BOB, expires_s=500))
    assert alice.consider(CAROL, offer, contact=True, now_s=100).word == "refused"


def test_at_its_quota_the_newest_is_refused_and_nothing_thrown_away(
    carrier: MakeCarrier, parcel: MakeParcel
) -> None:
    courier = carrier("courier", bytes_max=2_000)
    takes(courier, CAROL, parcel(BOB, 1, size=900))
    takes(courier, DAVE, parcel(BOB, 2, size=900))
    with pytest.raises(RefusedError) as full:
        takes(courier, EVE, parcel(BOB, 3, size=900))
    assert full.value.code == "courier_full"
    assert (courier.shelf.objects, courier.shelf.bytes) == (2, 1_800)
    courier.drop(parcel(BOB, 1).id)
    takes(courier, EVE, parcel(BOB, 3, size=900))


def test_so_it_is_with_the_number_of_objects(carrier: MakeCarrier, parcel: MakeParcel) -> None:
    courier = carrier("courier", objects_max=1)
    takes(courier, CAROL, parcel(BOB, 1))
    with pytest.raises(RefusedError):
        takes(courier, CAROL, parcel(BOB, 2))


def test_one_neighbour_can_not_fill_it_alone(carrier: MakeCarrier, parcel: MakeParcel) -> None:
    courier = carrier("courier", giver_bytes_max=1_000)
    takes(courier, CAROL, parcel(BOB, 1, size=900))
    with pytest.raises(RefusedError) as full:
        takes(courier, CAROL, parcel(BOB, 2, size=900))
    assert full.value.code == "giver_full"
    takes(courier, DAVE, parcel(BOB, 2, size=900))


def test_copies_and_ages_that_somebody_claims_are_bounded(alice: Carrier, parcel: MakeParcel) -> None:
    many = takes(alice, CAROL, parcel(BOB, 1), copies=10**9, mark_age_s=10**12)
    none = takes(alice, CAROL, parcel(BOB, 2), copies=0)
    assert many is not None
    assert none is not None
    assert (many.copies, many.mark_s, none.copies) == (COPIES_MAX, None, 1)


# -- notes --------------------------------------------------------------------------------------------------------


def test_a_note_ends_the_carrying_and_answers_further_offers(alice: Carrier, parcel: MakeParcel) -> None:
    sealed = parcel(BOB)
    takes(alice, CAROL, sealed)
    assert alice.arrived(note_of(sealed), now_s=NOW_S)
    assert alice.drop(sealed.id) is not None
    reply = alice.consider(DAVE, offer_of(sealed), contact=True, now_s=NOW_S)
    assert reply == Reply("delivered", None, note_of(sealed).data)
    assert alice.notes == 1


def test_a_note_about_another_receivers_object_answers_nothing(alice: Carrier, parcel: MakeParcel) -> None:
    """Eve signed a note for an id that is in truth Bob's."""
    sealed = parcel(BOB)
    alice.up(EVE, now_s=NOW_S)
    assert alice.arrived(note_of(sealed, by=EVE), now_s=NOW_S, teller=EVE)
    assert alice.consider(DAVE, offer_of(sealed), contact=True, now_s=NOW_S).word == "want"


def test_nobody_but_its_receiver_can_end_what_we_carry(alice: Carrier, parcel: MakeParcel) -> None:
    sealed = parcel(BOB)
    takes(alice, CAROL, sealed)
    assert not alice.arrived(note_of(sealed, by=EVE), now_s=NOW_S)
    assert alice.counts["foreign_notes"] == 1
    assert sealed.id in alice.shelf


def test_a_note_is_news_once_and_only_while_its_object_could_be_carried(
    alice: Carrier, parcel: MakeParcel
) -> None:
    sealed = parcel(BOB)
    assert alice.arrived(note_of(sealed), now_s=NOW_S)
    assert not alice.arrived(note_of(sealed), now_s=NOW_S)
    assert not alice.arrived(note_of(parcel(BOB, 1, expires_s=NOW_S - 1)), now_s=NOW_S)
    assert not alice.arrived(note_of(parcel(BOB, 2, expires_s=NOW_S + 30 * DAY_S)), now_s=NOW_S)


def test_each_neighbour_is_told_a_note_once_and_its_teller_never(alice: Carrier, parcel: MakeParcel) -> None:
    alice.up(DAVE, now_s=NOW_S)
    alice.arrived(note_of(parcel(BOB)), now_s=NOW_S, teller=CAROL)
    assert alice.untold(CAROL) == []
    assert [note.id for note in alice.untold(DAVE)] == [parcel(BOB).id]
    assert alice.untold(DAVE) == []
    assert alice.untold(EVE) == []


def test_a_note_that_the_disk_refused_can_be_told_again(alice: Carrier, parcel: MakeParcel) -> None:
    alice.arrived(note_of(parcel(BOB)), now_s=NOW_S, teller=CAROL)
    alice.forget_note(parcel(BOB).id)
    assert alice.note_of(parcel(BOB).id) is None
    assert alice.arrived(note_of(parcel(BOB)), now_s=NOW_S, teller=CAROL)


def test_when_there_are_too_many_notes_the_oldest_goes(carrier: MakeCarrier, parcel: MakeParcel) -> None:
    courier = carrier("courier", notes_max=NOTES_PER_CALL + 10)
    courier.up(CAROL, now_s=NOW_S)
    for number in range(NOTES_PER_CALL + 11):
        courier.arrived(note_of(parcel(BOB, number)), now_s=NOW_S)
    assert courier.note_of(parcel(BOB, 0).id) is None
    told = [note.id for note in courier.untold(CAROL)]
    assert told[-1] == parcel(BOB, NOTES_PER_CALL + 10).id
    assert len(told) == NOTES_PER_CALL
    for number in range(NOTES_PER_CALL + 11, NOTES_PER_CALL + 40):
        courier.arrived(note_of(parcel(BOB, number)), now_s=NOW_S)
        courier.untold(CAROL)
    assert len(courier._sessions[CAROL].told) <= NOTES_PER_CALL + 10


def test_nobody_washes_notes_away_with_strange_ones(alice: Carrier, parcel: MakeParcel) -> None:
    for number in range(STRANGE_NOTES_MAX):
        assert alice.arrived(note_of(parcel(BOB, number)), now_s=NOW_S, teller=CAROL)
    assert not alice.arrived(note_of(parcel(BOB, 9_999)), now_s=NOW_S, teller=CAROL)
    assert not alice.arrived(note_of(parcel(BOB, 9_998)), now_s=NOW_S, teller=EVE)
    assert alice.counts["too_many_notes"] == 2
    takes(alice, CAROL, parcel(BOB, 9_999))
    assert alice.arrived(note_of(parcel(BOB, 9_999)), now_s=NOW_S, teller=CAROL)


# -- time and restarts --------------------------------------------------------------------------------------------


def test_what_is_over_is_carried_no_more_and_its_notes_are_forgotten(
    alice: Carrier, parcel: MakeParcel
) -> None:
    takes(alice, CAROL, parcel(BOB, 1))
    alice.entrust(parcel(BOB, 2), now_s=NOW_S)
    alice.arrived(note_of(parcel(BOB, 3)), now_s=NOW_S)
    assert alice.sweep(now_s=NOW_S + DAY_S) == []
    over = alice.sweep(now_s=NOW_S + DAY_S + 1)
    assert [each.id for each in over] == [parcel(BOB, 1).id, parcel(BOB, 2).id]
    assert (len(alice.shelf), alice.notes, alice.shelf.bytes, alice.shelf.own) == (0, 0, 0, 0)
    assert alice.counts["expired"] == 2


def test_a_clock_that_falls_back_to_1970_ends_nothing(alice: Carrier, parcel: MakeParcel) -> None:
    takes(alice, CAROL, parcel(BOB))
    assert alice.sweep(now_s=50) == []


def test_a_restart_goes_on_with_what_is_on_disk(
    alice: Carrier, carrier: MakeCarrier, parcel: MakeParcel
) -> None:
    takes(alice, CAROL, parcel(BOB, 1))
    alice.entrust(parcel(BOB, 2), now_s=NOW_S)
    alice.arrived(note_of(parcel(BOB, 3)), now_s=NOW_S)
    again = carrier("alice", objects_max=1, bytes_max=1)  # lowered meanwhile
    again.furnish(alice.shelf, [note_of(parcel(BOB, 3))])
    assert (again.shelf.objects, again.shelf.own, again.shelf.bytes, again.notes) == (1, 1, 700, 1)
    again.up(DAVE, now_s=NOW_S)
    assert len(offered(again, DAVE)) == 2
    again.drop(parcel(BOB, 1).id)
    assert again.shelf.bytes == 0
    assert again.drop(parcel(BOB, 1).id) is None


def test_meetings_are_handed_to_the_disk(alice: Carrier) -> None:
    assert alice.take_meetings() == ([(CAROL, NOW_S)], [])
    alice.down(CAROL, now_s=NOW_S + 5)
    alice.down(CAROL, now_s=NOW_S + 9)
    assert alice.take_meetings() == ([(CAROL, NOW_S + 5)], [])


def test_there_is_a_limit_to_those_who_are_spoken_to_at_a_time(alice: Carrier, parcel: MakeParcel) -> None:
    alice.entrust(parcel(BOB), now_s=NOW_S)
    for number in range(1_000, 1_000 + SESSIONS_MAX):
        alice.up(node(number), now_s=NOW_S)
    assert offered(alice, node(1_000))
    assert offered(alice, node(999 + SESSIONS_MAX)) == []
