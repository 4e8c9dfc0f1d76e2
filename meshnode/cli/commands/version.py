"""`meshctl version`."""

import platform
import sys

import click

from meshnode import __version__
from meshnode.cli.base import MeshCommand, invocation
from meshnode.cli.show import json_line


@click.command(
    cls=MeshCommand,
    examples=["meshctl version", "meshctl version --json"],
    shape='{"version", "python", "platform"}',
)
def command() -> None:
    """Versions of what is installed."""
    python = platform.python_version()
    if invocation().as_json:
        click.echo(json_line({"version": __version__, "python": python, "platform": sys.platform}))
    else:
        click.echo(f"meshnode {__version__}, Python {python}, {sys.platform}")
