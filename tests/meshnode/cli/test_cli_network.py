"""`meshctl map`, `trace`, `net stats`, `trust`: what a person types, and what comes back."""

from typing import Any
from xml.etree import ElementTree as ET

import pytest
from msgspec import structs

from meshnode.cli.mapping import Graph, explore, graph_of
from meshnode.client import ControlError, MeshClient
from meshnode.control import mesh_shapes
from meshnode.control.shapes import PolicyAnswer
from protocols.errors import RefusedError

BOB = "b" * 56


def told(number: int) -> dict[str, str]:
    return {
        "key": f"{number:a>20}",
        "node_id": f"{number:a>56}",
        "short": f"{number:a>8}",
        "name": f"node {number}",
    }


def chain(live: Any, length: int) -> None:
    """bob is our neighbour; behind him a line of nodes, each of which tells the next."""
    for number in range(length):
        asked = BOB if number == 0 else told(number)["node_id"]
        by = "k" * 20 if number == 0 else told(number)["key"]
        ties = [mesh_shapes.Tie(**told(number + 1), cost=17, transport="ble")]
        live.node.ties[asked] = mesh_shapes.Ties(key=by, ties=ties, left_out=0)


# The map


def test_the_map_is_a_tree(live: Any) -> None:
    lines = live.ctl("map").stdout.splitlines()
    assert lines[0].startswith("me ")
    assert lines[1].startswith("└─ bob ")
    assert "1.5 ms" in lines[1]
    assert "taken last" in lines[1]


def test_a_deep_map_asks_one_after_the_other(live: Any) -> None:
    chain(live, 5)
    found = live.json("map", "--deep")
    assert [node["hops"] for node in found["nodes"]] == [0, 1, 2, 3, 4, 5, 6]
    assert [node["asked"] for node in found["nodes"]] == ["no", *["answered"] * 5, "no"]
    assert {edge["kind"] for edge in found["edges"]} == {"link"}


def test_a_deep_map_asks_no_more_nodes_than_it_may(live: Any) -> None:
    chain(live, 5)
    assert len(live.json("map", "--deep", "--asks", "2")["nodes"]) == 4


def test_a_depth_leaves_the_rest_out(live: Any) -> None:
    chain(live, 5)
    found = live.json("map", "--deep", "--depth", "3")
    assert (len(found["nodes"]), found["left_out"]) == (4, 3)


def test_the_map_as_a_picture_and_as_text_for_graphviz(live: Any) -> None:
    root = ET.fromstring(live.ctl("map", "--svg").stdout)
    assert root.tag.endswith("svg")
    assert live.ctl("map", "--dot").stdout.startswith("graph mesh {")
    assert live.ctl("map", "--dot", "--svg").exit_code == 2


def test_a_node_without_neighbours_says_so(live: Any) -> None:
    live.node.alone = True
    result = live.ctl("map")
    assert result.exit_code == 1
    assert "no neighbour" in result.stderr


class Told(MeshClient):
    """A node that answers as the test wishes, in no time."""

    def __init__(self, answers: dict[str, mesh_shapes.Ties]) -> None:
        super().__init__(url="http://127.0.0.1:1")
        self.answers, self.asked = answers, list[str]()

    async def mesh_ties(self, peer: str, *, timeout_s: float = 5.0) -> mesh_shapes.Ties:
        self.asked.append(peer)
        if peer not in self.answers:
            raise ControlError("unreachable", "it does not answer")
        return self.answers[peer]


def root_of(*nodes: mesh_shapes.MapNode) -> Graph:
    return graph_of(
        mesh_shapes.MeshMap(**told(0), is_landmark=False, landmark="", nodes=list(nodes), left_out=0)
    )


def beside(number: int, *, hops: int = 1) -> mesh_shapes.MapNode:
    return mesh_shapes.MapNode(
        **told(number),
        neighbour=hops == 1,
        contact=False,
        landmark=False,
        cost=16 * hops,
        hops=hops,
        via="" if hops == 1 else told(1)["key"],
        others=[],
        links=[],
        standing=None,
    )


async def test_the_nearest_are_asked_first_and_nobody_twice() -> None:
    answers = {
        told(number)["node_id"]: mesh_shapes.Ties(
            key=told(number)["key"],
            ties=[mesh_shapes.Tie(**told(other), cost=16, transport="ble") for other in (0, 1, 2, 9)],
            left_out=0,
        )
        for number in (1, 2, 9)
    }
    node, graph, seen = (
        Told(answers),
        root_of(beside(1), beside(2), beside(5, hops=4)),
        list[tuple[int, int]](),
    )
    await explore(
        node,
        graph,
        budget_s=5,
        asks_max=50,
        progress=lambda answered, waiting: seen.append((answered, waiting)),
    )
    assert node.asked == [told(number)["node_id"] for number in (1, 2, 5, 9)]
    assert graph.spots[told(5)["key"]].asked == "silent"
    assert graph.spots[told(9)["key"]].asked == "answered"
    assert seen[-1] == (3, 0)


# Traces


def step(name: str, *, end: str | None = None, **more: Any) -> mesh_shapes.TraceStep:
    given: dict[str, Any] = {
        "key": "k" * 20,
        "node_id": "",
        "short": "kkkkkkkk",
        "name": name,
        "reason": "table",
        "cost": 32,
        "transport": "quic",
        "next": "n" * 20,
        "next_name": "carol",
        "hop_ms": 3.0,
        "end": end,
    }
    return mesh_shapes.TraceStep(**given | more)


def trace_of(*steps: mesh_shapes.TraceStep, end: Any = "arrived") -> mesh_shapes.TraceInfo:
    return mesh_shapes.TraceInfo(
        peer=BOB, name="bob", end=end, hops=len(steps) - 1, took_ms=5.5, steps=list(steps)
    )


def test_a_trace_tells_each_hop_with_its_reason_and_its_time(live: Any) -> None:
    live.node.trace = trace_of(
        step("me"),
        step("", reason="neighbour"),
        step("carol", next="", transport="", reason="arrived", hop_ms=None, end="arrived"),
    )
    result = live.ctl("trace", "carol")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        " 0  me -> carol  (routing knows the way, quic, cost 32, 3.0 ms)",
        " 1  kkkkkkkk -> carol  (a neighbour, quic, cost 32, 3.0 ms)",
        " 2  carol  (that is it)",
        "2 hops, there and back in 5.5 ms",
    ]


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("no_route", "no way is known"),
        ("loop", "circle"),
        ("too_far", "too many hops"),
        ("out_of_time", "longer --timeout"),
        ("silent", "does not answer"),
        ("refused", "does not tell strangers"),
        ("busy", "too often"),
    ],
)
def test_a_trace_that_does_not_arrive_says_why_and_fails(live: Any, end: str, words: str) -> None:
    live.node.trace = trace_of(step("me", end=end), end=end)
    result = live.ctl("trace", "carol")
    assert result.exit_code == 1
    assert words in result.stderr


def message(live: Any) -> str:
    ident = "m2" + "a" * 24
    live.node.store("hi", "out")
    live.node.stored[-1] = structs.replace(live.node.stored[-1], message_id=ident)
    return ident


def test_a_message_is_known_by_its_id(live: Any) -> None:
    result = live.ctl("trace", message(live))
    assert result.exit_code == 0
    assert ": delivered" in result.stdout
    assert "handed to a link over quic://10.0.0.2:7 (only choice)" in result.stdout


def test_a_name_as_long_as_a_message_id_is_still_a_name(live: Any) -> None:
    live.node.trace = trace_of(step("me", next="", reason="arrived", end="arrived"))
    assert live.ctl("trace", "x" * 26).exit_code == 0


def test_a_refusal_that_is_none_of_unknown_is_told(live: Any) -> None:
    live.node.fault = RefusedError("blocked", "not that one")
    result = live.ctl("trace", "x" * 26)
    assert result.exit_code == 1
    assert "not that one" in result.stderr


@pytest.mark.parametrize(
    ("way", "words"),
    [
        (mesh_shapes.Way(over="nothing", reason="no_route"), "no way to it is known"),
        (mesh_shapes.Way(over="nothing", reason="save_battery"), "more battery"),
        (
            mesh_shapes.Way(over="relay", reason="table", next="k" * 20, next_name="carol", cost=33),
            "through carol (routing knows the way, cost 33)",
        ),
    ],
)
def test_a_message_that_waits_says_for_what(live: Any, way: mesh_shapes.Way, words: str) -> None:
    ident = message(live)

    async def waits(request: mesh_shapes.TraceMessage) -> mesh_shapes.MessageTrace:
        decision = PolicyAnswer(transport=None, link=None, reason="no_link", considered=[])
        happened = [
            mesh_shapes.Happening(at="2026-01-02T03:04:05Z", kind="message_expired", way=None, reason="old")
        ]
        return mesh_shapes.MessageTrace(
            message=live.node.stored[-1], happened=happened, now=way, connected=False, decision=decision
        )

    live.node.trace_message = waits
    result = live.ctl("trace", ident)
    assert words in result.stdout
    assert "not connected" in result.stdout
    assert "given up: old" in result.stdout


# Figures and trust


def test_the_figures_of_the_links_are_a_table(live: Any) -> None:
    text = live.ctl("net", "stats").stdout
    assert "1.0% keeps ways and broadcasts known" in text
    assert "relayed 5 frames" in text
    assert "no route 2" in text
    assert "landmark kkkkkkkk" in text
    assert text.count("bob") == 2


def test_trust_tells_the_first_reason_of_each(live: Any) -> None:
    text = live.ctl("trust").stdout
    assert live.ctl("trust", "list").stdout == text
    assert "last" in text
    assert "answers came back from 3 of 40 flows" in text


def test_why_tells_the_reasons_and_the_figures(live: Any) -> None:
    text = live.ctl("trust", "why", "bob").stdout
    assert text.startswith("bob is taken last")
    assert "40  flows sent through it" in text
