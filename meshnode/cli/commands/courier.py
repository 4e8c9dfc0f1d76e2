"""`meshctl courier`."""

import click

from meshnode.cli.asking import ask
from meshnode.cli.base import MeshGroup, invocation
from meshnode.cli.show import clean, json_line, local_time, show_table, size
from meshnode.control.courier_shapes import CourierStatus

STATUS = (
    '{"carry": "everyone|contacts|nobody", "carried", "carried_bytes", "quota_bytes", "own",\n'
    ' "under_way": [{"to", "to_name", "messages", "couriers", "expires_at"}], "people", "notes",\n'
    ' "prekey": {"id", "made_at", "expires_at", "kept", "hybrid"} or null, "counts": {...}}'
)
FOR = {"everyone": "for everyone", "contacts": "for contacts only", "nobody": "for nobody"}


@click.group(
    cls=MeshGroup,
    invoke_without_command=True,
    examples=["meshctl courier", "meshctl --json courier status"],
    shape=STATUS,
)
@click.pass_context
def command(context: click.Context) -> None:
    """Sealed messages for people who are away.

    Neighbours carry what this node has to say to somebody who is away, and it carries for them; nobody can read it.
    """
    if context.invoked_subcommand is None:
        _show()


@command.command(examples=["meshctl courier status"], shape=STATUS)
def status() -> None:
    """What is under way, and what is carried; the same as without a word."""
    _show()


def _show() -> None:
    found = ask(lambda node: node.courier_status())
    if invocation().as_json:
        click.echo(json_line(found))
        return
    click.echo(_page(found))
    if found.under_way:
        click.echo()
        show_table(
            ["TO", "MESSAGES", "COURIERS", "UNTIL"],
            [
                [
                    each.to_name or each.to[:8],
                    str(each.messages),
                    str(each.couriers),
                    local_time(each.expires_at),
                ]
                for each in found.under_way
            ],
            empty="",
        )


def _page(found: CourierStatus) -> str:
    prekey = found.prekey
    key = "none: the clock of this machine is not set"
    if prekey is not None:
        kind = ", safe against quantum computers" if prekey.hybrid else ""
        key = f"since {local_time(prekey.made_at)}, {prekey.kept} kept{kind}"
    room = f"{size(found.carried_bytes)} of {size(found.quota_bytes)}"
    return "\n".join(
        [
            f"carries    {FOR[found.carry]}",
            f"carried    {found.carried} sealed for others, {room}",
            f"under way  {found.own} sealed of ours",
            f"people     {found.people} whom we can seal to",
            f"prekey     {clean(key)}",
        ]
    )
