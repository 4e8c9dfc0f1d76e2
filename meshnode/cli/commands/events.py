"""`meshctl events`."""

import click

from meshnode.cli.asking import follow
from meshnode.cli.base import MeshCommand, invocation
from meshnode.cli.show import clean, json_line, local_time
from meshnode.control import shapes


@click.command(
    cls=MeshCommand,
    examples=["meshctl events", "meshctl --json events | jq 'select(.kind == \"peer_connected\")'"],
    shape='JSON lines of {"id", "kind", "at", "fields": {...}}',
)
@click.option("--after", default="", metavar="ID", help="Begin just after this event.")
def command(after: str) -> None:
    """Follow everything that happens.

    Ctrl-C ends it. A node that restarts meanwhile is followed on.
    """
    follow(lambda node: node.events(after=after), _show)


def _show(event: shapes.Event) -> None:
    if invocation().as_json:
        click.echo(json_line(event))
        return
    fields = "  ".join(f"{name}={value}" for name, value in event.fields.items())
    click.echo(f"{local_time(event.at)}  {event.kind}  {clean(fields)}".rstrip())
