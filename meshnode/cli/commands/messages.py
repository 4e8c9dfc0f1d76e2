"""`meshctl messages`."""

import click

from meshnode.cli.asking import ask, follow
from meshnode.cli.base import MeshCommand, invocation
from meshnode.cli.completing import anybody
from meshnode.cli.show import clean, json_line, local_time
from meshnode.client import MeshClient
from meshnode.control.shapes import LIST_MAX, Message

FROM_THE_FIRST = ""  # as `since`


@click.command(
    cls=MeshCommand,
    examples=[
        "meshctl messages --with bob",
        "meshctl --json messages --since ID",
        "meshctl --json messages --follow | jq -r .text",
    ],
    shape='JSON lines of {"message_id", "from", "to", "text", "at", "direction": "in|out",\n'
    ' "state": "queued|sent|delivered|read|expired", "from_name", "to_name", "trace", "request",\n'
    ' "couriers"}',
)
@click.option("--with", "peer", metavar="PEER", shell_complete=anybody, help="Only to and from this one.")
@click.option("--since", metavar="ID", help="Only what came after this message.")
@click.option("--follow", "following", is_flag=True, help="Then show each further message as it comes.")
@click.option(
    "--limit",
    type=click.IntRange(1, LIST_MAX),
    help="Only the newest so many; with --since, the first so many after it. Otherwise all.",
)
def command(peer: str | None, since: str | None, *, following: bool, limit: int | None) -> None:
    """Read messages, or follow them as they come."""
    if following:
        start = since if limit is not None else since or FROM_THE_FIRST
        follow(lambda node: node.follow_messages(peer=peer, since=start, limit=limit or LIST_MAX), _show)
        return
    messages = ask(lambda node: _read(node, peer, since, limit))
    for message in messages:
        _show(message)
    if not messages and not invocation().as_json:
        click.echo("there are no messages")


async def _read(node: MeshClient, peer: str | None, since: str | None, limit: int | None) -> list[Message]:
    if limit is not None:
        return await node.messages(peer=peer, since=since, limit=limit)
    found: list[Message] = []
    after = since or FROM_THE_FIRST
    while page := await node.messages(peer=peer, since=after, limit=LIST_MAX):
        found += page
        if len(page) < LIST_MAX:
            break
        after = page[-1].message_id
    return found


def _show(message: Message) -> None:
    if invocation().as_json:
        click.echo(json_line(message))
        return
    incoming = message.direction == "in"
    who = message.from_name or message.sender[:8] if incoming else message.to_name or message.to[:8]
    whither = f"{clean(who)} >" if incoming else f"> {clean(who)}"
    state = ("  (request)" if message.request else "") if incoming else f"  ({_state(message)})"
    text = "\n    ".join(clean(line) for line in message.text.splitlines())
    click.echo(f"{local_time(message.at)}  {whither}  {text}{state}")


def _state(message: Message) -> str:
    return f"{message.state}, carried by {message.couriers}" if message.couriers else message.state
