"""UPnP Internet Gateway Device, versions 1 and 2, by the miniupnpc library.

The library blocks: it runs on one thread of its own. A router that takes leases only "for ever" (error 725 of IGD 1) gets
one of that kind, which `withdraw` takes back.
"""

import asyncio
import importlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from protocols.errors import LinkError
from transports.portmap.api import Forwarded

T = TypeVar("T")

DISCOVER_MS = 2_000  # UDA 1.1: a router answers a search with MX 2 within two seconds
CALL_S = 20.0  # a router's web server may be slow; each of at most four calls
PORTS_TRIED_MAX = 4  # outside ports; others on this network may have taken the first
PORT_FIRST = 1_024
DESCRIPTION = "meshnode"
UDP = "UDP"
MISSING = "port mapping needs the library miniupnpc; run: pip install miniupnpc"


class UpnpMapper:
    def __init__(self, *, interface: str = "") -> None:
        """`interface`: the address of ours from which routers are looked for; "" for the system's choice."""
        self._interface = interface
        self._router: Any = None
        self._outside: int | None = None  # the port that is open there
        self._thread = ThreadPoolExecutor(1, "portmap")

    async def open(self, port: int, *, life_s: int) -> Forwarded:
        return await self._call(lambda: self._open(port, life_s))

    async def withdraw(self) -> None:
        await self._call(self._withdraw)

    async def _call(self, work: Callable[[], T]) -> T:
        try:
            async with asyncio.timeout(CALL_S):
                return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except TimeoutError:
            raise LinkError(f"the router did not answer within {CALL_S:.0f} s") from None

    def _open(self, port: int, life_s: int) -> Forwarded:
        try:
            return self._ask(port, life_s)
        except LinkError:
            self._router = None  # another one may stand there by now
            raise

    def _ask(self, port: int, life_s: int) -> Forwarded:
        router, reason = self._find(), ""
        wishes = [self._outside or port, *(port + step for step in range(1, PORTS_TRIED_MAX))]
        for wish in wishes:
            outside = PORT_FIRST + (wish - PORT_FIRST) % (65_536 - PORT_FIRST)
            for life in (life_s, 0):
                try:
                    router.addportmapping(outside, UDP, router.lanaddr, port, DESCRIPTION, "", life)
                except Exception as error:  # noqa: BLE001 - the library raises bare Exception for each fault
                    reason = _words(error)
                    if "OnlyPermanentLeasesSupported" in reason:
                        continue
                    break
                self._outside = outside
                return Forwarded(self._outside_host(router), outside, life)
        raise LinkError(f"the router does not forward UDP port {port} to us ({reason})")

    def _find(self) -> Any:
        if self._router is not None:
            return self._router
        try:
            library: Any = importlib.import_module("miniupnpc")  # an extra, and without types
        except ImportError:
            raise LinkError(MISSING) from None
        router: Any = library.UPnP(multicastif=self._interface, discoverdelay=DISCOVER_MS)
        try:
            router.discover()
            router.selectigd()
        except Exception:  # noqa: BLE001 - as above; it says "Success" where nobody answered
            raise LinkError("no router here forwards ports by UPnP") from None
        self._router = router
        return router

    @staticmethod
    def _outside_host(router: Any) -> str:
        try:
            return str(router.externalipaddress())
        except Exception as error:  # noqa: BLE001 - as above
            raise LinkError(f"the router does not tell its own address ({_words(error)})") from None

    def _withdraw(self) -> None:
        router, outside = self._router, self._outside
        self._outside = None
        if router is None or outside is None:
            return
        try:
            router.deleteportmapping(outside, UDP)
        except Exception as error:  # noqa: BLE001 - as above
            raise LinkError(f"the router keeps its mapping ({_words(error)})") from None


def _words(error: Exception) -> str:
    """What a router says is shown to people: one short line of it."""
    return " ".join(str(error).split())[:120]
