"""`meshctl directory`."""

import click

from meshnode.cli.asking import ask
from meshnode.cli.base import MeshGroup, invocation
from meshnode.cli.show import clean, json_line, local_time, show_table
from meshnode.client import MeshClient
from meshnode.control.directory_shapes import DirectoryStatus

STATUS = (
    '{"listed", "nodes", "buckets": {number: seats}, "waiting", "records", "copies", "holdings", "away", "lines",\n'
    ' "wards", "gateways": [...], "replicas", "published_at", "counts": {name: count}}'
)


@click.group(
    cls=MeshGroup,
    invoke_without_command=True,
    examples=["meshctl directory", "meshctl --json directory status", "meshctl directory publish"],
    shape=STATUS,
)
@click.pass_context
def command(context: click.Context) -> None:
    """How nodes that moved are found again."""
    if context.invoked_subcommand is None:
        _status()


@command.command(examples=["meshctl directory status"], shape=STATUS)
def status() -> None:
    """What this node knows and keeps; the same as without a word."""
    _status()


@command.command(examples=["meshctl directory publish"], shape='{"replicas"}')
def publish() -> None:
    """Bring our record to the nodes that keep it, now instead of within the hour."""
    published = ask(MeshClient.publish_record)
    if invocation().as_json:
        click.echo(json_line(published))
    else:
        click.echo(f"our record lies on {published.replicas} nodes")


@command.command(
    examples=["meshctl directory holders KEY"], shape='[{"node_id", "short", "name", "expires_at"}]'
)
@click.argument("key")
def holders(key: str) -> None:
    """Who says that it holds what a key (64 hex digits) names."""
    found = ask(lambda node: node.holders(key))
    if invocation().as_json:
        click.echo(json_line(found))
        return
    rows = [(one.short, one.name or "-", local_time(one.expires_at)) for one in found]
    show_table(("ID", "NAME", "SAID UNTIL"), rows, empty="nobody who was asked knows a holder")


def _status() -> None:
    status = ask(MeshClient.directory_status)
    click.echo(json_line(status) if invocation().as_json else _page(status))


def _page(status: DirectoryStatus) -> str:
    since = f", at {local_time(status.published_at)}" if status.published_at else ""
    lookups, asked, failed = (
        status.counts.get(name, 0) for name in ("lookups", "questions", "questions_failed")
    )
    lines = [
        f"listed     {'yes: whoever knows our node id finds us' if status.listed else 'no: for contacts only'}",
        f"our record lies on {status.replicas} nodes{since}",
        f"nodes      {status.nodes} known in {len(status.buckets)} buckets, {status.waiting} wait",
        f"kept       {status.records} records ({status.copies} for minutes), {status.holdings} holdings",
        f"away       {status.away} contacts are looked for",
        f"lookups    {lookups}, {asked} questions asked, {failed} without an answer",
    ]
    if status.wards:
        lines.append(f"announced  {status.wards} neighbours by us")
    if status.gateways:
        lines.append(f"gateways   {', '.join(clean(one)[:8] for one in status.gateways)} announce us")
    return "\n".join(lines)
