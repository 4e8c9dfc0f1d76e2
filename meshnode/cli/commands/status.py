"""`meshctl status`."""

import click

from meshnode.cli.asking import ask
from meshnode.cli.base import MeshCommand, invocation
from meshnode.cli.show import clean, json_line, span
from meshnode.control import shapes


@click.command(
    cls=MeshCommand,
    examples=["meshctl status", "meshctl --json status | jq .links"],
    shape='{"node_id", "name", "version", "uptime_s", "peers", "links", "transports": [...],\n'
    ' "services": [...], "store": {...}, "connected", "queued", "requests", "energy"}',
)
def command() -> None:
    """How the node is."""
    status = ask(lambda node: node.status())
    click.echo(json_line(status) if invocation().as_json else _page(status))


def _page(status: shapes.Status) -> str:
    transports = [f"{one.name} {one.state} {' '.join(one.listening)}".rstrip() for one in status.transports]
    faults = [f"{name}: {clean(word)}" for name, word in status.store.items() if word != "ok"]
    lines = [
        f"{clean(status.name)} ({status.node_id[:8]}), meshnode {status.version}, up {span(status.uptime_s)}",
        f"peers       {status.peers} known, {status.connected} connected",
        f"links       {status.links}",
        f"transports  {', '.join(transports) or 'none'}",
        f"services    {', '.join(status.services) or 'none'}",
        f"store       {'; '.join(faults) or 'ok'}",
        f"messages    {status.queued} waiting to be delivered",
    ]
    if status.requests:
        lines.append(f"requests    {status.requests} strangers wrote; see 'meshctl peers requests'")
    if status.energy:
        lines.append(f"energy      {status.energy}")
    return "\n".join(lines)
