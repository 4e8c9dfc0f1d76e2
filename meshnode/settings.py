"""Settings: one frozen tree, read once from `config.toml` in the data directory, then overlaid by flags.

Everything has a default, so an empty file (or none) is a working node. Unknown keys are refused by name.
"""

import tomllib
from typing import Any, Literal, TypeAlias, cast

import msgspec

from policies.quotas import QuotaLimits
from policies.relay import RelayFor, RelayLimits
from protocols.courier import COPIES_MAX, SEALED_BYTES_MAX, CarryLimits
from protocols.errors import SettingsError

CONFIG_FILE = "config.toml"
CONFIG_BYTES_MAX = 262_144  # a thousand static peers fit; more is a mistake
DAY_S = 86_400

Source: TypeAlias = Literal["default", "file", "flag"]


class LinkSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    listen: tuple[str, ...] = (
        "quic://0.0.0.0:0",
        "quic://[::]:0",
    )  # port 0: the last one used here, if it is free
    peers: tuple[str, ...] = ()  # invites or addresses that are always tried
    mdns: bool = True
    quic_engine: Literal["auto", "qh3", "aioquic"] = "auto"
    metered: bool | None = None  # None: judged by the kind of interface
    port_mapping: bool = False  # ask the router to forward our port to us (UPnP)
    censored: bool = False  # prefer links that look like ordinary HTTPS


class MessageSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    expires_s: int = 7 * DAY_S  # an undelivered message is given up after this
    keep_s: int = 365 * DAY_S
    keep_count: int = 100_000
    read_receipts: bool = True


BOX = QuotaLimits()


class QuotaSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much this node keeps for others. At a limit the newest is refused; nothing that is kept is thrown away."""

    strangers: int = BOX.strangers_max  # who may have something in the request box at a time; 0: nobody
    stranger_messages: int = BOX.sender_messages_max  # of one of them, in the box
    stranger_bytes: int = BOX.sender_bytes_max
    requests_bytes: int = BOX.total_bytes_max  # of all of them, in the box
    inbox_bytes: int = 2 << 30  # of contacts' messages; messages.keep_count usually ends it far below
    outbox_per_peer: int = 10_000  # messages that may wait for one peer
    outbox: int = 100_000  # messages that may wait in all


class RelaySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What this node does for the traffic of others. With less battery it does less by itself."""

    relay_for: RelayFor = msgspec.field(name="for", default="everyone")
    bytes_per_s: int = RelayLimits().full.bytes_per_s  # of others' traffic in all, at most


CARRY = CarryLimits()


class CourierSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What this node carries for people who are away, sealed so that it can't read it; and when it asks others to."""

    carry: Literal["everyone", "contacts", "nobody"] = "everyone"  # for whom; what is for us always comes in
    quota_bytes: int = CARRY.bytes_max  # of others' objects, on disk
    giver_bytes: int = CARRY.giver_bytes_max  # of these, from one neighbour; who wrote them is sealed
    copies: int = CARRY.copies  # of each object of ours
    after_s: int = 30  # a peer that can't be reached for so long gets its messages by courier too


class DirectorySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Being found by those who know our NodeId, wherever we are."""

    listed: bool = True  # be in everybody's tables and let anybody find us, if visibility is "everyone"
    paths: int = 3  # disjoint ones of a lookup: more of them bear more liars, and ask more nodes


class ControlSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tcp: str | None = None  # "127.0.0.1:7421": also serve there, with the token in control.token


class NodeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `config.toml`."""

    name: str = ""  # shown to peers; "" means the short id
    visibility: Literal["everyone", "contacts"] = "everyone"
    links: LinkSettings = LinkSettings()
    messages: MessageSettings = MessageSettings()
    quotas: QuotaSettings = QuotaSettings()
    relay: RelaySettings = RelaySettings()
    courier: CourierSettings = CourierSettings()
    directory: DirectorySettings = DirectorySettings()
    control: ControlSettings = ControlSettings()


# What no owner may go beyond, since memory and disk must hold it and a message must fit: (table, name, least, most).
LONGEST_BYTES = 65_536  # one text
BOUNDS = (
    ("messages", "expires_s", 1, 366 * DAY_S),  # what a message can say on the wire: a year and a day
    ("messages", "keep_s", 1, 365_000 * DAY_S),  # for ever, to a person
    ("messages", "keep_count", 1, 100_000_000),  # some 30 GB
    ("quotas", "strangers", 0, 1_000),  # each is a row in memory; the book holds no more strangers who wait
    ("quotas", "stranger_messages", 1, 16_384),  # with so many strangers, rows that take some 4 GB of disk
    ("quotas", "stranger_bytes", LONGEST_BYTES, 64 << 20),  # below one text, its sender would try in vain
    ("quotas", "requests_bytes", LONGEST_BYTES, 4 << 30),
    ("quotas", "inbox_bytes", LONGEST_BYTES, 1 << 40),  # more text than disks of such nodes hold
    ("quotas", "outbox_per_peer", 1, 1_000_000),  # some 300 MB of disk
    ("quotas", "outbox", 1, 10_000_000),
    ("courier", "quota_bytes", SEALED_BYTES_MAX, 4 << 30),  # below one object, nothing is ever carried
    ("courier", "giver_bytes", SEALED_BYTES_MAX, 4 << 30),
    ("courier", "copies", 1, COPIES_MAX),
    ("courier", "after_s", 0, 7 * DAY_S),
    ("directory", "paths", 1, 10),  # of twenty nodes each path has two then
    ("relay", "bytes_per_s", 1_024, 1 << 40),  # below, a single call for help takes longer than a second
)


def load_settings(text: str, overlay: dict[str, Any] | None = None) -> NodeSettings:
    """Read TOML, lay `overlay` (nested tables, from flags) over it, check. Raises SettingsError."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{CONFIG_FILE} is not TOML: {error}") from None
    try:
        settings = msgspec.convert(_merge(table, overlay or {}), NodeSettings)
    except msgspec.ValidationError as error:
        raise SettingsError(
            f"{CONFIG_FILE}: {error}; 'meshctl config example' shows what may stand there"
        ) from None
    _check(settings)
    return settings


def _check(settings: NodeSettings) -> None:
    for table, name, low, high in BOUNDS:
        value = getattr(getattr(settings, table), name)
        if not low <= value <= high:
            raise SettingsError(f"{CONFIG_FILE}: {table}.{name} is {value}; it may be {low} to {high}")
    if len(settings.name.encode()) > 64 or not settings.name.isprintable():  # the record's limit
        raise SettingsError(f"{CONFIG_FILE}: name is at most 64 bytes of printable text")


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if isinstance(value, dict) and isinstance(under, dict):
            merged[key] = _merge(cast("dict[str, Any]", under), cast("dict[str, Any]", value))
        else:
            merged[key] = value
    return merged


def effective(text: str, overlay: dict[str, Any]) -> dict[str, tuple[Any, Source]]:
    """Every setting by dotted name, with its value and where it comes from: default, file or flag."""
    settings = load_settings(text, overlay)
    in_file = _flat(tomllib.loads(text))
    in_flags = _flat(overlay)
    return {
        name: (value, "flag" if name in in_flags else "file" if name in in_file else "default")
        for name, value in _flat(msgspec.to_builtins(settings)).items()
    }


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat |= _flat(cast("dict[str, Any]", value), f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
