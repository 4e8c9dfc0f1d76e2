"""`meshctl transports`."""

import click

from meshnode.cli.asking import ask
from meshnode.cli.base import MeshCommand, invocation
from meshnode.cli.show import json_line, show_table


@click.command(
    cls=MeshCommand,
    examples=["meshctl transports"],
    shape='[{"name", "state": "up|down", "listening": [...], "links", "detail", "dropped": {reason: count}}]',
)
def command() -> None:
    """Transports, and where they listen."""
    transports = ask(lambda node: node.transports())
    if invocation().as_json:
        click.echo(json_line(transports))
        return
    rows = [
        (
            one.name,
            one.state,
            str(one.links),
            str(sum(one.dropped.values())),
            " ".join(one.listening),
            one.detail,
        )
        for one in transports
    ]
    show_table(
        ("TRANSPORT", "STATE", "LINKS", "DROPPED", "LISTENING", "DETAIL"),
        rows,
        empty="there are no transports",
    )
