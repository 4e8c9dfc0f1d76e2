"""The service among a few nodes; whole daemons are in tests/sim."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from meshnode.services.courier.frames import (
    BundleCall,
    Hand,
    decode_handed,
    encode_bundle_call,
    encode_hand,
    encode_notes,
)
from protocols.codec import encode
from protocols.courier import LIFE_S_MAX, sign_note
from protocols.errors import RefusedError, RemoteError
from protocols.ids import MessageId
from protocols.keys import Identity

DAY_S = 86_400
DAY_MS = DAY_S * 1_000
ONE, TWO = MessageId(bytes(16)), MessageId(bytes([1]) * 16)
NewNode = Callable[..., Awaitable[Any]]


async def entrusts(alice: Any, bob: Any, content: bytes = b"hello", *messages: MessageId) -> bool:
    return await alice.service.entrust(bob.id, content, messages or (ONE,), life_ms=DAY_MS)


async def carried_by(alice: Any, bob: Any, carol: Any) -> bytes:
    """Carol took one object for Bob; gives it."""
    alice.net.meet(alice, carol)
    assert await entrusts(alice, bob)
    await carol.until(lambda: carol.service.view().objects == 1)
    await alice.until(lambda: alice.service.couriers_of(ONE) == 1)
    return await object_at(carol)


async def object_at(node: Any) -> bytes:
    (custody,) = node.service._desk.carrier.shelf
    return await node.object_of(custody.id)


def handed(sealed: bytes) -> bytes:
    return encode_hand(Hand(1, None, sealed))


# -- the way of an object -----------------------------------------------------------------------------------------


async def test_what_carol_carries_reaches_bob_and_alice_hears_of_it(alice: Any, bob: Any, carol: Any) -> None:
    await carried_by(alice, bob, carol)
    alice.net.part(alice, carol)
    alice.net.meet(carol, bob)
    await carol.until(lambda: carol.service.view().objects == 0)
    assert bob.got == [(alice.id, b"hello")]
    alice.net.meet(alice, carol)
    await alice.until(lambda: alice.service.view().own == 0)
    assert alice.told_brought == [ONE]
    assert alice.service.couriers_of(ONE) is None


async def test_a_third_one_who_met_bob_can_tell_alice(
    alice: Any, bob: Any, carol: Any, new_node: NewNode
) -> None:
    await carried_by(alice, bob, carol)
    dave = await new_node("dave")
    alice.net.part(alice, carol)
    alice.net.meet(carol, bob)
    await bob.until(lambda: bob.got)
    alice.net.meet(bob, dave)
    await dave.until(lambda: dave.service.view().notes == 1)
    alice.net.meet(dave, alice)
    await alice.until(lambda: alice.told_brought)


async def test_a_courier_signs_for_what_it_took(alice: Any, bob: Any, carol: Any) -> None:
    await carried_by(alice, bob, carol)
    ((courier,),) = await alice.rows("SELECT courier FROM receipts")
    assert courier == carol.id


async def test_a_lost_answer_leaves_the_copies_where_they_are(alice: Any, bob: Any, carol: Any) -> None:
    alice.net.lose_answers.append("hand")
    alice.net.meet(alice, carol)
    assert await entrusts(alice, bob)
    await carol.until(lambda: carol.service.view().objects == 1)
    await alice.settled()
    assert [each.copies for each in alice.service._desk.carrier.shelf] == [8]
    assert alice.counted("peer_unreachable") == 1
    alice.pass_s(31)
    await alice.until(lambda: alice.service.couriers_of(ONE) == 1)
    assert carol.service.view().objects == 1


async def test_contacts_are_asked_before_strangers(
    alice: Any, bob: Any, carol: Any, new_node: NewNode
) -> None:
    dave = await new_node("dave")
    del alice.contacts[carol.id]
    assert await entrusts(alice, bob) is True
    alice.net.calls.clear()
    alice.net.near |= {frozenset((alice.id, carol.id)): None, frozenset((alice.id, dave.id)): None}
    for node in (carol, dave):
        for watcher in alice.watchers:
            watcher(node.id, True)
    await alice.until(lambda: alice.service.couriers_of(ONE) == 2)
    asked = [peer for giver, peer, method in alice.net.calls if giver == alice.id and method == "offer"]
    assert asked[0] == dave.id


async def test_a_peer_without_the_service_is_left_alone(alice: Any, bob: Any, carol: Any) -> None:
    carol.handler = None
    alice.net.meet(alice, carol)
    assert await entrusts(alice, bob)
    await alice.until(lambda: alice.counted("peer_refused") == 1)
    alice.pass_s(120)
    await alice.settled()
    assert alice.counted("peer_refused") == 1


async def test_a_disk_that_is_full_takes_nothing_and_says_so(alice: Any, bob: Any, carol: Any) -> None:
    sealed = await carried_by(alice, bob, carol)
    bob.database.full = True
    alice.net.meet(bob, carol)
    await bob.settled()
    assert carol.service.view().objects == 1
    bob.database.full = False
    carol.pass_s(601)
    await carol.until(lambda: carol.service.view().objects == 0)
    assert bob.got[-1] == (alice.id, b"hello")
    carol.database.full = True
    other = bytearray(sealed)
    other[50] ^= 1  # another id, as a courier sees it
    with pytest.raises(RefusedError, match="keeps nothing"):
        await carol.hear(alice, "hand", handed(bytes(other)))
    assert carol.service.view().objects == 0


async def test_when_alices_disk_is_full_nothing_is_entrusted(alice: Any, bob: Any) -> None:
    alice.database.full = True
    with pytest.raises(Exception, match="full"):
        await entrusts(alice, bob)
    assert alice.service.view().own == 0


async def test_a_receiver_without_room_gets_it_later(alice: Any, bob: Any, carol: Any) -> None:
    await carried_by(alice, bob, carol)
    bob.outcome = "later"
    alice.net.meet(bob, carol)
    await carol.until(lambda: carol.counted("peer_refused") == 1)
    assert carol.service.view().objects == 1
    bob.outcome = "kept"
    carol.pass_s(601)
    await bob.until(lambda: bob.got)


async def test_what_is_no_use_to_its_receiver_is_carried_no_more(alice: Any, bob: Any, carol: Any) -> None:
    await carried_by(alice, bob, carol)
    bob.outcome = "hopeless"
    alice.net.meet(bob, carol)
    await carol.until(lambda: carol.service.view().objects == 0)
    await carol.settled()
    assert await carol.rows("SELECT * FROM carried") == []
    assert alice.told_brought == []


async def test_what_is_over_is_forgotten_and_its_sender_may_seal_it_again(
    alice: Any, bob: Any, carol: Any
) -> None:
    await carried_by(alice, bob, carol)
    for node in (alice, carol):
        node.pass_s(DAY_S + 60)
        await node.until(lambda node=node: node.service.view().own + node.service.view().objects == 0)
    assert alice.told_lapsed == [bob.id]
    await alice.settled()
    assert await alice.rows("SELECT * FROM carried") == await alice.rows("SELECT * FROM parcels") == []


async def test_what_was_delivered_otherwise_is_offered_no_more(alice: Any, bob: Any, carol: Any) -> None:
    assert await entrusts(alice, bob, b"two", ONE, TWO)
    alice.service.over([ONE])
    await alice.settled()
    assert alice.service.view().own == 1
    alice.service.over([ONE, TWO])
    await alice.until(lambda: alice.service.view().own == 0)
    await alice.settled()
    assert await alice.rows("SELECT * FROM carried") == []


async def test_all_is_as_it_was_after_a_restart(alice: Any, bob: Any, carol: Any) -> None:
    await carried_by(alice, bob, carol)
    key = alice.service.view().prekey
    await alice.start()
    await carol.start()
    assert alice.service.couriers_of(ONE) == 1
    assert alice.service.view().prekey == key
    assert alice.service._keeper.usable(bob.id) is not None
    assert carol.service.view().objects == 1
    await bob.start()
    alice.net.meet(carol, bob)
    await bob.until(lambda: bob.got)
    await carol.until(lambda: carol.service.view().objects == 0)
    await carol.start()
    assert (carol.service.view().objects, carol.service.view().notes) == (0, 1)


# -- what can't be carried ----------------------------------------------------------------------------------------


async def test_nothing_is_sealed_to_who_never_gave_a_prekey(alice: Any, carol: Any) -> None:
    assert not await entrusts(alice, carol)
    assert not alice.service.can_carry(carol.id)


async def test_nothing_is_sealed_that_ends_in_a_moment_or_is_too_long(alice: Any, bob: Any) -> None:
    assert not await alice.service.entrust(bob.id, b"now or never", (ONE,), life_ms=30_000)
    assert not await alice.service.entrust(bob.id, bytes(65_536), (ONE,), life_ms=DAY_MS)
    assert not await alice.service.entrust(bob.id, b"many", (ONE,) * 300, life_ms=DAY_MS)


async def test_no_object_lives_longer_than_its_message_or_a_fortnight(alice: Any, bob: Any) -> None:
    assert await alice.service.entrust(bob.id, b"year", (ONE,), life_ms=365 * DAY_MS)
    assert await alice.service.entrust(bob.id, b"hour", (TWO,), life_ms=3_600_000)
    year, hour = alice.service.view().under_way
    now_s = alice.service._desk.now_s()
    assert LIFE_S_MAX - 600 <= year.expires_s - now_s <= LIFE_S_MAX
    assert 3_000 <= hour.expires_s - now_s <= 3_600


async def test_couriers_are_near_or_there_are_none(alice: Any, bob: Any, carol: Any) -> None:
    assert not alice.service.can_carry(bob.id)
    alice.net.meet(alice, carol)
    assert alice.service.can_carry(bob.id)


async def test_a_clock_that_was_never_set_seals_and_carries_nothing(alice: Any, bob: Any, carol: Any) -> None:
    alice.net.meet(alice, carol)
    alice.clock.wall = 0
    assert not alice.service.can_carry(bob.id)
    with pytest.raises(RefusedError, match="clock"):
        await alice.service.rotate_prekeys()


async def test_so_many_of_ours_and_no_more(alice: Any, bob: Any) -> None:
    alice.service._desk.carrier.shelf._limits = replace(alice.service._desk.limits, own_max=1)
    assert await entrusts(alice, bob, b"one", ONE)
    assert not await entrusts(alice, bob, b"two", TWO)
    assert alice.counted("own_full") == 1


# -- prekeys ------------------------------------------------------------------------------------------------------


async def test_secret_halves_lie_sealed_on_disk(alice: Any) -> None:
    ((secret,),) = await alice.rows("SELECT secret FROM prekeys")
    (kept,) = alice.service._keeper.ring.kept
    assert kept.secret not in secret
    assert len(secret) == len(kept.secret) + 28


async def test_prekeys_of_another_identity_are_not_used(alice: Any) -> None:
    alice.identity = Identity.from_seed(bytes(32))
    await alice.start()
    assert alice.counted("prekeys_skipped") == 1
    assert alice.service.view().prekey.kept == 1


async def test_a_new_prekey_each_week_and_the_old_ones_for_a_month(alice: Any) -> None:
    for week in range(1, 9):
        alice.pass_s(7 * DAY_S)
        await alice.until(lambda week=week: alice.counted("prekeys_rotated") == week + 1)
    await alice.settled()
    assert len(await alice.rows("SELECT id FROM prekeys")) == alice.service.view().prekey.kept <= 5


async def test_one_by_hand_reaches_those_who_are_here(alice: Any, bob: Any) -> None:
    alice.net.meet(alice, bob)
    view = await alice.service.rotate_prekeys()
    assert view.kept == 2
    await bob.until(lambda: bob.service._keeper.usable(alice.id).prekey_id == view.id)
    assert ("prekeys_rotated", {"id": view.id.hex(), "kept": 2}) in alice.events


async def test_an_older_bundle_is_never_taken_again(alice: Any, bob: Any) -> None:
    old = alice.service._keeper.ring.kept[0].bundle
    alice.net.meet(alice, bob)
    view = await alice.service.rotate_prekeys()
    await bob.until(lambda: bob.service._keeper.usable(alice.id).prekey_id == view.id)
    await bob.start()
    await bob.hear(alice, "bundle", encode_bundle_call(BundleCall(0, 0, old)))
    assert bob.counted("old_bundles") == 1
    assert bob.service._keeper.usable(alice.id).prekey_id == view.id


async def test_nobody_hands_out_anothers_bundle_or_one_that_is_over(alice: Any, bob: Any, carol: Any) -> None:
    bundle = alice.service._keeper.ring.kept[0].bundle
    with pytest.raises(RemoteError, match="foreign_bundle"):
        await bob.hear(carol, "bundle", encode_bundle_call(BundleCall(0, 0, bundle)))
    carol.clock.pass_s(20 * DAY_S)
    with pytest.raises(RemoteError, match="bad_bundle"):
        await carol.hear(alice, "bundle", encode_bundle_call(BundleCall(0, 0, bundle)))


async def test_they_are_exchanged_once_in_a_session(alice: Any, bob: Any) -> None:
    alice.net.calls.clear()
    alice.net.meet(alice, bob)
    await alice.settled()
    alice.pass_s(61)
    bob.pass_s(61)
    await alice.settled()
    assert 1 <= sum(method == "bundle" for _, _, method in alice.net.calls) <= 2


async def test_the_stranger_whose_bundle_is_oldest_goes_first(
    alice: Any, bob: Any, new_node: NewNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meshnode.services.courier.tables.BUNDLES_MAX", 2)
    for name in ("dave", "eve"):
        stranger = await new_node(name)
        del alice.contacts[stranger.id]
        alice.net.meet(alice, stranger)
        await alice.until(lambda stranger=stranger: alice.service._keeper.usable(stranger.id))
    assert alice.service.view().bundles == 2
    assert alice.service._keeper.usable(bob.id) is not None


# -- who does wrong -----------------------------------------------------------------------------------------------


async def test_too_much_that_does_not_open_is_not_even_tried(alice: Any, bob: Any, carol: Any) -> None:
    sealed = bytearray(await carried_by(alice, bob, carol))
    sealed[-1] ^= 1
    for _ in range(16):
        with pytest.raises(RemoteError):
            await bob.hear(carol, "hand", handed(bytes(sealed)))
    with pytest.raises(RefusedError, match="could not be opened"):
        await bob.hear(carol, "hand", handed(bytes(sealed)))
    alice.net.meet(bob, carol)
    alice.net.part(bob, carol)
    with pytest.raises(RemoteError):
        await bob.hear(carol, "hand", handed(bytes(sealed)))


async def test_what_is_long_over_is_not_opened(alice: Any, bob: Any, carol: Any) -> None:
    sealed = await carried_by(alice, bob, carol)
    bob.clock.pass_s(3 * DAY_S)
    with pytest.raises(RefusedError, match="time is over"):
        await bob.hear(carol, "hand", handed(sealed))
    bob.clock.wall = 0  # it does not know better
    assert decode_handed(await bob.hear(carol, "hand", handed(sealed))).outcome == "delivered"


async def test_a_replay_is_answered_and_changes_nothing(alice: Any, bob: Any, carol: Any) -> None:
    sealed = await carried_by(alice, bob, carol)
    for _ in range(3):
        assert decode_handed(await bob.hear(carol, "hand", handed(sealed))).outcome == "delivered"
    assert len(bob.got) == 1
    assert bob.counted("replayed") == 2


async def test_the_blocked_are_told_nothing(alice: Any, bob: Any, carol: Any) -> None:
    sealed = await carried_by(alice, bob, carol)
    bob.blocked[carol.id] = None
    with pytest.raises(RefusedError, match="keeps nothing"):
        await bob.hear(carol, "hand", handed(sealed))
    alice.net.meet(bob, carol)
    await bob.settled()
    assert bob.got == []


async def test_an_unknown_method_is_refused_by_name(alice: Any, bob: Any) -> None:
    with pytest.raises(RefusedError, match="bundle, offer, hand and notes"):
        await alice.hear(bob, "steal", b"")


async def test_a_note_of_somebody_else_is_no_receipt(alice: Any, bob: Any, carol: Any) -> None:
    await carried_by(alice, bob, carol)
    (custody,) = alice.service._desk.carrier.shelf
    lie = sign_note(carol.identity, custody.id, custody.expires_s)
    await alice.hear(carol, "notes", encode_notes([lie.data]))
    assert alice.told_brought == []
    assert alice.service.view().own == 1


@pytest.mark.parametrize("method", ["offer", "hand"])
async def test_a_courier_that_lies_in_its_answers_ends_the_round(
    alice: Any, bob: Any, carol: Any, method: str
) -> None:
    """It says "delivered" with its own note, or signs for something else."""
    honest = carol.handler
    (lie,) = [sign_note(carol.identity, bytes(16), carol.service._desk.now_s() + DAY_S)]

    async def lying(call: Any) -> bytes:
        if call.method != method:
            return await honest(call)
        if method == "offer":
            return encode({"v": 1, "list": [{"w": "delivered", "note": lie.data}]})
        return encode({"v": 1, "w": "taken", "proof": lie.data})

    carol.handler = lying
    alice.net.meet(alice, carol)
    assert await entrusts(alice, bob)
    await alice.until(lambda: alice.counted("peer_broke_rules") == 1)
    assert [each.copies for each in alice.service._desk.carrier.shelf] == [8]
    assert alice.told_brought == []


async def test_when_the_messages_store_fails_a_note_is_told_again(
    alice: Any, bob: Any, carol: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await carried_by(alice, bob, carol)
    (custody,) = alice.service._desk.carrier.shelf
    note = sign_note(bob.identity, custody.id, custody.expires_s)
    alice.database.full = True
    with pytest.raises(RefusedError, match="keeps nothing"):
        await alice.hear(carol, "notes", encode_notes([note.data]))
    assert alice.service.view().own == 1
    alice.database.full = False
    await alice.hear(carol, "notes", encode_notes([note.data]))
    assert alice.service.view().own == 0


async def test_a_disk_in_trouble_is_asked_again(alice: Any) -> None:
    alice.database.full = True
    alice.pass_s(8 * DAY_S)
    await alice.until(lambda: alice.counted("store_failures") >= 1)
    alice.database.full = False
    alice.pass_s(2)
    await alice.until(lambda: alice.counted("prekeys_rotated") == 2)


async def test_meetings_outlive_a_restart(alice: Any, bob: Any) -> None:
    alice.pass_s(61)
    await alice.settled()
    await alice.start()
    assert alice.service._desk.carrier.age_s(bob.id, alice.service._desk.now_s()) is not None


async def test_who_was_reached_over_others_and_comes_near_becomes_a_courier(
    alice: Any, bob: Any, carol: Any
) -> None:
    alice.service._desk.is_near = [].__contains__  # nobody
    alice.net.meet(alice, carol)
    assert await entrusts(alice, bob)
    await alice.settled()
    assert carol.service.view().objects == 0
    alice.service.linked(carol.id)
    await carol.until(lambda: carol.service.view().objects == 1)
    await asyncio.sleep(0)
