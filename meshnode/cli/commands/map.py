"""`meshctl map`."""

import sys

import click

from meshnode.cli.asking import ask
from meshnode.cli.base import Failure, MeshCommand, invocation
from meshnode.cli.mapping import Graph, as_json, dot_text, explore, graph_of, svg_text, tree_text
from meshnode.cli.show import json_line
from meshnode.cli.values import Span
from meshnode.client import MeshClient

ASKS_MAX = 500  # nodes that are asked at most, unless told otherwise


@click.command(
    cls=MeshCommand,
    examples=[
        "meshctl map",
        "meshctl map --depth 2",
        "meshctl map --deep --svg > mesh.svg",
        "meshctl map --dot | dot -Tpdf > mesh.pdf",
    ],
    shape=(
        '{"me", "landmark", "nodes": [{"key", "node_id", "short", "name", "hops", "cost", "below", "neighbour",\n'
        ' "contact", "landmark", "place", "rtt_ms", "asked"}], "edges": [{"a", "b", "kind": "link|way", "cost",\n'
        ' "transport"}], "left_out"}'
    ),
)
@click.option("--depth", type=click.IntRange(1, 1_000), help="Only so many hops.")
@click.option(
    "--deep", is_flag=True, help="Ask the nodes that can be reached for their links, nearest first."
)
@click.option(
    "--budget", type=Span(), default="20s", show_default=True, help="With --deep: how long to go on asking."
)
@click.option(
    "--asks",
    type=click.IntRange(1, 10_000),
    default=ASKS_MAX,
    show_default=True,
    help="With --deep: how many nodes to ask at most.",
)
@click.option("--dot", is_flag=True, help="Text for Graphviz.")
@click.option("--svg", is_flag=True, help="A picture: a ring for each hop.")
def command(depth: int | None, budget: int, asks: int, *, deep: bool, dot: bool, svg: bool) -> None:
    """The network as this node sees it.

    From here alone one sees one's own links, and which neighbour leads to the others; costs count 16 for a good hop.
    With --deep the others are asked for theirs. Who hides from strangers is drawn by the first characters of its id,
    as routing knows it.
    """
    if dot and svg:
        raise click.UsageError("--dot and --svg are two forms; choose one")
    graph = ask(lambda node: _seen(node, budget_s=budget if deep else None, asks=asks))
    if depth is not None:
        graph = graph.within(depth)
    if invocation().as_json:
        click.echo(json_line(as_json(graph)))
    elif dot:
        click.echo(dot_text(graph))
    elif svg:
        click.echo(svg_text(graph))
    else:
        click.echo(tree_text(graph))
        if len(graph.spots) == 1:
            raise Failure("this node has no neighbour just now; 'meshctl peers' says whom it looks for")


async def _seen(node: MeshClient, *, budget_s: float | None, asks: int) -> Graph:
    graph = graph_of(await node.mesh_map())
    if budget_s is not None:
        await explore(node, graph, budget_s=budget_s, asks_max=asks, progress=_progress())
        _progress_done()
    return graph


def _progress() -> "_Progress":
    return _Progress()


class _Progress:
    """A line on standard error that is written over, where a person looks at it."""

    def __call__(self, answered: int, waiting: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r{answered} answered, {waiting} to ask \x1b[K", err=True, nl=False)


def _progress_done() -> None:
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", err=True, nl=False)
