"""The map as text for Graphviz: meshctl map --dot | dot -Tsvg."""

import json

from meshnode.cli.mapping.graph import Edge, Graph, Spot
from meshnode.cli.show import clean


def dot_text(graph: Graph) -> str:
    graph.parents()
    nodes = [f"  {_quoted(spot.key)} [{_node(spot, spot.key == graph.me)}];" for spot in graph.spots.values()]
    edges = [f"  {_quoted(edge.a)} -- {_quoted(edge.b)} [{_edge(edge)}];" for edge in graph.edges.values()]
    head = [
        "graph mesh {",
        "  graph [layout=twopi, overlap=false, splines=true, ranksep=1.6];",
        '  node [fontname="Helvetica", fontsize=10, shape=ellipse];',
        '  edge [fontname="Helvetica", fontsize=8];',
    ]
    return "\n".join([*head, *nodes, *edges, "}"])


def _node(spot: Spot, is_me: bool) -> str:  # noqa: FBT001 - a private helper of one caller
    marks = [f"label={_quoted(clean(spot.label))}", f"tooltip={_quoted(f'{spot.short}, cost {spot.cost}')}"]
    if is_me:
        marks += ["root=true", "style=filled", 'fillcolor="#1f5fbf"', "fontcolor=white"]
    elif spot.landmark:
        marks += ["shape=doublecircle"]
    elif spot.place != "full":
        marks += ['color="#b3261e"']
    return ", ".join(marks)


def _edge(edge: Edge) -> str:
    if edge.kind == "way":
        return 'style=dashed, color="#999999"'
    return ", ".join(
        [
            f"tooltip={_quoted(f'cost {edge.cost}')}",
            *([f"label={_quoted(clean(edge.transport))}"] * bool(edge.transport)),
        ]
    )


def _quoted(text: str) -> str:
    """A DOT string; JSON's escapes of quotes and backslashes are DOT's too."""
    return json.dumps(text, ensure_ascii=False)
