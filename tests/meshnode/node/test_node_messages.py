"""Messages between whole nodes: delivered once, whoever sleeps or restarts; strangers wait in the request box."""

import base64
from typing import Any

import pytest

from meshnode.control import shapes
from meshnode.settings import MessageSettings
from protocols.directory import sign_revocation
from protocols.errors import RefusedError

WALL_S = 1_800_000_000


def query(peer: Any) -> shapes.PeerQuery:
    return shapes.PeerQuery(peer=peer.id)


async def test_a_message_is_delivered_and_its_reading_is_told(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    sent = await alice.send(bob, "hello", wait="delivered")
    assert sent.state == "delivered"
    [message] = await bob.tell.messages(shapes.ListMessages(peer="alice"))
    assert (message.text, message.direction, message.from_name, message.to_name, message.request) == (
        "hello",
        "in",
        "alice",
        "bob",
        False,
    )
    assert (message.message_id, message.trace) == (sent.message_id, sent.trace)
    assert await bob.tell.mark_read(shapes.MarkRead(message_ids=[message.message_id])) == shapes.Marked(
        marked=1
    )
    await alice.happens("message_read", message_id=sent.message_id)
    assert [each.state for each in await alice.tell.messages(shapes.ListMessages())] == ["read"]


async def test_who_keeps_reading_to_himself_tells_nobody(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    await bob.restart(messages=MessageSettings(read_receipts=False))
    await alice.send(bob, "hello", wait="delivered")
    [message] = await bob.tell.messages(shapes.ListMessages())
    await bob.tell.mark_read(shapes.MarkRead(message_ids=[message.message_id]))
    await town.pass_s(60)
    assert [each.state for each in await alice.tell.messages(shapes.ListMessages())] == ["delivered"]


async def test_messages_are_listed_from_the_first_and_from_any(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    sent = [await alice.send(bob, text, wait="delivered") for text in ("one", "two", "three")]
    everything, after_one, newest = [
        [each.text for each in await bob.tell.messages(request)]
        for request in (
            shapes.ListMessages(since="", limit=2),
            shapes.ListMessages(since=sent[0].message_id),
            shapes.ListMessages(limit=1),
        )
    ]
    assert (everything, after_one, newest) == (["one", "two"], ["two", "three"], ["three"])


async def test_a_peer_who_is_away_gets_it_later_and_once(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    await bob.stop()
    sent = await alice.send(bob, "for later", wait="delivered", timeout_s=30)
    assert sent.state == "queued"
    assert (await alice.tell.status()).queued == 1
    await bob.start()
    await alice.happens("message_delivered", message_id=sent.message_id)
    assert await bob.texts() == ["for later"]
    assert (await alice.tell.status()).queued == 0


async def test_a_restart_keeps_identity_contacts_and_what_waits(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    me = alice.id
    await bob.stop()
    sent = await alice.send(bob, "before the restart")
    await alice.restart()
    assert alice.id == me
    assert (await alice.peer(bob)).trust == "pinned"
    await bob.start()
    await alice.happens("message_delivered", message_id=sent.message_id)
    assert await bob.texts() == ["before the restart"]
    assert await alice.texts("out") == ["before the restart"]


async def test_a_restart_of_the_receiver_in_the_middle_loses_nothing(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    texts = [str(number) for number in range(200)]
    sent = [await alice.send(bob, text) for text in texts[:100]]
    await bob.restart()
    sent += [await alice.send(bob, text) for text in texts[100:]]
    await alice.happens("message_delivered", message_id=sent[-1].message_id)
    found = await bob.tell.messages(shapes.ListMessages(since="", limit=1_000))
    assert [each.text for each in found] == texts


async def test_a_stranger_waits_in_the_request_box_until_accepted(town: Any) -> None:
    alice, eve = await town.node("alice", mdns=True), await town.node("eve", mdns=True)
    await eve.meets(alice)
    await eve.send(alice, "let me in", wait="delivered")
    [request] = await alice.tell.peer_requests()
    assert (request.node_id, request.self_name, request.messages) == (eve.id, "eve", 1)
    assert (await alice.tell.status()).requests == 1
    [message] = await alice.tell.messages(shapes.ListMessages())
    assert (message.text, message.request) == ("let me in", True)
    assert (await alice.tell.accept_peer(query(eve))).trust == "met"
    assert await alice.tell.peer_requests() == []
    [message] = await alice.tell.messages(shapes.ListMessages())
    assert not message.request


async def test_a_stranger_who_is_declined_leaves_nothing_and_may_write_again(town: Any) -> None:
    alice, eve = await town.node("alice"), await town.node("eve")
    await eve.tell.add_peer(shapes.AddPeer(peer=alice.id, address=alice.address))
    await eve.send(alice, "let me in", wait="delivered")
    assert (await alice.tell.decline_peer(query(eve))).trust == "stranger"
    assert await alice.tell.peer_requests() == []
    assert (await alice.tell.status()).requests == 0
    assert await alice.texts() == []
    assert (await eve.send(alice, "please", wait="delivered")).state == "delivered"
    assert [each.node_id for each in await alice.tell.peer_requests()] == [eve.id]


async def test_many_messages_go_in_one_request_and_each_has_its_own_result(town: Any) -> None:
    alice, bob, carol = await town.friends("alice", "bob", "carol")
    await carol.stop()
    await alice.loses(carol)
    asked = [("bob", "one"), ("nobody", "lost"), ("bob", ""), (carol.id, "later"), ("bob", "two")]
    request = shapes.SendMany(
        messages=[shapes.Outgoing(to=to, text=text) for to, text in asked], wait="delivered", timeout_s=30
    )
    results = await alice.tell.send_many(request)
    told = [each.error.code if each.error else each.sent and each.sent.state for each in results]
    assert told == ["delivered", "unknown_peer", "bad_text", "queued", "delivered"]
    assert await bob.texts() == ["one", "two"]
    assert [await alice.texts("out")] == [["one", "later", "two"]]


async def test_a_stranger_who_was_accepted_is_looked_for_though_away(town: Any) -> None:
    alice, eve = await town.node("alice", mdns=True), await town.node("eve", mdns=True)
    await eve.meets(alice)
    await eve.send(alice, "let me in", wait="delivered")
    await eve.tell.remove_peer(query(alice))
    await eve.stop()
    await town.pass_s(60)
    await alice.tell.accept_peer(query(eve))
    lost = await alice.loses(eve)
    await eve.start(mdns=False)
    await alice.meets(eve, after=lost)


async def test_who_is_blocked_is_cut_off_and_comes_back_when_unblocked(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    assert (await alice.tell.block_peer(query(bob))).state == "blocked"
    lost = await bob.loses(alice)
    assert (await bob.send(alice, "why?", wait="delivered", timeout_s=60)).state in {"queued", "sent"}
    assert await alice.texts() == []
    with pytest.raises(RefusedError, match="blocked"):
        await alice.send(bob, "because")
    assert (await alice.tell.unblock_peer(query(bob))).state == "known"
    await bob.meets(alice, after=lost)
    await alice.happens("message_received", text="why?")


async def test_who_is_removed_is_a_stranger_again(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    await town.pass_s(60)
    removed = await alice.tell.remove_peer(query(bob))
    assert removed.node_id == bob.id
    await alice.meets(bob, after=await alice.happens("peer_removed", node_id=bob.id))
    assert (await alice.peer(bob)).trust == "stranger"
    assert (await bob.send(alice, "remember me?", wait="delivered")).state == "delivered"
    assert [each.node_id for each in await alice.tell.peer_requests()] == [bob.id]


async def test_comparing_the_digits_on_both_sides_makes_verified(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    mine = await alice.tell.verify_peer(query(bob))
    await bob.happens("verification_ready", node_id=alice.id)
    [theirs] = await bob.tell.verifications()
    assert (mine.state, theirs.state, mine.code) == ("compare", "compare", theirs.code)
    for one, other in ((alice, bob), (bob, alice)):
        confirmed = await one.tell.confirm_verification(
            shapes.ConfirmVerification(peer=other.id, matches=True)
        )
        assert confirmed.trust == "verified"
        assert await one.tell.verifications() == []


async def test_digits_that_differ_prove_nothing(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    await alice.tell.verify_peer(query(bob))
    denied = await alice.tell.confirm_verification(shapes.ConfirmVerification(peer=bob.id, matches=False))
    assert denied.trust == "pinned"


async def test_a_revocation_ends_all_dealings_and_travels_to_contacts(town: Any) -> None:
    alice, bob, carol = await town.friends("alice", "bob", "carol")
    await bob.invites(carol)
    signed = base64.b64encode(sign_revocation(carol.node.identity, WALL_S)).decode()
    revoked = await alice.tell.import_revocation(shapes.ImportRevocation(revocation=signed))
    assert (revoked.node_id, revoked.revoked, revoked.state) == (carol.id, True, "blocked")
    await bob.happens("peer_revoked", node_id=carol.id)
    await bob.loses(carol)
    assert (await bob.peer(carol)).revoked


@pytest.mark.parametrize("text", ["no base64!", base64.b64encode(b"no revocation").decode()])
async def test_what_is_no_revocation_is_refused(town: Any, text: str) -> None:
    alice = await town.node("alice")
    with pytest.raises(RefusedError, match="no revocation"):
        await alice.tell.import_revocation(shapes.ImportRevocation(revocation=text))


async def test_a_name_is_pinned_and_the_same_for_another_only_on_wish(town: Any) -> None:
    alice, bob, carol = await town.friends("alice", "bob", "carol")
    named = await alice.tell.name_peer(shapes.NamePeer(peer=bob.id, name="robert"))
    assert named.name == "robert"
    with pytest.raises(RefusedError, match="already"):
        await alice.tell.name_peer(shapes.NamePeer(peer=carol.id, name="Robert"))
    await alice.tell.name_peer(shapes.NamePeer(peer=carol.id, name="robert", another_device=True))
    with pytest.raises(RefusedError, match="several devices") as refused:
        await alice.tell.resolve(shapes.PeerQuery(peer="robert"))
    assert [node for node, _ in getattr(refused.value, "candidates")] == [bob.id, carol.id]  # noqa: B009
