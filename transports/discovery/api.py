"""Discovery and its words. mDNS is the first of its kind; BLE advertisements come as another."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from protocols.ids import NodeId


@dataclass(frozen=True, slots=True)
class Announcement:
    """What we tell those nearby. The NodeId is never told: only a hint derived from it leaves (see `hints`)."""

    addresses: tuple[
        str, ...
    ]  # as `Transport.listen` gave them, `quic://192.0.2.2:7420`; 0.0.0.0 and [::] are
    # replaced by this host's addresses of that family
    visible: bool = True  # strangers are answered (visibility = everyone); False: contacts only
    node: NodeId | None = None  # to derive the hint from; None: announce without one


@dataclass(frozen=True, slots=True)
class Sighting:
    """Somebody announces itself. Nothing here is proved, and anybody on the network may have written it."""

    addresses: tuple[str, ...]  # dialable, `quic://192.0.2.3:7420`; empty when gone
    token: (
        bytes  # random, of this announcement; changes every few hours and whenever the node changes network
    )
    gone: bool = False  # it said good-bye, ran out, or was the oldest when our table was full
    hint: bytes = b""  # lets those who know the NodeId recognise it; empty: it gave none
    open_to_strangers: bool = True  # False: dial only after `recognises` said whom, by XK


class Discovery(Protocol):
    async def start(self, announce: Announcement) -> None:
        """Announce and listen.

        Raises LinkError when this network or system doesn't allow it: then the node lives without, and may try
        again at the next change of network.
        """
        ...

    def found(self) -> AsyncIterator[Sighting]:
        """Others, never ourselves, each time something about them changed; for one reader. Ends with `stop`."""
        ...

    async def update(self, announce: Announcement) -> None:
        """Our addresses or our visibility changed. Raises as `start`."""
        ...

    async def network_changed(self) -> None:
        """Interfaces or their addresses changed: announce anew, under a new name. Raises as `start`."""
        ...

    def pace(self, look_ns: int) -> None:
        """How long to wait between two active looks for others: the wish of the energy policy. Also before `start`."""
        ...

    async def stop(self) -> None:
        """Say good-bye and let go. Twice is harmless."""
        ...

    @property
    def dropped(self) -> Mapping[str, int]:
        """Reason -> count of what the network sent and we could not use; reasons are fixed words."""
        ...

    def health(self) -> str:
        """The word `ok`, or a sentence for a person on what is wrong."""
        ...
