"""Bodies of the rpc service "reach": canonical maps with "v": 1 (docs/reachability.md).

Addresses are texts `quic://IP:port`. Unknown keys are ignored; another version is refused.
"""

from typing import get_args

from meshnode.services.reach.limits import BODY_BYTES_MAX, HOSTS_MAX, OUTSIDE_MAX
from policies.reach import Kind, Place, Side
from protocols.codec import Value, decode_map, encode
from protocols.errors import RefusedError, RemoteError, SettingsError
from transports.addresses import HostPort, format_address, parse_address

VERSION = 1
EMPTY = encode({"v": VERSION})
KINDS: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}


def encode_observed(address: str) -> bytes:
    """An empty text where no network lies between us."""
    return encode({"v": VERSION, "addr": address})


def decode_observed(body: bytes) -> Place | None:
    address = _map(body).get("addr")
    if not isinstance(address, str):
        raise RemoteError("bad_observed", "no address")
    place = place_of(address)
    if address and place is None:
        raise RemoteError("bad_observed", "no IP address and port")
    return place


def encode_side(side: Side) -> bytes:
    return encode(
        {
            "v": VERSION,
            "kind": side.kind,
            "host": [text_of(place) for place in side.hosts[:HOSTS_MAX]],
            "out": [text_of(place) for place in side.outside[:OUTSIDE_MAX]],
        }
    )


def decode_side(body: bytes) -> Side:
    table = _map(body)
    kind = table.get("kind")
    return Side(
        KINDS.get(kind, "unknown") if isinstance(kind, str) else "unknown",
        _places(table, "host", HOSTS_MAX),
        _places(table, "out", OUTSIDE_MAX),
    )


def check_empty(body: bytes) -> None:
    _map(body)


def place_of(address: str) -> Place | None:
    """None for a name, a link-local address, or what is no address of ours."""
    try:
        where = parse_address(address)
    except SettingsError:
        return None
    return Place(where.host, where.port) if where.ip is not None and not where.zone else None


def text_of(place: Place) -> str:
    return format_address(HostPort(place.host, place.port))


def _places(table: dict[str, Value], key: str, most: int) -> tuple[Place, ...]:
    """What we can't read is left out: it may be of a transport to come."""
    items = table.get(key)
    if not isinstance(items, list) or len(items) > most:
        raise RemoteError("bad_meet", f"{key} is no list of at most {most}")
    return tuple(place for item in items if isinstance(item, str) and (place := place_of(item)) is not None)


def _map(body: bytes) -> dict[str, Value]:
    table = decode_map(body, bytes_max=BODY_BYTES_MAX)
    version = table.get("v")
    if not isinstance(version, int) or isinstance(version, bool):
        raise RemoteError("bad_encoding", "no version")
    if version != VERSION:
        raise RefusedError("unsupported_version", f"this node speaks version {VERSION} of the reach service")
    return table
