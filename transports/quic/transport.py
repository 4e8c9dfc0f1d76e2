"""QUIC as a Transport: which sockets there are, who comes in, how to get out."""

import asyncio
import dataclasses
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from protocols.errors import LinkError, SettingsError
from transports.addresses import format_address, parse_address
from transports.quic.admission import Admission
from transports.quic.certificate import LinkCertificate, make_certificate
from transports.quic.dialling import Target, first_of, resolve
from transports.quic.endpoint import Endpoint
from transports.quic.engine import EngineFactory, load_engine
from transports.quic.limits import QuicLimits
from transports.quic.link import QuicLink, address_text
from transports.quic.udp import open_socket

NS_PER_S = 1_000_000_000
SOCKETS_MAX = 16  # listen addresses; a person who needs more listens on 0.0.0.0


class Clock(Protocol):
    def now_ns(self) -> int:
        """Monotonic."""
        ...


class QuicTransport:
    """`engine` names the implementation, None takes the best that is installed.

    The libraries behind draw connection ids and TLS secrets from the system; `entropy` gives the rest, the
    certificate's key above all.
    """

    name = "quic"

    def __init__(
        self,
        clock: Clock,
        entropy: Callable[[int], bytes],
        *,
        engine: str | None = None,
        limits: QuicLimits | None = None,
    ) -> None:
        self._limits = limits or QuicLimits()
        self._entropy, self._engine_name = entropy, engine
        self._admission = Admission(self._limits, entropy, clock.now_ns)
        self._factory: EngineFactory | None = None
        self._certificate: LinkCertificate | None = None
        self._endpoints: list[Endpoint] = []
        self._accepted: deque[QuicLink] = deque()
        self._arrival = asyncio.Event()
        self._closed = False

    @property
    def dropped(self) -> dict[str, int]:
        """What was not worth a connection, or did not leave: reason -> count."""
        total = dict(self._admission.dropped)
        for endpoint in self._endpoints:
            for reason, number in endpoint.socket.dropped.items():
                total[reason] = total.get(reason, 0) + number
        return total

    @property
    def half_open(self) -> int:
        """Handshakes in progress that others began."""
        return self._admission.half_open

    @property
    def engine(self) -> str:
        """The name of the implementation in use. Raises SettingsError where none is installed."""
        return self._tools()[0].name

    async def listen(self, address: str) -> list[str]:
        where = parse_address(address)
        if where.ip is None:
            raise SettingsError(
                f"{address!r}: listen on an IP address, for instance quic://0.0.0.0:{where.port}"
            )
        if self._closed or sum(endpoint.listens for endpoint in self._endpoints) >= SOCKETS_MAX:
            raise LinkError(
                f"no further listen address: the transport is closed or has {SOCKETS_MAX} already"
            )
        ((family, local),) = await resolve(where, addresses_max=1)
        endpoint = self._open_endpoint(family, local, self._arrived)
        return [address_text(endpoint.socket.address)]

    async def dial(self, address: str) -> QuicLink:
        where = parse_address(address)
        if where.port == 0:
            raise SettingsError(
                f"{address!r}: port 0 is for listening; dial the port that the other node printed"
            )
        if self._closed:
            raise LinkError("this node is shutting down")
        try:
            async with asyncio.timeout(self._limits.dial_s):
                targets = await resolve(where, addresses_max=self._limits.dial_addresses_max)
                return await first_of(targets, self._attempt, stagger_s=self._limits.dial_stagger_s)
        except TimeoutError:
            raise LinkError(
                f"nobody answers at {format_address(where)}; is the node there running, and does its firewall let "
                f"UDP port {where.port} in?"
            ) from None

    async def accept(self) -> AsyncIterator[QuicLink]:
        while True:
            while self._accepted:
                yield self._accepted.popleft()
            if self._closed:
                return
            self._arrival.clear()
            await self._arrival.wait()

    def network_changed(self) -> None:
        """An interface or a local address came or went: links that no longer work are found out soon."""
        for endpoint in self._endpoints:
            for link in list(endpoint.links):
                link.probe()

    def pace(self, keep_alive_ns: int) -> None:
        """At most `keep_alive_s_max`. Of the two ends of a link the one with the shorter interval asks."""
        assert keep_alive_ns > 0, "a ping without a pause"
        keep_alive_s = min(keep_alive_ns / NS_PER_S, self._limits.keep_alive_s_max)
        self._limits = self._admission.limits = dataclasses.replace(self._limits, keep_alive_s=keep_alive_s)
        for endpoint in self._endpoints:
            for link in list(endpoint.links):
                link.heed(self._limits)

    def knock(self, address: str) -> None:
        """From the socket that `dial` would use. The datagram is one byte, and dies on its way where the system lets us
        say so: it opens our NAT, and wakes no firewall at the other end.
        """
        where = parse_address(address)
        if self._closed or where.ip is None or where.port == 0 or where.zone:
            return
        if where.ip.version == 4:
            family, remote = socket.AF_INET, (where.host, where.port)
        else:
            family, remote = socket.AF_INET6, (where.host, where.port, 0, 0)
        self._endpoint_for(family, where.host).knock(remote)

    async def close(self) -> None:
        self._closed = True
        for endpoint in self._endpoints:
            endpoint.close("transport_closed")
        self._endpoints.clear()
        self._accepted.clear()
        self._arrival.set()

    def _tools(self) -> tuple[EngineFactory, LinkCertificate]:
        """Made when first needed: the import costs a tenth of a second or three."""
        if self._factory is None or self._certificate is None:
            self._certificate = make_certificate(self._entropy)
            self._factory = load_engine(self._engine_name, self._certificate, self._limits)
        return self._factory, self._certificate

    def _open_endpoint(
        self,
        family: socket.AddressFamily,
        local: tuple[str, int] | tuple[str, int, int, int],
        accepted: Callable[[QuicLink], None] | None,
    ) -> Endpoint:
        factory, certificate = self._tools()
        sock = open_socket(local, family, buffer_bytes=self._limits.socket_buffer_bytes)
        endpoint = Endpoint(
            sock, factory=factory, certificate=certificate, admission=self._admission, accepted=accepted
        )
        self._endpoints.append(endpoint)
        return endpoint

    async def _attempt(self, target: Target) -> QuicLink:
        family, remote = target
        if self._admission.links >= self._limits.connections_max:
            raise LinkError(f"this node has {self._limits.connections_max} links already")
        link = self._endpoint_for(family, remote[0]).dial(remote)
        try:
            await link.done
        except asyncio.CancelledError:
            link.end("another_won")
            raise
        except LinkError as error:
            if str(error) == "refused":
                sentence = (
                    f"nobody answers at {address_text(remote)}: no node listens on that port; is it running?"
                )
                raise LinkError(sentence) from None
            raise LinkError(f"{address_text(remote)} does not let us in ({error})") from None
        return link

    def _endpoint_for(self, family: socket.AddressFamily, host: str) -> Endpoint:
        """A listening socket where one can reach the target, for one port is what a NAT forgives best."""
        loopback = host == "::1" or host.startswith("127.")
        for endpoint in self._endpoints:
            local = endpoint.socket.address[0]
            is_wild = local in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
            if endpoint.family == family and (
                is_wild or (local == "::1" or local.startswith("127.")) == loopback
            ):
                return endpoint
        six = family == socket.AF_INET6
        return self._open_endpoint(family, ("::", 0, 0, 0) if six else ("0.0.0.0", 0), None)  # noqa: S104

    def _arrived(self, link: QuicLink) -> None:
        if len(self._accepted) >= self._limits.accept_max:
            self._admission.count("accept_full")
            link.end("busy")
            return
        self._accepted.append(link)
        self._arrival.set()
