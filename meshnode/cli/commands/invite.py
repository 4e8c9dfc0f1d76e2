"""`meshctl invite`."""

import io

import click
import segno

from meshnode.cli.asking import ask
from meshnode.cli.base import MeshGroup, invocation
from meshnode.cli.show import clean, json_line, local_time, show_table
from meshnode.cli.values import Span
from meshnode.control.shapes import EXPIRY_S_MAX, INVITE_USES_MAX


@click.group(
    cls=MeshGroup,
    invoke_without_command=True,
    examples=[
        "meshctl invite",
        "meshctl invite --expires 2h --uses 5",
        "meshctl --json invite",
        "meshctl invite list",
    ],
    shape='{"invite", "id", "expires_at", "uses"}',
)
@click.option("--expires", type=Span(), default="1d", show_default=True, help="Void after so long.")
@click.option(
    "--uses",
    type=click.IntRange(1, INVITE_USES_MAX),
    default=1,
    show_default=True,
    help="Void after so many.",
)
@click.pass_context
def command(context: click.Context, expires: int, uses: int) -> None:
    """Make an invite: a link, and a QR code to scan.

    Whoever has it can add this node as a contact, and becomes one: hand it to the one you mean, by a way you trust.
    """
    if context.invoked_subcommand is not None:
        return
    if expires > EXPIRY_S_MAX:
        raise click.BadParameter(f"at most {EXPIRY_S_MAX // 86_400}d", param_hint="--expires")
    invite = ask(lambda node: node.create_invite(expires_s=expires, uses=uses))
    if invocation().as_json:
        click.echo(json_line(invite))
        return
    click.echo(_qr(invite.invite))
    click.echo(clean(invite.invite))
    times = "once" if uses == 1 else f"{uses} times"
    click.echo(f"good for use {times}, until {local_time(invite.expires_at)}; the other side types:")
    click.echo(f"  meshctl peers add {clean(invite.invite)}")


@command.command(
    "list", examples=["meshctl invite list"], shape='[{"id", "expires_at", "uses", "uses_left"}]'
)
def list_invites() -> None:
    """Invites that can still be used."""
    invites = ask(lambda node: node.invites())
    if invocation().as_json:
        click.echo(json_line(invites))
        return
    rows = [(one.id, local_time(one.expires_at), f"{one.uses_left} of {one.uses}") for one in invites]
    show_table(
        ("INVITE", "UNTIL", "USES LEFT"), rows, empty="there are no open invites; 'meshctl invite' makes one"
    )


@command.command(examples=["meshctl invite revoke ID"], shape='{"id", "expires_at", "uses", "uses_left"}')
@click.argument("invite_id", metavar="ID")
def revoke(invite_id: str) -> None:
    """Void an invite that was not used yet."""
    invite = ask(lambda node: node.revoke_invite(invite_id))
    click.echo(json_line(invite) if invocation().as_json else f"{clean(invite.id)} can be used no more")


def _qr(link: str) -> str:
    """Upper case needs a smaller code, and means the same."""
    picture = io.StringIO()
    segno.make_qr(link.upper(), error="l").terminal(picture, compact=True)
    return picture.getvalue().rstrip("\n")
