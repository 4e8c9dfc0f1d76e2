"""What an mDNS announcement says: made from an Announcement, read back into a Sighting. No I/O here.

| TXT key | value |
|---|---|
| `v` | `1`; a reader drops every other version |
| `t` | token, 32 hex digits: random, of this announcement |
| `h` | hint, 16 hex digits (see `hints`); may be absent |
| `x` | `1` when strangers are answered; absent: contacts only |
| `<scheme>4`, `<scheme>6` | the port of that transport on IPv4 and on IPv6: `quic4=7420` |

The addresses are the A and AAAA records of a host name that is as random as the instance's. Unknown keys are skipped.
Link-local IPv6 addresses are left out at both ends: they mean nothing without the reader's own interface, and
every network that has only those carries link-local IPv4 as well.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from protocols.errors import RemoteError
from transports.discovery.api import Announcement, Sighting
from transports.discovery.hints import HINT_BYTES, TOKEN_BYTES, hint_for

VERSION = b"1"
ADDRESSES_MAX = (
    16  # IP addresses told and believed per instance: a laptop with Wi-Fi, cable and IPv6 has about eight
)
PORTS_MAX = 8  # transports and families per instance; the rest of a longer TXT is skipped
TXT_KEYS_MAX = 64  # more is nobody we know: ours has at most 4 + PORTS_MAX
PORT_KEY = re.compile(rb"([a-z]{1,12})([46])")  # `<scheme>4`; our own single letters carry no digit
PORT = re.compile(rb"[1-9][0-9]{0,4}")
PORT_MAX = 65_535


@dataclass(frozen=True, slots=True)
class Instance:
    """What is handed to the mDNS responder."""

    addresses: tuple[str, ...]
    port: int  # SRV has room for one: the first. Ours are in TXT
    txt: Mapping[str, bytes]


def is_loopback(address: str) -> bool:
    return ip_address(address).is_loopback


def reachable_addresses(announce: Announcement, hosts: Sequence[str]) -> tuple[str, ...]:
    """The IP addresses at which this host answers: those listened on, 0.0.0.0 and [::] standing for `hosts`."""
    found: dict[str, None] = {}
    for _, host, _ in _listeners(announce):
        mine = ip_address(host)
        wanted = [host]
        if mine.is_unspecified:
            wanted = [text for text in hosts if ip_address(text).version == mine.version]
        found.update(dict.fromkeys(text for text in wanted if _has_meaning_elsewhere(ip_address(text))))
    return tuple(found)[:ADDRESSES_MAX]


def make_instance(announce: Announcement, token: bytes, hosts: Sequence[str]) -> Instance | None:
    """None when there is nothing that anybody could use: no address, or contacts only and no hint for them."""
    ports: dict[str, int] = {}
    for scheme, host, port in _listeners(announce):
        ports.setdefault(f"{scheme}{ip_address(host).version}", port)
    addresses = reachable_addresses(announce, hosts)
    if not addresses or not (announce.visible or announce.node):
        return None
    txt = {"v": VERSION, "t": token.hex().encode()}
    if announce.node is not None:
        txt["h"] = hint_for(announce.node, token).hex().encode()
    if announce.visible:
        txt["x"] = b"1"
    ports = dict(list(ports.items())[:PORTS_MAX])
    txt |= {key: str(port).encode() for key, port in ports.items()}
    return Instance(addresses, next(iter(ports.values())), txt)


def read_instance(
    addresses: Sequence[str], txt: Mapping[bytes, bytes | None], *, loopback: bool = False
) -> Sighting:
    """Raises RemoteError: "unknown_version", "bad_txt" or "no_address". Loopback addresses count where `loopback`."""
    if len(txt) > TXT_KEYS_MAX:
        raise RemoteError("bad_txt", f"{len(txt)} keys")
    if txt.get(b"v") != VERSION:
        raise RemoteError("unknown_version")
    hosts: dict[IPv4Address | IPv6Address, None] = {}
    for text in addresses[:ADDRESSES_MAX]:
        try:
            host = ip_address(text)
        except ValueError:
            raise RemoteError("no_address", "not an IP address") from None
        if _is_dialable(host, loopback=loopback):
            hosts[host] = None
    dialable = [
        f"{scheme}://[{host}]:{port}" if host.version == 6 else f"{scheme}://{host}:{port}"
        for scheme, version, port in _ports(txt)
        for host in hosts
        if host.version == version
    ]
    if not dialable:
        raise RemoteError("no_address")
    return Sighting(
        addresses=tuple(dialable[: ADDRESSES_MAX * 2]),
        token=_hex(txt.get(b"t"), TOKEN_BYTES),
        hint=_hex(txt[b"h"], HINT_BYTES) if b"h" in txt else b"",
        open_to_strangers=txt.get(b"x") == b"1",
    )


def _listeners(announce: Announcement) -> list[tuple[str, str, int]]:
    """(scheme, host, port) of the addresses that are IP sockets; others (a radio's) mean nothing to mDNS."""
    found: list[tuple[str, str, int]] = []
    for address in announce.addresses:
        try:
            parts = urlsplit(address)
            port = parts.port
            host = str(ip_address(parts.hostname or ""))
        except ValueError:
            continue
        if port and PORT_KEY.fullmatch(f"{parts.scheme}4".encode()):
            found.append((parts.scheme, host, port))
    return found


def _has_meaning_elsewhere(host: IPv4Address | IPv6Address) -> bool:
    if isinstance(host, IPv6Address) and (host.is_link_local or host.ipv4_mapped is not None):
        return False
    return not (host.is_multicast or host.is_unspecified)


def _is_dialable(host: IPv4Address | IPv6Address, *, loopback: bool) -> bool:
    return _has_meaning_elsewhere(host) and int(host) != 2**32 - 1 and (loopback or not host.is_loopback)


def _ports(txt: Mapping[bytes, bytes | None]) -> list[tuple[str, int, int]]:
    """(scheme, IP version, port), at most PORTS_MAX. Raises RemoteError("bad_txt")."""
    found: list[tuple[str, int, int]] = []
    for key, value in txt.items():
        match = PORT_KEY.fullmatch(key)
        if match is None:
            continue
        if value is None or not PORT.fullmatch(value) or int(value) > PORT_MAX:
            raise RemoteError("bad_txt", "a port that is none")
        found.append((match[1].decode(), int(match[2]), int(value)))
    return found[:PORTS_MAX]


def _hex(value: bytes | None, length: int) -> bytes:
    """`length` bytes from their hex digits. Raises RemoteError("bad_txt")."""
    if value is None or not re.fullmatch(rb"[0-9a-f]{%d}" % (2 * length), value):
        raise RemoteError("bad_txt", "not hex of the right length")
    return bytes.fromhex(value.decode())
