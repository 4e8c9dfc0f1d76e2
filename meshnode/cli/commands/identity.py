"""`meshctl id`."""

import base64
from pathlib import Path
from typing import TextIO

import click

from meshnode.cli.asking import ask, data_dir
from meshnode.cli.base import MeshGroup, invocation
from meshnode.cli.show import clean, json_line, local_time
from protocols.ids import node_id_text, short_id

IDENTITY = '{"node_id", "short", "name", "fingerprint"}'
PHRASE_CHARS_MAX = 1_024  # 24 words of at most 8 letters

passphrase_option = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Its first line opens a sealed identity.",
)


@click.group(
    cls=MeshGroup,
    invoke_without_command=True,
    examples=["meshctl id", "meshctl --json id", "meshctl id export"],
    shape=IDENTITY,
)
@click.pass_context
def command(context: click.Context) -> None:
    """Who this node is; keep, restore or revoke its identity."""
    if context.invoked_subcommand is None:
        _show()


@command.command(examples=["meshctl id show"], shape=IDENTITY)
def show() -> None:
    """Show it; the same as without a word."""
    _show()


@command.command(
    examples=["meshctl id export", "meshctl id export --passphrase-file pass.txt"], shape='{"phrase"}'
)
@passphrase_option
def export(passphrase_file: Path | None) -> None:
    """Show the recovery phrase: 24 words that are this identity.

    Works with and without a running node. Write them down on paper; whoever reads them can be this node.
    """
    from meshnode.identity import export_phrase, read_passphrase  # noqa: PLC0415 - `id show` needs no keys

    phrase = export_phrase(data_dir(), read_passphrase(passphrase_file))
    click.echo("whoever has these words can be this node: write them on paper, show them to nobody", err=True)
    click.echo(json_line({"phrase": phrase}) if invocation().as_json else phrase)


@command.command(
    examples=["meshctl --data-dir ./new id restore", "meshctl id restore phrase.txt"],
    shape='{"node_id", "short"}',
)
@click.argument("phrase_file", type=click.File("r"), default="-")
@passphrase_option
@click.option("--force", is_flag=True, help="Replace the identity that is there, for good.")
def restore(phrase_file: TextIO, passphrase_file: Path | None, *, force: bool) -> None:
    """Restore an identity from its recovery phrase, into a fresh data directory.

    The 24 words are read from standard input or a file, not from the command line, where others could see them. The
    node must not run. With --passphrase-file the identity is sealed by its first line.
    """
    from meshnode.identity import read_passphrase, restore_identity  # noqa: PLC0415 - `id show` needs no keys

    if phrase_file.isatty():
        click.echo("type the 24 words, then Enter:", err=True)
    phrase = (
        phrase_file.readline(PHRASE_CHARS_MAX) if phrase_file.isatty() else phrase_file.read(PHRASE_CHARS_MAX)
    )
    node = restore_identity(data_dir(), phrase, read_passphrase(passphrase_file), force=force)
    answer = {"node_id": node_id_text(node), "short": short_id(node)}
    click.echo(json_line(answer) if invocation().as_json else f"restored {answer['node_id']}")


@command.command(
    "rotate-prekeys",
    examples=["meshctl id rotate-prekeys"],
    shape='{"id", "made_at", "expires_at", "kept", "hybrid"}',
)
def rotate_prekeys() -> None:
    """Give others a new key to seal messages to while this node is away.

    A running node does so each week by itself. The older keys stay until nothing sealed to them can be under way.
    """
    made = ask(lambda node: node.rotate_prekeys())
    if invocation().as_json:
        click.echo(json_line(made))
        return
    click.echo(f"new prekey {made.id}, for others to seal to until {local_time(made.expires_at)}")


@command.command(examples=["meshctl id revoke > revocation.txt"], shape='{"revocation"}')
@passphrase_option
def revoke(passphrase_file: Path | None) -> None:
    """Sign a revocation of this identity.

    It takes effect at whoever is handed it (`meshctl peers revoked FILE`) and at all whom these tell, for ever.
    """
    from meshnode.identity import read_passphrase, revoke_identity  # noqa: PLC0415 - `id show` needs no keys

    text = base64.b64encode(revoke_identity(data_dir(), read_passphrase(passphrase_file))).decode()
    click.echo("hand this to a contact, and this identity is void for ever", err=True)
    click.echo(json_line({"revocation": text}) if invocation().as_json else text)


def _show() -> None:
    identity = ask(lambda node: node.identity())
    if invocation().as_json:
        click.echo(json_line(identity))
        return
    click.echo(f"name         {clean(identity.name)}")
    click.echo(f"short id     {identity.short}")
    click.echo(f"node id      {identity.node_id}")
    click.echo(f"fingerprint  {identity.fingerprint}")
