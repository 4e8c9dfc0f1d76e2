"""`meshnode`: runs the node, in the foreground."""

from pathlib import Path
from typing import Literal

import click

from meshnode import __version__
from meshnode.cli.base import HELP_WIDTH, Failure, PlainCommand
from meshnode.cli.options import DaemonOptions
from protocols.errors import MeshError


@click.group(context_settings={"max_content_width": HELP_WIDTH, "help_option_names": ["-h", "--help"]})
def cli() -> None:
    """One node of the mesh. Everything about a running one is asked with `meshctl`."""


@cli.command(
    cls=PlainCommand,
    examples=[
        "meshnode run",
        "meshnode run --data-dir ./alice --name alice --listen quic://127.0.0.1:7420",
        "meshnode run --peer meshnode://invite/... --no-mdns --log-format json",
    ],
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="All that the node owns; else MESHNODE_DATA_DIR, else the platform's place.",
)
@click.option("--name", help="What peers are told this node is called.")
@click.option(
    "--listen", multiple=True, metavar="ADDRESS", help="As in quic://0.0.0.0:0; may be given again."
)
@click.option(
    "--peer", "peers", multiple=True, metavar="INVITE_OR_ADDRESS", help="Always tried; may be given again."
)
@click.option("--no-mdns", is_flag=True, help="Neither look for nodes on this network nor be found on it.")
@click.option(
    "--control-tcp", metavar="127.0.0.1:PORT", help="Serve the control API there too, behind control.token."
)
@click.option("--log-format", type=click.Choice(["json", "pretty"]), default="pretty", show_default=True)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
@click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Its first line seals or opens the identity.",
)
@click.pass_context
def run(
    context: click.Context,
    *,
    data_dir: Path | None,
    name: str | None,
    listen: tuple[str, ...],
    peers: tuple[str, ...],
    no_mdns: bool,
    control_tcp: str | None,
    log_format: Literal["json", "pretty"],
    log_level: Literal["debug", "info", "warning", "error"],
    passphrase_file: Path | None,
) -> None:
    """Run the node in the foreground.

    It needs no configuration. Once it serves, it says so in one line on standard output:
    ready node=ID control=SOCKET. Ctrl-C or SIGTERM stops it cleanly.
    """
    from meshnode.control.paths import default_data_dir  # noqa: PLC0415 - `meshnode --help` does not pay for it
    from meshnode.daemon import run_daemon  # noqa: PLC0415 - nor for this

    options = DaemonOptions(
        data_dir=data_dir or default_data_dir(),
        name=name,
        listen=listen,
        peers=peers,
        mdns=not no_mdns,
        control_tcp=control_tcp,
        log_format=log_format,
        log_level=log_level,
        passphrase_file=passphrase_file,
    )
    try:
        context.exit(run_daemon(options))
    except MeshError as error:
        raise Failure(str(error)) from None


@cli.command(cls=PlainCommand, examples=["meshnode version"])
def version() -> None:
    """Print the version."""
    click.echo(f"meshnode {__version__}")


def main() -> None:
    cli(prog_name="meshnode")


if __name__ == "__main__":
    main()
