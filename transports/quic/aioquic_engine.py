"""aioquic 1.x behind the engine port: pure Python, everywhere.

What its public face lacks is read from inside here and nowhere else: unsent stream bytes, pending datagrams, the
smoothed round-trip time and the peer's certificate. It has no path MTU discovery, so it keeps the size it began with.

`quantum_readiness_test` adds 1,200 bytes to a client's first flight. Without it the flight is one datagram whose
second half is padding outside of any packet; a qh3 2.1 server credits us only with the packet when it computes how
much it may answer (three times what came, RFC 9000 section 8.1), gets stuck with "packet builder capacity
exhausted", and the handshake takes a second. With it the handshake takes one round trip (docs/quic.md).
"""

import dataclasses
import ssl
from typing import Any

import aioquic.quic.events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import QuicProtocolVersion
from aioquic.quic.recovery import QuicPacketPacer
from cryptography.hazmat.primitives.serialization import Encoding

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
from transports.quic.limits import CONNECTION_ID_BYTES, DATAGRAM_OVERHEAD_BYTES, QuicLimits

PENDING_DATAGRAMS_MAX = 64  # one flight; the rest waits with us, where the oldest can be dropped

TICK_S = 0.002  # a timer of asyncio's comes up to 1 ms late (epoll counts in those), and a loop's turn takes as long

drain_events = make_drain(aioquic.quic.events)


class AioquicFactory:
    name = "aioquic"

    def __init__(self, certificate: LinkCertificate, limits: QuicLimits) -> None:
        self._server, self._client = (
            QuicConfiguration(
                is_client=is_client,
                alpn_protocols=[ALPN],
                congestion_control_algorithm="cubic",
                connection_id_length=CONNECTION_ID_BYTES,
                idle_timeout=limits.idle_s,
                max_data=limits.window_bytes,
                max_stream_data=limits.window_bytes,
                max_datagram_frame_size=DATAGRAM_FRAME_BYTES_MAX,
                supported_versions=[QuicProtocolVersion.VERSION_1],
                verify_mode=ssl.CERT_NONE,  # the session binds the certificate instead
                quantum_readiness_test=is_client,
            )
            for is_client in (False, True)
        )
        self._server.certificate = certificate.certificate
        self._server.private_key = certificate.key

    def client(self, remote: NetworkAddress, route_bytes: int | None) -> Engine:
        size = path_bytes(remote, route_bytes)
        return AioquicEngine(dataclasses.replace(self._client, max_datagram_size=size), None, None)

    def server(
        self, remote: NetworkAddress, route_bytes: int | None, original: bytes, retried: bytes | None
    ) -> Engine:
        size = path_bytes(remote, route_bytes)
        return AioquicEngine(dataclasses.replace(self._server, max_datagram_size=size), original, retried)


class TickPacer(QuicPacketPacer):
    """Lets what is due within a tick leave in one burst. The library's own stops at 16 datagrams: 20 MB/s at best."""

    def update_rate(self, congestion_window: int, smoothed_rtt: float) -> None:
        super().update_rate(congestion_window, smoothed_rtt)
        self.bucket_max = max(self.bucket_max, TICK_S)


class AioquicEngine:
    adapts = False

    def __init__(
        self, configuration: QuicConfiguration, original: bytes | None, retried: bytes | None
    ) -> None:
        self._quic: Any = QuicConnection(
            configuration=configuration,
            original_destination_connection_id=original,
            retry_source_connection_id=retried,
        )
        self.host_id: bytes = self._quic.host_cid
        self._quic._loss._pacer = TickPacer(max_datagram_size=configuration.max_datagram_size)  # noqa: SLF001
        self.datagram_bytes = configuration.max_datagram_size
        self._pings = 0

    @property
    def heard(self) -> bool:
        spaces = self._quic._spaces  # noqa: SLF001 - see the module's docstring
        return any(space.largest_received_packet >= 0 for space in spaces.values())

    @property
    def rtt_s(self) -> float | None:
        recovery = self._quic._loss  # noqa: SLF001
        return recovery._rtt_smoothed if recovery._rtt_initialized else None  # noqa: SLF001

    @property
    def remote(self) -> NetworkAddress | None:
        return self._quic.get_peer_address()

    @guarded
    def connect(self, remote: NetworkAddress, now: float) -> None:
        self._quic.connect(remote, now)

    @guarded
    def receive(self, data: bytes, segment_bytes: int, remote: NetworkAddress, now: float) -> None:
        receive = self._quic.receive_datagram
        for start in range(0, len(data), segment_bytes):
            receive(data[start : start + segment_bytes], remote, now)

    @guarded
    def drain(self) -> Inbox:
        return drain_events(self._quic)

    @guarded
    def send_stream(self, data: bytes) -> None:
        self._quic.send_stream_data(LANE, data)

    @guarded
    def stream_unsent(self) -> int:
        stream = self._quic._streams.get(LANE)  # noqa: SLF001
        if stream is None:
            return 0
        sender = stream.sender
        # `_pending` holds the ranges that were never sent or were lost; it is short.
        return sum(span.stop - span.start for span in sender._pending)  # noqa: SLF001

    @guarded
    def take_datagrams(self, queue: list[bytes]) -> None:
        pending = self._quic._datagrams_pending  # noqa: SLF001
        fits = self.datagram_bytes - DATAGRAM_OVERHEAD_BYTES
        free = max(0, PENDING_DATAGRAMS_MAX - len(pending))
        for datagram in queue[:free]:
            assert len(datagram) <= fits, "the link checks sizes, and this path does not shrink"
            self._quic.send_datagram_frame(datagram)
        del queue[:free]

    @guarded
    def ping(self) -> None:
        self._pings += 1
        self._quic.send_ping(self._pings)

    @guarded
    def flight(self, now: float) -> Flight:
        if not self._quic._network_paths:  # noqa: SLF001 - a server that has nobody to send to yet
            return []
        return self._quic.datagrams_to_send(now)

    @guarded
    def timer(self) -> float | None:
        return self._quic.get_timer()

    @guarded
    def handle_timer(self, now: float) -> None:
        self._quic.handle_timer(now)

    @guarded
    def peer_certificate(self) -> bytes | None:
        certificate = self._quic.tls._peer_certificate  # noqa: SLF001
        return None if certificate is None else certificate.public_bytes(Encoding.DER)

    @guarded
    def close(self, code: int, reason: str) -> None:
        self._quic.close(error_code=code, reason_phrase=reason)
