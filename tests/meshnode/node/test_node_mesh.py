"""What whole nodes tell of the network around them: the map, traces, figures, trust."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from meshnode.cli.mapping.graph import add_ties, graph_of
from meshnode.control import mesh_shapes, shapes
from meshnode.ways import key_of
from protocols.errors import RefusedError


async def line_of(town: Any, *names: str) -> list[Any]:
    """Each knows the next one, and has a link to it; the first one knows the last one's NodeId, and no address."""
    homes = [await town.node(name) for name in names]
    for one, other in pairwise(homes):
        await one.invites(other)
    first, last = homes[0], homes[-1]
    await first.tell.add_peer(shapes.AddPeer(peer=last.id, name=names[-1]))
    await town.until(lambda: first.node.view.next_step(last.node_id).neighbour is not None)
    return homes


async def test_the_map_shows_neighbours_with_their_links_and_who_lies_behind_them(town: Any) -> None:
    alice, bob, carol = await line_of(town, "alice", "bob", "carol")
    seen = await alice.tell.mesh_map()
    assert (seen.name, seen.node_id, seen.landmark) == ("alice", alice.id, "")
    near, far = seen.nodes
    assert (near.name, near.neighbour, near.contact, near.hops, near.via) == ("bob", True, True, 1, "")
    assert [link.transport for link in near.links] == ["memory"]
    assert near.standing == mesh_shapes.StandingInfo(score=1.0, place="full", cost_factor=1.0, reasons=[])
    assert (far.name, far.neighbour, far.hops, far.via) == ("carol", False, 2, key_of(bob.node_id))
    assert far.cost > near.cost
    assert carol.lives


async def test_a_neighbour_tells_its_links_to_those_who_ask(town: Any) -> None:
    alice, bob, carol = await line_of(town, "alice", "bob", "carol")
    told = await alice.tell.mesh_ties(shapes_of_ties(bob))
    assert told.key == key_of(bob.node_id)
    assert {tie.node_id for tie in told.ties} == {alice.id, carol.id}
    assert {tie.transport for tie in told.ties} == {"memory"}
    own = await alice.tell.mesh_ties(shapes_of_ties(alice))
    assert [tie.name for tie in own.ties] == ["bob"]


async def test_who_hides_from_strangers_is_told_by_its_first_bytes_alone_and_answers_contacts(
    town: Any,
) -> None:
    alice, bob = await town.node("alice"), await town.node("bob")
    carol = await town.node("carol", visibility="contacts")
    await alice.invites(bob)
    await carol.invites(bob)
    told = await alice.tell.mesh_ties(shapes_of_ties(bob))
    assert {(tie.key, tie.node_id) for tie in told.ties} == {
        (key_of(alice.node_id), alice.id),
        (key_of(carol.node_id), ""),
    }
    found = await bob.tell.mesh_ties(shapes_of_ties(carol))
    assert [tie.name for tie in found.ties] == ["bob"]


async def test_a_trace_names_each_node_on_the_way_with_its_reason_and_its_time(town: Any) -> None:
    alice, bob, carol, dave = await line_of(town, "alice", "bob", "carol", "dave")
    trace = await alice.tell.trace_peer(mesh_shapes.TracePeer(peer="dave"))
    assert (trace.end, trace.hops, trace.peer) == ("arrived", 3, dave.id)
    assert [step.node_id for step in trace.steps] == [home.id for home in (alice, bob, carol, dave)]
    assert [step.reason for step in trace.steps] == ["table", "table", "neighbour", "arrived"]
    assert [step.next for step in trace.steps[:-1]] == [key_of(home.node_id) for home in (bob, carol, dave)]
    assert all(step.hop_ms is not None for step in trace.steps[:-1])
    assert trace.steps[-1].hop_ms is None


async def test_a_trace_to_nobody_says_where_the_way_ends(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    stranger = await town.node("stranger")
    await alice.tell.add_peer(shapes.AddPeer(peer=stranger.id, name="stranger"))
    trace = await alice.tell.trace_peer(mesh_shapes.TracePeer(peer="stranger"))
    assert (trace.end, trace.hops, trace.took_ms) == ("no_route", 0, None)
    own = await alice.tell.trace_peer(mesh_shapes.TracePeer(peer=alice.id))
    assert (own.end, own.hops) == ("arrived", 0)
    assert bob.lives


async def test_a_message_is_traced_over_a_link(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    sent = await alice.send(bob, "hi", wait="delivered")
    trace = await alice.tell.trace_message(mesh_shapes.TraceMessage(message_id=sent.message_id))
    assert [each.kind for each in trace.happened] == ["message_queued", "message_sent", "message_delivered"]
    way = trace.happened[1].way
    assert way is not None
    assert (way.over, way.link, way.reason) == ("link", "memory://bob", "only_choice")
    assert trace.now is None
    assert trace.decision is None
    received = await bob.tell.trace_message(mesh_shapes.TraceMessage(message_id=sent.message_id))
    assert [each.kind for each in received.happened] == ["message_received"]


async def test_a_message_over_others_names_the_relay(town: Any) -> None:
    alice, bob, carol = await line_of(town, "alice", "bob", "carol")
    sent = await alice.send(carol, "hi", wait="delivered", timeout_s=60)
    assert sent.state == "delivered"
    trace = await alice.tell.trace_message(mesh_shapes.TraceMessage(message_id=sent.message_id))
    ways = [each.way for each in trace.happened if each.kind == "message_sent"]
    assert ways
    assert (ways[-1].over, ways[-1].next, ways[-1].next_name) == ("relay", key_of(bob.node_id), "bob")


async def test_a_message_that_waits_says_what_for(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    await bob.stop()
    await alice.loses(bob)
    sent = await alice.send(bob, "later")
    trace = await alice.tell.trace_message(mesh_shapes.TraceMessage(message_id=sent.message_id))
    assert (trace.now, trace.connected) == (mesh_shapes.Way(over="nothing", reason="no_route"), False)
    with pytest.raises(RefusedError, match="no message"):
        await alice.tell.trace_message(mesh_shapes.TraceMessage(message_id="a" * 26))


async def test_the_figures_say_for_whom_a_node_relayed(town: Any) -> None:
    alice, bob, carol = await line_of(town, "alice", "bob", "carol")
    await alice.send(carol, "hi", wait="delivered", timeout_s=60)
    stats = await bob.tell.net_stats()
    assert {each.name for each in stats.neighbours} == {"alice", "carol"}
    assert {each.node_id for each in stats.relayed_for} == {alice.id, carol.id}
    assert stats.passed.relayed_frames > 0
    assert stats.passed.bytes_in > 0
    assert stats.passed.relayed_bytes == sum(each.bytes for each in stats.relayed_for)
    assert (stats.relays_for, stats.destinations) == ("everyone", 2)


async def test_trust_is_asked_of_neighbours_only(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    [found] = await alice.tell.trust()
    assert (found.name, found.present, found.contact, found.standing.place) == ("bob", True, True, "full")
    assert await alice.tell.trust_why(shapes.PeerQuery(peer="bob")) == found
    stranger = await town.node("stranger")
    await alice.tell.add_peer(shapes.AddPeer(peer=stranger.id, name="stranger"))
    with pytest.raises(RefusedError, match="nothing is known of its conduct"):
        await alice.tell.trust_why(shapes.PeerQuery(peer="stranger"))
    assert bob.lives


async def test_a_neighbour_that_floods_with_nonsense_is_named_with_its_figures(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    for _ in range(500):
        alice.node.driver.mesh.relay.evidence.suspicious(bob.node_id, "bad_envelope")
    found = await alice.tell.trust_why(shapes.PeerQuery(peer="bob"))
    assert found.standing.place == "none"
    assert found.standing.cost_factor is None
    assert found.figures["rubbish"] > 400
    assert "make no sense" in found.standing.reasons[0]


async def test_asking_too_often_is_refused(town: Any) -> None:
    alice, bob = await town.friends("alice", "bob")
    asked = [alice.tell.mesh_ties(shapes_of_ties(bob)) for _ in range(30)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    refused = [each for each in answers if isinstance(each, RefusedError)]
    assert 5 < len(refused) < 15
    assert {each.code for each in refused} == {"too_often"}
    await town.pass_s(10)
    assert (await alice.tell.mesh_ties(shapes_of_ties(bob))).ties


async def test_what_others_tell_makes_a_graph_of_the_whole_line(town: Any) -> None:
    homes = await line_of(town, "alice", "bob", "carol", "dave")
    alice = homes[0]
    graph = graph_of(await alice.tell.mesh_map())
    for home in homes[1:-1]:
        add_ties(graph, await alice.tell.mesh_ties(shapes_of_ties(home)))
    graph.parents()
    assert [graph.spots[key_of(home.node_id)].hops for home in homes] == [0, 1, 2, 3]
    assert [edge.kind for edge in graph.edges.values()] == ["link"] * 3


def shapes_of_ties(home: Any) -> mesh_shapes.AskTies:
    return mesh_shapes.AskTies(peer=home.id)


async def between(town: Any, crowd: int) -> tuple[Any, Any, Any, list[Any]]:
    """alice, her two neighbours bob and mallory, and a crowd behind both of whom she knows the NodeIds."""
    alice, bob, mallory = [await town.node(name) for name in ("alice", "bob", "mallory")]
    others = [await town.node(f"d{number}") for number in range(crowd)]
    for home in (bob, mallory):
        await alice.invites(home)
        for other in others:
            await home.invites(other)
    for number, other in enumerate(others):
        await alice.tell.add_peer(shapes.AddPeer(peer=other.id, name=f"d{number}"))
    return alice, bob, mallory, others


@pytest.mark.parametrize("evil", [0, 1])
async def test_a_black_hole_is_gone_around_and_the_honest_neighbour_keeps_its_place(
    town: Any, evil: int
) -> None:
    """Whichever of her two neighbours routing would have taken."""
    alice, *neighbours, others = await between(town, 8)
    hole, honest = neighbours[evil], neighbours[1 - evil]

    def swallow(*_: object) -> None:
        """It takes everything, and passes nothing on."""

    hole.node.driver.mesh.relay.pass_on = swallow
    for other in others:
        await alice.send(other, "hi")
    await town.until(lambda: len(alice.events("message_delivered")) == len(others))
    found = await alice.tell.trust_why(shapes.PeerQuery(peer=honest.name))
    assert found.standing.place == "full"
