"""`meshctl stop`."""

import click

from meshnode.cli.asking import ask
from meshnode.cli.base import MeshCommand, invocation
from meshnode.cli.show import json_line


@click.command(cls=MeshCommand, examples=["meshctl stop"], shape='{"stopping": true}')
def command() -> None:
    """Stop the node cleanly."""
    answer = ask(lambda node: node.stop())
    click.echo(json_line(answer) if invocation().as_json else "stopping")
