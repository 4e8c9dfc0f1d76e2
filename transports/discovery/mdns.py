"""Nodes on the same network, by multicast DNS (RFC 6762, RFC 6763) with python-zeroconf.

Each start, each change of network and each ROTATE_S brings a fresh random instance name, host name and token, so an
observer who doesn't know our NodeId cannot tell that today's node was here yesterday; while the node stays on one
network its IP addresses do link one name to the next, and nothing here can help that. What is told is in `records`,
who may recognise us in `hints`. With visibility = contacts strangers still see that some meshnode is here.

zeroconf shares port 5353 with avahi (SO_REUSEPORT) and bounds its own cache. Every change of ours replaces the whole
responder: one path, exercised often, instead of three that patch a running one.
"""

import asyncio
import base64
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING

from protocols.errors import LinkError, LocalError, RemoteError
from transports.discovery.api import Announcement, Sighting
from transports.discovery.hints import TOKEN_BYTES
from transports.discovery.hosts import host_addresses, multicast_addresses
from transports.discovery.looks import look
from transports.discovery.records import (
    Instance,
    is_loopback,
    make_instance,
    reachable_addresses,
    read_instance,
)
from transports.discovery.sightings import Sightings, is_instance_name

if TYPE_CHECKING:
    from zeroconf import ServiceStateChange
    from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

NS_PER_S = 1_000_000_000
SERVICE_TYPE = "_meshnode._udp.local."
NAME_BYTES = 10  # 16 characters of base32: no two nodes ever choose the same
ROTATE_S = 4 * 3_600  # guess: a name lives no longer than a visit to a café
LOOK_S = 60.0  # between two active looks, until `pace` says otherwise
RESOLVE_MS = 3_000  # zeroconf's own default: three questions, growing apart
RESOLVING_MAX = 16  # instances asked after at once: 16 objects and at most 48 small packets in 3 s
OWN_TOKENS_MAX = (
    8  # of ours that may still echo on the network: records live for 75 minutes, names for 4 hours
)


class MdnsDiscovery:
    """See `Discovery`. `hosts` names the addresses of this machine, on loopback for tests."""

    def __init__(
        self,
        *,
        entropy: Callable[[int], bytes],
        hosts: Callable[[], tuple[str, ...]] = host_addresses,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._entropy, self._hosts, self._sleep = entropy, hosts, sleep
        self._announce: Announcement | None = None  # what we wish to tell; None: stopped
        self._engine: _Engine | None = None
        self._look_s = LOOK_S
        self._changing = asyncio.Lock()
        self._rotation: asyncio.Task[None] | None = None
        self._own_tokens: deque[bytes] = deque(maxlen=OWN_TOKENS_MAX)
        self._sightings = Sightings()
        self._health = "mDNS has not been started"

    async def start(self, announce: Announcement) -> None:
        if self._announce is not None:
            raise LocalError("mDNS is started twice")
        self._announce = announce
        self._sightings.reopen()
        self._rotation = asyncio.create_task(self._rotate(), name="mdns-rotate")
        await self._reopen()

    def found(self) -> AsyncIterator[Sighting]:
        return self._sightings.stream()

    async def update(self, announce: Announcement) -> None:
        if self._announce is None:
            raise LocalError("mDNS is updated before it is started")
        self._announce = announce
        await self._reopen()

    async def network_changed(self) -> None:
        await self._reopen()

    def pace(self, look_ns: int) -> None:
        look_s = look_ns / NS_PER_S
        if look_s != self._look_s:
            self._look_s = look_s
            if self._engine is not None:
                self._engine.pace(look_s)

    async def stop(self) -> None:
        self._announce = None
        async with self._changing:  # never in the middle of a change
            if (rotation := self._rotation) is not None:
                self._rotation = None
                rotation.cancel()
                await asyncio.wait([rotation])
            await self._close()
        self._health = "mDNS is stopped"
        self._sightings.close()

    @property
    def dropped(self) -> Mapping[str, int]:
        return self._sightings.dropped

    def health(self) -> str:
        return self._health

    async def _rotate(self) -> None:
        while True:
            await self._sleep(ROTATE_S)
            try:
                await self._reopen()
            except LinkError:
                continue  # `health` says it; a change of network or the next turn tries again

    async def _reopen(self) -> None:
        """Replace the responder. Raises LinkError; then none runs."""
        async with self._changing:
            await self._close()
            announce = self._announce
            if announce is None:  # `stop` came first
                return
            try:
                self._engine = await self._open(announce)
            except LinkError as error:
                self._health = f"{error}; other nodes on this network are not found by themselves"
                raise
            self._engine.pace(self._look_s)
            self._health = "ok"

    async def _open(self, announce: Announcement) -> "_Engine":
        hosts = self._hosts()
        reachable = reachable_addresses(announce, hosts)
        if reachable and all(map(is_loopback, reachable)):
            hosts = ("127.0.0.1",)  # nobody elsewhere could dial us: tell nobody elsewhere
        if not hosts:
            raise LinkError("mDNS found no network interface that is up")
        token = self._entropy(TOKEN_BYTES)
        self._own_tokens.append(token)
        return await _Engine.open(
            multicast_addresses(hosts),
            make_instance(announce, token, hosts),
            name=base64.b32encode(self._entropy(NAME_BYTES)).decode().lower(),
            host=base64.b32encode(self._entropy(NAME_BYTES)).decode().lower(),
            sightings=self._sightings,
            is_ours=self._own_tokens.__contains__,
            sleep=self._sleep,
            loopback=any(map(is_loopback, (*hosts, *reachable))),
        )

    async def _close(self) -> None:
        if self._engine is not None:
            await self._engine.close()
            self._engine = None  # only now: a change that was cancelled in between is finished by the next
        self._sightings.forget_all()


class _Engine:
    """One zeroconf responder and browser with the tasks they need, from `open` to `close`."""

    def __init__(
        self,
        zc: "AsyncZeroconf",
        sightings: Sightings,
        is_ours: Callable[[bytes], bool],
        sleep: Callable[[float], Awaitable[None]],
        *,
        loopback: bool,
    ) -> None:
        self._zc, self._sightings, self._is_ours, self._loopback = zc, sightings, is_ours, loopback
        self._sleep = sleep
        self._looks: asyncio.Task[None] | None = None
        self._browser: AsyncServiceBrowser | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._resolving: set[str] = set()  # only asked for membership

    @classmethod
    async def open(
        cls,
        interfaces: list[str],
        instance: Instance | None,
        *,
        name: str,
        host: str,
        sightings: Sightings,
        is_ours: Callable[[bytes], bool],
        sleep: Callable[[float], Awaitable[None]],
        loopback: bool,
    ) -> "_Engine":
        """Raises LinkError."""
        engine = cls(await _responder(interfaces), sightings, is_ours, sleep, loopback=loopback)
        try:
            engine._start(instance, name, host)
        except BaseException:
            await engine.close()
            raise
        return engine

    def _start(self, instance: Instance | None, name: str, host: str) -> None:
        from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo  # noqa: PLC0415 - see `_responder`

        self._browser = AsyncServiceBrowser(self._zc.zeroconf, SERVICE_TYPE, handlers=[self._on_change])
        if instance is not None:
            info = AsyncServiceInfo(
                SERVICE_TYPE,
                f"{name}.{SERVICE_TYPE}",
                port=instance.port,
                properties=dict(instance.txt),
                server=f"{host}.local.",
                parsed_addresses=list(instance.addresses),
            )
            self._spawn(self._register(info))

    def pace(self, look_s: float) -> None:
        """The pause begins anew: zeroconf asks by itself when it starts, and a change of level is rare."""
        if self._looks is not None:
            self._looks.cancel()
        self._looks = self._spawn(self._keep_looking(look_s))

    async def _keep_looking(self, pause_s: float) -> None:
        while True:
            await self._sleep(pause_s)
            look(self._zc.zeroconf, SERVICE_TYPE)

    async def close(self) -> None:
        """Says good-bye for what was announced; takes about a third of a second."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._browser is not None:
            await self._browser.async_cancel()
        await self._zc.async_close()

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _register(self, info: "AsyncServiceInfo") -> None:
        """80 random bits need no probing for a namesake, so that first second is saved."""
        announce = self._zc.async_register_service  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType] - a bare Awaitable in its signature
        await (await announce(info, cooperating_responders=True))

    def _on_change(self, *, name: str, state_change: "ServiceStateChange", **_: object) -> None:
        if not is_instance_name(name, SERVICE_TYPE):
            self._sightings.drop("bad_name")
        elif state_change.name == "Removed":
            self._sightings.remove(name)
        elif name not in self._resolving:
            self._resolve_from_cache(name)

    def _resolve_from_cache(self, name: str) -> None:
        """Most responders send everything in one packet; only where something is missing do we ask."""
        from zeroconf.asyncio import AsyncServiceInfo  # noqa: PLC0415 - see `_responder`

        info = AsyncServiceInfo(SERVICE_TYPE, name)
        if info.load_from_cache(self._zc.zeroconf):
            self._learn(name, info)
        elif len(self._resolving) >= RESOLVING_MAX:
            self._sightings.drop("resolving_too_many")  # a flood; an honest node announces itself again
        else:
            self._resolving.add(name)
            self._spawn(self._resolve(name, info))

    async def _resolve(self, name: str, info: "AsyncServiceInfo") -> None:
        try:
            if await info.async_request(self._zc.zeroconf, RESOLVE_MS):
                self._learn(name, info)
            else:
                self._sightings.drop("unresolved")
        finally:
            self._resolving.discard(name)

    def _learn(self, name: str, info: "AsyncServiceInfo") -> None:
        try:
            sighting = read_instance(info.parsed_scoped_addresses(), info.properties, loopback=self._loopback)
        except RemoteError as error:
            self._sightings.drop(error.reason)
            return
        if not self._is_ours(sighting.token):
            self._sightings.add(name, sighting)


async def _responder(interfaces: list[str]) -> "AsyncZeroconf":
    """Zeroconf is imported here, by those who use it only: it takes 188 ms and 24 MiB. Raises LinkError."""
    import zeroconf  # noqa: PLC0415
    from zeroconf.asyncio import AsyncZeroconf  # noqa: PLC0415

    v4_only = [text for text in interfaces if ":" not in text]
    attempts = [interfaces, v4_only] if v4_only and len(v4_only) < len(interfaces) else [interfaces]
    failure = ""
    for attempt in attempts:  # a system may list IPv6 addresses and yet refuse IPv6 multicast
        try:
            responder = AsyncZeroconf(interfaces=attempt)
        except (OSError, RuntimeError) as error:
            failure = str(error)  # not the error itself: its frames would hold a socket open
            continue
        try:
            await responder.zeroconf.async_wait_for_start()
        except zeroconf.Error as error:
            failure = str(error)
        except BaseException:
            await responder.async_close()
            raise
        else:
            return responder
        await responder.async_close()
    raise LinkError(f"mDNS cannot use this network ({failure})")
