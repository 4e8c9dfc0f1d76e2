"""`meshctl trust`."""

import click

from meshnode.cli.asking import ask
from meshnode.cli.base import MeshGroup, invocation
from meshnode.cli.completing import anybody
from meshnode.cli.show import clean, json_line, show_table
from meshnode.control.mesh_shapes import Place, TrustInfo

TRUST = (
    '{"key", "node_id", "short", "name", "contact", "present",\n'
    ' "standing": {"score", "place": "full|last|none", "cost_factor", "reasons": [...]}, "figures": {...}}'
)
TRUSTS = f"a list of\n{TRUST}"
PLACES: dict[Place, str] = {
    "full": "carries what routing gives it",
    "last": "is taken last, after all other ways",
    "none": "has no place: nothing is sent through it, and nothing of it is relayed",
}
WORDS = {
    "flows": "flows sent through it",
    "answered": "of them answered in time",
    "frames": "frames that it gave us to relay",
    "bytes": "bytes in these",
    "refused": "of these above its fair share",
    "replays": "replays",
    "rubbish": "frames that make no sense",
    "lies": "contradictions about the network",
    "acks_due": "hop acknowledgements that it owed",
    "acks_missed": "of them missing",
    "asked": "calls of its services",
    "failed": "of them without an answer",
}


@click.group(
    cls=MeshGroup,
    invoke_without_command=True,
    examples=["meshctl trust", "meshctl trust why mallory"],
    shape=TRUSTS,
)
@click.pass_context
def command(context: click.Context) -> None:
    """How neighbours stand, by what they did while this node ran."""
    if context.invoked_subcommand is None:
        _list()


@command.command("list", examples=["meshctl trust list"], shape=TRUSTS)
def list_trust() -> None:
    """List them; the same as without a word."""
    _list()


@command.command(examples=["meshctl trust why bob"], shape=TRUST)
@click.argument("peer", shell_complete=anybody)
def why(peer: str) -> None:
    """Say why a neighbour stands as it does, with the figures."""
    found = ask(lambda node: node.trust_why(peer))
    if invocation().as_json:
        click.echo(json_line(found))
        return
    standing = found.standing
    click.echo(f"{clean(found.name) or found.short} {PLACES[standing.place]} (score {standing.score:.2f})")
    for reason in standing.reasons:
        click.echo(f"  {clean(reason)}")
    if not standing.reasons:
        click.echo("  nothing speaks against it")
    told = [(f"{found.figures[name]:g}", words) for name, words in WORDS.items() if found.figures.get(name)]
    if told:
        click.echo("seen lately, fading with time:")
        for figure, words in told:
            click.echo(f"  {figure:>10}  {words}")


def _list() -> None:
    found = ask(lambda node: node.trust())
    if invocation().as_json:
        click.echo(json_line(found))
        return
    show_table(
        ["NAME", "ID", "PLACE", "SCORE", "HERE", "WHY"],
        [_row(each) for each in found],
        empty="no neighbour so far; 'meshctl peers' says whom this node looks for",
    )


def _row(each: TrustInfo) -> list[str]:
    standing = each.standing
    return [
        each.name,
        each.short,
        standing.place,
        f"{standing.score:.2f}",
        "yes" if each.present else "no",
        standing.reasons[0] if standing.reasons else "",
    ]
