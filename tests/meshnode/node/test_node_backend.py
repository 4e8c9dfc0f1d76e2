"""What the control API is told of a whole node."""

import re
from typing import Any

import pytest

from meshnode import __version__
from meshnode.backend import NodeBackend
from meshnode.checks import run_checks
from meshnode.control import shapes
from meshnode.control.metrics import prometheus_text
from policies.device import DeviceState
from protocols.errors import RefusedError
from protocols.ids import fingerprint

SAMPLE = re.compile(r'[a-z_]+(\{([a-z_]+="[^"]*",?)+\})? -?[0-9.e+-]+')


async def test_an_identity_is_the_key_and_its_short_forms(town: Any) -> None:
    alice = await town.node("alice")
    identity = await alice.tell.identity()
    assert identity == shapes.Identity(
        node_id=alice.id, short=alice.id[:8], name="alice", fingerprint=fingerprint(alice.node_id)
    )


async def test_the_status_counts_what_there_is(town: Any) -> None:
    alice, bob, carol = await town.friends("alice", "bob", "carol")
    await carol.stop()
    await alice.loses(carol)
    await alice.send(carol, "for later")
    status = await alice.tell.status()
    assert (status.peers, status.connected, status.links, status.queued, status.requests) == (2, 1, 1, 1, 0)
    assert (status.node_id, status.name, status.version) == (alice.id, "alice", __version__)
    assert status.services == ["courier", "directory", "mesh", "messages", "node", "peers", "reach"]
    stores = ("broadcasts", "courier", "directory", "messages", "peers")
    assert status.store == dict.fromkeys(stores, "ok")
    assert status.energy == "full"
    assert status.uptime_s >= 0
    assert await bob.peer(alice)


async def test_the_record_that_peers_get_names_all_services_from_the_first(town: Any) -> None:
    alice = await town.node("alice")
    before = alice.node.record.current()
    await town.pass_s(60)
    assert alice.node.record.current() == before


async def test_transports_show_where_they_listen_and_how_many_links_they_carry(town: Any) -> None:
    alice, _ = await town.friends("alice", "bob")
    [memory] = await alice.tell.transports()
    assert memory == shapes.TransportInfo(
        name="memory", state="up", listening=["memory://alice"], links=1, detail="", dropped={}
    )


async def test_a_transport_that_listens_nowhere_is_down(town: Any) -> None:
    alice = await town.node("alice", listen=())
    assert [each.state for each in await alice.tell.transports()] == ["down"]
    failed = [check for check in await alice.tell.doctor() if check.state == "failed"]
    assert [check.name for check in failed] == ["memory_port"]


async def test_a_ping_tells_the_way_it_took(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    pong = await alice.tell.ping(shapes.Ping(peer="bob", count=3))
    assert (pong.sent, pong.received, pong.path) == (3, 3, ["memory://bob"])
    assert pong.rtt_ms.min is not None
    assert pong.rtt_ms.min <= pong.rtt_ms.p50 <= pong.rtt_ms.p99
    assert bob.lives


async def test_a_ping_that_nobody_answers_says_so(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    await bob.stop()
    pong = await alice.tell.ping(shapes.Ping(peer="bob", count=2, timeout_s=1))
    assert (pong.sent, pong.received, pong.path) == (2, 0, [])
    assert pong.rtt_ms == shapes.RoundTrips(min=None, p50=None, p99=None)


async def test_a_ping_connects_who_is_known_but_was_never_called(town: Any) -> None:
    alice, bob = await town.node("alice"), await town.node("bob")
    await alice.tell.add_peer(shapes.AddPeer(peer=bob.id, name="bob", address=bob.address))
    assert (await alice.tell.ping(shapes.Ping(peer="bob", count=1))).received == 1


@pytest.mark.parametrize(
    ("supposed", "chosen", "reason"),
    [
        ({}, "memory", "only_choice"),
        ({"battery": 15, "discharging": True}, None, "save_battery"),
        ({"metered": True}, "memory", "only_choice"),  # bytes in memory cost nothing
    ],
)
async def test_a_policy_is_explained_for_three_states_of_the_device(
    town: Any, supposed: dict[str, Any], chosen: str | None, reason: str
) -> None:
    alice, bob = await town.friends("alice", "bob")
    question = shapes.ExplainPolicy(peer="bob", size=2 << 20, traffic="bulk", **supposed)
    answer = await alice.tell.explain_policy(question)
    assert (answer.transport, answer.reason) == (chosen, reason)
    assert [each.transport for each in answer.considered] == ["memory"]
    assert (answer.link is not None) == (chosen is not None)
    assert bob.lives


async def test_a_policy_for_somebody_away_weighs_the_ways_to_call(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    await bob.stop()
    await alice.loses(bob)
    question = shapes.ExplainPolicy(peer="bob", size=2 << 20, traffic="bulk")
    answer = await alice.tell.explain_policy(question)
    assert (answer.transport, answer.link) == ("memory", "memory://bob")
    assert "would be dialled" in answer.considered[0].why
    paid = shapes.ExplainPolicy(peer="bob", size=2 << 20, traffic="bulk", metered=True)
    assert (await alice.tell.explain_policy(paid)).reason == "metered"


async def test_a_policy_follows_the_device_as_it_is(town: Any) -> None:
    alice, _ = await town.friends("alice", "bob")
    alice.device = DeviceState(battery_percent=5, discharging=True)
    await town.until(lambda: alice.node.driver.mesh.manager.energy.level.name == "CRITICAL")
    answer = await alice.tell.explain_policy(shapes.ExplainPolicy(peer="bob", traffic="background"))
    assert (answer.transport, answer.reason) == (None, "save_battery")
    assert (await alice.tell.status()).energy == "critical"


async def test_every_setting_says_where_it_comes_from(town: Any) -> None:
    alice = await town.node("alice")
    backend = NodeBackend(
        alice.node, town.data_dir, 'name = "pi"\n[links]\nmdns = false', {"links": {"peers": ["quic://a:1"]}}
    )
    found = {setting.name: (setting.value, setting.source) for setting in await backend.config()}
    assert found["name"] == ("pi", "file")
    assert found["links.mdns"] == (False, "file")
    assert found["links.peers"] == (("quic://a:1",), "flag")
    assert found["visibility"] == ("everyone", "default")


async def test_the_doctor_finds_nothing_where_all_is_well(town: Any) -> None:
    alice, _ = await town.friends("alice", "bob")
    await alice.restart(mdns=True)
    await alice.happens("peer_connected")
    assert {check.name: check.state for check in await alice.tell.doctor() if check.name != "disk"} == {
        "memory_port": "ok",
        "mdns": "ok",
        "clock": "ok",
        "store_broadcasts": "ok",
        "store_courier": "ok",
        "store_directory": "ok",
        "store_messages": "ok",
        "store_peers": "ok",
        "peers": "ok",
    }


async def test_the_doctor_says_how_to_mend_a_lonely_node_with_a_wrong_clock(town: Any) -> None:
    alice = await town.node("alice")
    town.clock.ahead_s = -1_800_000_000
    checks = {check.name: check for check in await alice.tell.doctor()}
    assert [name for name, check in checks.items() if check.state == "warning"] == ["mdns", "clock", "peers"]
    assert all(check.mend for check in checks.values() if check.state != "ok")


async def test_the_doctor_warns_of_a_disk_that_fills_up(town: Any) -> None:
    alice = await town.node("alice")
    disk = next(check for check in run_checks(alice.node, 10 << 20) if check.name == "disk")
    assert (disk.state, disk.detail) == ("failed", "only 10 MiB free, messages may be refused")


async def test_metrics_can_be_read_by_a_machine(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    await alice.restart(mdns=True)
    await alice.send(bob, "hello", wait="delivered")
    text = prometheus_text(await alice.tell.metrics()).decode()
    lines = text.splitlines()
    samples = [line for line in lines if not line.startswith("#")]
    assert [line for line in samples if not SAMPLE.fullmatch(line)] == []
    assert len({line.rpartition(" ")[0] for line in samples}) == len(samples)
    assert {
        "meshnode_peers_connected 1",
        "meshnode_peers_known 1",
        "meshnode_messages_queued 0",
        'meshnode_discovery_dropped_total{reason="not_ours"} 1',
    } <= set(samples)
    assert any(line.startswith('meshnode_link_bytes_total{transport="memory"') for line in samples)


async def test_somebody_unknown_is_asked_for_in_vain(town: Any) -> None:
    alice = await town.node("alice")
    with pytest.raises(RefusedError, match="nobody is known as 'bob'"):
        await alice.tell.resolve(shapes.PeerQuery(peer="bob"))
    with pytest.raises(RefusedError, match="node id"):
        await alice.tell.add_peer(shapes.AddPeer(peer="bob"))
