"""`meshctl net reach`."""

import click

from meshnode.cli.asking import ask
from meshnode.cli.base import MeshCommand, invocation
from meshnode.cli.show import clean, json_line, show_table, span
from meshnode.control.reach_shapes import ReachMeeting, ReachWay

KINDS = {
    "unknown": "not known yet",
    "public": "reached from outside",
    "mapped": "behind a NAT that shows one address",
    "symmetric": "behind a NAT that shows each peer another address",
}


@click.command(
    cls=MeshCommand,
    examples=["meshctl net reach", "meshctl --json net reach"],
    shape='{"listening": [...], "ways": [{"version", "kind": "unknown|public|mapped|symmetric", "address", "reason"}],\n'
    ' "observers", "published": [...], "port_mapping",\n'
    ' "meetings": [{"node_id", "name", "state", "reason", "tries", "again_in_s"}]}',
)
def reach() -> None:
    """How others reach this node, and whom it tries to reach directly."""
    found = ask(lambda node: node.reach())
    if invocation().as_json:
        click.echo(json_line(found))
        return
    click.echo(f"Own addresses: {' '.join(map(clean, found.listening)) or 'none'}")
    for way in found.ways:
        _show_way(way)
    click.echo(f"In our record beside them: {' '.join(map(clean, found.published)) or 'none'}")
    click.echo(f"Port mapping: {clean(found.port_mapping)}")
    rows = [(one.name, one.state.replace("_", " "), _again(one), one.reason) for one in found.meetings]
    if rows:
        click.echo("")
        show_table(("PEER", "DIRECT LINK", "NEXT TRY", "WHY"), rows, empty="")


def _show_way(way: ReachWay) -> None:
    where = f" at {clean(way.address)}" if way.address else ""
    click.echo(f"IPv{way.version}: {KINDS[way.kind]}{where}: {clean(way.reason)}")


def _again(meeting: ReachMeeting) -> str:
    return "-" if meeting.again_in_s is None else f"in {span(meeting.again_in_s)}"
