"""`meshctl peers`."""

from typing import BinaryIO

import click

from meshnode.cli.asking import ask
from meshnode.cli.base import Failure, MeshGroup, invocation
from meshnode.cli.completing import anybody, strangers_met, the_blocked
from meshnode.cli.show import clean, json_line, local_time, milliseconds, show_table
from meshnode.client import MeshClient
from meshnode.control.shapes import Peer, Verification

PEER = (
    '{"node_id", "name", "state": "connected|known|requested|blocked", "trust": "verified|pinned|met|stranger",\n'
    ' "links": [{"transport", "address", "rtt_ms", "up_s", "bytes_in", "bytes_out"}], "pinned_name", "self_name",\n'
    ' "addresses", "last_seen", "first_met", "revoked", "conflict", "hybrid"}'
)
PEERS = f"a list of\n{PEER}"
REVOCATION_BYTES_MAX = 4_096


@click.group(
    cls=MeshGroup,
    invoke_without_command=True,
    examples=["meshctl peers", "meshctl --json peers", "meshctl peers add meshnode://invite/..."],
    shape=PEERS,
)
@click.pass_context
def command(context: click.Context) -> None:
    """Who this node knows."""
    if context.invoked_subcommand is None:
        _list()


@command.command("list", examples=["meshctl peers list"], shape=PEERS)
def list_peers() -> None:
    """List them; the same as without a word."""
    _list()


@command.command(
    examples=[
        "meshctl peers add meshnode://invite/...",
        "meshctl peers add NODE_ID --name bob --address quic://192.168.1.7:7420",
        "meshctl peers add quic://192.168.1.7:7420 --name pi",
    ],
    shape=PEER,
)
@click.argument("peer", metavar="INVITE_OR_ID_OR_ADDRESS")
@click.option("--name", default="", help="Pin this name to it.")
@click.option("--address", default="", help="Where to find a NodeId, as in quic://host:port.")
def add(peer: str, name: str, address: str) -> None:
    """Add a peer by invite, NodeId or address.

    An invite proves who is meant. With an address alone, whoever answers there first is taken for the one meant.
    """
    _tell(ask(lambda node: node.add_peer(peer, name=name, address=address)), "added")


@command.command(examples=["meshctl peers name k3v7q2ab bob"], shape=PEER)
@click.argument("peer", shell_complete=anybody)
@click.argument("name")
@click.option("--another-device", is_flag=True, help="The name stays with the person's other devices too.")
def name(peer: str, name: str, *, another_device: bool) -> None:
    """Pin a name to a peer: from then on it can be typed, and nobody else can take it."""
    _tell(ask(lambda node: node.name_peer(peer, name, another_device=another_device)), "named")


@command.command(examples=["meshctl peers block mallory"], shape=PEER)
@click.argument("peer", shell_complete=anybody)
def block(peer: str) -> None:
    """Refuse a peer from now on, silently."""
    _tell(ask(lambda node: node.block_peer(peer)), "blocked")


@command.command(examples=["meshctl peers unblock mallory"], shape=PEER)
@click.argument("peer", shell_complete=the_blocked)
def unblock(peer: str) -> None:
    """Take a block back."""
    _tell(ask(lambda node: node.unblock_peer(peer)), "unblocked")


@command.command(examples=["meshctl peers remove bob"], shape=PEER)
@click.argument("peer", shell_complete=anybody)
def remove(peer: str) -> None:
    """Forget a peer, its name and its addresses."""
    _tell(ask(lambda node: node.remove_peer(peer)), "removed")


@command.command(examples=["meshctl peers accept k3v7q2ab"], shape=PEER)
@click.argument("peer", shell_complete=strangers_met)
def accept(peer: str) -> None:
    """Let a stranger in who wrote."""
    _tell(ask(lambda node: node.accept_peer(peer)), "accepted")


@command.command(examples=["meshctl peers decline k3v7q2ab"], shape=PEER)
@click.argument("peer", shell_complete=strangers_met)
def decline(peer: str) -> None:
    """Delete what a stranger wrote. It may write again; `meshctl peers block` ends that."""
    _tell(ask(lambda node: node.decline_peer(peer)), "declined")


@command.command(
    "forget-address",
    examples=["meshctl peers forget-address quic://192.168.1.7:7420"],
    shape='{"address", "awaited", "peers": [...]}',
)
@click.argument("address")
def forget_address(address: str) -> None:
    """Call nobody at this address any more: whoever was awaited there, or was given it.

    An address that a peer itself makes known stays.
    """
    forgotten = ask(lambda node: node.forget_address(address))
    if invocation().as_json:
        click.echo(json_line(forgotten))
        return
    whom = [one[:8] for one in forgotten.peers] + ["whoever answers there"] * forgotten.awaited
    click.echo(f"forgotten: {clean(forgotten.address)}, where {' and '.join(whom)} was looked for")


@command.command(
    examples=["meshctl peers requests"], shape='[{"node_id", "self_name", "messages", "bytes", "first_at"}]'
)
def requests() -> None:
    """Strangers who wrote and wait to be accepted."""
    waiting = ask(lambda node: node.peer_requests())
    if invocation().as_json:
        click.echo(json_line(waiting))
        return
    rows = [
        (one.node_id[:8], one.self_name or "-", str(one.messages), local_time(one.first_at))
        for one in waiting
    ]
    show_table(("ID", "CALLS ITSELF", "MESSAGES", "SINCE"), rows, empty="nobody waits to be accepted")


@command.command(
    examples=[
        "meshctl peers verify bob",
        "meshctl peers verify bob --matches",
        "meshctl --json peers verify bob",
    ],
    shape='{"node_id", "name", "state": "waiting|compare|confirmed|refused", "code"}\n'
    f"with --matches or --differs, the peer: {PEER}",
)
@click.argument("peer", shell_complete=anybody)
@click.option("--matches/--differs", default=None, help="Say what was seen, instead of being asked.")
def verify(peer: str, *, matches: bool | None) -> None:
    """Make sure that it is really them: both people compare a short code.

    Both sides run this at the same time and read the code to each other, face to face or by telephone.
    """
    if matches is not None:
        _confirm(peer, matches=matches)
        return
    verification = ask(lambda node: node.verify_peer(peer))
    if invocation().as_json:
        click.echo(json_line(verification))
        return
    if not verification.code:
        raise Failure(_no_code(verification))
    click.echo(f"{clean(verification.name)} should see the same:  {verification.code}")
    _confirm(peer, matches=click.confirm("do both of you see it?"))


@command.command(examples=["meshctl peers revoked bob-revocation.txt"], shape=PEER)
@click.argument("file", type=click.File("rb"))
def revoked(file: BinaryIO) -> None:
    """Honour a revocation (from `meshctl id revoke`): that key is never believed again."""
    text = file.read(REVOCATION_BYTES_MAX).decode("ascii", "replace").strip()
    _tell(ask(lambda node: node.import_revocation(text)), "never believed again")


def _list() -> None:
    peers = ask(MeshClient.peers)
    if invocation().as_json:
        click.echo(json_line(peers))
        return
    rows = [(_name(one), one.node_id[:8] or "?", one.state, one.trust, _how(one)) for one in peers]
    show_table(
        ("NAME", "ID", "STATE", "TRUST", "LINKS"),
        rows,
        empty="nobody is known yet; 'meshctl invite' makes an invite, 'meshctl peers add' takes one",
    )
    for one in peers:
        if one.conflict:
            warning = f"warning: {one.node_id[:8]} calls itself {one.self_name!r}, a name that you gave to somebody else"
            click.echo(clean(warning), err=True)


def _name(peer: Peer) -> str:
    """What a peer only calls itself stands in quotation marks."""
    if not peer.name:
        return "-"
    return peer.name if peer.pinned_name else f'"{peer.name}"'


def _how(peer: Peer) -> str:
    if peer.revoked:
        return "revoked by its owner"
    if peer.links:
        return ", ".join(f"{one.transport} {one.address} {milliseconds(one.rtt_ms)}" for one in peer.links)
    if not peer.node_id:
        return f"awaited at {', '.join(peer.addresses)}"
    return f"seen {local_time(peer.last_seen)}" if peer.last_seen else "never seen"


def _tell(peer: Peer, what: str) -> None:
    if invocation().as_json:
        click.echo(json_line(peer))
    else:
        click.echo(
            clean(
                f"{what}: {peer.name or peer.node_id[:8] or 'whoever answers there'} ({peer.state}, {peer.trust})"
            )
        )


def _confirm(peer: str, *, matches: bool) -> None:
    _tell(
        ask(lambda node: node.confirm_verification(peer, matches=matches)),
        "verified" if matches else "not verified",
    )
    if not matches:
        raise Failure(
            "the codes differ: somebody may sit between the two of you; do not trust this connection"
        )


def _no_code(verification: Verification) -> str:
    return f"no code came ({verification.state}); the other side types 'meshctl peers verify' too, then try again"
