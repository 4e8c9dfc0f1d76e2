"""The mapping on our router: asked for, renewed while we run, and withdrawn."""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from random import Random

import structlog

from meshnode.services.reach.limits import NS_PER_S, MeetingLimits
from policies.backoff import backoff_range_ns
from policies.reach import Place
from protocols.errors import LinkError
from transports.portmap import PortMapper

log = structlog.stdlib.get_logger()


class Gateway:
    def __init__(
        self,
        mapper: PortMapper,
        port: Callable[[], int | None],
        changed: Callable[[Place | None], Awaitable[None]],
        die: Random,
        limits: MeetingLimits,
    ) -> None:
        """`port`: of ours, to be reached from outside; None while there is none."""
        self.status = "not asked yet"
        self._mapper, self._port, self._changed = mapper, port, changed
        self._die, self._limits = die, limits
        self._again = asyncio.Event()

    def network_changed(self) -> None:
        """Another router stands before us, or the same with nothing kept."""
        self._again.set()

    async def run(self) -> None:
        failures = 0
        try:
            while True:
                self._again.clear()
                try:
                    rest_ns = await self._ask()
                    failures = 0
                except LinkError as error:
                    self.status = str(error)
                    await self._changed(None)
                    log.info("port_mapping_failed", reason=str(error))
                    rest_ns = self._die.randint(*backoff_range_ns(failures, self._limits.map_rest))
                    failures += 1
                try:
                    async with asyncio.timeout(rest_ns / NS_PER_S):
                        await self._again.wait()
                except TimeoutError:
                    continue
        finally:
            await self._withdraw()

    async def _ask(self) -> int:
        """How long to rest."""
        port = self._port()
        if port is None:
            raise LinkError("this node listens on no IPv4 address from which a router could forward")
        got = await self._mapper.open(port, life_s=self._limits.map_ns // NS_PER_S)
        place = Place(got.host, got.port)
        if _is_outside(got.host):
            self.status = f"the router forwards {got.host}:{got.port} to us"
            await self._changed(place)
        else:
            self.status = f"the router forwards {got.host}:{got.port} to us, but stands behind another NAT"
            await self._changed(None)
        return self._limits.map_ns // 2

    async def _withdraw(self) -> None:
        try:
            async with asyncio.timeout(self._limits.withdraw_s):
                await self._mapper.withdraw()
        except (LinkError, TimeoutError) as error:
            log.info("port_mapping_kept", reason=str(error))


def _is_outside(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return False
