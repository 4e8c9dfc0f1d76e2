"""The map in its forms: graph, tree, Graphviz text, picture; and how it is filled by asking others."""

import json
import re
import shutil
import subprocess
from collections import deque
from collections.abc import Callable
from itertools import combinations, pairwise
from math import hypot, pi
from random import Random
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from msgspec import structs

from meshnode.cli.mapping import Graph, as_json, dot_text, graph_of, svg_text, tree_text
from meshnode.cli.mapping.graph import add_ties
from meshnode.cli.mapping.layout import Spotted, lay_out
from meshnode.control.mesh_shapes import MapNode, MeshMap, StandingInfo, Tie, Ties
from meshnode.control.shapes import LinkInfo

LINK = LinkInfo(transport="quic", address="quic://x", rtt_ms=2.5, up_s=1, bytes_in=0, bytes_out=0)
FINE = StandingInfo(score=1.0, place="full", cost_factor=1.0, reasons=[])


def key(number: int) -> str:
    return f"{number:0>20}"


def known(number: int, name: str | None = None) -> dict[str, str]:
    return {
        "key": key(number),
        "node_id": f"{number:0>56}",
        "short": f"s{number:0>7}",
        "name": f"node {number}" if name is None else name,
    }


def near(number: int, *, cost: int = 16, name: str | None = None, standing: StandingInfo = FINE) -> MapNode:
    return MapNode(
        **known(number, name),
        neighbour=True,
        contact=number % 2 == 1,
        landmark=False,
        cost=cost,
        hops=1,
        via="",
        others=[],
        links=[LINK],
        standing=standing,
    )


def far(number: int, via: int, *, hops: int = 2, landmark: bool = False, name: str | None = None) -> MapNode:
    return MapNode(
        **known(number, name),
        neighbour=False,
        contact=False,
        landmark=landmark,
        cost=16 * hops,
        hops=hops,
        via=key(via),
        others=[],
        links=[],
        standing=None,
    )


def seen(*nodes: MapNode, landmark: str = "", left_out: int = 0) -> MeshMap:
    return MeshMap(
        **known(0, "me"), is_landmark=False, landmark=landmark, nodes=list(nodes), left_out=left_out
    )


def tie(number: int, transport: str = "ble") -> Tie:
    return Tie(**known(number), cost=17, transport=transport)


def told(by: int, *others: int) -> Ties:
    return Ties(key=key(by), ties=[tie(other) for other in others], left_out=0)


@pytest.fixture
def village() -> Callable[[int, int], Graph]:
    """So many nodes on a random plane, seen from the middle, everybody asked."""

    def build(count: int, seed: int) -> Graph:
        die = Random(f"map/{seed}")
        places = [(die.random(), die.random()) for _ in range(count)]
        places[0] = (0.5, 0.5)
        reach = (10 / (pi * count)) ** 0.5
        linked: dict[int, list[int]] = {number: [] for number in range(count)}
        for one, other in combinations(range(count), 2):
            if hypot(places[one][0] - places[other][0], places[one][1] - places[other][1]) < reach:
                linked[one].append(other)
                linked[other].append(one)
        hops, queue = {0: 0}, deque([0])
        while queue:
            number = queue.popleft()
            for other in linked[number]:
                if other not in hops:
                    hops[other] = hops[number] + 1
                    queue.append(other)
        graph = graph_of(seen(*(near(number) for number in linked[0])))
        for number in sorted(hops, key=lambda each: hops[each]):
            if number:
                add_ties(graph, told(number, *linked[number]))
        return graph

    return build


# The graph


def test_from_here_alone_one_sees_links_of_ones_own_and_ways_to_the_others() -> None:
    graph = graph_of(seen(near(1), near(2), far(3, via=1)))
    assert sorted((edge.a, edge.b, edge.kind) for edge in graph.edges.values()) == [
        (key(0), key(1), "link"),
        (key(0), key(2), "link"),
        (key(1), key(3), "way"),
    ]
    assert graph.parents()[key(3)] == key(1)


def test_what_others_tell_takes_the_place_of_guesses() -> None:
    graph = graph_of(seen(near(1), far(3, via=1, hops=4)))
    assert add_ties(graph, told(1, 0, 2, 3)) == [key(2)]
    assert [edge.kind for edge in graph.edges.values()] == ["link", "link", "link"]
    graph.parents()
    assert {spot.key: spot.hops for spot in graph.spots.values()} == {
        key(0): 0, key(1): 1, key(2): 2, key(3): 2,
    }  # fmt: skip


def test_a_link_told_from_both_ends_is_one_link() -> None:
    graph = graph_of(seen(near(1), near(2)))
    add_ties(graph, told(1, 0, 2))
    add_ties(graph, told(2, 0, 1))
    assert len(graph.edges) == 3


def test_one_that_tells_a_link_to_itself_tells_nothing() -> None:
    graph = graph_of(seen(near(1)))
    add_ties(graph, told(1, 1))
    assert len(graph.edges) == 1


def test_a_name_and_a_whole_id_are_learned_where_we_had_none() -> None:
    graph = graph_of(seen(near(1), structs.replace(far(2, via=1), node_id="", name="")))
    add_ties(graph, told(1, 2))
    assert (graph.spots[key(2)].name, graph.spots[key(2)].node_id) == ("node 2", f"{2:0>56}")


def test_a_depth_leaves_out_what_is_farther_and_says_how_much() -> None:
    graph = graph_of(seen(near(1), far(2, via=1), far(3, via=1, hops=3), left_out=5)).within(2)
    assert set(graph.spots) == {key(0), key(1), key(2)}
    assert graph.left_out == 6
    assert "... and 6 farther" in tree_text(graph)


def test_a_way_over_somebody_who_is_not_on_the_map_hangs_below_us() -> None:
    graph = graph_of(seen(far(3, via=77)))
    assert graph.parents()[key(3)] == key(0)
    assert "node 3" in tree_text(graph)


def test_the_json_names_each_node_once_with_whom_it_hangs_below() -> None:
    told_json = as_json(graph_of(seen(near(1), far(2, via=1, landmark=True), landmark=key(2))))
    nodes: Any = told_json["nodes"]
    assert [(each["key"], each["below"]) for each in nodes] == [
        (key(0), ""), (key(1), key(0)), (key(2), key(1)),
    ]  # fmt: skip
    assert json.loads(json.dumps(told_json)) == told_json


# The tree


def test_the_tree_is_tidy() -> None:
    shunned = StandingInfo(score=0.1, place="none", cost_factor=None, reasons=["it drops"])
    graph = graph_of(
        seen(
            near(1),
            near(2, cost=40, standing=shunned),
            far(3, via=1),
            far(4, via=1, landmark=True),
            landmark=key(4),
        )
    )
    assert tree_text(graph).splitlines() == [
        "me            this node, knows 4, landmark node 4",
        "├─ node 1     1 hop, quic, 2.5 ms, cost 16, s0000001, contact",
        "│  ├─ node 3  about 2 hops, cost 32, s0000003",
        "│  └─ node 4  about 2 hops, cost 32, s0000004, landmark",
        "└─ node 2     1 hop, quic, 2.5 ms, cost 40, s0000002, shunned",
    ]


def test_links_across_the_tree_are_told_beside_it() -> None:
    graph = graph_of(seen(near(1), near(2), near(3)))
    add_ties(graph, told(1, 2, 3))
    assert "also linked to node 2, node 3" in tree_text(graph)


def test_a_chain_of_a_thousand_is_no_trouble() -> None:
    graph = graph_of(seen(near(1)))
    for number in range(1, 1_000):
        add_ties(graph, told(number, number - 1, number + 1))
    assert "1000 hops" in tree_text(graph)
    assert svg_text(graph)


def test_a_name_that_steers_the_terminal_does_not() -> None:
    text = tree_text(graph_of(seen(near(1, name="\x1b[2J\u202eevil"), near(3, name="x" * 99))))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "x" * 23 + "…" in text


# Graphviz


def test_graphviz_text_quotes_what_others_call_themselves() -> None:
    text = dot_text(graph_of(seen(near(1, name='a "b" \\ c'), far(2, via=1))))
    assert r'label="a \"b\" \\ c"' in text
    assert text.count(" -- ") == 2
    assert "style=dashed" in text


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_reads_it(village: Callable[[int, int], Graph]) -> None:
    text = dot_text(village(30, 1))
    done = subprocess.run(["dot", "-Tsvg"], input=text, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


# The picture


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("count", [1, 2, 10, 50, 200])
def test_nodes_stand_on_their_rings_and_apart(
    village: Callable[[int, int], Graph], count: int, seed: int
) -> None:
    graph = village(count, seed)
    layout = lay_out(graph)
    spots = list(layout.spots.values())
    for spot in spots:
        assert hypot(spot.x, spot.y) == pytest.approx(layout.radii[spot.ring], abs=0.01)
    for one, other in combinations(spots, 2):
        assert hypot(one.x - other.x, one.y - other.y) > 14, "dots would touch"
    for inner, outer in pairwise(layout.radii):
        assert outer - inner >= 100


def test_one_graph_gives_one_picture(village: Callable[[int, int], Graph]) -> None:
    assert svg_text(village(40, 3)) == svg_text(village(40, 3))


def test_linked_nodes_stand_near_each_other(village: Callable[[int, int], Graph]) -> None:
    """Closer than two that were picked blindly."""
    graph = village(60, 2)
    spots = lay_out(graph).spots
    linked = [_apart(spots[edge.a], spots[edge.b]) for edge in graph.edges.values()]
    blind = [_apart(one, other) for one, other in combinations(spots.values(), 2)]
    assert sum(linked) / len(linked) < 0.55 * sum(blind) / len(blind)


def test_the_picture_is_sound_xml_whatever_nodes_call_themselves() -> None:
    names = ["<script>alert(1)</script>", 'a&b"c', "\x00\x1b[0m", "]]>", "x" * 500]
    graph = graph_of(seen(*(near(number, name=name) for number, name in enumerate(names, 1))))
    root = ET.fromstring(svg_text(graph))
    assert root.tag.endswith("svg")
    assert not [each for each in root.iter() if each.tag.endswith("script")]


def test_every_dot_lies_within_the_picture(village: Callable[[int, int], Graph]) -> None:
    root = ET.fromstring(svg_text(village(50, 1)))
    left, top, width, height = map(float, (root.get("viewBox") or "").split())
    texts = [each for each in root.iter() if each.tag.endswith("text")]
    assert len(texts) > 50
    for each in texts:
        x, y = float(each.get("x") or 0), float(each.get("y") or 0)
        assert left < x < left + width
        assert top < y < top + height


def test_landmarks_shunned_and_silent_ones_can_be_told_apart() -> None:
    shunned = StandingInfo(score=0.1, place="none", cost_factor=None, reasons=[])
    graph = graph_of(seen(near(1, standing=shunned), far(2, via=1, landmark=True), far(3, via=1)))
    graph.spots[key(3)].asked = "silent"
    text = svg_text(graph)
    assert re.search(r'class="dot known bad"', text)
    assert "rotate(45" in text
    assert 'class="dot silent"' in text
    assert "some way" in text


def _apart(one: Spotted, other: Spotted) -> float:
    return hypot(one.x - other.x, one.y - other.y)
