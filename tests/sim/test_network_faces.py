"""A whole village in virtual time, asked what it looks like; and what becomes of neighbours who misbehave."""

from pathlib import Path

from meshnode.backend import NodeBackend
from meshnode.cli.mapping.graph import Graph, add_ties, graph_of
from meshnode.control import mesh_shapes
from meshnode.node import Node
from meshnode.ways import key_of
from protocols.errors import MeshError
from sim.stage import Stage, village


def backend_of(node: Node, place: Path) -> NodeBackend:
    return NodeBackend(node, place, "", {})


async def deep_map(backend: NodeBackend) -> Graph:
    """As `meshctl map --deep` makes it, one after the other."""
    graph = graph_of(await backend.mesh_map())
    asked = {graph.me: True}
    while waiting := [key for key, spot in graph.spots.items() if spot.node_id and key not in asked]:
        key = min(waiting, key=lambda each: graph.spots[each].hops)
        asked[key] = True
        try:
            told = await backend.mesh_ties(mesh_shapes.AskTies(peer=graph.spots[key].node_id))
        except (MeshError, TimeoutError):
            graph.spots[key].asked = "silent"
        else:
            add_ties(graph, told)
    return graph


def links_of(stage: Stage) -> set[tuple[str, str]]:
    """As the simulator itself knows them."""
    keys = {host.name: key_of(host.node_id) for host in stage.hosts}
    return {(min(keys[a], keys[b]), max(keys[a], keys[b])) for a, b in stage.village.joined()}


async def test_the_map_of_a_village_is_the_village(tmp_path: Path) -> None:
    stage = await village(nodes=12, seed=3)
    await stage.pass_s(120)
    backend = backend_of(stage.nodes[0], tmp_path)
    graph = await deep_map(backend)
    true = links_of(stage)
    drawn = {pair for pair, edge in graph.edges.items() if edge.kind == "link"}
    assert len(graph.spots) == 12
    assert len(drawn & true) >= 0.9 * len(true)
    assert len(drawn - true) <= 0.1 * len(true)


async def test_each_of_a_village_traces_its_way_to_each_other(tmp_path: Path) -> None:
    stage = await village(nodes=10, seed=5)
    await stage.pass_s(120)
    arrived = asked = 0
    for one in stage.nodes:
        for other in stage.nodes:
            trace = await one.mesh.trace(other.node_id, timeout_s=10)
            asked += 1
            arrived += trace.end == "arrived"
    assert arrived >= 0.97 * asked


async def test_in_a_village_of_honest_nodes_nobody_loses_its_place() -> None:
    stage = await village(nodes=12, seed=8)
    for sender in stage.hosts:
        for other in sender.acquaintances:
            sender.send(other)
    await stage.pass_s(600)
    for node in stage.nodes:
        for each in node.view.trusted():
            assert each.standing.place == "full", each.standing.reasons
