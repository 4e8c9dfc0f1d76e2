"""People find each other again through the directory, after both moved, while one friend of both remains."""

from typing import Any

import pytest

from meshnode.cli.commands import directory as directory_command
from meshnode.cli.commands import find as find_command
from meshnode.control import directory_shapes, shapes
from protocols.errors import RefusedError
from protocols.ids import NodeId, node_id_text


async def test_two_who_both_moved_find_each_other_through_a_friend(town: Any) -> None:
    _carol, alice, bob = await town.friends("carol", "alice", "bob")
    await alice.invites(bob)
    await alice.stop()
    await bob.stop()
    await alice.start(listen=("memory://alice-at-work",))
    await bob.start(listen=("memory://bob-at-the-sea",))
    await alice.meets(bob)
    assert (await alice.send(bob, "there you are", wait="delivered")).state == "delivered"


async def test_without_that_friend_they_do_not(town: Any) -> None:
    carol, alice, bob = await town.friends("carol", "alice", "bob")
    await alice.invites(bob)
    for home in (alice, bob, carol):
        await home.stop()
    await alice.start(listen=("memory://alice-at-work",))
    await bob.start(listen=("memory://bob-at-the-sea",))
    await town.pass_s(3_600)
    assert not alice.node.driver.is_connected(bob.node_id)


async def test_who_shows_itself_to_contacts_only_is_found_by_friends_of_friends_who_know_it(
    town: Any,
) -> None:
    carol, alice, bob = await town.friends("carol", "alice", "bob")
    await alice.invites(bob)
    await alice.stop()
    await bob.stop()
    await bob.start(listen=("memory://bob-at-the-sea",), visibility="contacts")
    await alice.start(listen=("memory://alice-at-work",), visibility="contacts")
    await alice.meets(bob)
    assert not bob.node.directory.view().listed
    assert carol.node.directory.view().nodes == 0


async def test_the_owner_looks_somebody_up(town: Any) -> None:
    _carol, alice, bob = await town.friends("carol", "alice", "bob")
    found = await alice.tell.find(directory_shapes.FindPeer(peer=bob.id))
    assert (found.found, found.addresses, found.replicas > 0) == (True, [bob.address], True)
    assert bob.address in find_command._page(found)
    nobody = await alice.tell.find(directory_shapes.FindPeer(peer=node_id_text(NodeId(b"n" * 32))))
    assert (nobody.found, nobody.addresses, nobody.signed_at) == (False, [], None)


async def test_the_owner_sees_how_the_directory_is_and_publishes_at_once(town: Any) -> None:
    _carol, alice, _bob = await town.friends("carol", "alice", "bob")
    await town.pass_s(10)
    assert (await alice.tell.publish_record()).replicas >= 1
    status = await alice.tell.directory_status()
    assert (status.listed, status.nodes >= 1, status.published_at is not None) == (True, True, True)
    assert "our record lies on" in directory_command._page(status)


async def test_who_holds_something_says_so_until_it_takes_that_back(town: Any) -> None:
    carol, alice, bob = await town.friends("carol", "alice", "bob")
    await town.pass_s(10)
    key = b"k" * 32
    assert await bob.node.directory.hold(key) >= 1
    [holder] = await alice.tell.holders(directory_shapes.AskHolders(key=key.hex()))
    assert holder.node_id == bob.id
    await bob.node.directory.hold(key, held=False)
    assert await alice.tell.holders(directory_shapes.AskHolders(key=key.hex())) == []
    assert carol.node.directory.view().holdings == 1


async def test_what_was_kept_and_known_is_there_after_a_restart(town: Any) -> None:
    carol, alice, bob = await town.friends("carol", "alice", "bob")
    await town.pass_s(70)
    before = carol.node.directory.view()
    await alice.stop()
    await bob.stop()
    await carol.restart()
    after = carol.node.directory.view()
    assert (after.nodes, after.records) == (before.nodes, before.records) == (2, 2)
    assert carol.node.directory.counts()["rows_skipped"] == 0


async def test_nothing_stays_of_whom_the_owner_blocks(town: Any) -> None:
    carol, alice, _bob = await town.friends("carol", "alice", "bob")
    await town.pass_s(70)
    await carol.tell.block_peer(shapes.PeerQuery(peer=alice.id))
    assert carol.node.directory.view().nodes == 1
    assert not (await carol.tell.find(directory_shapes.FindPeer(peer=alice.id))).found


@pytest.mark.parametrize(
    ("method", "body", "code"),
    [
        ("find", b"rubbish", "bad_request"),
        ("dance", b"", "unknown_method"),
        ("find", b"\x82\xa3key\xc4\x00\xa1v\x02", "unsupported_version"),
    ],
)
async def test_what_makes_no_sense_is_refused(town: Any, method: str, body: bytes, code: str) -> None:
    alice, bob = await town.friends("alice", "bob")
    with pytest.raises(RefusedError) as refused:
        await alice.node.driver.hub.call(bob.node_id, "directory", method, body)
    assert refused.value.code == code
