"""`meshctl broadcast`."""

import sys

import click

from meshnode.cli.asking import ask, follow
from meshnode.cli.base import Failure, MeshCommand, MeshGroup, invocation
from meshnode.cli.show import clean, json_line, local_time
from meshnode.cli.values import Span
from meshnode.client import MeshClient
from meshnode.control.broadcast_shapes import (
    BROADCAST_CHARS_MAX,
    BROADCAST_EXPIRY_S,
    BROADCAST_EXPIRY_S_MAX,
    BROADCAST_HOPS_MAX,
    BroadcastInfo,
)
from meshnode.control.shapes import LIST_MAX

FROM_THE_FIRST = ""  # as `since`
SHAPE = '{"broadcast_id", "from", "from_name", "text", "at", "expires_at", "emergency", "hops", "ours", "stranger"}'


@click.group(
    cls=MeshGroup,
    examples=["meshctl broadcast send 'water at the school'", "meshctl broadcast list --follow"],
)
def command() -> None:
    """Tell everybody around something, and read what others tell.

    A broadcast is signed and open: whoever hears it can read it, and sees who sent it.
    """


@command.command(
    "send",
    cls=MeshCommand,
    examples=[
        "meshctl broadcast send 'the bridge is closed'",
        "meshctl broadcast send 'coffee is ready' --hops 1 --expires 30min",
        "meshctl broadcast send 'fire in the mill' --emergency",
    ],
    shape=SHAPE,
)
@click.argument("text", default="-")
@click.option(
    "--hops",
    type=click.IntRange(1, BROADCAST_HOPS_MAX),
    help="No farther than so many nodes; 1 is our neighbours. Otherwise as far as it gets.",
)
@click.option("--emergency", is_flag=True, help="Before everything else. At most six a minute.")
@click.option(
    "--expires",
    type=Span(),
    default=BROADCAST_EXPIRY_S,
    show_default="6h",
    help="Whoever comes later is not told any more; at most 24h.",
)
def send(text: str, *, hops: int | None, emergency: bool, expires: int) -> None:
    """Tell everybody around.

    TEXT is read from standard input where it is left out or "-". Short ones go farther over radios: 512 bytes take a
    Bluetooth link 30 ms, 4 KiB, the most, 0.2 s.
    """
    if expires > BROADCAST_EXPIRY_S_MAX:
        raise click.BadParameter("at most 24h", param_hint="--expires")
    if text == "-":
        text = _standard_input()
    sent = ask(lambda node: node.send_broadcast(text, hops=hops or 0, emergency=emergency, expires_s=expires))
    click.echo(json_line(sent) if invocation().as_json else f"sent  {sent.broadcast_id}")


@command.command(
    "list",
    cls=MeshCommand,
    examples=["meshctl broadcast list", "meshctl --json broadcast list --follow | jq -r .text"],
    shape=f"JSON lines of {SHAPE}",
)
@click.option("--since", metavar="ID", help="Only what came after this broadcast.")
@click.option("--follow", "following", is_flag=True, help="Then show each further broadcast as it comes.")
@click.option(
    "--limit",
    type=click.IntRange(1, LIST_MAX),
    help="Only the newest so many; with --since, the first so many after it. Otherwise all.",
)
def list_(since: str | None, *, following: bool, limit: int | None) -> None:
    """Read broadcasts, or follow them as they come. Those of blocked peers are left out."""
    if following:
        start = since if limit is not None else since or FROM_THE_FIRST
        follow(lambda node: node.follow_broadcasts(since=start, limit=limit or LIST_MAX), _show)
        return
    found = ask(lambda node: _read(node, since, limit))
    for one in found:
        _show(one)
    if not found and not invocation().as_json:
        click.echo("there are no broadcasts")


async def _read(node: MeshClient, since: str | None, limit: int | None) -> list[BroadcastInfo]:
    if limit is not None:
        return await node.broadcasts(since=since, limit=limit)
    found: list[BroadcastInfo] = []
    after = since or FROM_THE_FIRST
    while page := await node.broadcasts(since=after, limit=LIST_MAX):
        found += page
        if len(page) < LIST_MAX:
            break
        after = page[-1].broadcast_id
    return found


def _show(one: BroadcastInfo) -> None:
    if invocation().as_json:
        click.echo(json_line(one))
        return
    who = "this node" if one.ours else clean(one.from_name)
    told = [word for word, said in (("emergency", one.emergency), ("a stranger", one.stranger)) if said]
    notes = f" ({', '.join(told)})" if told else ""
    text = "\n    ".join(clean(line) for line in one.text.splitlines())
    click.echo(f"{local_time(one.at)}  {who}{notes}:  {text}")


def _standard_input() -> str:
    try:
        text = sys.stdin.read(BROADCAST_CHARS_MAX + 2).removesuffix("\n")
    except UnicodeDecodeError:
        raise Failure("standard input is not text in UTF-8") from None
    if len(text) > BROADCAST_CHARS_MAX:
        raise Failure(
            f"a broadcast has at most {BROADCAST_CHARS_MAX} characters; write a message to each instead"
        )
    return text
