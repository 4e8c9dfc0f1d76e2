"""The driver: links, timers and watchers of a real core on the real event loop."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from meshnode.rpc import Call
from protocols.errors import LinkError
from protocols.ids import NodeId

if TYPE_CHECKING:
    from conftest import Peer, Street

Pair = tuple["Peer", "Peer"]
Settle = Callable[[], Awaitable[None]]
SHORT_S = 0.05


def diary(peer: "Peer") -> list[tuple[NodeId, bool]]:
    """What its watchers are told from now on."""
    entries: list[tuple[NodeId, bool]] = []
    peer.driver.watch(lambda who, up: entries.append((who, up)))
    return entries


async def test_both_ends_are_told_that_they_met(street: "Street") -> None:
    alice, bob = await street.peer("alice"), await street.peer("bob")
    of_alice, of_bob = diary(alice), diary(bob)
    await alice.meets(bob)
    assert of_alice == [(bob.id, True)]
    assert of_bob == [(alice.id, True)]
    assert alice.driver.connected() == [bob.id]
    assert bob.driver.is_connected(alice.id)


async def test_an_address_alone_is_enough_to_meet_whoever_is_there(street: "Street", settled: Settle) -> None:
    alice, bob = await street.peer("alice"), await street.peer("bob")
    alice.driver.expect(bob.address, keep=False)
    await settled()
    assert alice.driver.connected() == [bob.id]


async def test_a_peer_seen_somewhere_is_called_there(street: "Street", settled: Settle) -> None:
    alice, bob = await street.peer("alice"), await street.peer("bob")
    alice.driver.call_at(bob.id, [bob.address])
    await settled()
    assert alice.driver.is_connected(bob.id)


async def test_peers_that_call_one_another_at_once_keep_one_link(street: "Street", settled: Settle) -> None:
    alice, bob = await street.peer("alice"), await street.peer("bob")
    alice.driver.want(bob.id)
    bob.driver.want(alice.id)
    await settled()
    assert len(alice.driver.mesh.links.all()) == 1
    assert len(bob.driver.mesh.links.all()) == 1
    assert alice.driver.is_connected(bob.id)


async def test_a_lost_link_is_dialled_again_at_once(street: "Street", pair: Pair, settled: Settle) -> None:
    alice, bob = pair
    of_alice = diary(alice)
    street.cut(alice, bob)
    await settled()
    assert of_alice == [(bob.id, False), (bob.id, True)]


async def test_one_who_waits_is_woken_when_the_peer_comes(street: "Street", settled: Settle) -> None:
    alice, bob = await street.peer("alice"), await street.peer("bob")
    waiting = asyncio.create_task(alice.driver.until_connected(bob.id))
    await settled()
    bob.driver.want(alice.id)
    await waiting
    await alice.driver.until_connected(bob.id)  # returns at once now


async def test_one_who_gave_up_waiting_leaves_nothing_behind(street: "Street", settled: Settle) -> None:
    alice, bob = await street.peer("alice"), await street.peer("bob")
    hasty = asyncio.create_task(alice.driver.until_connected(bob.id))
    patient = asyncio.create_task(alice.driver.until_connected(bob.id))
    await settled()
    hasty.cancel()
    await asyncio.wait([hasty])
    await alice.meets(bob)
    await patient
    assert hasty.cancelled()


async def test_a_call_to_somebody_who_is_away_times_out(street: "Street") -> None:
    alice, bob = await street.peer("alice"), await street.peer("bob")
    await bob.stop()
    with pytest.raises(TimeoutError):
        await alice.hub.call(bob.id, "post", "ask", b"", timeout_s=SHORT_S)


async def test_the_reason_of_a_failed_dial_is_kept(street: "Street", settled: Settle) -> None:
    alice = await street.peer("alice")
    for address, reason in (("memory://nowhere", "nobody answers"), ("pigeon://roof", "no transport")):
        alice.driver.expect(address, keep=True)
        await settled()
        target = alice.driver.mesh.dialer.describe(address)
        assert target is not None
        assert reason in target.last_reason


async def test_a_malformed_address_is_a_failed_dial(street: "Street", settled: Settle) -> None:
    alice = await street.peer("alice")
    alice.driver.expect("memory://NO SUCH NAME", keep=True)
    await settled()
    target = alice.driver.mesh.dialer.describe("memory://NO SUCH NAME")
    assert target is not None
    assert "no memory address" in target.last_reason


async def test_parting_ends_links_and_calls_at_both_ends(pair: Pair, settled: Settle) -> None:
    alice, bob = pair
    of_bob = diary(bob)

    async def wait_for_ever(_: Call) -> None:
        await asyncio.Event().wait()

    bob.hub.register("post", wait_for_ever)
    call = await alice.hub.open(bob.id, "post", "wait", b"")
    alice.driver.part(bob.id, "blocked")
    await settled()
    with pytest.raises(LinkError, match="blocked"):
        await anext(call.messages())
    assert alice.driver.connected() == []
    assert of_bob == [(alice.id, False)]


async def test_one_who_stops_says_good_bye(pair: Pair, settled: Settle) -> None:
    alice, bob = pair
    of_bob = diary(bob)
    await alice.stop()
    await settled()
    assert of_bob == [(alice.id, False)]


async def test_stopping_twice_is_harmless(pair: Pair) -> None:
    alice, _ = pair
    await alice.stop()
    await alice.stop()


async def test_one_who_stopped_sets_no_timer_and_dials_nobody(pair: Pair, settled: Settle) -> None:
    alice, bob = pair
    await alice.stop()
    alice.driver.want(bob.id)
    alice.driver.expect("memory://nowhere", keep=True)
    await settled()
    assert alice.driver.connected() == []
    assert not bob.driver.is_connected(alice.id)


async def test_a_dial_beside_the_dialler_leads_to_the_peer_and_leaves_its_own_dials_alone(
    street: "Street", settled: Settle
) -> None:
    alice, bob = await street.peer("alice"), await street.peer("bob")
    await alice.driver.dial_now(bob.id, bob.address)
    await alice.driver.until_connected(bob.id)
    await settled()
    assert alice.driver.is_connected(bob.id)
    alice.driver.want(bob.id)
    await alice.driver.dial_now(bob.id, bob.address)
    await settled()
    assert len(alice.driver.mesh.links.of(bob.id)) == 1, "one link for each transport is enough"
    street.cut(alice, bob)
    await settled()
    assert alice.driver.is_connected(bob.id), "the dialler still works"


async def test_a_dial_that_nobody_can_make_is_refused_in_words(street: "Street") -> None:
    alice = await street.peer("alice")
    with pytest.raises(LinkError, match="no transport 'quic'"):
        await alice.driver.dial_now(NodeId(bytes(32)), "quic://45.0.1.2:7420")
    with pytest.raises(LinkError):
        await alice.driver.dial_now(NodeId(bytes(32)), "memory://nobody")


async def test_links_that_cross_no_network_are_no_doors_and_knocks_there_change_nothing(pair: Pair) -> None:
    alice, bob = pair
    alice.driver.knock(bob.address)
    alice.driver.knock("quic://45.0.1.2:7420")
    assert alice.driver.direct(bob.id) == []
