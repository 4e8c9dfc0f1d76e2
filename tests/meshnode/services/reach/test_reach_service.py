"""Two services over a real session: they learn where they are seen, and meet."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from meshnode.ports import DirectLink
from meshnode.services.reach import MeetingLimits
from protocols.codec import encode
from protocols.errors import RefusedError
from transports.portmap import Forwarded

ALICE, BOB = "quic://192.168.1.2:7420", "quic://192.168.2.2:7420"
OUTSIDE, DOOR = "quic://45.0.9.1:7420", "quic://45.0.1.10:20000"
IMPATIENT = MeetingLimits(dial_s=0.0)

Make = Callable[..., Any]


def sees(viewer: Any, viewed: Any, address: str) -> None:
    """The one has a link to the other, whom it sees there. Alice called."""
    viewer.links[viewed.me] = [DirectLink(address, dialled=viewer.name == "alice")]


# Where they are seen


async def test_a_peer_outside_is_asked_where_it_sees_us(scene: Make) -> None:
    one = scene()
    sees(one.alice, one.bob, OUTSIDE)
    sees(one.bob, one.alice, DOOR)
    one.start(one.alice)
    await one.alice.until("reach_changed")
    report = one.alice.service.report()
    assert report.observers == 1
    assert [(way.version, way.kind, way.address) for way in report.ways] == [(4, "unknown", DOOR)]


async def test_an_uninvited_caller_makes_its_door_known_to_all(scene: Make) -> None:
    one = scene()
    one.alice.links[one.bob.me] = [DirectLink(OUTSIDE, dialled=False, uninvited=True)]
    sees(one.bob, one.alice, DOOR)
    one.start(one.alice)
    changed = await one.alice.until("reach_changed")
    assert changed["ipv4"] == {"kind": "public", "reason": "a peer whom we had not called came in here"}
    assert one.alice.published == [(DOOR,)]
    assert one.alice.service.report().published == (DOOR,)


async def test_a_neighbour_in_the_house_is_asked_nothing(scene: Make) -> None:
    one = scene()
    sees(one.alice, one.bob, BOB)
    sees(one.bob, one.alice, ALICE)
    one.start(one.alice)
    await one.alice.until("reach_changed")
    assert one.alice.service.report().observers == 0


async def test_what_our_router_forwards_is_published(scene: Make) -> None:
    class Router:
        async def open(self, port: int, *, life_s: int) -> Forwarded:
            return Forwarded("45.0.1.2", port, life_s)

        async def withdraw(self) -> None: ...

    one = scene(mapper=Router())
    one.start(one.alice)
    changed = await one.alice.until("reach_changed")
    while changed["ipv4"]["kind"] != "public":
        changed = await one.alice.until("reach_changed")
    assert one.alice.published == [("quic://45.0.1.2:7420",)]
    assert "forwards 45.0.1.2:7420" in one.alice.service.report().mapping


# Meetings


async def test_both_knock_first_and_then_call_each_other(scene: Make) -> None:
    one = scene()
    one.wild.open.add(("alice", BOB))
    one.start(one.alice)
    await one.alice.until("peer_met")
    await one.bob.until("peer_met")
    for name, address in (("alice", BOB), ("bob", ALICE)):
        assert one.wild.log.index((name, "knock", address)) < one.wild.log.index(("alice", "dial", BOB))
    assert [view.outcome for view in one.alice.service.report().meetings] == ["direct"]
    assert [view.outcome for view in one.bob.service.report().meetings] == ["direct"]


@pytest.mark.parametrize("caller", [("alice", BOB), ("bob", ALICE)])
async def test_it_is_enough_that_one_of_the_two_calls_gets_through(
    scene: Make, caller: tuple[str, str]
) -> None:
    one = scene()
    one.wild.open.add(caller)
    one.start(one.alice, one.bob)
    await asyncio.gather(one.alice.until("peer_met"), one.bob.until("peer_met"))


async def test_a_meeting_in_vain_says_why_and_rests(scene: Make) -> None:
    one = scene(limits=IMPATIENT)
    one.start(one.alice)
    await one.alice.until("peer_not_met")
    [view] = one.alice.service.report().meetings
    assert (view.outcome, view.tries) == ("failed", 1)
    assert view.reason
    assert view.again_in_ns > 0


async def test_who_is_reached_directly_is_not_asked_to_meet(scene: Make) -> None:
    one = scene()
    sees(one.alice, one.bob, BOB)
    sees(one.bob, one.alice, ALICE)
    one.start(one.alice, one.bob)
    await one.alice.until("reach_changed")
    await one.bob.until("reach_changed")
    assert one.wild.log == []


async def test_a_node_without_addresses_stays_with_its_relay(scene: Make) -> None:
    one = scene(alice="")
    one.start(one.bob)
    one.bob.now = MeetingLimits().patience_ns * 2
    one.bob.service.network_changed()
    one.bob.now *= 2
    one.bob.service.connected(one.alice.me)
    await one.bob.until("reach_changed")
    assert one.alice.service.report().ways == ()
    assert [event for event in one.wild.log if event[0] == "alice"] == []


async def test_strangers_learn_no_addresses(scene: Make, pair: tuple[Any, Any]) -> None:
    one = scene(friends=False)
    asker = next(each for each in pair if each.id == one.alice.me)
    body = encode({"v": 1, "kind": "mapped", "host": [ALICE], "out": []})
    with pytest.raises(RefusedError, match="contacts only"):
        await asker.hub.call(one.bob.me, "reach", "meet", body)
    assert one.wild.log == []


async def test_one_peer_is_answered_one_meeting_at_a_time(scene: Make, pair: tuple[Any, Any]) -> None:
    one = scene(limits=MeetingLimits(dial_s=0.0, answered_ns=10))
    asker = next(each for each in pair if each.id == one.alice.me)
    body = encode({"v": 1, "kind": "mapped", "host": [ALICE], "out": []})
    assert await asker.hub.call(one.bob.me, "reach", "meet", body)
    with pytest.raises(RefusedError, match="under way"):
        await asker.hub.call(one.bob.me, "reach", "meet", body)
    one.bob.now = 10
    assert await asker.hub.call(one.bob.me, "reach", "meet", body)


async def test_a_peer_that_gives_no_word_is_called_nowhere(scene: Make, pair: tuple[Any, Any]) -> None:
    one = scene()
    asker = next(each for each in pair if each.id == one.alice.me)
    body = encode({"v": 1, "kind": "mapped", "host": [ALICE], "out": []})
    await asker.hub.call(one.bob.me, "reach", "meet", body)
    assert [what for _, what, _ in one.wild.log] == ["knock"]
    await one.bob.until("peer_not_met")


async def test_who_has_a_direct_link_is_told_so(scene: Make, pair: tuple[Any, Any]) -> None:
    one = scene()
    sees(one.bob, one.alice, ALICE)
    asker = next(each for each in pair if each.id == one.alice.me)
    body = encode({"v": 1, "kind": "mapped", "host": [ALICE], "out": []})
    with pytest.raises(RefusedError, match="direct link"):
        await asker.hub.call(one.bob.me, "reach", "meet", body)


async def test_nonsense_and_unknown_methods_are_refused(scene: Make, pair: tuple[Any, Any]) -> None:
    one = scene()
    asker = next(each for each in pair if each.id == one.alice.me)
    for method, body in (("observed", b"\xff"), ("meet", b""), ("fly", b"")):
        with pytest.raises(RefusedError):
            await asker.hub.call(one.bob.me, "reach", method, body)


async def test_over_a_link_that_crosses_no_network_nothing_is_observed(
    scene: Make, pair: tuple[Any, Any]
) -> None:
    one = scene()
    sees(one.bob, one.alice, "ble://a-phone")
    asker = next(each for each in pair if each.id == one.alice.me)
    assert await asker.hub.call(one.bob.me, "reach", "observed", encode({"v": 1})) == encode(
        {"v": 1, "addr": ""}
    )
