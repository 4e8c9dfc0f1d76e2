"""From a name to the first address that answers (RFC 8305 in spirit: IPv6 first, a head start for each)."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from itertools import zip_longest
from typing import TypeAlias, TypeVar

from protocols.errors import LinkError
from transports.addresses import HostPort
from transports.quic.engine import NetworkAddress

Target: TypeAlias = tuple[socket.AddressFamily, NetworkAddress]
T = TypeVar("T")


async def resolve(where: HostPort, *, addresses_max: int) -> list[Target]:
    """A literal address never touches the resolver. Raises LinkError."""
    ip = where.ip
    if ip is not None and ip.version == 4:
        return [(socket.AF_INET, (where.host, where.port))]
    if ip is not None:
        return [(socket.AF_INET6, (where.host, where.port, 0, _scope(where.zone)))]
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(where.host, where.port, type=socket.SOCK_DGRAM)
    except OSError:
        raise LinkError(f"no address is known for {where.host!r}; check its spelling and the DNS") from None
    six = [(family, address) for family, _, _, _, address in found if family == socket.AF_INET6]
    four = [(family, address) for family, _, _, _, address in found if family == socket.AF_INET]
    mixed = [target for pair in zip_longest(six, four) for target in pair if target is not None]
    # A resolver may answer twice, and on some systems with more fields than we asked for.
    return [*dict.fromkeys(mixed)][:addresses_max]  # pyright: ignore[reportReturnType] - of these two families only


def _scope(zone: str) -> int:
    if not zone:
        return 0
    try:
        return int(zone) if zone.isdigit() else socket.if_nametoindex(zone)
    except OSError:
        raise LinkError(f"this machine has no network interface called {zone!r}") from None


async def first_of(
    targets: Sequence[Target], attempt: Callable[[Target], Awaitable[T]], *, stagger_s: float
) -> T:
    """The result of the first attempt that succeeds; a failure lets the next one start at once.

    Raises the last LinkError when all fail. Attempts that lose are cancelled. A single target, as of every literal
    address, is awaited without tasks: each would let the link's first acknowledgements go before its owner speaks.
    """
    if len(targets) == 1:
        return await attempt(targets[0])
    waiting = list(targets)
    running: dict[asyncio.Future[T], None] = {}  # an ordered set
    last_error = LinkError("there is no address to dial")
    try:
        while waiting or running:
            if waiting:
                running[asyncio.ensure_future(attempt(waiting.pop(0)))] = None
            done, _ = await asyncio.wait(
                running, timeout=stagger_s if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in [task for task in running if task in done]:
                del running[task]
                try:
                    return task.result()
                except LinkError as error:
                    last_error = error
        raise last_error
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
