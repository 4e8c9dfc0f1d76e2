"""`meshctl trace`."""

import re

import click

from meshnode.cli.asking import Conversation, conversation
from meshnode.cli.base import Failure, MeshCommand, invocation
from meshnode.cli.completing import anybody
from meshnode.cli.show import clean, json_line, local_time, milliseconds
from meshnode.client import ControlError
from meshnode.control.mesh_shapes import Happening, MessageTrace, TraceEnd, TraceInfo, TraceStep, Way

MESSAGE_ID = re.compile(r"[a-z2-7]{26}")
REASONS = {
    "arrived": "that is it",
    "neighbour": "a neighbour",
    "table": "routing knows the way",
    "breadcrumb": "something of it came from there a moment ago",
    "landmark": "towards the landmark that it is known at",
    "no_route": "knows no way",
}
ENDS: dict[TraceEnd, str] = {
    "arrived": "",
    "no_route": "no way is known from there",
    "loop": "the way runs in a circle; routing is settling, try again in a moment",
    "too_far": "too many hops",
    "out_of_time": "the time was over there; try again with a longer --timeout",
    "silent": "the next node does not answer",
    "refused": "the next node does not tell strangers, or is too old for traces; what is sent may arrive all the same",
    "busy": "the next node was asked too often; try again in a few seconds",
}
KINDS = {
    "message_queued": "stored here, and queued",
    "message_sent": "handed to a link",
    "message_delivered": "stored by the receiver's node",
    "message_read": "read",
    "message_expired": "given up",
    "message_received": "arrived here",
}
WAITING = {
    "no_link": "no link to it",
    "no_route": "no way to it is known; it is looked for and called",
    "save_battery": "it can wait until there is more battery",
    "too_hot": "it can wait until the device has cooled down",
    "device_busy": "it can wait until the device is less busy",
    "metered": "it can wait for a network that costs nothing",
}


@click.command(
    cls=MeshCommand,
    examples=["meshctl trace bob", "meshctl trace 7w6qkzv3x2m5n4p8r9t1abcdef", "meshctl --json trace bob"],
    shape=(
        'of a peer: {"peer", "name", "end", "hops", "took_ms", "steps": [{"key", "node_id", "short", "name", "reason",\n'
        ' "cost", "transport", "next", "next_name", "hop_ms", "end"}]}\n'
        'of a message: {"message", "happened": [{"at", "kind", "way", "reason"}], "now", "connected", "decision"}'
    ),
)
@click.argument("what", metavar="PEER_OR_MESSAGE", shell_complete=anybody)
@click.option(
    "--timeout", type=click.FloatRange(0.1, 30), default=10.0, show_default=True, help="Seconds, for a peer."
)
def command(what: str, timeout: float) -> None:
    """Follow the way to a peer hop by hop, or what became of a message.

    Each node on the way says where it would send something for that peer, why, and how long the next took to answer.
    Exits with 1 when the way does not lead there.
    """
    with conversation() as talk:
        found = _message(talk, what) if MESSAGE_ID.fullmatch(what) else None
        if found is None:
            _tell_peer(talk.ask(lambda node: node.trace_peer(what, timeout_s=timeout)))
        else:
            _tell_message(found)


def _message(talk: Conversation, what: str) -> MessageTrace | None:
    try:
        return talk.ask(lambda node: node.trace_message(what))
    except ControlError as error:
        if error.code not in {"unknown_message", "bad_message_id"}:
            raise
        return None  # then it may be somebody's name


def _tell_peer(trace: TraceInfo) -> None:
    if invocation().as_json:
        click.echo(json_line(trace))
    else:
        for number, step in enumerate(trace.steps):
            click.echo(f"{number:>2}  {_step(step)}")
        if trace.end == "arrived":
            click.echo(f"{_hops(trace.hops)}, there and back in {milliseconds(trace.took_ms)}")
    if trace.end != "arrived":
        raise Failure(f"{ENDS[trace.end]} (after {_hops(trace.hops)})")


def _step(step: TraceStep) -> str:
    parts = [_who(step.name, step.short)]
    if step.next:
        parts.append(f"-> {_who(step.next_name, step.next[:8])}")
    about = [REASONS.get(step.reason, clean(step.reason))]
    if step.transport:
        about.append(clean(step.transport))
    if step.cost is not None and step.next:
        about.append(f"cost {step.cost}")
    if step.hop_ms is not None:
        about.append(milliseconds(step.hop_ms))
    return f"{' '.join(parts)}  ({', '.join(about)})"


def _tell_message(trace: MessageTrace) -> None:
    if invocation().as_json:
        click.echo(json_line(trace))
        return
    message = trace.message
    way, whom = ("to", message.to_name) if message.direction == "out" else ("from", message.from_name)
    click.echo(f"message {message.message_id} {way} {clean(whom)}: {message.state}")
    for happening in trace.happened:
        click.echo(f"  {local_time(happening.at)}  {_happening(happening)}")
    if not trace.happened:
        click.echo("  what happened to it was before this node started, or too long ago to be remembered")
    if trace.now is not None:
        click.echo(f"  now: {_now(trace.now)}{'' if trace.connected else '; the peer is not connected'}")
    for each in trace.decision.considered if trace.decision is not None else ():
        click.echo(f"       {clean(each.transport)}: {clean(each.why)}")


def _happening(happening: Happening) -> str:
    text = KINDS.get(happening.kind, clean(happening.kind).replace("_", " "))
    if happening.kind == "message_sent" and happening.way is not None:
        text += f" {_way(happening.way)}"
    return text + (f": {clean(happening.reason)}" if happening.reason else "")


def _now(way: Way) -> str:
    if way.over == "nothing":
        return WAITING.get(way.reason, clean(way.reason))
    return f"would go {_way(way)}"


def _way(way: Way) -> str:
    if way.over == "relay":
        cost = "" if way.cost is None else f", cost {way.cost}"
        return f"through {_who(way.next_name, way.next[:8])} ({REASONS.get(way.reason, clean(way.reason))}{cost})"
    return f"over {clean(way.link)} ({clean(way.reason).replace('_', ' ')})"


def _who(name: str, short: str) -> str:
    return clean(name) or short


def _hops(count: int) -> str:
    return f"{count} hop{'s' * (count != 1)}"
