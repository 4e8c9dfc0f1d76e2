"""Nodes and links as a graph around this node. From here alone we see our own links, and of the rest only which
neighbour leads there; what others tell (`meshctl map --deep`) adds their links.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from meshnode.control.mesh_shapes import MapNode, MeshMap, Ties

Kind: TypeAlias = Literal["link", "way"]  # a link between the two; or a way of unknown length
GOOD_HOP = 16  # the cost of one good hop


@dataclass(slots=True)
class Spot:
    key: str
    node_id: str
    short: str
    name: str
    hops: int  # links from here; for a way, a guess from its cost
    cost: int
    neighbour: bool = False
    contact: bool = False
    landmark: bool = False
    place: str = "full"
    rtt_ms: float | None = None
    via: str = ""  # key of the neighbour that leads there
    asked: Literal["no", "answered", "silent"] = "no"

    @property
    def label(self) -> str:
        return self.name or self.short


@dataclass(slots=True)
class Edge:
    a: str
    b: str
    kind: Kind
    cost: int
    transport: str = ""


@dataclass(slots=True)
class Graph:
    me: str
    landmark: str = ""
    spots: dict[str, Spot] = field(default_factory=dict[str, Spot])
    edges: dict[tuple[str, str], Edge] = field(default_factory=dict[tuple[str, str], Edge])
    left_out: int = 0

    def link(self, a: str, b: str, *, cost: int, transport: str) -> None:
        """A link takes the place of a way; of two reports of one link the first stays."""
        pair = (a, b) if a < b else (b, a)
        known = self.edges.get(pair)
        if a != b and (known is None or known.kind == "way"):
            self.edges[pair] = Edge(*pair, "link", cost, transport)

    def around(self) -> dict[str, list[str]]:
        """Linked nodes of each, in a fixed order."""
        near: dict[str, list[str]] = {key: [] for key in self.spots}
        for edge in self.edges.values():
            if edge.kind == "link":
                near[edge.a].append(edge.b)
                near[edge.b].append(edge.a)
        for linked in near.values():
            linked.sort(key=lambda key: (self.spots[key].cost, key))
        return near

    def parents(self) -> dict[str, str]:
        """Whom each node hangs below, as seen from here: a linked node nearer to us, else the neighbour that leads
        there, else us. Counts the hops on the way.
        """
        near, parent = self.around(), {self.me: ""}
        queue = deque([self.me])
        while queue:
            key = queue.popleft()
            for other in near[key]:
                if other not in parent:
                    parent[other] = key
                    self.spots[other].hops = self.spots[key].hops + 1
                    queue.append(other)
        for key, spot in self.spots.items():
            if key not in parent:
                parent[key] = spot.via if spot.via in near and spot.via != key else self.me
        return parent

    def within(self, depth: int) -> "Graph":
        """Without what is farther than so many hops."""
        self.parents()
        spots = {key: spot for key, spot in self.spots.items() if spot.hops <= depth}
        edges = {pair: edge for pair, edge in self.edges.items() if edge.a in spots and edge.b in spots}
        return Graph(self.me, self.landmark, spots, edges, self.left_out + len(self.spots) - len(spots))


def graph_of(seen: MeshMap) -> Graph:
    graph = Graph(seen.key, seen.landmark, left_out=seen.left_out)
    graph.spots[seen.key] = Spot(
        seen.key, seen.node_id, seen.short, seen.name, hops=0, cost=0, landmark=seen.is_landmark, contact=True
    )
    for node in seen.nodes:
        graph.spots[node.key] = _spot(node)
    for node in seen.nodes:
        if node.neighbour:
            transport = node.links[0].transport if node.links else ""
            graph.link(seen.key, node.key, cost=node.cost, transport=transport)
        elif node.via in graph.spots:
            pair = (min(node.via, node.key), max(node.via, node.key))
            graph.edges[pair] = Edge(node.via, node.key, "way", node.cost)
    return graph


def add_ties(graph: Graph, told: Ties) -> list[str]:
    """What a node told of its neighbours. Gives the keys of those who are new to us."""
    teller, fresh = graph.spots[told.key], list[str]()
    teller.asked = "answered"
    for tie in told.ties:
        spot = graph.spots.get(tie.key)
        if spot is None:
            spot = graph.spots[tie.key] = Spot(
                tie.key,
                tie.node_id,
                tie.short,
                tie.name,
                hops=teller.hops + 1,
                cost=teller.cost + tie.cost,
                via=teller.via or teller.key,
            )
            fresh.append(tie.key)
        spot.node_id = spot.node_id or tie.node_id
        spot.name = spot.name or tie.name
        graph.link(told.key, tie.key, cost=tie.cost, transport=tie.transport)
    linked = {pair for pair, edge in graph.edges.items() if edge.kind == "link"}
    known = {key for pair in linked for key in pair}
    for pair in [pair for pair, edge in graph.edges.items() if edge.kind == "way" and edge.b in known]:
        del graph.edges[pair]  # its links are known now
    return fresh


def as_json(graph: Graph) -> dict[str, object]:
    parent = graph.parents()
    return {
        "me": graph.me,
        "landmark": graph.landmark,
        "nodes": [
            {
                "key": spot.key,
                "node_id": spot.node_id,
                "short": spot.short,
                "name": spot.name,
                "hops": spot.hops,
                "cost": spot.cost,
                "below": parent[spot.key],
                "neighbour": spot.neighbour,
                "contact": spot.contact,
                "landmark": spot.landmark,
                "place": spot.place,
                "rtt_ms": spot.rtt_ms,
                "asked": spot.asked,
            }
            for spot in graph.spots.values()
        ],
        "edges": [
            {"a": edge.a, "b": edge.b, "kind": edge.kind, "cost": edge.cost, "transport": edge.transport}
            for edge in graph.edges.values()
        ],
        "left_out": graph.left_out,
    }


def _spot(node: MapNode) -> Spot:
    return Spot(
        node.key,
        node.node_id,
        node.short,
        node.name,
        hops=node.hops,
        cost=node.cost,
        neighbour=node.neighbour,
        contact=node.contact,
        landmark=node.landmark,
        place=node.standing.place if node.standing is not None else "full",
        rtt_ms=min((link.rtt_ms for link in node.links if link.rtt_ms is not None), default=None),
        via=node.key if node.neighbour else node.via,
    )
