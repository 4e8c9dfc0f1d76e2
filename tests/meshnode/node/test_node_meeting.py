"""Nodes meet: through a sighting, an invite, an address; and keep one link."""

from typing import Any

import pytest

from meshnode.control import shapes
from protocols.errors import RefusedError


async def test_strangers_on_one_network_meet(town: Any) -> None:
    alice, bob = await town.node("alice", mdns=True), await town.node("bob", mdns=True)
    await alice.meets(bob)
    await bob.meets(alice)
    found = await alice.peer(bob)
    assert (found.state, found.trust, found.self_name, found.pinned_name) == (
        "connected",
        "stranger",
        "bob",
        False,
    )


async def test_two_who_see_each_other_keep_one_link(town: Any) -> None:
    alice, bob = await town.node("alice", mdns=True), await town.node("bob", mdns=True)
    await alice.meets(bob)
    await town.pass_s(5)
    assert (await alice.tell.status()).links == (await bob.tell.status()).links == 1


async def test_links_that_crossed_are_thinned_to_the_same_one(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    town.network.cut("alice", "bob")
    town.network.mend("alice", "bob")
    alice.node.driver.call_at(bob.node_id, [bob.address])
    bob.node.driver.call_at(alice.node_id, [alice.address])
    await alice.meets(bob, after=await alice.loses(bob))
    await town.pass_s(5)
    assert (await alice.tell.status()).links == (await bob.tell.status()).links == 1
    assert (await alice.send(bob, "still there?", wait="delivered")).state == "delivered"


async def test_a_contact_is_recognised_by_its_hint_wherever_it_is(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    await bob.stop()
    await alice.restart(mdns=True, listen=("memory://here",))
    await bob.start(mdns=True, listen=("memory://there",), visibility="contacts")
    await alice.meets(bob)


async def test_who_is_visible_to_contacts_only_is_found_by_no_stranger(town: Any) -> None:
    carol = await town.node("carol", mdns=True)
    bob = await town.node("bob", mdns=True, visibility="contacts")
    await town.pass_s(60)
    assert (await carol.tell.peers(), await bob.tell.peers()) == ([], [])
    await carol.tell.add_peer(shapes.AddPeer(peer=bob.address))
    await town.pass_s(60)
    assert await bob.tell.peers() == []
    [awaited] = await carol.tell.peers()
    assert (awaited.node_id, awaited.addresses) == ("", [bob.address])


async def test_an_address_that_is_forgotten_is_called_no_more(town: Any) -> None:
    alice, bob = await town.node("alice"), town.home("bob")
    await alice.tell.add_peer(shapes.AddPeer(peer=bob.address))
    await town.pass_s(60)
    forgotten = await alice.tell.forget_address(shapes.ForgetAddress(address=bob.address))
    assert forgotten == shapes.Forgotten(address=bob.address, awaited=True, peers=[])
    await bob.start()
    await town.pass_s(600)
    assert (await alice.tell.peers(), await bob.tell.peers()) == ([], [])
    with pytest.raises(RefusedError, match="nobody is awaited"):
        await alice.tell.forget_address(shapes.ForgetAddress(address=bob.address))


async def test_a_peer_whose_given_address_is_forgotten_is_still_called_where_its_record_says(
    town: Any,
) -> None:
    alice, bob = await town.friends("alice", "bob")
    await alice.tell.add_peer(shapes.AddPeer(peer=bob.id, address="memory://old"))
    await bob.stop()
    await alice.loses(bob)
    forgotten = await alice.tell.forget_address(shapes.ForgetAddress(address="memory://old"))
    assert forgotten.peers == [bob.id]
    peer = await alice.peer(bob)
    assert peer is not None
    assert peer.addresses == [bob.address]
    seen = await alice.loses(bob)
    await bob.start()
    await alice.meets(bob, after=seen)


async def test_a_contact_who_is_blocked_is_not_called_when_seen(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    await alice.tell.block_peer(shapes.PeerQuery(peer=bob.id))
    await bob.restart(mdns=True)
    await alice.restart(mdns=True)
    await town.pass_s(60)
    assert (await alice.tell.status()).connected == 0
    assert alice.events("peer_connected") == []


async def test_an_invite_pins_both(town: Any) -> None:
    alice, bob = await town.node("alice"), await town.node("bob")
    added = await alice.invites(bob)
    assert (added.node_id, added.name, added.trust) == (alice.id, "alice", "pinned")
    await alice.happens("invite_redeemed", node_id=bob.id, name="bob", uses_left=0)
    guest = await alice.peer(bob)
    assert (guest.name, guest.trust, guest.state, guest.pinned_name) == ("bob", "pinned", "connected", True)
    assert await alice.tell.invites() == []


async def test_an_invite_that_was_revoked_lets_nobody_in(town: Any) -> None:
    alice, bob = await town.node("alice"), await town.node("bob")
    invite = await alice.tell.create_invite(shapes.CreateInvite(uses=3))
    [listed] = await alice.tell.invites()
    assert (listed.id, listed.uses, listed.uses_left) == (invite.id, 3, 3)
    revoked = await alice.tell.revoke_invite(shapes.RevokeInvite(id=invite.id))
    assert revoked.id == invite.id
    assert await alice.tell.invites() == []
    await bob.tell.add_peer(shapes.AddPeer(peer=invite.invite))
    await bob.happens("invite_refused", node_id=alice.id, code="invite_unknown")
    assert (await alice.peer(bob)).trust == "stranger"


async def test_who_listens_nowhere_gives_no_invites(town: Any) -> None:
    alice = await town.node("alice", listen=())
    with pytest.raises(RefusedError, match="listens nowhere"):
        await alice.tell.create_invite(shapes.CreateInvite())


async def test_an_address_is_called_until_somebody_is_there(town: Any) -> None:
    alice = await town.node("alice")
    bob = town.home("bob")
    awaited = await alice.tell.add_peer(shapes.AddPeer(peer="memory://bob", name="bobby"))
    assert (awaited.node_id, awaited.name, awaited.addresses) == ("", "bobby", ["memory://bob"])
    await town.pass_s(30)
    await bob.start()
    await alice.happens("peer_met", address="memory://bob", name="bobby")
    found = await alice.peer(bob)
    assert (found.name, found.trust) == ("bobby", "pinned")


async def test_peers_of_the_settings_are_called_whether_address_or_invite(town: Any) -> None:
    alice, bob = await town.node("alice"), await town.node("bob")
    invite = await alice.tell.create_invite(shapes.CreateInvite())
    carol = await town.node("carol", peers=(invite.invite, bob.address))
    await carol.happens("invite_accepted", node_id=alice.id)
    await carol.meets(bob)
    assert [(await carol.peer(other)).trust for other in (alice, bob)] == ["pinned", "met"]


async def test_a_peer_of_the_settings_that_makes_no_sense_is_said_and_passed_over(
    town: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    alice = await town.node("alice", peers=("bob?", "memory://nobody"))
    assert "peer_not_added" in capsys.readouterr().out
    assert (await alice.tell.status()).peers == 0


async def test_a_known_peer_is_added_by_its_short_id(town: Any) -> None:
    alice, bob = await town.node("alice", mdns=True), await town.node("bob", mdns=True)
    await alice.meets(bob)
    short = (await bob.tell.identity()).short
    added = await alice.tell.add_peer(shapes.AddPeer(peer=short, name="bob"))
    assert (added.node_id, added.trust) == (bob.id, "pinned")
    resolved = await alice.tell.resolve(shapes.PeerQuery(peer="bob"))
    assert resolved == shapes.Resolved(node_id=bob.id, short=short, name="bob")


async def test_a_contact_who_only_ever_called_us_is_called_back(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    await bob.tell.remove_peer(shapes.PeerQuery(peer=alice.id))
    await bob.meets(alice, after=await bob.loses(alice))
    assert (await bob.peer(alice)).trust == "stranger"
