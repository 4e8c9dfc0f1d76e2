"""`meshctl policy`."""

import click

from meshnode.cli.asking import ask
from meshnode.cli.base import MeshGroup, invocation
from meshnode.cli.completing import anybody
from meshnode.cli.show import clean, json_line, show_table
from meshnode.cli.values import Size
from meshnode.control.shapes import ExplainPolicy, Traffic

EXPLAIN = "meshctl policy explain bob --size 2M --class bulk"


@click.group(cls=MeshGroup, examples=[EXPLAIN])
def command() -> None:
    """How the node decides."""


@command.command(
    examples=[EXPLAIN, f"{EXPLAIN} --battery 15 --discharging --metered"],
    shape='{"transport", "link", "reason", "considered": [{"transport", "score", "why"}]}',
)
@click.argument("peer", shell_complete=anybody)
@click.option("--size", type=Size(), default=1_024, show_default=True, help="As in 512k or 2M.")
@click.option(
    "--class",
    "traffic",
    type=click.Choice(["interactive", "bulk", "background", "emergency"]),
    default="interactive",
    show_default=True,
)
@click.option("--battery", type=click.FloatRange(0, 100), help="Suppose so many percent.")
@click.option("--discharging/--charging", default=None, help="Suppose that the battery does so.")
@click.option("--metered/--unmetered", default=None, help="Suppose that bytes cost money, or don't.")
@click.option("--censored/--uncensored", default=None, help="Suppose that somebody filters, or doesn't.")
def explain(
    peer: str,
    *,
    size: int,
    traffic: Traffic,
    battery: float | None,
    discharging: bool | None,
    metered: bool | None,
    censored: bool | None,
) -> None:
    """Which link would carry something to a peer, and why.

    What isn't supposed is taken from the device as it is now.
    """
    request = ExplainPolicy(
        peer=peer,
        size=size,
        traffic=traffic,
        battery=battery,
        discharging=discharging,
        metered=metered,
        censored=censored,
    )
    answer = ask(lambda node: node.explain_policy(request))
    if invocation().as_json:
        click.echo(json_line(answer))
        return
    choice = f"{answer.transport} ({clean(answer.link or 'to be dialled')})" if answer.transport else "wait"
    click.echo(f"{choice}: {answer.reason}")
    rows = [(one.transport, f"{one.score:.1f}", one.why) for one in answer.considered]
    show_table(("TRANSPORT", "SCORE", "WHY"), rows, empty="there was nothing to choose from")
