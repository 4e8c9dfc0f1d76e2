"""The thin shell around the core: links and timers in, effects out. It decides nothing.

It is also what services see of the mesh: `ports.Presence`, `ports.Doors`, and the `Wire` under the rpc hub.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog

from meshnode.called import CalledHosts
from meshnode.mesh import (
    BroadcastHeard,
    Channel,
    ChannelClosed,
    CloseLink,
    Dial,
    DialFailed,
    Effect,
    LinkDown,
    LinkReceived,
    LinkUp,
    LinkWritable,
    Mesh,
    MeshEvent,
    Noticed,
    PeerConnected,
    PeerDisconnected,
    RpcHappened,
    SendOn,
)
from meshnode.ports import DirectLink
from meshnode.rpc import RpcHub
from meshnode.world import Clock
from protocols.errors import LinkError, SettingsError
from protocols.ids import NodeId, short_id
from protocols.routing.broadcast import Broadcast
from transports.api import Link, Transport

NS_PER_S = 1_000_000_000
CLOSE_S = 1.0  # how long links may take to say good-bye at the end

log = structlog.stdlib.get_logger()


class MeshDriver:
    def __init__(self, mesh: Mesh, transports: Mapping[str, Transport], clock: Clock) -> None:
        self.mesh = mesh
        self.hub = RpcHub(self)
        self.on_connected: Callable[[PeerConnected], None] = lambda _: None
        self._heard: Callable[[Broadcast, bytes], None] = lambda _broadcast, _frame: None
        self.sighted: Callable[[NodeId], list[str]] = lambda _: []
        self._transports, self._clock = transports, clock
        self._links: dict[int, Link] = {}
        self._ids: dict[Link, int] = {}
        self._next_link = 1
        self._called = CalledHosts()
        self._uninvited: set[int] = set()  # links whose host we had not called; only asked for membership
        self._watchers: list[Callable[[NodeId, bool], None]] = []
        self._waiting: dict[NodeId, list[asyncio.Future[None]]] = {}
        self._crew: asyncio.TaskGroup | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = 0
        self._flushing = False

    # -- life -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled. Call `close` afterwards: links say good-bye there."""
        try:
            async with asyncio.TaskGroup() as crew:
                self._crew = crew
                crew.create_task(self.hub.run())
                for transport in self._transports.values():
                    crew.create_task(self._accept(transport))
                self._execute(self.mesh.flush(now_ns=self._clock.now_ns()))
                try:
                    await asyncio.get_running_loop().create_future()
                finally:
                    self._crew = None  # a crew that is being dismissed takes nobody on
        finally:
            self._crew = None
            if self._timer is not None:
                self._timer.cancel()

    async def close(self) -> None:
        """Close the transports; `run` should have ended."""
        closing = [asyncio.ensure_future(transport.close()) for transport in self._transports.values()]
        if closing:
            _, slow = await asyncio.wait(closing, timeout=CLOSE_S)
            for task in slow:
                task.cancel()

    async def _accept(self, transport: Transport) -> None:
        async for link in transport.accept():
            self._adopt(link, None)

    async def _dial(self, dial: Dial) -> None:
        scheme = dial.address.partition("://")[0]
        transport = self._transports.get(scheme)
        if transport is None:
            self.tell(DialFailed(dial.target, f"this node has no transport {scheme!r}"))
            return
        self._called.note(dial.address)
        try:
            link = await transport.dial(dial.address)
        except (LinkError, SettingsError) as error:
            self.tell(DialFailed(dial.target, str(error)))
            return
        self._adopt(link, dial.target)

    def _adopt(self, link: Link, target: NodeId | str | None, *, beside: bool = False) -> None:
        number = self._next_link
        self._next_link += 1
        self._links[number], self._ids[link] = link, number
        if link.dialled:
            self._called.note(link.address)  # where a name led
        elif link.address not in self._called:
            self._uninvited.add(number)
        self.tell(LinkUp.of(number, link, target, beside=beside))
        link.attach(self)

    # -- LinkObserver -----------------------------------------------------------------------------------------

    def link_received(self, link: Link, frames: list[bytes]) -> None:
        if (number := self._ids.get(link)) is not None:
            self.tell(LinkReceived(number, frames))

    def link_writable(self, link: Link) -> None:
        if (number := self._ids.get(link)) is not None:
            self.tell(LinkWritable(number))

    def link_lost(self, link: Link, reason: str) -> None:
        number = self._ids.pop(link, None)
        if number is not None:
            del self._links[number]
            self._uninvited.discard(number)
            self.tell(LinkDown(number, reason))

    # -- driving ----------------------------------------------------------------------------------------------

    def tell(self, event: MeshEvent) -> None:
        self._execute(self.mesh.handle(event, now_ns=self._clock.now_ns()))

    def _flush(self) -> None:
        self._flushing = False
        self._execute(self.mesh.flush(now_ns=self._clock.now_ns()))

    def _on_timer(self) -> None:
        self._timer = None
        now_ns = self._clock.now_ns()
        due_ns = self.mesh.next_timeout()
        if due_ns is not None and due_ns <= now_ns:
            self._execute(self.mesh.handle_timeout(now_ns=now_ns))
        else:
            self._arm()

    def _execute(self, effects: Iterable[Effect]) -> None:  # noqa: C901 - one flat table of effects
        for effect in effects:
            match effect:
                case SendOn():
                    if (link := self._links.get(effect.link)) is not None:
                        link.send(effect.frames, reliable=effect.reliable)
                case RpcHappened():
                    self.hub.happened(effect.channel, effect.event)
                    self._schedule_flush()  # runs behind the tasks that this woke: their answers go with it
                case Dial():
                    self._spawn_dial(effect)
                case CloseLink():
                    self._close_link(effect)
                case PeerConnected():  # behind the frames of this turn, for which the peer waits
                    asyncio.get_running_loop().call_soon(self._connected, effect)
                case PeerDisconnected():
                    asyncio.get_running_loop().call_soon(self._disconnected, effect)
                case BroadcastHeard():
                    self._heard(effect.broadcast, effect.frame)
                case ChannelClosed():
                    self.hub.channel_closed(effect.channel, effect.reason)
                case Noticed():
                    log.debug(effect.name, **effect.fields)
        if not self._flushing:  # else `_flush` comes here again in a moment
            self._arm()

    def _arm(self) -> None:
        """A timer that rings too early is cheaper than one that is moved after every record."""
        due_ns = self.mesh.next_timeout()
        if due_ns is None or self._crew is None:  # not running (any more): nobody would act on it
            return
        if self._timer is not None:
            if self._timer_ns <= due_ns:
                return
            self._timer.cancel()
        self._timer_ns = due_ns
        delay_s = max(0, due_ns - self._clock.now_ns()) / NS_PER_S
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_timer)

    def _spawn_dial(self, dial: Dial) -> None:
        if self._crew is None:
            self.tell(DialFailed(dial.target, "stopping"))
        else:
            self._crew.create_task(self._dial(dial))

    def _close_link(self, effect: CloseLink) -> None:
        link = self._links.pop(effect.link, None)
        self._uninvited.discard(effect.link)
        if link is not None:
            self._ids.pop(link, None)
            if self._crew is not None:
                self._crew.create_task(link.close(effect.reason))

    def _connected(self, effect: PeerConnected) -> None:
        log.info("link_bound", peer=short_id(effect.peer), address=effect.address, hybrid=effect.hybrid)
        self.on_connected(effect)
        if effect.first:
            self._changed(effect.peer, connected=True)

    def _disconnected(self, effect: PeerDisconnected) -> None:
        log.info("peer_disconnected", peer=short_id(effect.peer), reason=effect.reason)
        self._changed(effect.peer, connected=False)

    def _changed(self, peer: NodeId, *, connected: bool) -> None:
        if connected:
            for waiter in self._waiting.get(peer, ()):
                if not waiter.done():
                    waiter.set_result(None)
        for callback in self._watchers:
            callback(peer, connected)

    # -- Presence and Wire ------------------------------------------------------------------------------------

    def connected(self) -> list[NodeId]:
        return self.mesh.present()

    def is_connected(self, peer: NodeId) -> bool:
        return self.mesh.channel(peer) is not None

    def watch(self, callback: Callable[[NodeId, bool], None]) -> None:
        self._watchers.append(callback)

    def want(self, peer: NodeId) -> None:
        self.mesh.want(peer, now_ns=self._clock.now_ns())
        if not self.is_connected(peer) and (seen := self.sighted(peer)):  # before we knew who it is
            self.mesh.expect(peer, seen, keep=False, now_ns=self._clock.now_ns())
        self._schedule_flush()

    def now_ns(self) -> int:
        return self._clock.now_ns()

    def channel(self, peer: NodeId) -> Channel | None:
        return self.mesh.channel(peer)

    def touch(self, channel: Channel) -> None:
        self.mesh.touch(channel)
        if not self._flushing:
            self._schedule_flush()

    async def until_connected(self, peer: NodeId) -> None:
        """Returns once the peer is connected."""
        if self.mesh.channel(peer) is None:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            waiters = self._waiting.setdefault(peer, [])
            waiters.append(waiter)
            try:
                await waiter
            finally:
                waiters.remove(waiter)
                if not waiters:
                    self._waiting.pop(peer, None)

    def expect(
        self, address: str, addresses: list[str] | None = None, *, keep: bool, after_ns: int = 0
    ) -> None:
        """Somebody unknown is (or may be) there: call, and see who proves what."""
        self.mesh.expect(address, addresses or [address], keep=keep, now_ns=self.now_ns(), after_ns=after_ns)
        self._schedule_flush()

    def call_at(self, peer: NodeId, addresses: list[str], *, after_ns: int = 0) -> None:
        """A peer we know was seen there."""
        self.mesh.expect(peer, addresses, keep=False, now_ns=self.now_ns(), after_ns=after_ns)
        self._schedule_flush()

    # -- Doors ------------------------------------------------------------------------------------------------

    def direct(self, peer: NodeId) -> list[DirectLink]:
        return [
            DirectLink(self._links[link.id].address, link.up.dialled, link.id in self._uninvited)
            for link in self.mesh.links.of(peer)
            if link.up.traits().on_network and link.id in self._links
        ]

    def knock(self, address: str) -> None:
        if (transport := self._transports.get(address.partition("://")[0])) is not None:
            self._called.note(address)
            transport.knock(address)

    async def dial_now(self, peer: NodeId, address: str) -> None:
        scheme = address.partition("://")[0]
        transport = self._transports.get(scheme)
        if transport is None:
            raise LinkError(f"this node has no transport {scheme!r}")
        self._called.note(address)
        self._adopt(await transport.dial(address), peer, beside=True)

    # Shouting

    def shout(self, frame: bytes) -> None:
        self.mesh.shout(frame, now_ns=self.now_ns())
        self._schedule_flush()

    def recall(self, frames: Sequence[bytes]) -> None:
        self.mesh.recall(frames, now_ns=self.now_ns())
        self._schedule_flush()

    def hear(self, callback: Callable[[Broadcast, bytes], None]) -> None:
        self._heard = callback

    def part(self, peer: NodeId, reason: str) -> None:
        self.mesh.part(peer, reason, now_ns=self.now_ns())
        self._schedule_flush()

    def _schedule_flush(self) -> None:
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)
