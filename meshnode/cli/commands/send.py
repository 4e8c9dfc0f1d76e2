"""`meshctl send`."""

import sys
from typing import cast

import click

from meshnode.cli.asking import ask
from meshnode.cli.base import Failure, MeshCommand, invocation
from meshnode.cli.completing import anybody
from meshnode.cli.lines import Source, falls_short, send_lines
from meshnode.cli.show import json_line
from meshnode.cli.values import Span
from meshnode.control.shapes import EXPIRY_S_MAX, TEXT_CHARS_MAX, WAIT_S_MAX, Outgoing, Traffic, WaitFor


@click.command(
    cls=MeshCommand,
    examples=[
        "meshctl send bob 'on my way'",
        "meshctl send bob 'did it arrive?' --wait delivered --timeout 30",
        "uptime | meshctl send bob -",
        "meshctl send bob --lines < notes.txt",
    ],
    shape='{"message_id", "state": "queued|sent|delivered|read|expired", "to", "trace"}\n'
    'with --lines, for each line {"line", ...the same} or {"line", "error": {"code", "message", ...}}',
)
@click.argument("peer", shell_complete=anybody)
@click.argument("text", default="-")
@click.option("--lines", is_flag=True, help="Each line of standard input is a message; empty ones are none.")
@click.option("--wait", type=click.Choice(["sent", "delivered", "read"]), help="Return once it got so far.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, WAIT_S_MAX),
    default=10.0,
    show_default=True,
    help="Seconds to wait; the message goes on afterwards.",
)
@click.option("--expires", type=Span(), help="Give up after so long, as in 1d; else as the settings say.")
@click.option(
    "--class",
    "traffic",
    type=click.Choice(["interactive", "bulk", "background", "emergency"]),
    default="interactive",
    show_default=True,
)
def command(
    peer: str,
    text: str,
    *,
    lines: bool,
    wait: WaitFor | None,
    timeout: float,
    expires: int | None,
    traffic: Traffic,
) -> None:
    """Send a text to a peer.

    TEXT is read from standard input where it is left out or "-". Exits with 1 when the wait runs out; the message
    stays queued. With --lines it stops after a line that is refused, and says which.
    """
    if expires is not None and expires > EXPIRY_S_MAX:
        raise click.BadParameter(f"at most {EXPIRY_S_MAX // 86_400}d", param_hint="--expires")
    if lines:
        if text != "-":
            raise click.UsageError("with --lines the text comes from standard input")
        template = Outgoing(to=peer, text="", expires_s=expires, traffic=traffic)
        send_lines(template, cast("Source", sys.stdin.buffer), wait=wait, timeout_s=timeout)
        return
    if text == "-":
        text = _standard_input()
    sent = ask(
        lambda node: node.send(peer, text, wait=wait, timeout_s=timeout, expires_s=expires, traffic=traffic)
    )
    click.echo(json_line(sent) if invocation().as_json else f"{sent.state}  {sent.message_id}")
    if wait and falls_short(sent.state, wait):
        if sent.state == "expired":
            raise Failure("it expired before it was delivered")
        raise Failure(f"not {wait} within {timeout:g} s; it stays queued and goes on trying")


def _standard_input() -> str:
    try:
        text = sys.stdin.read(TEXT_CHARS_MAX + 2).removesuffix("\n")
    except UnicodeDecodeError:
        raise Failure("standard input is not text in UTF-8") from None
    if len(text) > TEXT_CHARS_MAX:
        raise Failure(f"a message has at most {TEXT_CHARS_MAX} characters; cut it in pieces")
    return text
