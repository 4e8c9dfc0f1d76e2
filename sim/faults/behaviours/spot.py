"""Where somebody misbehaves: at a host, with all that it sends; or on the way from a host to another."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import shake_128
from typing import Protocol

from sim.host import Host
from sim.media import Medium
from sim.models.chance import Chance
from sim.models.wire import SimLink
from sim.timeline import Timeline
from sim.village import Village


@dataclass(frozen=True)
class Spot:
    village: Village
    host: Host  # whose frames they are
    receiver: str = ""  # "": all
    share: float = 1.0  # how much of it; each behaviour says of what
    number: int = (
        0  # its time in the plan: two of a kind at one host draw differently, whatever else is in the plan
    )
    chance: Chance = field(init=False, repr=False)

    def __post_init__(self) -> None:
        text = f"{self.village.dice.seed}/behaviour/{self.host.name}/{self.receiver}/{self.number}"
        object.__setattr__(self, "chance", Chance(text))

    @property
    def timeline(self) -> Timeline:
        return self.village.timeline

    @property
    def media(self) -> Sequence[Medium]:
        return [self.village.media[scheme] for scheme in self.host.media]

    def links(self) -> list[SimLink]:
        """Whose frames pass here."""
        return [
            link
            for medium in self.media
            for link in medium.ways.links_from(self.host.name)
            if not self.receiver or link.way.receiver == self.receiver
        ]

    def hits(self) -> bool:
        return self.chance.random() < self.share

    def rubbish(self, size: int) -> bytes:
        return shake_128(repr(self.chance.random()).encode()).digest(size)


class Behaviour(Protocol):
    """Made for one spot. Bounded in what it keeps and sends; draws from its spot's chance only."""

    def start(self) -> None: ...

    def stop(self) -> None:
        """From now on all is honest again, and nothing is kept back."""
        ...
