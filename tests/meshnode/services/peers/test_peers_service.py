"""Two or three services joined by a network that is scripted. Nothing sleeps: tests wait for events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from meshnode.services.peers import AwaitedView, ForgottenAddress
from meshnode.services.peers.frames import encode_record, encode_revocations
from meshnode.services.peers.limits import CLOCK_SKEW_S
from protocols.codec import encode
from protocols.directory import format_invite, open_record, sign_revocation
from protocols.errors import RefusedError, StoreError
from protocols.ids import node_id_text, short_id

if TYPE_CHECKING:
    from conftest import Net, Node

WALL_S = 1_700_000_000  # where every node's wall clock starts
DAY_S = 86_400


async def invite_from(node: Node, *, uses: int = 1) -> str:
    invite, _ = await node.service.invitations.issue(expires_s=DAY_S, uses=uses, addresses=node.addresses)
    return format_invite(invite)


async def refused(node: Node, peer: Node, method: str, body: bytes) -> str:
    with pytest.raises(RefusedError) as caught:
        await node.call(peer.id, "peers", method, body)
    return caught.value.code


# -- invites --------------------------------------------------------------------------------------------------


async def test_an_invite_pins_both_sides(net: Net, alice: Node, bob: Node) -> None:
    await bob.service.owner.add(await invite_from(alice))
    assert bob.wanted == [alice.id]
    assert bob.service.x25519(alice.id) == alice.identity.x25519_public
    assert bob.service.addresses(alice.id) == ["memory://alice"]
    async with bob.running():
        net.connect(bob, alice)
        await bob.next_event("invite_accepted")
    told = alice.heard("invite_redeemed")[0]
    assert (told["name"], told["uses_left"]) == ("Bob", 0)
    assert [alice.service.owner.view(bob.id).trust, bob.service.owner.view(alice.id).trust] == [
        "pinned",
        "pinned",
    ]
    assert alice.service.owner.resolve("bob") == bob.id
    assert bob.service.owner.resolve("alice") == alice.id


async def test_a_lost_answer_costs_no_second_use(net: Net, alice: Node, bob: Node) -> None:
    await bob.service.owner.add(await invite_from(alice, uses=2))
    net.lose_answers["redeem"] = 1
    net.connect(bob, alice)
    async with bob.running():
        await net.next_call("redeem")
    assert len(alice.heard("invite_redeemed")) == 1
    alice.events.clear()
    net.disconnect(bob, alice)
    async with bob.running():
        net.connect(bob, alice)
        await bob.next_event("invite_accepted")
    assert alice.service.invitations.list()[0].uses_left == 1
    assert alice.heard("invite_redeemed") == []


async def test_a_use_is_consumed_for_good_before_the_guest_hears_of_it(
    net: Net, alice: Node, bob: Node
) -> None:
    await bob.service.owner.add(await invite_from(alice))
    async with bob.running():
        net.connect(bob, alice)
        await bob.next_event("invite_accepted")
    net.disconnect(bob, alice)
    await alice.start()
    assert alice.service.invitations.list()[0].redeemed_by == (node_id_text(bob.id),)
    assert alice.service.is_contact(bob.id)


async def test_a_full_disk_at_the_issuer_delays_a_redemption_and_loses_nothing(
    net: Net, alice: Node, bob: Node
) -> None:
    await bob.service.owner.add(await invite_from(alice))
    alice.database.full = True
    async with bob.running():
        net.connect(bob, alice)
        await net.next_call("redeem")
        net.disconnect(bob, alice)
        alice.database.full = False
        net.connect(bob, alice)
        await bob.next_event("invite_accepted")
    await alice.start()
    assert alice.service.is_contact(bob.id)


async def test_an_added_invite_survives_a_restart_of_the_guest(net: Net, alice: Node, bob: Node) -> None:
    await bob.service.owner.add(await invite_from(alice))
    bob.wanted.clear()
    await bob.start()
    assert bob.wanted == [alice.id]
    net.connect(bob, alice)
    async with bob.running():
        await bob.next_event("invite_accepted")


async def test_after_its_expiry_the_issuer_is_not_looked_for(alice: Node, bob: Node) -> None:
    await bob.service.owner.add(await invite_from(alice))
    bob.clock.wall_s += DAY_S + CLOCK_SKEW_S + 1
    bob.wanted.clear()
    await bob.start()
    assert bob.wanted == []


async def test_a_withdrawn_invite_is_refused_and_the_owner_is_told(net: Net, alice: Node, bob: Node) -> None:
    await bob.service.owner.add(await invite_from(alice))
    invite_id = alice.service.invitations.list()[0].id
    assert (await alice.service.invitations.revoke(invite_id)).uses_left == 1
    async with bob.running():
        net.connect(bob, alice)
        told = await bob.next_event("invite_refused")
    assert told["code"] == "invite_unknown"
    assert alice.service.owner.view(bob.id).trust == "stranger"
    net.disconnect(bob, alice)
    net.calls.clear()
    async with bob.running():
        net.connect(bob, alice)
    assert net.calls == [], "it is not asked for again"


async def test_two_guests_of_one_name_are_told_apart(
    net: Net, alice: Node, new_node: Callable[..., Awaitable[Node]]
) -> None:
    guests = [await new_node(seed, "Sam") for seed in ("sam", "samuel")]
    link = await invite_from(alice, uses=2)
    for guest in guests:
        await guest.service.owner.add(link)
        async with guest.running():
            net.connect(guest, alice)
            await guest.next_event("invite_accepted")
    names = [alice.service.owner.view(guest.id).petname for guest in guests]
    assert names == ["Sam", "Sam-2"]


async def test_an_expired_or_own_invite_is_refused_on_the_spot(alice: Node, bob: Node) -> None:
    link = await invite_from(alice)
    with pytest.raises(RefusedError) as caught:
        await alice.service.owner.add(link)
    assert caught.value.code == "is_self"
    bob.clock.wall_s += DAY_S + CLOCK_SKEW_S
    with pytest.raises(RefusedError) as caught:
        await bob.service.owner.add(link)
    assert caught.value.code == "invite_expired"


async def test_a_newer_invite_replaces_the_one_that_is_being_shown(net: Net, alice: Node, bob: Node) -> None:
    await bob.service.owner.add(await invite_from(alice))
    async with bob.running():
        net.connect(bob, alice)
        await bob.service.owner.add(await invite_from(alice), name="Ally")
        await bob.next_event("invite_accepted")
    assert bob.service.owner.resolve("ally") == alice.id


# -- adding otherwise -----------------------------------------------------------------------------------------


async def test_a_node_id_is_added_as_met_and_with_a_name_as_pinned(
    alice: Node, bob: Node, carol: Node
) -> None:
    met = await alice.service.owner.add(node_id_text(bob.id), addresses=("quic://192.0.2.1:7",))
    pinned = await alice.service.owner.add(node_id_text(carol.id), name="Carol")
    assert [getattr(one, "trust", "") for one in (met, pinned)] == ["met", "pinned"]
    assert alice.wanted == [bob.id, carol.id]
    assert alice.service.addresses(bob.id) == ["quic://192.0.2.1:7"]


async def test_a_taken_name_adds_nobody(alice: Node, bob: Node, carol: Node) -> None:
    await alice.service.owner.add(node_id_text(bob.id), name="Bob")
    with pytest.raises(RefusedError):
        await alice.service.owner.add(node_id_text(carol.id), name="bob")
    assert not alice.service.is_contact(carol.id)


async def test_an_address_is_trusted_on_first_use_across_a_restart(net: Net, alice: Node, bob: Node) -> None:
    added = await alice.service.owner.add("memory://bob", name="Bob")
    assert added == AwaitedView("memory://bob", "Bob")
    assert alice.service.owner.awaited() == [added]
    await alice.start()
    assert alice.dialling == ["memory://bob", "memory://bob"]
    net.connect(alice, bob, dialled="memory://bob")
    assert alice.heard("peer_met")[0]["name"] == "Bob"
    assert alice.service.owner.resolve("bob") == bob.id
    assert alice.service.owner.awaited() == []
    assert await alice.service.owner.add("memory://bob") == alice.service.owner.view(bob.id)


async def test_an_address_where_nobody_answers_can_be_forgotten(alice: Node) -> None:
    await alice.service.owner.add("memory://bob")
    forgotten = await alice.service.owner.forget_address("memory://bob")
    assert forgotten == ForgottenAddress("memory://bob", awaited=True, peers=())
    with pytest.raises(RefusedError):
        await alice.service.owner.forget_address("memory://bob")
    await alice.start()
    assert alice.service.owner.awaited() == []


async def test_an_address_that_was_given_for_a_peer_can_be_forgotten(alice: Node, bob: Node) -> None:
    await alice.service.owner.add(
        node_id_text(bob.id), addresses=("quic://192.0.2.1:7", "quic://192.0.2.2:7")
    )
    forgotten = await alice.service.owner.forget_address("quic://192.0.2.1:7")
    assert (forgotten.awaited, forgotten.peers) == (False, (bob.id,))
    await alice.start()
    assert alice.service.addresses(bob.id) == ["quic://192.0.2.2:7"]


# -- standing -------------------------------------------------------------------------------------------------


async def test_a_request_is_listed_until_it_is_accepted(net: Net, alice: Node, bob: Node) -> None:
    net.connect(bob, alice)
    alice.service.note_request(bob.id)
    assert [view.node_id for view in alice.service.owner.requests()] == [node_id_text(bob.id)]
    assert (await alice.service.owner.accept(bob.id)).trust == "met"
    assert alice.service.owner.requests() == []
    await alice.start()
    assert alice.service.is_contact(bob.id)


async def test_a_declined_request_leaves_a_stranger(net: Net, alice: Node, bob: Node) -> None:
    net.connect(bob, alice)
    alice.service.note_request(bob.id)
    view = await alice.service.owner.decline(bob.id)
    assert (view.trust, alice.service.owner.requests()) == ("stranger", [])


async def test_writing_to_a_stranger_reaches_the_disk_in_the_background(
    net: Net, alice: Node, bob: Node
) -> None:
    net.connect(bob, alice)
    async with alice.running():
        alice.service.mark_contact(bob.id)
        await alice.database.written.wait()
    await alice.start()
    assert alice.service.is_contact(bob.id)


async def test_a_block_closes_and_refuses_and_stays(net: Net, alice: Node, bob: Node) -> None:
    net.connect(bob, alice)
    view = await alice.service.owner.block(bob.id)
    assert (view.state, alice.blocked) == ("blocked", [bob.id])
    assert await refused(bob, alice, "record", encode_record(bob.record())) == "refused"
    await alice.start()
    assert alice.service.is_blocked(bob.id)
    net.connect(bob, alice)
    await alice.service.owner.unblock(bob.id)
    assert not alice.service.is_blocked(bob.id)


async def test_a_block_is_in_force_though_the_disk_is_full(alice: Node, bob: Node) -> None:
    alice.database.full = True
    with pytest.raises(StoreError):
        await alice.service.owner.block(bob.id)
    assert alice.service.is_blocked(bob.id)
    async with alice.running():
        await alice.next_event("store_failed")
        alice.database.full = False
    await alice.start()
    assert alice.service.is_blocked(bob.id), "it was written as soon as there was room"


async def test_a_removed_peer_is_forgotten_with_what_it_owed(alice: Node, bob: Node) -> None:
    await bob.service.owner.add(await invite_from(alice))
    await bob.service.owner.remove(alice.id)
    bob.wanted.clear()
    await bob.start()
    assert (bob.service.owner.peers(), bob.wanted) == ([], [])


async def test_a_name_is_pinned_for_good(net: Net, alice: Node, bob: Node) -> None:
    net.connect(alice, bob)
    await alice.service.owner.name(bob.id, "Robert")
    await alice.start()
    view = alice.service.owner.peers()[0]
    assert (view.name, view.self_name, view.pinned_name, view.trust) == ("Robert", "Bob", True, "pinned")
    assert view.state == "connected"


async def test_a_full_book_lets_a_session_be_and_the_address_waits_on(
    net: Net, alice: Node, bob: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    await alice.service.owner.add("memory://bob")
    monkeypatch.setattr("meshnode.services.peers.book.CONTACTS_MAX", 0)
    net.connect(alice, bob, dialled="memory://bob")
    assert alice.service.owner.awaited() == [AwaitedView("memory://bob", "")]
    assert alice.service.counts()["too_many_contacts"] == 1


# -- records --------------------------------------------------------------------------------------------------


async def test_a_changed_record_is_pushed_to_connected_contacts_only(
    net: Net, alice: Node, bob: Node, carol: Node
) -> None:
    await alice.service.owner.add(node_id_text(bob.id))
    net.connect(alice, bob)
    net.connect(alice, carol)
    alice.addresses, alice.sequence = ("memory://moved",), 2
    async with alice.running():
        alice.service.own_record_changed()
        await net.next_call("record")
    assert net.calls == [(alice.id, bob.id, "record")]
    assert bob.service.addresses(alice.id) == ["memory://moved"]
    assert bob.service.x25519(alice.id) == alice.identity.x25519_public
    assert carol.service.addresses(alice.id) == ["memory://alice"]


async def test_somebody_elses_record_is_not_taken_from_a_peer(
    net: Net, alice: Node, bob: Node, carol: Node
) -> None:
    net.connect(alice, bob)
    assert await refused(bob, alice, "record", encode_record(carol.record())) == "not_yours"
    assert alice.service.counts()["not_yours"] == 1


async def test_hybrid_is_remembered_across_a_restart(net: Net, alice: Node, bob: Node) -> None:
    bob.features = ()
    net.connect(alice, bob)
    assert not alice.service.hybrid(bob.id)
    assert not alice.service.seen_hybrid(bob.id)
    async with alice.running():
        alice.service.remember_hybrid(bob.id)
        await alice.database.written.wait()
    await alice.start()
    assert alice.service.seen_hybrid(bob.id)
    assert alice.service.hybrid(bob.id)


async def test_last_seen_is_when_it_went(net: Net, alice: Node, bob: Node) -> None:
    net.connect(alice, bob)
    alice.clock.wall_s += 60
    net.disconnect(alice, bob)
    view = alice.service.owner.view(bob.id)
    assert (view.first_met, view.last_seen, view.state) == (WALL_S, WALL_S + 60, "known")


async def test_an_impostor_is_told_loudly(
    net: Net, alice: Node, bob: Node, new_node: Callable[..., Awaitable[Node]]
) -> None:
    await alice.service.owner.add(node_id_text(bob.id), name="Bob")
    mallory = await new_node("mallory", "bob")
    net.connect(mallory, alice)
    told = alice.heard("name_conflict")[0]
    assert told == {"node_id": node_id_text(mallory.id), "self_name": "bob", "pinned": [node_id_text(bob.id)]}
    assert alice.service.owner.view(mallory.id).conflict


# -- revocation -----------------------------------------------------------------------------------------------


async def test_a_revocation_spreads_from_contact_to_contact_and_is_kept(
    net: Net, alice: Node, bob: Node, carol: Node
) -> None:
    for one, other in ((alice, bob), (bob, alice), (alice, carol), (bob, carol)):
        await one.service.owner.add(node_id_text(other.id))
    async with alice.running(), bob.running():
        net.connect(alice, bob)
        await alice.service.owner.import_revocation(sign_revocation(carol.identity, WALL_S))
        assert (await bob.next_event("peer_revoked"))["node_id"] == node_id_text(carol.id)
    assert bob.blocked == [carol.id]
    await bob.start()
    view = bob.service.owner.view(carol.id)
    assert (view.revoked, view.state) == (True, "blocked")
    net.connect(bob, carol)
    assert bob.service.owner.view(carol.id).state == "blocked", "meeting it changes nothing"


async def test_a_revocation_learnt_while_away_is_told_on_the_next_meeting(
    net: Net, alice: Node, bob: Node, carol: Node
) -> None:
    for one, other in ((alice, bob), (bob, alice), (bob, carol)):
        await one.service.owner.add(node_id_text(other.id))
    signed = sign_revocation(carol.identity, WALL_S)
    await alice.service.owner.import_revocation(signed)
    assert (await alice.service.owner.import_revocation(signed)).revoked, "twice is harmless"
    async with alice.running():
        net.connect(alice, bob)
        await bob.next_event("peer_revoked")


async def test_revocations_are_taken_from_contacts_only_and_rubbish_is_counted(
    net: Net, alice: Node, bob: Node
) -> None:
    net.connect(alice, bob)
    body = encode_revocations([b"rubbish"])
    assert await refused(bob, alice, "revocation", body) == "not_a_contact"
    alice.service.mark_contact(bob.id)
    assert await refused(bob, alice, "revocation", body) == "bad_request"
    assert alice.service.counts()["bad_encoding"] == 1


async def test_a_full_table_drops_what_others_bring_and_counts_it(
    net: Net, alice: Node, bob: Node, carol: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    for node in (bob, carol):
        await alice.service.owner.add(node_id_text(node.id))
    net.connect(alice, bob)
    monkeypatch.setattr("meshnode.services.peers.book.REVOCATIONS_MAX", 0)
    await bob.call(
        alice.id, "peers", "revocation", encode_revocations([sign_revocation(carol.identity, WALL_S)])
    )
    assert alice.service.counts()["revocations_dropped"] == 1


async def test_an_unknown_method_or_version_is_refused(net: Net, alice: Node, bob: Node) -> None:
    net.connect(alice, bob)
    assert await refused(bob, alice, "sing", b"") == "unknown_method"
    assert await refused(bob, alice, "redeem", encode({"v": 9})) == "unsupported_version"


async def test_contacts_are_whom_the_node_should_reach(net: Net, alice: Node, bob: Node, carol: Node) -> None:
    net.connect(alice, carol)
    await alice.service.owner.add(node_id_text(bob.id))
    assert alice.service.contacts() == [bob.id]
    assert [view.node_id for view in alice.service.owner.peers()] == [
        node_id_text(bob.id),
        node_id_text(carol.id),
    ]
    assert alice.service.owner.resolve(short_id(carol.id)) == carol.id


def test_the_tests_world_speaks_real_records(alice: Node) -> None:
    assert open_record(alice.record()).node == alice.id
