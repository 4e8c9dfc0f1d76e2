"""One UDP socket and the connections that live on it: those we dialled and those that others opened.

Datagrams are routed by their destination connection id, so both directions share a port and a peer may change its
address. A wake-up feeds everything first, then settles each link that was touched, once.
"""

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from protocols.errors import RemoteError
from transports.quic.admission import Admission, Admit, Answer
from transports.quic.certificate import LinkCertificate
from transports.quic.engine import Engine, EngineError, EngineFactory, Flight, NetworkAddress
from transports.quic.limits import CONNECTION_ID_BYTES, KNOCK, KNOCK_HOPS
from transports.quic.link import QuicLink, State
from transports.quic.packets import LONG_HEADER, read_head
from transports.quic.udp import UdpSocket, route_bytes

FAREWELLS_MAX = 256  # connection ids of recently ended links whose CONNECTION_CLOSE may have been lost
KNOCKS_MAX = 256  # addresses we knocked at lately; then the oldest is forgotten, and its dial may end early
FAREWELL_TIMES_MAX = 3  # how often one is repeated, each time in answer to a packet


FAULTS = frozenset(
    ("engine_error", "oversize_frame", "lane_ended", "nobody_listens", "handshake_timeout", "bad_initial")
)


@dataclass(slots=True)
class Farewell:
    flight: Flight
    times_left: int = FAREWELL_TIMES_MAX


class Endpoint:
    def __init__(
        self,
        sock: socket.socket,
        *,
        factory: EngineFactory,
        certificate: LinkCertificate,
        admission: Admission,
        accepted: Callable[[QuicLink], None] | None,
    ) -> None:
        """`accepted` takes the links that others opened; None refuses them all."""
        self.family = sock.family
        self.links: dict[QuicLink, None] = {}  # an ordered set
        self._factory, self._certificate, self._admission = factory, certificate, admission
        self._accepted = accepted
        self._routes: dict[bytes, QuicLink] = {}
        self._farewells: OrderedDict[bytes, Farewell] = OrderedDict()
        self._touched: dict[QuicLink, None] = {}
        self._knocks: OrderedDict[NetworkAddress, int] = OrderedDict()  # when, in ns
        self.socket = UdpSocket(
            sock, receive=self._receive, settle=self._settle, unreachable=self._report_unreachable
        )

    @property
    def listens(self) -> bool:
        return self._accepted is not None

    def dial(self, remote: NetworkAddress) -> QuicLink:
        """A link that is shaking hands; await its `done`."""
        link = self._add(self._factory.client(remote, route_bytes(remote, self.family)), None)
        link.connect(remote)
        return link

    def knock(self, remote: NetworkAddress) -> None:
        """Open our NAT for that address. Until its own is open for us too it may refuse: that ends no dial then."""
        self._knocks.pop(remote, None)
        self._knocks[remote] = self._admission.now_ns()
        if len(self._knocks) > KNOCKS_MAX:
            self._knocks.popitem(last=False)
        self.socket.send_near(KNOCK, remote, hops=KNOCK_HOPS)

    def close(self, reason: str) -> None:
        for link in list(self.links):
            link.end(reason)
        self.socket.close()

    # What links ask of us

    def send(self, flight: Flight, *, adapts: bool) -> None:
        self.socket.send(flight, adapts=adapts)

    def route(self, connection_id: bytes, link: QuicLink) -> None:
        self._routes[connection_id] = link

    def unroute(self, connection_id: bytes) -> None:
        self._routes.pop(connection_id, None)

    def opened(self, link: QuicLink) -> None:
        for other in list(self.links):
            if other is not link and other.remote == link.remote:
                other.probe()  # the node there may have restarted, and would not know the older link any more
        if not link.dialled:
            self._admission.half_open -= 1
            assert self._accepted is not None
            self._accepted(link)

    def ended(self, link: QuicLink, reason: str, farewell: Flight) -> None:
        if reason in FAULTS:
            self._admission.count(reason)
        was_half_open = not link.done.done() or link.done.cancelled() or link.done.exception() is not None
        if not link.dialled and was_half_open:
            self._admission.half_open -= 1
        self._admission.links -= 1
        self.links.pop(link, None)
        self._touched.pop(link, None)
        last = Farewell(farewell)
        for connection_id in link.ids:
            self._routes.pop(connection_id, None)
            if farewell:
                self._farewells[connection_id] = last
        while len(self._farewells) > FAREWELLS_MAX:
            self._farewells.popitem(last=False)

    # Receiving

    def _receive(self, data: bytes, segment_bytes: int, remote: NetworkAddress) -> None:
        if data and not data[0] & LONG_HEADER:
            link = self._routes.get(data[1 : 1 + CONNECTION_ID_BYTES])
            if link is not None and (len(data) <= segment_bytes or _same_connection(data, segment_bytes)):
                self._feed(link, data, segment_bytes, remote)
                return
        for start in range(0, len(data), segment_bytes):
            self._receive_one(data[start : start + segment_bytes], remote)

    def _receive_one(self, data: bytes, remote: NetworkAddress) -> None:
        if data == KNOCK:
            self._admission.count("knock")
            return
        try:
            head = read_head(data)
        except RemoteError as error:
            self._admission.count(error.reason)
            return
        link = self._routes.get(head.destination)
        if link is not None:
            self._feed(link, data, len(data), remote)
            return
        farewell = self._farewells.get(head.destination)
        if farewell is not None:
            self._repeat(farewell)
            return
        if self._accepted is None:
            self._admission.count("unknown_connection")
            return
        match self._admission.judge(head, remote, len(data)):
            case Admit(original, retried):
                self._admit(head.destination, original, retried, data, remote)
            case Answer(packet):
                self.socket.send([(packet, remote)])
            case ignored:
                self._admission.count(ignored.reason)

    def _admit(
        self, first_id: bytes, original: bytes, retried: bytes | None, data: bytes, remote: NetworkAddress
    ) -> None:
        engine = self._factory.server(remote, route_bytes(remote, self.family), original, retried)
        link = self._add(engine, self._certificate.binding)
        self._admission.half_open += 1
        link.ids[first_id] = None
        self._routes[first_id] = link
        self._feed(link, data, len(data), remote)
        if link.state is not State.CLOSED and not engine.heard:
            link.abandon(
                "bad_initial"
            )  # a well-formed header in front of noise keeps no slot and gets no answer

    def _add(self, engine: Engine, listener_binding: bytes | None) -> QuicLink:
        admission = self._admission
        link = QuicLink(
            engine, self, now_ns=admission.now_ns, limits=admission.limits, listener_binding=listener_binding
        )
        self.links[link] = None
        self._routes[engine.host_id] = link
        admission.links += 1
        return link

    def _feed(self, link: QuicLink, data: bytes, segment_bytes: int, remote: NetworkAddress) -> None:
        try:
            link.receive(data, segment_bytes, remote)
        except EngineError as fault:
            link.abandon(fault.reason)
        else:
            self._touched[link] = None

    def _settle(self) -> None:
        while self._touched:
            link = next(iter(self._touched))
            del self._touched[link]
            try:
                link.settle()
            except (
                BaseException
            ):  # an owner's bug: it shall be seen, and the other links shall not wait for it
                if self._touched:
                    asyncio.get_running_loop().call_soon(self._settle)
                raise

    def _report_unreachable(self, remote: NetworkAddress) -> None:
        knocked_ns = self._knocks.get(remote)
        patient = (
            knocked_ns is not None
            and self._admission.now_ns() - knocked_ns < self._admission.limits.knock_s * 1e9
        )
        for link in [link for link in self.links if link.remote == remote]:
            if link.state is State.OPEN:
                link.probe()  # only a hint: the link itself shall say
            elif link.dialled and not patient:
                link.abandon("refused")

    def _repeat(self, farewell: Farewell) -> None:
        if farewell.times_left:
            farewell.times_left -= 1
            self.socket.send(farewell.flight)


def _same_connection(data: bytes, segment_bytes: int) -> bool:
    connection_id = data[1 : 1 + CONNECTION_ID_BYTES]
    return all(
        data[at + 1 : at + 1 + CONNECTION_ID_BYTES] == connection_id and not data[at] & LONG_HEADER
        for at in range(segment_bytes, len(data), segment_bytes)
    )
