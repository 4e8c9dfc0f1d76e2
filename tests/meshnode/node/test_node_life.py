"""A node lives on when parts of its world fail: addresses, disks, sensors, mDNS."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from meshnode.control import shapes
from meshnode.own_record import STATE_FILE
from meshnode.settings import LinkSettings
from policies.device import DeviceState, NetworkInterface
from policies.energy import EnergyLimits
from protocols.codec import encode
from protocols.errors import LinkError, SettingsError
from transports.memory import MemoryTransport


def on_wifi(address: str) -> DeviceState:
    return DeviceState(networks=(NetworkInterface("wlan0", "wifi", addresses=(address,)),))


async def street_friends(town: Any) -> tuple[Any, Any]:
    """Two nodes on one network, each listening on all its addresses."""
    alice, bob = town.home("alice"), town.home("bob")
    alice.device, bob.device = on_wifi("192.168.1.2"), on_wifi("192.168.1.3")
    for home in (alice, bob):
        await home.start(listen=("memory://0.0.0.0:0",), mdns=True)
    await alice.invites(bob)
    return alice, bob


def failed(logs: Any) -> list[str]:
    return [line["service"] for line in logs if line["event"] == "service_failed"]


async def test_an_address_that_is_taken_is_a_problem_while_another_works(town: Any) -> None:
    await town.node("bob")
    alice = await town.node("alice", listen=("memory://alice", "memory://bob"))
    health = await alice.tell.health()
    assert (health.status, "taken" in health.problems["memory"]) == ("degraded", True)
    check = next(check for check in await alice.tell.doctor() if check.name == "memory_port")
    assert (check.state, "memory://alice" in check.detail, "taken" in check.detail) == ("warning", True, True)


async def test_a_node_that_can_listen_nowhere_does_not_start(town: Any) -> None:
    await town.node("bob")
    with pytest.raises(LinkError, match="taken"):
        await town.node("alice", listen=("memory://bob",))


async def test_a_transport_that_is_not_there_is_refused_by_name(town: Any) -> None:
    with pytest.raises(SettingsError, match="no transport 'pigeon'; it has memory"):
        await town.node("alice", listen=("pigeon://roof",))


async def test_the_port_of_the_last_time_is_asked_for_again(town: Any) -> None:
    alice, bob = await street_friends(town)
    assert (await alice.peer(bob)).addresses == ["memory://192.168.1.3:7421"]
    await bob.restart()
    await alice.meets(bob, after=await alice.loses(bob))
    assert (await alice.peer(bob)).addresses == ["memory://192.168.1.3:7421"]


async def test_where_the_port_of_the_last_time_is_taken_another_one_does(town: Any) -> None:
    alice, bob = await street_friends(town)
    await bob.stop()
    town.network.register("192.168.1.3-7421", MemoryTransport(town.network, "a squatter"))
    await bob.start()
    await alice.meets(bob, after=await alice.loses(bob))
    assert "memory://192.168.1.3:7422" in (await alice.peer(bob)).addresses


async def test_a_damaged_note_of_the_last_port_costs_only_the_port(town: Any) -> None:
    _, bob = await street_friends(town)
    await bob.stop()
    state = {"v": 1, "sequence": 1, "ports": {"memory://0.0.0.0:0": "memory://rubbish"}}
    bob.disk.write_file(STATE_FILE, encode(state))
    await bob.start()
    assert bob.node.record.addresses == ("memory://192.168.1.3:7422",)


async def test_a_new_address_is_told_to_contacts_who_call_there(town: Any) -> None:
    alice, bob = await street_friends(town)
    bob.device = on_wifi("192.168.1.9")
    await town.until(lambda: alice.node.peers.addresses(bob.node_id)[-1:] == ["memory://192.168.1.9:7421"])
    assert bob.caller.moves == 1
    await bob.tell.remove_peer(shapes.PeerQuery(peer=alice.id))  # so that it is alice who calls
    await alice.meets(bob, after=await alice.loses(bob))


async def test_a_full_disk_keeps_nobody_from_hearing_of_a_new_address(town: Any) -> None:
    alice, bob = await street_friends(town)
    await bob.restart(mdns=False)
    await alice.meets(bob, after=await alice.loses(bob))
    bob.disk.full, bob.device = True, on_wifi("192.168.1.9")
    await town.until(lambda: alice.node.peers.addresses(bob.node_id)[-1:] == ["memory://192.168.1.9:7421"])
    health = await bob.tell.health()
    assert health.problems["record"] == "the disk is full"
    assert ("store_record", "warning") in [(check.name, check.state) for check in await bob.tell.doctor()]
    bob.disk.full, bob.device = False, DeviceState(networks=bob.device.networks, metered=True)
    await town.until(lambda: not bob.node.record.problem)
    assert (await bob.tell.health()).status == "ok"


async def test_links_and_the_search_for_others_follow_the_energy_level(town: Any) -> None:
    alice = await town.node("alice", mdns=True)
    [status] = alice.node.transports.values()
    asked: list[int] = []
    status.transport.pace = asked.append  # memory links have no use for it
    for percent in (50, 10):
        alice.device = DeviceState(battery_percent=percent, discharging=True)
        await town.pass_s(100)
    limits = EnergyLimits()
    assert asked == [limits.careful.keep_alive_ns, limits.saver.keep_alive_ns]
    assert alice.caller.look_ns == limits.saver.discovery_ns


async def test_a_sensor_that_fails_is_read_again_later(town: Any) -> None:
    alice = await town.node("alice")
    with capture_logs() as logs:
        alice.device_faults = 3
        alice.device = DeviceState(battery_percent=50, discharging=True)
        await town.until(lambda: alice.node.driver.mesh.manager.energy.level.name == "CAREFUL")
    assert failed(logs) == ["device"] * 3


async def test_a_part_that_ran_well_for_long_is_not_blamed_for_its_past(town: Any) -> None:
    alice = await town.node("alice")
    with capture_logs() as logs:
        for _ in range(2):
            await town.pass_s(300)
            alice.device_faults = 2
        await town.pass_s(300)
    assert [line["failures"] for line in logs if line["event"] == "service_failed"] == [0, 1, 0, 1]


async def test_a_service_that_fails_is_started_again_and_nothing_is_lost(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    await bob.stop()
    bob.disk.faults = 2
    with capture_logs() as logs:
        await bob.start()
        sent = await alice.send(bob, "through all this", wait="delivered", timeout_s=120)
    assert sent.state == "delivered"
    assert failed(logs) == ["messages"] * 2
    assert await bob.texts() == ["through all this"]


async def test_a_network_without_mdns_is_said_and_lived_with(town: Any) -> None:
    alice, bob = town.home("alice", mdns=True), await town.node("bob", mdns=True)
    alice.mdns_fault = "multicast is not allowed here"
    await alice.start()
    await town.until(lambda: alice.node.discovery_problem)
    assert (await alice.tell.health()).problems == {"discovery": "multicast is not allowed here"}
    check = next(check for check in await alice.tell.doctor() if check.name == "mdns")
    assert (check.state, check.detail) == ("warning", "multicast is not allowed here")
    await bob.invites(alice)


async def test_mdns_is_tried_again_on_another_network(town: Any) -> None:
    alice, _ = await street_friends(town)
    await alice.stop()
    alice.mdns_fault = "multicast is not allowed here"
    await alice.start()
    await town.until(lambda: alice.node.discovery_problem)
    alice.device = on_wifi("192.168.1.8")
    await town.until(lambda: alice.caller.moves == 1)
    assert alice.node.discovery_problem == "multicast is not allowed here"
    alice.caller.fault, alice.device = None, on_wifi("192.168.1.7")
    await town.until(lambda: not alice.node.discovery_problem)


async def test_a_default_address_of_a_family_this_machine_lacks_is_no_problem(town: Any) -> None:
    alice = town.home("alice", listen=LinkSettings().listen)
    alice.has_ipv6 = False
    await alice.start()
    assert (await alice.tell.health()).status == "ok"
    assert [each.listening for each in await alice.tell.transports() if each.name == "quic"] == [
        ["quic://0.0.0.0:7420"]
    ]


async def test_an_address_of_a_family_this_machine_lacks_is_a_problem_where_it_was_asked_for(
    town: Any,
) -> None:
    alice = town.home("alice", listen=("quic://0.0.0.0:0", "quic://[::]:7420"))
    alice.has_ipv6 = False
    await alice.start()
    assert (await alice.tell.health()).problems == {"quic": "this machine has no IPv6"}


async def test_stopping_and_closing_twice_is_harmless(town: Any) -> None:
    alice = await town.node("alice")
    assert await alice.tell.stop() == shapes.Stopping()
    assert alice.node.stopping.is_set()
    await alice.stop()
    await alice.node.close()


async def test_a_node_where_nothing_changes_signs_its_record_anew_before_it_runs_out(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    alice.device = bob.device = DeviceState(
        battery_percent=5, discharging=True
    )  # then the town's days are short
    first = alice.node.record.current()
    alice.node.record._signed_ns -= (
        16 * 86_400 * 1_000_000_000
    )  # half of a month, which the town need not live through
    await town.pass_s(7 * 3_600)
    assert alice.node.record.current() != first
    await town.until(
        lambda: bob.node.peers._desk.book.get(alice.node_id).record == alice.node.record.current()
    )
