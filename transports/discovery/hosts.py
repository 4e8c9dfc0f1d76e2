"""The addresses of this machine, as the system tells them at this moment."""

import socket
from ipaddress import ip_address

HOSTS_MAX = 64  # a machine full of containers has hundreds; each costs a socket and a multicast membership


def host_addresses() -> tuple[str, ...]:
    """IP literals of the interfaces that are up; a link-local IPv6 one keeps its %scope.

    Loopback only where there is nothing else, so that two nodes on one unplugged machine still find each other.
    """
    import psutil  # noqa: PLC0415 - 10 ms that only a node with discovery should pay

    stats = psutil.net_if_stats()
    found: list[str] = []
    for name, entries in sorted(psutil.net_if_addrs().items()):
        if name in stats and not stats[name].isup:
            continue
        for entry in entries:
            if entry.family == socket.AF_INET:
                found.append(entry.address)
            elif entry.family == socket.AF_INET6:
                scope = (
                    "" if "%" in entry.address or not ip_address(entry.address).is_link_local else f"%{name}"
                )
                found.append(entry.address + scope)
    useful = [text for text in found if not ip_address(text).is_loopback]
    return tuple(useful or found)[:HOSTS_MAX]


def multicast_addresses(hosts: tuple[str, ...]) -> list[str]:
    """Where to join: every IPv4 address, and one IPv6 address per interface (the link-local one, if there are any)."""
    v4 = [text for text in hosts if ip_address(text).version == 4]
    v6 = [text for text in hosts if ip_address(text).version == 6]
    scoped = {text.partition("%")[2]: text for text in v6 if "%" in text}
    return v4 + (list(scoped.values()) or v6)
