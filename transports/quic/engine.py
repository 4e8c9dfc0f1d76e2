"""The port to a QUIC implementation: bytes and time go in, datagrams and facts come out.

Two libraries stand behind it. They are wire-compatible; `qh3` (Rust inside) takes a tenth of the CPU time and is
preferred where its wheel is installed, `aioquic` (pure Python) is always there. Each is imported when a transport
first needs it: aioquic alone costs a third of a second.

Time is seconds as `float` here, because both libraries want it so; it is our monotonic clock.
"""

import functools
import importlib.util
import ipaddress
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ParamSpec, Protocol, TypeAlias, TypeVar

from protocols.errors import RemoteError, SettingsError
from transports.quic.certificate import LinkCertificate
from transports.quic.limits import LARGE_DATAGRAM_BYTES, SAFE_DATAGRAM_BYTES, QuicLimits

NetworkAddress: TypeAlias = tuple[str, int] | tuple[str, int, int, int]
Flight: TypeAlias = list[tuple[bytes, NetworkAddress]]

ALPN = "m1"  # both ends must offer it; it says as little as a protocol name can
LANE = 0  # the one stream: bidirectional, opened by the dialling side
DATAGRAM_FRAME_BYTES_MAX = 65_535  # what we declare to take; the path decides what really fits
NAMES = ("qh3", "aioquic")  # best first


@dataclass(slots=True)
class Inbox:
    """What one pass over an engine's events found, each kind in its order."""

    handshake_done: bool = False
    stream: list[bytes] = field(default_factory=list[bytes])
    stream_ended: bool = False
    datagrams: list[bytes] = field(default_factory=list[bytes])
    ids_issued: list[bytes] = field(default_factory=list[bytes])
    ids_retired: list[bytes] = field(default_factory=list[bytes])
    ended: str | None = None  # why the connection is over; a word, or text from the peer


class Engine(Protocol):
    """One connection. Its methods (not its properties) raise EngineError, whatever the library raised."""

    @property
    def host_id(self) -> bytes:
        """The first connection id by which the other end calls us."""
        ...

    @property
    def heard(self) -> bool:
        """At least one packet of the other end could be opened."""
        ...

    @property
    def datagram_bytes(self) -> int:
        """UDP payload that the path carries, as far as is known now."""
        ...

    @property
    def rtt_s(self) -> float | None: ...

    @property
    def remote(self) -> NetworkAddress | None: ...

    @property
    def adapts(self) -> bool:
        """It probes the path's MTU and wants to lose what is too large, rather than have it cut up."""
        ...

    def connect(self, remote: NetworkAddress, now: float) -> None: ...

    def receive(self, data: bytes, segment_bytes: int, remote: NetworkAddress, now: float) -> None:
        """`data` is a row of datagrams of `segment_bytes` each, the last maybe shorter."""
        ...

    def drain(self) -> Inbox: ...

    def send_stream(self, data: bytes) -> None: ...

    def stream_unsent(self) -> int:
        """Bytes given to `send_stream` that have not been put into a packet yet."""
        ...

    def take_datagrams(self, queue: list[bytes]) -> None:
        """Move from the front of `queue` what can leave at once."""
        ...

    def ping(self) -> None: ...

    def flight(self, now: float) -> Flight:
        """All that may leave now."""
        ...

    def timer(self) -> float | None: ...

    def handle_timer(self, now: float) -> None: ...

    def peer_certificate(self) -> bytes | None:
        """DER, on the dialling side, once the handshake is done."""
        ...

    def close(self, code: int, reason: str) -> None:
        """The next `flight` says so to the other end."""
        ...


class EngineFactory(Protocol):
    name: str

    def client(self, remote: NetworkAddress, route_bytes: int | None) -> Engine: ...

    def server(
        self, remote: NetworkAddress, route_bytes: int | None, original: bytes, retried: bytes | None
    ) -> Engine:
        """`original` is the connection id that the client first chose, `retried` the one our Retry gave it."""
        ...


def load_engine(name: str | None, certificate: LinkCertificate, limits: QuicLimits) -> EngineFactory:
    """The named engine, or the best that is installed. Raises SettingsError where there is none."""
    wanted = NAMES if name is None else (name,)
    for candidate in wanted:
        if candidate not in NAMES:
            raise SettingsError(f"no QUIC engine is called {candidate!r}; there are {' and '.join(NAMES)}")
        if importlib.util.find_spec(candidate) is None:
            continue
        # Both write to this logger, one of them a warning for each peer that closes; what matters reaches us as events.
        logging.getLogger("quic").setLevel(logging.CRITICAL)
        if candidate == "qh3":
            from transports.quic.qh3_engine import Qh3Factory  # noqa: PLC0415 - lazy: see the module's docstring

            return Qh3Factory(certificate, limits)
        from transports.quic.aioquic_engine import AioquicFactory  # noqa: PLC0415 - lazy

        return AioquicFactory(certificate, limits)
    raise SettingsError(
        f"the QUIC engine {' or '.join(wanted)} is not installed; run: pip install {wanted[-1]}"
    )


def path_bytes(remote: NetworkAddress, route_bytes: int | None) -> int:
    """UDP payload to begin with where nobody probes: large in this house, safe beyond it.

    `route_bytes` is what the first hop carries, where the system knows. On a private network the first hop is as a
    rule the only one, tunnels included; on the open Internet a narrower one may come later.
    """
    ip = ipaddress.ip_address(remote[0])
    if route_bytes is None or not (ip.is_private or ip.is_loopback or ip.is_link_local):
        return SAFE_DATAGRAM_BYTES
    return max(SAFE_DATAGRAM_BYTES, min(LARGE_DATAGRAM_BYTES, route_bytes))


class EngineError(RemoteError):
    """A library stumbled over what the other end sent (or over itself): this link is over, the others are not."""


P = ParamSpec("P")
R = TypeVar("R")


def guarded(method: Callable[P, R]) -> Callable[P, R]:
    """For an engine's methods: whatever the library raises becomes an EngineError."""

    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except Exception as error:
            raise EngineError("engine_error", f"{type(error).__name__}: {error}") from error

    return call


def make_drain(module: Any) -> Callable[[Any], Inbox]:
    """A reader of events for either library: qh3 began as a fork of aioquic, and its events kept their names."""
    stream_data, datagram = module.StreamDataReceived, module.DatagramFrameReceived
    rare: dict[Any, Callable[[Inbox, Any], None]] = {
        module.ConnectionIdIssued: lambda inbox, event: inbox.ids_issued.append(event.connection_id),
        module.ConnectionIdRetired: lambda inbox, event: inbox.ids_retired.append(event.connection_id),
        module.HandshakeCompleted: lambda inbox, _: setattr(inbox, "handshake_done", True),
        module.StreamReset: lambda inbox, _: setattr(inbox, "stream_ended", True),
        module.StopSendingReceived: lambda inbox, _: setattr(inbox, "stream_ended", True),
        module.ConnectionTerminated: lambda inbox, event: setattr(
            inbox, "ended", event.reason_phrase or "closed"
        ),
    }

    def drain(connection: Any) -> Inbox:
        inbox = Inbox()
        next_event: Callable[[], Any] = connection.next_event
        while (event := next_event()) is not None:
            kind = event.__class__
            if kind is stream_data:
                if event.stream_id == LANE:
                    inbox.stream.append(event.data)
                if event.end_stream or event.stream_id != LANE:  # we never end the lane and open no other
                    inbox.stream_ended = True
            elif kind is datagram:
                inbox.datagrams.append(event.data)
            elif kind in rare:
                rare[kind](inbox, event)
        if inbox.ended is None and connection._close_event is not None:  # noqa: SLF001
            # The other end said farewell. The libraries tell only after the draining period; we need not wait.
            inbox.ended = connection._close_event.reason_phrase or "closed"  # noqa: SLF001
        return inbox

    return drain
