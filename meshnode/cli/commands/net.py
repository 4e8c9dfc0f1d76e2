"""`meshctl net`."""

import click

from meshnode.cli.asking import ask
from meshnode.cli.base import MeshGroup, invocation
from meshnode.cli.commands.reach import reach
from meshnode.cli.show import clean, json_line, show_table, size
from meshnode.control.mesh_shapes import NeighbourStats, NetStats

STATS = (
    '{"passed": {"frames_in", "frames_out", "bytes_in", "bytes_out", "control_bytes_out", "control_share",\n'
    ' "relayed_frames", "relayed_bytes", "duplicates", "queued_frames", "queued_bytes", "dropped": {...}},\n'
    ' "neighbours": [{"key", "node_id", "short", "name", "cost", "place", "transports", "passed"}],\n'
    ' "relayed_for": [{"key", "node_id", "short", "name", "frames", "bytes"}], "relays_for", "destinations",\n'
    ' "routing_bytes", "is_landmark", "landmark"}'
)


@click.group(cls=MeshGroup, examples=["meshctl net stats", "meshctl net reach"])
def command() -> None:
    """What goes over the links."""


command.add_command(reach)


@command.command(examples=["meshctl net stats", "meshctl --json net stats"], shape=STATS)
def stats() -> None:
    """Frames and bytes, in all and by neighbour; what was relayed, for whom; what was dropped, and why."""
    found = ask(lambda node: node.net_stats())
    if invocation().as_json:
        click.echo(json_line(found))
        return
    _in_all(found)
    show_table(
        [
            "NEIGHBOUR",
            "OVER",
            "COST",
            "PLACE",
            "IN",
            "OUT",
            "CONTROL",
            "RELAYED",
            "AGAIN",
            "WAITING",
            "DROPPED",
        ],
        [_row(each) for each in found.neighbours],
        empty="no neighbour just now",
    )
    if found.relayed_for:
        click.echo()
        show_table(
            ["RELAYED FOR", "FRAMES", "BYTES"],
            [[each.name or each.short, str(each.frames), size(each.bytes)] for each in found.relayed_for],
            empty="",
        )


def _in_all(found: NetStats) -> None:
    passed = found.passed
    click.echo(
        f"in {passed.frames_in} frames, {size(passed.bytes_in)}; out {passed.frames_out} frames, "
        f"{size(passed.bytes_out)}, of which {passed.control_share:.1%} keeps ways and broadcasts known"
    )
    click.echo(
        f"relayed {passed.relayed_frames} frames, {size(passed.relayed_bytes)} (for {found.relays_for}); "
        f"{passed.duplicates} duplicates suppressed; {passed.queued_frames} frames wait, {size(passed.queued_bytes)}"
    )
    landmark = (
        "is a landmark" if found.is_landmark else f"landmark {found.landmark[:8]}" if found.landmark else ""
    )
    click.echo(
        f"knows ways to {found.destinations} nodes in {size(found.routing_bytes)} of memory"
        + (f"; {landmark}" if landmark else "")
    )
    if passed.dropped:
        click.echo("dropped: " + _dropped(passed.dropped))
    click.echo()


def _row(each: NeighbourStats) -> list[str]:
    passed = each.passed
    return [
        each.name or each.short,
        ", ".join(each.transports),
        str(each.cost),
        each.place,
        size(passed.bytes_in),
        size(passed.bytes_out),
        f"{passed.control_share:.1%}",
        f"{passed.relayed_frames} ({size(passed.relayed_bytes)})",
        str(passed.duplicates),
        f"{passed.queued_frames} ({size(passed.queued_bytes)})",
        _dropped(passed.dropped),
    ]


def _dropped(dropped: dict[str, int]) -> str:
    return ", ".join(f"{clean(reason).replace('_', ' ')} {count}" for reason, count in dropped.items())
