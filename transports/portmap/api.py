"""The port to whatever protocol a router speaks."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Forwarded:
    """What the router promised: datagrams for this address of its own reach our port."""

    host: str
    port: int
    life_s: int  # ask again before; 0: until the router restarts


class PortMapper(Protocol):
    """One mapping at a time. Calls never overlap."""

    async def open(self, port: int, *, life_s: int) -> Forwarded:
        """For our UDP port; the same again renews it. Raises LinkError with a sentence for a person."""
        ...

    async def withdraw(self) -> None:
        """Take the mapping back, where there is one. Raises LinkError."""
        ...
