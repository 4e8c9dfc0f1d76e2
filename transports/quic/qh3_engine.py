"""qh3 2.x behind the engine port: the packet work is Rust.

What its public face lacks is read from its core here and nowhere else: the path's MTU and address, the smoothed
round-trip time, and the congestion window. Facts that were measured and that this file rests on:

- The core raises "packet builder capacity exhausted" from `datagrams_to_send`, and loses its way for good, when a
  DATAGRAM frame is larger than the path's MTU allows. So datagrams wait with us and are checked at the last moment.
- The same error comes, and passes by itself after a probe timeout, when a server may not send a whole flight yet
  (see docs/quic.md). The connection lives on; there is nothing to send now.
- `datagrams_to_send` parses each packet again for a log that we don't keep, a tenth of a sender's time, and the
  receiving calls copy each one for it; `flight` and, once the handshake is done, `receive` ask the core itself.
- The core acknowledges a second packet at once and a single one after 1 ms, in a packet of its own unless data leave
  just then: where a round trip takes about as long, a third of all packets. So the timer waits longer.
- Only a client probes the MTU; a server keeps the size it began with.
"""

import dataclasses
import ssl
from typing import Any

import qh3.quic.events
from qh3.quic.configuration import QuicConfiguration
from qh3.quic.connection import QuicConnection

from transports.quic.certificate import LinkCertificate
from transports.quic.engine import (
    ALPN,
    DATAGRAM_FRAME_BYTES_MAX,
    LANE,
    Engine,
    Flight,
    Inbox,
    NetworkAddress,
    guarded,
    make_drain,
    path_bytes,
)
from transports.quic.limits import (
    CONNECTION_ID_BYTES,
    DATAGRAM_OVERHEAD_BYTES,
    SAFE_DATAGRAM_BYTES,
    QuicLimits,
)

ACK_WAIT_S = 0.004  # with the core's own millisecond a fifth of what RFC 9000 allows (max_ack_delay)
CONNECTION_IDS_MAX = 4  # spare ones let a peer change its address; the library's default of 8 costs memory

drain_events = make_drain(qh3.quic.events)


def _configuration(limits: QuicLimits, *, is_client: bool) -> Any:
    """Untyped, for the library's own annotations are incomplete."""
    return QuicConfiguration(
        is_client=is_client,
        alpn_protocols=[ALPN],
        connection_id_length=CONNECTION_ID_BYTES,
        idle_timeout=limits.idle_s,
        max_data=limits.window_bytes,
        max_stream_data=limits.window_bytes,
        max_datagram_frame_size=DATAGRAM_FRAME_BYTES_MAX,
        verify_mode=ssl.CERT_NONE,  # the session binds the certificate instead
        verify_hostname=False,
        active_connection_id_limit=CONNECTION_IDS_MAX,
    )


class Qh3Factory:
    name = "qh3"

    def __init__(self, certificate: LinkCertificate, limits: QuicLimits) -> None:
        self._server, self._client = (
            _configuration(limits, is_client=is_client) for is_client in (False, True)
        )
        self._server.load_cert_chain(certificate.certificate_pem, certificate.key_pem)

    def client(self, remote: NetworkAddress, route_bytes: int | None) -> Engine:
        del remote, route_bytes  # it starts safe and probes the path by itself
        return Qh3Engine(dataclasses.replace(self._client, max_datagram_size=SAFE_DATAGRAM_BYTES), None, None)

    def server(
        self, remote: NetworkAddress, route_bytes: int | None, original: bytes, retried: bytes | None
    ) -> Engine:
        size = path_bytes(remote, route_bytes)
        return Qh3Engine(dataclasses.replace(self._server, max_datagram_size=size), original, retried)


class Qh3Engine:
    def __init__(
        self, configuration: QuicConfiguration, original: bytes | None, retried: bytes | None
    ) -> None:
        self._quic: Any = QuicConnection(
            configuration=configuration,
            original_destination_connection_id=original,
            retry_source_connection_id=retried,
        )
        self.adapts = configuration.is_client
        self.host_id: bytes = self._quic.host_cid
        self._first_bytes = configuration.max_datagram_size
        self.stuck = 0  # how often the core could not build a packet
        self._pings = 0

    @property
    def heard(self) -> bool:
        core = self._quic._core  # noqa: SLF001 - see the module's docstring
        return core is not None and core.received_authenticated_packet

    @property
    def datagram_bytes(self) -> int:
        core = self._quic._core  # noqa: SLF001
        return self._first_bytes if core is None else core.active_path[5]

    @property
    def rtt_s(self) -> float | None:
        core = self._quic._core  # noqa: SLF001
        return None if core is None else core.smoothed_rtt

    @property
    def remote(self) -> NetworkAddress | None:
        core = self._quic._core  # noqa: SLF001
        return None if core is None else core.active_path[2]

    @guarded
    def connect(self, remote: NetworkAddress, now: float) -> None:
        self._quic.connect(remote, now)

    @guarded
    def receive(self, data: bytes, segment_bytes: int, remote: NetworkAddress, now: float) -> None:
        if self._quic._handshake_complete:  # noqa: SLF001 - see the module's docstring
            self._quic._core.receive_gro_buffer(data, segment_bytes, remote, now)  # noqa: SLF001
            self._quic._drain_core()  # noqa: SLF001
        else:
            self._quic.receive_gro_buffer(data, segment_bytes, remote, now)

    @guarded
    def drain(self) -> Inbox:
        return drain_events(self._quic)

    @guarded
    def send_stream(self, data: bytes) -> None:
        self._quic.send_stream_data(LANE, data)

    @guarded
    def stream_unsent(self) -> int:
        return self._quic.get_send_buffer_size(LANE)

    @guarded
    def take_datagrams(self, queue: list[bytes]) -> None:
        core = self._quic._core  # noqa: SLF001
        room = core.congestion_window - core.bytes_in_flight
        fits = self.datagram_bytes - DATAGRAM_OVERHEAD_BYTES
        taken = 0
        for datagram in queue:
            if room <= 0:
                break
            taken += 1
            if (
                len(datagram) <= fits
            ):  # else the path shrank since it was queued, and it is lost as on the path
                room -= len(datagram) + DATAGRAM_OVERHEAD_BYTES
                self._quic.send_datagram_frame(datagram)
        del queue[:taken]

    @guarded
    def ping(self) -> None:
        self._pings += 1
        self._quic.send_ping(self._pings)

    @guarded
    def flight(self, now: float) -> Flight:
        core = self._quic._core  # noqa: SLF001
        if core is None:
            return []
        flight: Flight = []
        poll = core.poll_transmit
        try:
            while (transmit := poll(now)) is not None:
                flight.append((transmit[0], transmit[1]))
        except RuntimeError:  # stuck for now: see the module's docstring
            self.stuck += 1
        return flight

    @guarded
    def timer(self) -> float | None:
        core = self._quic._core  # noqa: SLF001
        timer = None if core is None else core.get_timer()
        if timer is None:
            return None
        kind, at = timer
        return at + ACK_WAIT_S if kind == "ack_application" else at

    @guarded
    def handle_timer(self, now: float) -> None:
        self._quic.handle_timer(now)

    @guarded
    def peer_certificate(self) -> bytes | None:
        certificate = self._quic.get_peercert()
        return None if certificate is None else certificate.public_bytes()

    @guarded
    def close(self, code: int, reason: str) -> None:
        self._quic.close(error_code=code, reason_phrase=reason)
