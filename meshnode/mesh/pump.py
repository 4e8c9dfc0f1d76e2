"""What a channel sends now: record by record, sealed, over the links that the policy picks.

Bulk and background go beside the best link over others that are about as good, once the best is full, and only what
would arrive sooner that way than behind all that waits for the best.
"""

from collections.abc import Sequence
from typing import TypeAlias

from meshnode.mesh.channel import Channel
from meshnode.mesh.events import Effect, Noticed, SendOn
from meshnode.mesh.links import LinkState, LinkTable
from meshnode.mesh.paths import FAR_PATHS, OVERHEAD_BYTES, TAG_BYTES
from meshnode.mesh.relay import Relay
from meshnode.mesh.transport_manager import TransportManager
from protocols.envelope import ROUTED_HEADER_BYTES, TrafficClass
from protocols.ids import short_id
from protocols.session import SessionTable
from protocols.stream import Path, Waiting, WayAnswers, WaySilent, way_of

Batches: TypeAlias = dict[tuple[int, bool], list[bytes]]  # (link, on its reliable lane?) -> frames
SPREAD = (TrafficClass.BULK, TrafficClass.BACKGROUND)  # over several links
TRY_BYTES = 16_384  # out at once on a link that was never measured: 0.8 s on a slow radio
NS_PER_S = 1_000_000_000


class Pump:
    def __init__(
        self, sessions: SessionTable, links: LinkTable, manager: TransportManager, relay: Relay
    ) -> None:
        self._sessions, self._links, self._manager, self._relay = sessions, links, manager, relay

    def flight(self, channel: Channel, *, now_ns: int) -> list[Effect]:
        """All that its connection may send now, one batch for each lane of each link."""
        connection, peer = channel.connection, channel.peer
        links = self._links.of(peer)
        batches: Batches = {}
        if len(links) > 1 or connection.ways:
            self._heed_ways(channel, links, now_ns)
        for lane in connection.own_lanes():
            if (link := self._links.get(way_of(lane))) is not None:
                self._next_frame(
                    channel, link, link.paths.own(lane), TrafficClass.INTERACTIVE, batches, now_ns
                )
        if connection.ways:
            self._answer(channel, batches, now_ns)
        if not links:
            self._far_flight(channel, now_ns)
        self._send_waiting(channel, links, batches, now_ns)
        for (link_id, _), frames in batches.items():
            if (link := self._links.get(link_id)) is not None:
                link.tally.sent(frames)
        return [
            *(SendOn(link_id, frames, reliable) for (link_id, reliable), frames in batches.items()),
            *self._switched(),
        ]

    def _send_waiting(
        self, channel: Channel, links: Sequence[LinkState], batches: Batches, now_ns: int
    ) -> None:
        peer, connection = channel.peer, channel.connection
        while links and (waiting := connection.wants_to_send()) is not None:
            link = self._manager.choose(peer, links, waiting.traffic, now_ns=now_ns)
            if link is None:
                return  # the policy says wait
            if not self._send_some(channel, link, waiting, batches, now_ns) and (
                len(links) == 1 or not self._send_beside(channel, link, waiting, batches, now_ns)
            ):
                return  # what is in the way reports back: LinkWritable, an answer, a timer

    def _heed_ways(self, channel: Channel, links: Sequence[LinkState], now_ns: int) -> None:
        """Tell the connection which links there are, and the manager what the connection knows of them."""
        connection, peer = channel.connection, channel.peer
        ways = tuple(link.id for link in links) if len(links) > 1 else ()
        if ways != connection.ways:
            connection.set_ways(ways, now_ns=now_ns)
            self._manager.keep_figures(peer, ways)
        for news in connection.take_way_news():
            match news:
                case WaySilent():
                    self._manager.link_silent(peer, news.way, news)
                case WayAnswers():
                    self._manager.link_answers(peer, news.way, news)
        if ways:
            for link in links:
                rate = connection.lane_figures(link.paths.in_order[0].lane).bytes_per_s
                if rate:
                    self._manager.measured(peer, link.id, rate)

    def _answer(self, channel: Channel, batches: Batches, now_ns: int) -> None:
        """What came over one of several links is answered over that one, before all else."""
        for way in channel.connection.answer_ways():
            if (link := self._links.get(way)) is not None:
                paths = link.paths
                # Unconfirmed, it must not overtake the handshake's last step.
                path = (
                    paths.answers if channel.session.confirmed else paths.in_order[0]._replace(only="answers")
                )
                self._next_frame(channel, link, path, TrafficClass.INTERACTIVE, batches, now_ns)

    def _switched(self) -> list[Noticed]:
        return [
            Noticed(
                "link_switched",
                {
                    "peer": short_id(peer),
                    "traffic": switch.traffic,
                    "link_from": switch.link_from,
                    "link_to": switch.link_to,
                    "cause": switch.cause,
                    "reason": switch.reason,
                    **{name: round(figure, 2) for name, figure in switch.figures.items()},
                },
            )
            for peer, switch in self._manager.take_switched()
        ]

    def _far_flight(self, channel: Channel, now_ns: int) -> None:
        """The same over others, as long as there is a way; the relay keeps what goes on each link."""
        connection, session = channel.connection, channel.session
        while (waiting := connection.wants_to_send()) is not None:
            hop = self._relay.way_to(channel.peer, now_ns)
            if hop is None or self._relay.is_congested(hop.neighbour):
                return  # it is said when there is one again, or when its link has room
            small, wide = FAR_PATHS[hop.width]
            for path in (small, wide) if waiting.nbytes <= small.bytes_max else (wide,):
                plaintext = connection.next_record(path, session.next_counter, now_ns=now_ns)
                if plaintext is not None:
                    break
            else:
                return
            frame = self._sessions.seal(
                session,
                plaintext,
                traffic=waiting.traffic,
                local=False,
                size_max=path.bytes_max + TAG_BYTES + ROUTED_HEADER_BYTES,
                now_ns=now_ns,
            )
            self._relay.send(frame, channel.peer, waiting.traffic, now_ns)

    def _send_some(
        self, channel: Channel, link: LinkState, waiting: Waiting, batches: Batches, now_ns: int
    ) -> bool:
        """One record over the first lane that takes it."""
        confirmed = channel.session.confirmed  # else it must not overtake the handshake's last step
        for path in link.paths.carrying(waiting.nbytes) if confirmed else link.paths.in_order:
            if self._send_on(channel, link, path, waiting, batches, now_ns):
                return True
        return False

    def _send_beside(
        self, channel: Channel, full: LinkState, waiting: Waiting, batches: Batches, now_ns: int
    ) -> bool:
        """One record over another link than the best, which is full."""
        if waiting.traffic not in SPREAD:
            return False
        connection = channel.connection
        here = connection.lane_figures(full.paths.in_order[0].lane)
        for link in self._manager.beside(channel.peer, waiting.traffic):
            path = link.paths.in_order[0]
            there = connection.lane_figures(path.lane)
            if not there.bytes_per_s:
                path = path._replace(bytes_max=min(path.bytes_max, TRY_BYTES))
                if there.flying_bytes + path.bytes_max > TRY_BYTES:
                    continue
            elif here.bytes_per_s:
                ours = there.flying_bytes + min(path.bytes_max, waiting.nbytes)
                there_ns = there.rtt_ns // 2 + ours * NS_PER_S // there.bytes_per_s
                behind = here.flying_bytes + waiting.nbytes
                if there_ns > here.rtt_ns // 2 + behind * NS_PER_S // here.bytes_per_s:
                    continue
            if self._send_on(channel, link, path, waiting, batches, now_ns):
                return True
        return False

    def _send_on(
        self,
        channel: Channel,
        link: LinkState,
        path: Path,
        waiting: Waiting,
        batches: Batches,
        now_ns: int,
    ) -> bool:
        """One record over that lane, unless it is full."""
        if path.reliable:
            queued = sum(map(len, batches.get((link.id, True), ())))
            if link.up.backlog() + queued >= link.up.backlog_max:
                return False
        return self._next_frame(channel, link, path, waiting.traffic, batches, now_ns)

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
