"""Our own node record, signed anew when our addresses change or half its life is over; and the ports we keep.

Sequence numbers never go back: they follow the wall clock in milliseconds and what was signed before, whichever is
higher, so that a clock that starts in 1970 does no harm. The last one and the ports are kept in `node.state`.
"""

import ipaddress

from meshnode.world import Clock, Storage
from policies.device import NetworkInterface
from protocols.codec import decode_map, encode
from protocols.directory import sign_record
from protocols.errors import RemoteError, SettingsError, StoreError
from protocols.keys import Identity
from transports.addresses import HostPort, format_address, parse_address

STATE_FILE = "node.state"
STATE_BYTES_MAX = 4_096
STATE_VERSION = 1
LIFE_S = 30 * 86_400  # peers that were away for a month ask again
PORTS_KEPT_MAX = 16  # listen addresses that were ever asked for here
ADDRESSES_MAX = 16  # a record's limit
OUTSIDE_MAX = 4  # of them from outside: a forwarded port, and one for each IP version
NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


class OwnRecord:
    """`current` is what handshakes carry; `refresh` says whether it changed."""

    def __init__(
        self, identity: Identity, storage: Storage, clock: Clock, *, name: str, features: tuple[str, ...]
    ) -> None:
        self._identity, self._storage, self._clock = identity, storage, clock
        self._name, self._features = name, features
        self._services: tuple[str, ...] = ()
        self.bound: dict[str, str] = {}  # listen address as asked for -> as bound
        self.local: tuple[str, ...] = ()  # of our own interfaces
        self.outside: tuple[
            str, ...
        ] = ()  # where we are reached beside; whoever sets it asks for a `refresh`
        self.relays: tuple[str, ...] = ()  # neighbours that announce us; as above
        self.addresses: tuple[str, ...] = ()  # all of them
        self.problem = ""  # why `node.state` could not be written, while that is so
        self._signed_ns = self._signed_wall_ns = 0
        self._record = b""
        self._sequence = 0
        self._ports: dict[str, str] = {}  # as bound last time, by the address that was asked for
        self._load()

    def current(self) -> bytes:
        assert self._record, "refresh comes first"
        return self._record

    def kept_address(self, asked: str) -> str | None:
        """The address that was bound last time for this wish (a sticky port)."""
        return self._ports.get(asked)

    def keep_address(self, asked: str, bound: str) -> None:
        self.bound[asked] = bound
        self._ports[asked] = bound

    def refresh(self, networks: tuple[NetworkInterface, ...], services: tuple[str, ...]) -> bool:
        """Sign anew where something changed, or half its life is over. True when it did.

        A disk that refuses keeps nobody from hearing of the new addresses: the sequence number follows the clock.
        """
        self.local = reachable(tuple(self.bound.values()), networks)
        outside = self.outside[:OUTSIDE_MAX]
        addresses = tuple(dict.fromkeys((*outside, *self.relays, *self.local)))[:ADDRESSES_MAX]
        age_ns = max(  # a laptop that sleeps hardly moves the monotonic clock
            self._clock.now_ns() - self._signed_ns, self._clock.wall_ns() - self._signed_wall_ns
        )
        old = age_ns > LIFE_S * NS_PER_S // 2
        if self._record and not old and (addresses, services) == (self.addresses, self._services):
            if self.problem:
                self._save()
            return False
        self.addresses, self._services = addresses, services
        wall_ns = self._clock.wall_ns()
        self._sequence = sequence = max(wall_ns // NS_PER_MS, self._sequence + 1)
        self._save()
        self._signed_ns, self._signed_wall_ns = self._clock.now_ns(), wall_ns
        self._record = sign_record(
            self._identity,
            sequence=sequence,
            expires_at=max(wall_ns // NS_PER_S, sequence // 1_000) + LIFE_S,
            addresses=addresses,
            services=services,
            features=self._features,
            name=self._name,
        )
        return True

    def _save(self) -> None:
        kept = dict(list(self._ports.items())[-PORTS_KEPT_MAX:])
        state = encode({"v": STATE_VERSION, "sequence": self._sequence, "ports": kept})
        try:
            self._storage.write_file(STATE_FILE, state)
        except StoreError as error:
            self.problem = str(error)
        else:
            self.problem = ""

    def _load(self) -> None:
        """A damaged file costs nothing but the ports: the wall clock leads the sequence."""
        data = self._storage.read_file(STATE_FILE, bytes_max=STATE_BYTES_MAX)
        if data is None:
            return
        try:
            state = decode_map(data, bytes_max=STATE_BYTES_MAX)
        except RemoteError:
            return
        sequence, ports = state.get("sequence"), state.get("ports")
        if state.get("v") == STATE_VERSION and isinstance(sequence, int) and isinstance(ports, dict):
            self._sequence = sequence
            self._ports = {asked: bound for asked, bound in ports.items() if isinstance(bound, str)}


def reachable(bound: tuple[str, ...], networks: tuple[NetworkInterface, ...]) -> tuple[str, ...]:
    """Bound addresses as others can dial them: wildcards become this host's addresses of that family.

    Loopback is named only where there is nothing else (a machine without a network still talks to itself).
    Link-local addresses are left out: their zone means nothing on another host. Addresses that name no host and port
    (of a radio) stay as they are.
    """
    hosts = [
        ipaddress.ip_address(host.partition("%")[0])
        for each in networks
        if each.up
        for host in each.addresses
    ]
    found: list[str] = []
    local: list[str] = []
    for address in bound:
        scheme = address.partition("://")[0]
        wildcard = _wildcard(address, scheme)
        if wildcard is None:
            found.append(address)
            continue
        version, port = wildcard
        for host in hosts:
            if host.version == version and not host.is_link_local:
                near = local if host.is_loopback else found
                near.append(format_address(HostPort(str(host), port), scheme))
    return tuple(dict.fromkeys(found or local))[:ADDRESSES_MAX]


def _wildcard(address: str, scheme: str) -> tuple[int, int] | None:
    """(IP version, port) where the address means every interface of this host."""
    try:
        where = parse_address(address, scheme)
    except SettingsError:
        return None
    return (where.ip.version, where.port) if where.ip is not None and where.ip.is_unspecified else None
