"""Settings: one frozen tree, read once from `config.toml` in the data directory, then overlaid by flags.

Everything has a default, so an empty file (or none) is a working node. Unknown keys are refused by name.
"""

import tomllib
from typing import Any, Literal, TypeAlias, cast

import msgspec

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
    censored: bool = False  # prefer links that look like ordinary HTTPS


class MessageSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    expires_s: int = 7 * DAY_S  # an undelivered message is given up after this
    keep_s: int = 365 * DAY_S
    keep_count: int = 100_000
    read_receipts: bool = True


class ControlSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tcp: str | None = None  # "127.0.0.1:7421": also serve there, with the token in control.token


class NodeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `config.toml`."""

    name: str = ""  # shown to peers; "" means the short id
    visibility: Literal["everyone", "contacts"] = "everyone"
    links: LinkSettings = LinkSettings()
    messages: MessageSettings = MessageSettings()
    control: ControlSettings = ControlSettings()


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
    messages = settings.messages
    for name in ("expires_s", "keep_s", "keep_count"):
        if getattr(messages, name) <= 0:
            raise SettingsError(f"{CONFIG_FILE}: messages.{name} must be above zero")
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
