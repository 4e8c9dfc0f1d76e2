"""The map that `meshctl map` shows: one graph, and the forms in which it can be seen."""

from meshnode.cli.mapping.deep import explore
from meshnode.cli.mapping.dot import dot_text
from meshnode.cli.mapping.graph import Graph, as_json, graph_of
from meshnode.cli.mapping.svg import svg_text
from meshnode.cli.mapping.tree import tree_text

__all__ = ["Graph", "as_json", "dot_text", "explore", "graph_of", "svg_text", "tree_text"]
