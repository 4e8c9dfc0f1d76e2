"""`meshctl ping`."""

import click

from meshnode.cli.asking import ask
from meshnode.cli.base import Failure, MeshCommand, invocation
from meshnode.cli.completing import anybody
from meshnode.cli.show import clean, json_line, milliseconds
from meshnode.control.shapes import PINGS_MAX


@click.command(
    cls=MeshCommand,
    examples=["meshctl ping bob", "meshctl ping bob -c 20 --json"],
    shape='{"sent", "received", "rtt_ms": {"min", "p50", "p99"}, "path": [...]}',
)
@click.argument("peer", shell_complete=anybody)
@click.option("-c", "--count", type=click.IntRange(1, PINGS_MAX), default=4, show_default=True)
@click.option(
    "--timeout", type=click.FloatRange(0.001, 60), default=5.0, show_default=True, help="Seconds, for each."
)
def command(peer: str, count: int, timeout: float) -> None:
    """Measure round trips to a peer's node.

    Exits with 1 when nothing came back.
    """
    pong = ask(lambda node: node.ping(peer, count=count, timeout_s=timeout))
    if invocation().as_json:
        click.echo(json_line(pong))
    else:
        times = pong.rtt_ms
        over = " > ".join(clean(step) for step in pong.path)
        click.echo(f"{pong.sent} sent, {pong.received} received" + (f", over {over}" if over else ""))
        click.echo(
            f"round trip: min {milliseconds(times.min)}, p50 {milliseconds(times.p50)}, p99 {milliseconds(times.p99)}"
        )
    if not pong.received:
        raise Failure("nothing came back; 'meshctl peers' says whether the peer is connected")
