"""Addresses of transports that live on UDP or TCP: `quic://host:port`.

The host is an IPv4 address, an IPv6 address in brackets (with a zone for link-local ones: `[fe80::1%eth0]`) or a
name of the DNS. Nothing here asks a resolver.
"""

import ipaddress
import re
from dataclasses import dataclass

from protocols.errors import SettingsError

ADDRESS_CHARS_MAX = 300  # a DNS name has at most 253 characters (RFC 1035), the rest is scheme, zone and port
NAME_CHARS_MAX = 253
PORT_MAX = 65_535
LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?")  # underscores occur in the wild
ZONE = re.compile(r"[A-Za-z0-9_.-]{1,15}")  # IFNAMSIZ of Linux is 16 with its final zero
PORT = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class HostPort:
    """Where to listen or to dial. `host` is canonical: compressed IP, or a name in lower case."""

    host: str
    port: int  # 0 in a listen address: any free port
    zone: str = ""  # interface name or number of a link-local IPv6 address

    @property
    def ip(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """None for a name, which somebody has to resolve."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None


def parse_address(text: str, scheme: str = "quic") -> HostPort:
    """Raises SettingsError with a sentence that shows the right form."""
    how = f"write it as {scheme}://192.0.2.1:7420, {scheme}://[2001:db8::1]:7420 or {scheme}://name:7420"
    if len(text) > ADDRESS_CHARS_MAX:
        raise SettingsError(f"an address has at most {ADDRESS_CHARS_MAX} characters; {how}")
    found, separator, rest = text.strip().partition("://")
    if not separator or found.lower() != scheme:
        raise SettingsError(f"{text!r} is no {scheme} address; {how}")
    host, colon, port_text = rest.rpartition(":")
    if not colon or not PORT.fullmatch(port_text) or int(port_text) > PORT_MAX:
        raise SettingsError(f"{text!r} lacks a port from 0 to {PORT_MAX}; {how}")
    port = int(port_text)
    if host.startswith("[") and host.endswith("]"):
        return _bracketed(host[1:-1], port, f"{text!r} is no {scheme} address; {how}")
    name = host.lower().rstrip(".")
    try:
        return HostPort(str(ipaddress.IPv4Address(name)), port)
    except ValueError:
        pass
    labels = name.split(".")
    # A name that ends in digits would be a mistyped IPv4 address.
    if (
        len(name) > NAME_CHARS_MAX
        or labels[-1].isdigit()
        or not all(LABEL.fullmatch(label) for label in labels)
    ):
        raise SettingsError(f"{text!r} has no usable host; {how}")
    return HostPort(name, port)


def _bracketed(inside: str, port: int, sentence: str) -> HostPort:
    host, percent, zone = inside.partition("%")
    try:
        ip = ipaddress.IPv6Address(host)
    except ValueError:
        raise SettingsError(sentence) from None
    if percent and not ZONE.fullmatch(zone):
        raise SettingsError(sentence)
    return HostPort(str(ip), port, zone)


def format_address(where: HostPort, scheme: str = "quic") -> str:
    """The text that `parse_address` reads back."""
    if ":" not in where.host:
        return f"{scheme}://{where.host}:{where.port}"
    zone = f"%{where.zone}" if where.zone else ""
    return f"{scheme}://[{where.host}{zone}]:{where.port}"
