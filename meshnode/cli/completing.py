"""What the shell offers where a PEER is to be typed: names and short ids of those whom the running node knows.

Whatever goes wrong, a person is in the middle of typing: then nothing is offered, and nothing is said.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterator

import click
from click.shell_completion import CompletionItem

from meshnode.cli.base import Invocation
from meshnode.cli.show import clean
from meshnode.client import MeshClient
from meshnode.control.paths import default_data_dir
from meshnode.control.shapes import Peer

ANSWER_S = 0.5  # a person who pressed a key waits no longer
OFFERED_MAX = 200  # more fit no screen
SHORT_ID_CHARS = 8
PLAIN = re.compile(r"[\w.+@-]+")  # what no shell makes anything of

Offer = Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]


def _offer(wanted: Callable[[Peer], bool]) -> Offer:
    """For `shell_complete`."""

    def offer(context: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem[str]]:
        try:
            peers = asyncio.run(_known(context.find_object(Invocation) or Invocation()))
        except Exception:  # noqa: BLE001 - nothing may come between a person and the line that they type
            return []
        return [*_matching([peer for peer in peers if peer.node_id and wanted(peer)], typed)][:OFFERED_MAX]

    return offer


anybody = _offer(lambda peer: peer.state != "blocked")
strangers_met = _offer(lambda peer: peer.state != "blocked" and peer.trust == "stranger")
the_blocked = _offer(lambda peer: peer.state == "blocked" and not peer.revoked)


async def _known(invocation: Invocation) -> list[Peer]:
    async with asyncio.timeout(ANSWER_S), MeshClient(invocation.data_dir or default_data_dir()) as node:
        return await node.peers()


def _matching(peers: list[Peer], typed: str) -> Iterator[CompletionItem[str]]:
    """Names; and short ids once something is typed, or where there is no name that means this peer alone."""
    devices = Counter(peer.name.casefold() for peer in peers if peer.pinned_name)
    for peer in peers:
        short = peer.node_id[:SHORT_ID_CHARS]
        told = f"{clean(peer.name)} ({peer.state})"
        named = peer.pinned_name and devices[peer.name.casefold()] == 1 and PLAIN.fullmatch(peer.name)
        if named and peer.name.casefold().startswith(typed.casefold()):
            yield CompletionItem(peer.name, help=f"{short} ({peer.state})")
        elif short.startswith(typed.lower()) and (typed or not named):
            yield CompletionItem(short, help=told)
