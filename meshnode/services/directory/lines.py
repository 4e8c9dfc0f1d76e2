"""Connections to nodes of the directory: used where they are, opened where they are not, closed once idle.

Whoever is connected anyway is asked over that. A stranger is called, asked, and let go after half a minute without a
question either way; never more than LINES_MAX of them at a time.
"""

import asyncio
from dataclasses import dataclass

from meshnode.ports import Rpc
from meshnode.services.directory.desk import SERVICE, Desk
from meshnode.services.directory.limits import (
    ANSWER_S,
    CALLS_AT_ONCE_MAX,
    CONNECT_S,
    DIAL_ADDRESSES_MAX,
    LINE_IDLE_NS,
    LINES_MAX,
)
from protocols.directory.kademlia import Card
from protocols.envelope import TrafficClass
from protocols.errors import LinkError
from protocols.ids import NodeId, short_id

GATEWAY = "gateway"  # the one question for a neighbour over a radio: it is small, and asked seldom


@dataclass(slots=True)
class Line:
    used_ns: int
    kept: bool  # somebody else wanted this peer before we did
    calls: int = 0


class Lines:
    def __init__(self, desk: Desk, rpc: Rpc) -> None:
        self._desk, self._rpc = desk, rpc
        self._open: dict[NodeId, Line] = {}
        self._slots = asyncio.Semaphore(CALLS_AT_ONCE_MAX)

    def __len__(self) -> int:
        return len(self._open)

    async def ask(self, card: Card, method: str, body: bytes) -> bytes:
        """Raises LinkError, TimeoutError, RefusedError."""
        peer, roads = card.node, self._desk.roads
        if self._desk.book.is_blocked(peer):
            raise LinkError(f"{short_id(peer)} is blocked")
        if roads.is_connected(peer) and method != GATEWAY and not self._desk.sight.is_wide(peer):
            raise LinkError(f"a radio lies between us and {short_id(peer)}")
        async with self._slots:
            line = self._open.get(peer)
            if line is None and not roads.is_connected(peer):
                line = self._make_line(peer)
            if line is None:
                return await self._put(card, method, body)
            line.calls += 1
            try:
                return await self._put(card, method, body)
            except LinkError:
                if line.calls == 1 and self._open.get(peer) is line:
                    self._close(peer)
                raise
            finally:  # also where we are cancelled: `sweep` closes it then
                line.calls -= 1
                line.used_ns = self._desk.now_ns()

    async def _put(self, card: Card, method: str, body: bytes) -> bytes:
        await self._reach(card)
        return await self._rpc.call(
            card.node, SERVICE, method, body, timeout_s=ANSWER_S, traffic=TrafficClass.BACKGROUND
        )

    async def _reach(self, card: Card) -> None:
        peer, roads = card.node, self._desk.roads
        if roads.is_connected(peer):
            return
        addresses = [each for each in card.record.addresses if self._desk.sight.can_dial(each)]
        routed = self._desk.sight.is_routed(peer)
        if not addresses and not routed:
            raise LinkError(f"{short_id(peer)} has no address that this node can call")
        self._desk.counts["calls"] += 1
        if routed:  # a link of its own would make it a neighbour in the mesh, for one question
            roads.want(peer)
        else:
            roads.call_at(peer, addresses[:DIAL_ADDRESSES_MAX])
        try:
            async with asyncio.timeout(CONNECT_S):
                await roads.until_connected(peer)
        except TimeoutError:
            raise LinkError(f"{short_id(peer)} does not answer") from None
        if not roads.is_connected(peer):  # it came and went
            raise LinkError(f"{short_id(peer)} went away")

    # -- letting go -------------------------------------------------------------------------------------------

    def is_ours(self, peer: NodeId) -> bool:
        """It is connected because we had a question."""
        return peer in self._open

    def used(self, peer: NodeId) -> None:
        """It asked us over a connection that we opened."""
        if (line := self._open.get(peer)) is not None:
            line.used_ns = self._desk.now_ns()

    def gone(self, peer: NodeId) -> None:
        """Its connection is over; what came of it in between was not asked for."""
        if (line := self._open.get(peer)) is not None and not line.calls:
            self._close(peer)

    def sweep(self, *, now_ns: int) -> None:
        for peer, line in list(self._open.items()):
            if not line.calls and now_ns - line.used_ns >= LINE_IDLE_NS:
                self._close(peer)

    def _make_line(self, peer: NodeId) -> Line:
        if len(self._open) >= LINES_MAX:  # at most CALLS_AT_ONCE_MAX of them are in use
            idle = [other for other, line in self._open.items() if not line.calls]
            self._close(min(idle, key=lambda other: self._open[other].used_ns))
        line = self._open[peer] = Line(self._desk.now_ns(), self._desk.sight.is_kept(peer))
        return line

    def _close(self, peer: NodeId) -> None:
        """Unless somebody else has come to want it."""
        line, desk = self._open.pop(peer), self._desk
        if not (line.kept or desk.sight.is_around(peer) or desk.book.is_contact(peer)):
            desk.roads.part(peer, "directory_done")
            desk.book.passed_by(peer)
