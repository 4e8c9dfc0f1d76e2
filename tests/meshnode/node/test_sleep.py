"""Laptops that are suspended: the monotonic clock stands still and every timer with it, the wall clock goes on for hours.

In tests/netns/test_sleep.py real processes stand still instead, and all their timers are overdue when they go on.
"""

from typing import Any

from structlog.testing import capture_logs

from meshnode.control import shapes
from meshnode.services.device.wake import LOOKS
from policies.device import DeviceState, NetworkInterface
from policies.energy import EnergyLimits

NIGHT_S = 8 * 3_600
NS_PER_S = 1_000_000_000
LIMITS = EnergyLimits()
LOOK_S = LIMITS.full.poll_ns / LOOKS / NS_PER_S  # how long a wake-up stays unnoticed on mains
LONG_AWAY_S = 1_800  # by then whoever is called in vain rests for half a minute or more between two calls


def sleeps(town: Any) -> None:
    town.clock.ahead_s += NIGHT_S


def on_battery(address: str) -> DeviceState:
    return DeviceState(
        battery_percent=50,
        discharging=True,
        networks=(NetworkInterface("wlan0", "wifi", addresses=(address,)),),
    )


async def seconds(town: Any, happening: Any) -> float:
    began_ns = town.clock.now_ns()
    await happening
    return (town.clock.now_ns() - began_ns) / NS_PER_S


async def test_whoever_wakes_calls_at_once_whom_it_had_called_in_vain(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    await bob.tell.remove_peer(shapes.PeerQuery(peer=alice.id))  # so that only alice calls
    await bob.stop()
    await town.pass_s(LONG_AWAY_S)
    await bob.start()
    lost = await alice.loses(bob)
    sleeps(town)
    assert await seconds(town, alice.meets(bob, after=lost)) <= LOOK_S + 1


async def test_whoever_wakes_on_another_network_looks_around_before_its_next_poll(town: Any) -> None:
    alice, bob = town.home("alice"), town.home("bob")
    alice.device, bob.device = on_battery("192.168.1.2"), on_battery("192.168.1.3")
    for home in (alice, bob):
        await home.start(listen=("memory://0.0.0.0:0",), mdns=True)
    await alice.invites(bob)
    bob.device = on_battery("192.168.1.9")
    sleeps(town)
    told = town.until(lambda: alice.node.peers.addresses(bob.node_id)[-1:] == ["memory://192.168.1.9:7421"])
    poll_s = LIMITS.careful.poll_ns / NS_PER_S
    assert await seconds(town, told) <= poll_s / LOOKS + 1
    assert bob.caller.moves == 1


async def test_whoever_wakes_asks_its_links_and_the_network_though_no_address_changed(town: Any) -> None:
    alice = await town.node("alice", mdns=True)
    await town.pass_s(60)
    with capture_logs() as logs:
        sleeps(town)
        await town.until(lambda: alice.caller.moves)
        await town.pass_s(600)
    assert [line["woke"] for line in logs if line["event"] == "network_changed"] == [True]
    assert alice.caller.moves == 1


async def test_what_waits_outlives_the_night_and_comes_once_in_order(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    await bob.stop()
    sent = [await alice.send(bob, text, expires_s=3_600) for text in ("one", "two")]
    await town.pass_s(900)  # the store has settled its age
    sleeps(town)
    await town.pass_s(900)  # and all upkeep was done since
    assert {each.state for each in await alice.tell.messages(shapes.ListMessages())} == {"queued"}
    await bob.start()
    await alice.happens("message_delivered", message_id=sent[-1].message_id)
    assert await bob.texts() == ["one", "two"]
    assert alice.events("message_expired") == []


async def test_a_night_right_after_the_start_makes_nothing_of_this_day_expire(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    await bob.stop()
    await alice.restart()
    await alice.send(bob, "good night", expires_s=3_600)
    sleeps(town)
    await town.pass_s(1_800)  # the store's age has been settled meanwhile, by a wall clock hours ahead
    assert [each.state for each in await alice.tell.messages(shapes.ListMessages())] == ["queued"]
    await bob.start()
    await bob.happens("message_received", text="good night")


async def test_links_that_died_in_the_night_are_replaced_and_the_talk_goes_on(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    await alice.send(bob, "good night", wait="delivered")
    sleeps(town)
    town.network.cut("alice", "bob")
    sent = [await alice.send(bob, "did you sleep?"), await bob.send(alice, "are you up?")]
    town.network.mend("alice", "bob")
    await alice.happens("message_delivered", message_id=sent[0].message_id)
    await bob.happens("message_delivered", message_id=sent[1].message_id)
    assert (await bob.texts(), await alice.texts()) == (["good night", "did you sleep?"], ["are you up?"])
