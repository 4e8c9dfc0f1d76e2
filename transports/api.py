"""Link and Transport: the only two words the floors above know.

A link is a live channel to one neighbour with one or two lanes: datagrams of up to
`traits.datagram_bytes_max` bytes that may be lost, and where `traits.has_reliable_lane`, frames of up to
FRAME_BYTES_MAX that arrive in order while the link lives. Both lanes take and give batches, because datagrams per
wake-up decide the speed; a link pushes what it received into its observer for the same reason.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from protocols.errors import LinkError

__all__ = ["FRAME_BYTES_MAX", "Link", "LinkError", "LinkObserver", "LinkStats", "LinkTraits", "Transport"]

FRAME_BYTES_MAX = 66_000  # an envelope of 64 KiB with its header and seal


@dataclass(frozen=True, slots=True)
class LinkTraits:
    """What the floors above may know about a kind of link. They ask for traits, never for a type."""

    transport: str  # the name for people and policies: "quic", "memory", ...
    datagram_bytes_max: int  # 0: there is no datagram lane
    has_reliable_lane: bool
    broadcast: bool = False  # one send reaches every neighbour in range
    on_network: bool = True  # False: radio or memory; nobody on a network path sees it, no tariff counts it
    is_radio: bool = (
        False  # slow, shared air, and its end shows only late: what goes over it is kept until answered
    )
    looks_like_web: bool = False  # a censor sees ordinary HTTPS
    cost: float = 1.0  # relative energy and money per byte; 1.0 is a wired LAN


@dataclass(slots=True)
class LinkStats:
    """Counters that the link keeps up to date; whole link, both lanes."""

    bytes_in: int = 0
    bytes_out: int = 0
    datagrams_in: int = 0
    datagrams_out: int = 0
    dropped: dict[str, int] = field(
        default_factory=dict[str, int]
    )  # reason -> count; reasons are fixed words
    rtt_ns: int | None = None  # smoothed; None until measured


class LinkObserver(Protocol):
    """Who owns a link hears from it through these calls, always on the event loop's thread, never re-entrantly."""

    def link_received(self, link: "Link", frames: list[bytes]) -> None:
        """All that is ready, from both lanes, oldest first in each lane."""
        ...

    def link_writable(self, link: "Link") -> None:
        """`unsent_bytes` fell back below half of `unsent_bytes_max`."""
        ...

    def link_lost(self, link: "Link", reason: str) -> None:
        """Called once. Nothing follows."""
        ...


class Link(Protocol):
    @property
    def traits(self) -> LinkTraits:
        """May change while the link lives (path MTU discovery raises `datagram_bytes_max`)."""
        ...

    @property
    def stats(self) -> LinkStats: ...

    @property
    def address(self) -> str:
        """The neighbour's end as `transport://host:port`; may change while the link lives."""
        ...

    @property
    def dialled(self) -> bool:
        """True at the end that opened the link."""
        ...

    @property
    def binding(self) -> bytes:
        """32 bytes, equal at both ends of an honest link and different where somebody sits in between:
        SHA-256 of the listening side's certificate, or the link's own handshake hash.
        """
        ...

    @property
    def unsent_bytes(self) -> int:
        """Bytes taken by `send(..., reliable=True)` that have not left yet."""
        ...

    @property
    def unsent_bytes_max(self) -> int:
        """Above this, a polite owner waits for `link_writable`. A link takes at least one more batch."""
        ...

    def attach(self, observer: LinkObserver) -> None:
        """Once. Frames that arrived before are handed over at the loop's next turn."""
        ...

    def send(self, frames: Sequence[bytes], *, reliable: bool = False) -> None:
        """Never blocks, never raises for a lost link (`link_lost` tells).

        Datagrams above `datagram_bytes_max` are a LocalError; datagrams that find a full queue are dropped and
        counted.
        """
        ...

    async def close(self, reason: str = "closed") -> None:
        """Tell the neighbour and let go. Twice is harmless."""
        ...


class Transport(Protocol):
    @property
    def name(self) -> str:
        """The scheme of its addresses: "quic"."""
        ...

    async def listen(self, address: str) -> list[str]:
        """Open a listening socket and give the bound addresses (port 0 becomes a real one).

        Raises LinkError when the address is taken or not ours, SettingsError when it makes no sense.
        """
        ...

    async def dial(self, address: str) -> Link:
        """Open a link. Raises LinkError when nobody answers in time, SettingsError for a malformed address."""
        ...

    @property
    def dropped(self) -> Mapping[str, int]:
        """Reason -> count of what came and could not be used; reasons are fixed words."""
        ...

    def network_changed(self) -> None:
        """Addresses came or went: find out quickly which links are dead."""
        ...

    def pace(self, keep_alive_ns: int) -> None:
        """How long a link may be silent before it is asked for a sign of life: the wish of the energy policy.

        Heeded as far as the paths below allow, at once, by the links there are and those to come.
        """
        ...

    def knock(self, address: str) -> None:
        """Let something small leave for that address, from where links leave, so that a NAT or firewall on our side
        lets its answers in. It need not arrive. Does nothing where nothing can stand in between, or for an address
        that is a name. Raises LinkError where no socket can be had, SettingsError for a malformed address.
        """
        ...

    def accept(self) -> AsyncIterator[Link]:
        """Links that others opened, as they come, until `close`."""
        ...

    async def close(self) -> None:
        """Close every link and socket. Twice is harmless."""
        ...
