"""Every number of the QUIC links, with its unit and its reason."""

from dataclasses import dataclass

SAFE_DATAGRAM_BYTES = 1232  # IPv6 promises 1280 on every path, less 48 bytes of IPv6 and UDP headers
LARGE_DATAGRAM_BYTES = 1452  # what Ethernet carries over IPv6; over IPv4 it leaves 20 bytes unused
INITIAL_DATAGRAM_BYTES_MIN = 1200  # RFC 9000 section 14.1: a first datagram below this is not answered
KNOCK = b"\1"  # one byte that no QUIC packet is
KNOCK_HOPS = 4  # passes the NATs of a home and its provider, and dies before the other end's; guess
CONNECTION_ID_BYTES = 8  # ours are all of this length, so a short header can be routed without state
CONNECTION_ID_BYTES_MAX = 20  # RFC 9000 section 17.2
DATAGRAM_OVERHEAD_BYTES = 32  # flags 1, connection id 8, packet number 4, tag 16, frame type 1, length 2


@dataclass(frozen=True, slots=True)
class QuicLimits:
    """Set by whoever makes the transport; the defaults suit a desktop or a Raspberry Pi."""

    connections_max: int = 1024  # about 60 KiB each; beyond it newcomers are not answered
    half_open_max: int = 256  # handshakes in progress that others began; beyond it newcomers are not answered
    retry_from: int = 32  # half-open handshakes from which a newcomer first has to prove its address
    accept_max: int = 64  # finished links that nobody took from `accept` yet; beyond it they are refused
    dial_s: float = 5.0  # RFC 9000 clients give up late; a mesh has other addresses to try
    dial_stagger_s: float = 0.25  # RFC 8305 section 5
    dial_addresses_max: int = 8  # of a name; the rest of the resolver's answer is ignored
    handshake_s: float = 10.0  # a half-open handshake older than this is dropped
    idle_s: float = 30.0  # QUIC's idle timeout, negotiated down by the peer
    keep_alive_s: float = 10.0  # silence after which a link is pinged, until `pace` says otherwise
    keep_alive_s_max: float = 25.0
    """However much energy is to be saved. A link that is kept is wanted, and many NATs forget a UDP mapping after 30 s
    (RFC 4787 asks for 120): then nobody reaches us until we speak, and a new handshake costs more than many pings. The
    5 s between are for pings that are lost."""
    answer_s: float = 8.0  # a sent packet that nothing answered for this long means a dead link; guess
    knock_s: float = 10.0  # after a knock, for which an ICMP "unreachable" from there ends no dial
    probe_s: float = 3.0  # the same after `network_changed`; guess
    unsent_bytes_max: int = 1 << 20  # 1 MiB keeps a 1 GB/s loop busy for a millisecond
    datagrams_unsent_max: int = 256  # oldest are dropped: late real-time data is worth less than fresh data
    early_bytes_max: int = 1 << 20  # frames that came before `attach`; beyond it the link is closed
    window_bytes: int = (
        4 << 20
    )  # flow control per link: 40 MB/s at 100 ms, and a bound on what a peer can park here
    socket_buffer_bytes: int = (
        4 << 20
    )  # measured: batched I/O loses half its speed with the default of 208 KiB
