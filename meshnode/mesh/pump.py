"""What a channel sends now: record by record, sealed, over the links that the policy picks."""

from typing import TypeAlias

from meshnode.mesh.channel import Channel
from meshnode.mesh.events import SendOn
from meshnode.mesh.links import LinkState, LinkTable
from meshnode.mesh.paths import OVERHEAD_BYTES
from meshnode.mesh.transport_manager import TransportManager
from protocols.envelope import TrafficClass
from protocols.session import SessionTable
from protocols.stream import Path, Waiting

Batches: TypeAlias = dict[tuple[int, bool], list[bytes]]  # (link, on its reliable lane?) -> frames


class Pump:
    def __init__(self, sessions: SessionTable, links: LinkTable, manager: TransportManager) -> None:
        self._sessions, self._links, self._manager = sessions, links, manager

    def flight(self, channel: Channel, *, now_ns: int) -> list[SendOn]:
        """All that its connection may send now, one batch for each lane of each link."""
        connection, peer = channel.connection, channel.peer
        links = self._links.of(peer)
        batches: Batches = {}
        for lane in connection.lanes_with_control():
            if (link := self._links.get(lane // 2)) is not None:
                self._next_frame(channel, link, link.paths.control, TrafficClass.INTERACTIVE, batches, now_ns)
        while links and (waiting := connection.wants_to_send()) is not None:
            link = self._manager.choose(peer, links, waiting.traffic, now_ns=now_ns)
            if link is None or not self._send_some(channel, link, waiting, batches, now_ns):
                break  # the policy says wait, or what is in the way reports back: LinkWritable, an answer, a timer
        return [SendOn(link_id, frames, reliable) for (link_id, reliable), frames in batches.items()]

    def _send_some(
        self, channel: Channel, link: LinkState, waiting: Waiting, batches: Batches, now_ns: int
    ) -> bool:
        """One record over the first lane that takes it."""
        confirmed = channel.session.confirmed  # else it must not overtake the handshake's last step
        for path in link.paths.carrying(waiting.nbytes) if confirmed else link.paths.in_order:
            if path.reliable:
                queued = sum(map(len, batches.get((link.id, True), ())))
                if link.up.backlog() + queued >= link.up.backlog_max:
                    continue
            if self._next_frame(channel, link, path, waiting.traffic, batches, now_ns):
                return True
        return False

    def _next_frame(
        self, channel: Channel, link: LinkState, path: Path, traffic: int, batches: Batches, now_ns: int
    ) -> bool:
        """Seal one record into its batch; False when nothing may go that way now."""
        session = channel.session
        plaintext = channel.connection.next_record(path, session.next_counter, now_ns=now_ns)
        if plaintext is None:
            return False
        frame = self._sessions.seal(
            session,
            plaintext,
            traffic=traffic,
            local=True,
            size_max=path.bytes_max + OVERHEAD_BYTES,
            now_ns=now_ns,
        )
        batches.setdefault((link.id, path.reliable), []).append(frame)
        return True
