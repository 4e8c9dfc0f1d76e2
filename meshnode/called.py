"""Whom this node called lately, to tell who comes uninvited: a NAT lets in whom we called ourselves."""

from protocols.errors import SettingsError
from transports.addresses import parse_address

HOSTS_MAX = 4_096  # then the oldest is forgotten; a NAT forgot it long before, if nothing was said since


class CalledHosts:
    def __init__(self) -> None:
        self._hosts: dict[str, None] = {}  # oldest first

    def note(self, address: str) -> None:
        """We send something there."""
        host = _host_of(address)
        self._hosts.pop(host, None)
        self._hosts[host] = None
        if len(self._hosts) > HOSTS_MAX:
            del self._hosts[next(iter(self._hosts))]

    def __contains__(self, address: str) -> bool:
        return _host_of(address) in self._hosts


def _host_of(address: str) -> str:
    """The address itself where it names no host and port (of a radio)."""
    try:
        return parse_address(address, address.partition("://")[0]).host
    except SettingsError:
        return address
