"""`meshctl find`."""

import click

from meshnode.cli.asking import ask
from meshnode.cli.base import Failure, MeshCommand, invocation
from meshnode.cli.completing import anybody
from meshnode.cli.show import clean, json_line, local_time
from meshnode.control.directory_shapes import FoundPeer


@click.command(
    cls=MeshCommand,
    examples=["meshctl find bob", "meshctl --json find NODE_ID | jq .addresses"],
    shape='{"node_id", "short", "name", "found", "addresses", "signed_at", "expires_at", "replicas", "older",\n'
    ' "paths", "paths_found", "asked", "failed", "steps"}',
)
@click.argument("peer", metavar="PEER-ID", shell_complete=anybody)
def command(peer: str) -> None:
    """Look a node up: where it can be reached now.

    What is found is signed by that node itself. REPLICAS says how many nodes gave the same record.
    """
    found = ask(lambda node: node.find(peer))
    if invocation().as_json:
        click.echo(json_line(found))
        return
    if not found.found:
        raise Failure(f"nobody who was asked knows {found.short} ({found.asked} asked, {_failed(found)})")
    click.echo(_page(found))


def _page(found: FoundPeer) -> str:
    name = f"{clean(found.name)} ({found.short})" if found.name else found.short
    lines = [
        f"{name}, by its own word of {local_time(found.signed_at)}",
        *(f"  {clean(address)}" for address in found.addresses or ["(it can be called nowhere)"]),
        f"replicas  {found.replicas}, on {found.paths_found} of {found.paths} paths",
        f"asked     {found.asked} in {found.steps} steps, {_failed(found)}",
    ]
    if found.older:
        lines.append(f"older     {found.older} still gave an older record")
    return "\n".join(lines)


def _failed(found: FoundPeer) -> str:
    return f"{found.failed} did not answer" if found.failed else "all answered"
