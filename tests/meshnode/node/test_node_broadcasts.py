"""Broadcasts between whole nodes, as their owners see them."""

from typing import Any

import pytest

from meshnode.control.broadcast_shapes import BroadcastInfo, ListBroadcasts, SendBroadcast
from meshnode.control.shapes import AddPeer, PeerQuery
from protocols.errors import RefusedError


async def listed(home: Any, **which: Any) -> list[BroadcastInfo]:
    return await home.tell.broadcasts(ListBroadcasts(**which))


async def tells(home: Any, text: str, **wishes: Any) -> BroadcastInfo:
    return await home.tell.send_broadcast(SendBroadcast(text=text, **wishes))


async def test_a_broadcast_goes_from_node_to_node(town: Any) -> None:
    alice, bob, carol = await town.friends("alice", "bob", "carol")
    sent = await tells(bob, "water at the school", emergency=True)
    await carol.happens("broadcast_received", broadcast_id=sent.broadcast_id)
    (found,) = await listed(carol)
    assert (found.source, found.text, found.emergency) == (bob.id, "water at the school", True)
    assert found.stranger, "carol knows only alice"
    (near,) = await listed(alice)
    assert (near.from_name, near.stranger, near.ours) == ("bob", False, False)
    (own,) = await listed(bob)
    assert own == sent
    assert own.ours


async def test_a_scope_of_one_hop_is_for_neighbours(town: Any) -> None:
    alice, bob, carol = [await town.node(name, visibility="contacts") for name in ("alice", "bob", "carol")]
    await alice.invites(bob)
    await alice.invites(carol)
    await tells(bob, "coffee is ready", hops=1)
    await tells(bob, "for all")
    await carol.happens("broadcast_received", text="for all")
    await town.pass_s(60)
    assert [one.text for one in await listed(carol)] == ["for all"]
    assert [one.text for one in await listed(alice)] == ["coffee is ready", "for all"]


async def test_whoever_comes_later_is_told_and_whoever_comes_again_is_not_told_twice(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    await bob.stop()
    await tells(alice, "while you were away")
    await bob.start()
    await bob.happens("broadcast_received", text="while you were away")
    await alice.stop()
    await bob.restart()
    await alice.start()
    await alice.meets(bob)
    await town.pass_s(120)
    assert [one.text for one in await listed(bob)] == ["while you were away"]
    assert [one.text for one in await listed(alice)] == ["while you were away"]
    assert not bob.events("broadcast_received")


async def test_what_was_heard_before_a_restart_is_passed_on_after_it(town: Any) -> None:
    alice, bob, carol = await town.friends("alice", "bob", "carol")
    await carol.stop()
    await tells(bob, "pass it on")
    await alice.happens("broadcast_received")
    await bob.stop()
    await alice.restart()
    await carol.start()
    await carol.happens("broadcast_received", text="pass it on")


async def test_the_blocked_are_not_shown(town: Any) -> None:
    alice, bob, carol = await town.friends("alice", "bob", "carol")
    await tells(bob, "buy this")
    await carol.happens("broadcast_received")
    await carol.tell.add_peer(AddPeer(peer=bob.id))
    await carol.tell.block_peer(PeerQuery(peer=bob.id))
    await tells(bob, "buy that")
    await tells(alice, "lunch")
    await carol.happens("broadcast_received", text="lunch")
    assert [one.text for one in await listed(carol)] == ["lunch"]


async def test_a_list_goes_on_where_it_ended_and_not_after_nonsense(town: Any) -> None:
    alice = await town.node("alice")
    first = await tells(alice, "one")
    await tells(alice, "two")
    assert [one.text for one in await listed(alice, since=first.broadcast_id)] == ["two"]
    assert [one.text for one in await listed(alice, since="", limit=1)] == ["one"]
    with pytest.raises(RefusedError):
        await listed(alice, since="nonsense")
