"""Which network an address belongs to: one who owns a network has many addresses, so bounds count networks."""

import ipaddress
from dataclasses import dataclass

IPV4_BITS, IPV6_BITS = 24, 48  # the usual least assignment to one customer; IPv6: RFC 6177


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    near: bool  # a private network, a radio or a relaying neighbour: to be met there takes being there


ALONE = Group("", near=True)  # nothing is known of it


def group_of(address: str) -> Group:
    """Total: an address that is none we know is a group of its own."""
    host = _host(address)
    if host is None:
        return Group(address, near=True)
    network = ipaddress.ip_network(
        (host, IPV4_BITS if isinstance(host, ipaddress.IPv4Address) else IPV6_BITS), strict=False
    )
    return Group(str(network), near=not host.is_global)


def group_behind(neighbour: str) -> Group:
    """Of those whom we hear only through this neighbour."""
    return Group(f"behind {neighbour}", near=True)


def _host(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    host = address.partition("://")[2].rpartition(":")[0].partition("%")[0].strip("[]")
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
