"""Two people compare a code. The network between them may lose, reorder in time, or change under them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from meshnode.services.peers.frames import VerifyStep, encode_verify
from meshnode.services.peers.limits import (
    ATTEMPTS_WINDOW_NS,
    COMMITMENTS_EACH_MAX,
    VERIFICATIONS_ASKED_MAX,
    VERIFICATIONS_MAX,
)
from protocols.errors import LinkError, RefusedError
from protocols.ids import node_id_text

if TYPE_CHECKING:
    from conftest import Net, Node

HOUR_NS = 3_600_000_000_000


def trust(node: Node, peer: Node) -> str:
    return node.service.owner.view(peer.id).trust


async def start_refused(node: Node, peer: Node) -> str:
    with pytest.raises(RefusedError) as caught:
        await node.service.verifying.start(peer.id)
    return caught.value.code


async def test_both_see_the_same_code_and_each_decides_for_itself(net: Net, alice: Node, bob: Node) -> None:
    net.connect(alice, bob)
    mine = await alice.service.verifying.start(bob.id)
    (theirs,) = bob.service.verifying.pending()
    assert (mine.state, mine.started_here, theirs.started_here) == ("compare", True, False)
    assert mine.code == theirs.code != ""
    assert bob.heard("verification_ready")[0]["code"] == mine.code
    await alice.service.verifying.confirm(bob.id, matches=True)
    assert (trust(alice, bob), trust(bob, alice)) == ("verified", "stranger")
    await bob.service.verifying.confirm(alice.id, matches=True)
    assert trust(bob, alice) == "verified"
    assert alice.service.verifying.pending() == []
    await alice.start()
    assert trust(alice, bob) == "verified"


async def test_a_code_that_differs_proves_nothing_and_ends_it(net: Net, alice: Node, bob: Node) -> None:
    net.connect(alice, bob)
    view = await alice.service.verifying.start(bob.id)
    assert view.name == "Bob"
    await alice.service.verifying.confirm(bob.id, matches=False)
    assert trust(alice, bob) == "stranger"
    assert alice.heard("verification_failed")[0]["reason"] == "digits_differ"
    with pytest.raises(RefusedError) as caught:
        await alice.service.verifying.confirm(bob.id, matches=True)
    assert caught.value.code == "nothing_to_confirm"


async def test_each_attempt_has_its_own_code(net: Net, alice: Node, bob: Node) -> None:
    net.connect(alice, bob)
    codes: list[str] = []
    for _ in range(3):
        codes.append((await alice.service.verifying.start(bob.id)).code)
        for node, peer in ((alice, bob), (bob, alice)):
            await node.service.verifying.confirm(peer.id, matches=False)
    assert len(dict.fromkeys(codes)) == 3


async def test_nobody_is_verified_who_is_away_or_blocked(net: Net, alice: Node, bob: Node) -> None:
    assert await start_refused(alice, bob) == "not_connected"
    net.connect(alice, bob)
    await alice.service.owner.block(bob.id)
    assert await start_refused(alice, bob) == "blocked"
    net.disconnect(alice, bob)
    with pytest.raises(LinkError):
        await bob.call(alice.id, "peers", "verify", encode_verify(VerifyStep.COMMIT, b""))


async def test_one_attempt_at_a_time_with_one_peer(net: Net, alice: Node, bob: Node) -> None:
    net.connect(alice, bob)
    await alice.service.verifying.start(bob.id)
    assert await start_refused(alice, bob) == "verification_busy"
    assert await start_refused(bob, alice) == "verification_busy"
    await bob.service.verifying.confirm(alice.id, matches=False)
    assert await start_refused(bob, alice) == "verification_busy", "alice still has hers"
    assert bob.service.verifying.pending() == []


async def test_when_both_start_at_once_one_attempt_goes_on(net: Net, alice: Node, bob: Node) -> None:
    net.connect(alice, bob)
    net.hold["verify"] = asyncio.Event()
    starting = [
        asyncio.ensure_future(one.service.verifying.start(other.id))
        for one, other in ((alice, bob), (bob, alice))
    ]
    while len(net.calls) < 2:
        await net.turn()
    net.hold.pop("verify").set()
    views = await asyncio.gather(*starting)
    pending = [*alice.service.verifying.pending(), *bob.service.verifying.pending()]
    assert pending[0].code == pending[1].code != ""
    lower = min(alice.id, bob.id)
    assert [view.started_here for view in views] == [lower == alice.id, lower == bob.id]


@pytest.mark.parametrize("lost", ["lose_requests", "lose_answers"])
async def test_a_loss_on_the_way_ends_the_attempt_and_the_next_one_works(
    net: Net, alice: Node, bob: Node, lost: str
) -> None:
    net.connect(alice, bob)
    getattr(net, lost)["verify"] = 1
    assert await start_refused(alice, bob) == "verification_failed"
    assert alice.service.verifying.pending() == []
    net.disconnect(alice, bob)
    assert bob.service.verifying.pending() == [], "the end of the connection ends it on both sides"
    net.connect(alice, bob)
    assert (await alice.service.verifying.start(bob.id)).state == "compare"


async def test_a_session_that_changes_in_between_ends_the_attempt(net: Net, alice: Node, bob: Node) -> None:
    net.connect(alice, bob)
    net.hold["verify"] = asyncio.Event()
    starting = asyncio.ensure_future(start_refused(alice, bob))
    while not net.calls:
        await net.turn()
    net.links[frozenset((alice.id, bob.id))] = b"other" * 8
    net.hold.pop("verify").set()
    assert await starting == "verification_over"
    assert alice.service.verifying.pending() == []


async def test_an_opening_without_a_commitment_is_refused(net: Net, alice: Node, bob: Node) -> None:
    net.connect(alice, bob)
    with pytest.raises(RefusedError) as caught:
        await bob.call(alice.id, "peers", "verify", encode_verify(VerifyStep.REVEAL, b""))
    assert caught.value.code == "verification_over"


async def test_a_commitment_follows_one_that_got_stuck(net: Net, alice: Node, bob: Node) -> None:
    net.connect(alice, bob)
    net.lose_answers["verify"] = 1
    assert await start_refused(alice, bob) == "verification_failed"
    assert [view.state for view in bob.service.verifying.pending()] == ["waiting"]
    assert (await alice.service.verifying.start(bob.id)).state == "compare"


async def test_rubbish_ends_the_attempt_and_is_counted(net: Net, alice: Node, bob: Node) -> None:
    net.connect(alice, bob)
    with pytest.raises(RefusedError) as caught:
        await bob.call(alice.id, "peers", "verify", encode_verify(VerifyStep.COMMIT, b"rubbish"))
    assert caught.value.code == "bad_request"
    assert alice.service.verifying.pending() == []
    assert sum(alice.service.counts().values()) == 1


async def test_an_attempt_nobody_confirms_runs_out(net: Net, alice: Node, bob: Node) -> None:
    net.connect(alice, bob)
    await alice.service.verifying.start(bob.id)
    alice.clock.now += HOUR_NS
    async with alice.running():
        told = await alice.next_event("verification_expired")
    assert told["node_id"] == node_id_text(bob.id)
    assert alice.service.verifying.pending() == []


async def test_strangers_can_not_fill_the_table(
    net: Net, alice: Node, new_node: Callable[..., Awaitable[Node]]
) -> None:
    crowd = [await new_node(f"guest {number}", "Guest") for number in range(VERIFICATIONS_MAX + 1)]
    for guest in crowd:
        net.connect(guest, alice)
    for guest in crowd[:VERIFICATIONS_ASKED_MAX]:
        await guest.service.verifying.start(alice.id)
    alice.clock.now += ATTEMPTS_WINDOW_NS // 4  # their attempts are still under way
    await alice.service.owner.accept(crowd[VERIFICATIONS_ASKED_MAX].id)
    assert await start_refused(crowd[VERIFICATIONS_ASKED_MAX], alice) == "verification_busy"
    for guest in crowd[VERIFICATIONS_ASKED_MAX:-1]:
        await alice.service.verifying.start(guest.id)
    assert await start_refused(alice, crowd[-1]) == "verification_busy"
    assert len(alice.service.verifying.pending()) == VERIFICATIONS_MAX


async def test_an_opening_that_comes_twice_is_refused_and_ends_the_attempt(
    net: Net, alice: Node, bob: Node
) -> None:
    net.connect(alice, bob)
    await alice.service.verifying.start(bob.id)
    with pytest.raises(RefusedError) as caught:
        await alice.call(bob.id, "peers", "verify", encode_verify(VerifyStep.REVEAL, b"r" * 32))
    assert caught.value.code == "bad_request"
    assert bob.service.verifying.pending() == []


async def test_strangers_together_get_a_few_guesses_and_a_contact_has_its_own(
    net: Net, alice: Node, bob: Node, new_node: Callable[..., Awaitable[Node]]
) -> None:
    crowd = [await new_node(f"guest {number}", "Guest") for number in range(COMMITMENTS_EACH_MAX + 1)]
    code = ""
    for guest in crowd:
        net.connect(guest, alice)
        code = await attempt(guest, alice)
    assert code == "slow_down"
    await alice.service.owner.accept(bob.id)
    net.connect(bob, alice)
    codes = [await attempt(bob, alice) for _ in range(COMMITMENTS_EACH_MAX + 1)]
    assert codes == [*["compare"] * COMMITMENTS_EACH_MAX, "slow_down"]


async def attempt(starter: Node, other: Node) -> str:
    """One that is called off at once on both sides."""
    try:
        view = await starter.service.verifying.start(other.id)
    except RefusedError as error:
        return error.code
    for node, peer in ((starter, other), (other, starter)):
        await node.service.verifying.confirm(peer.id, matches=False)
    return view.state
