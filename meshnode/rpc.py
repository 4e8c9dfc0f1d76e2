"""rpc for coroutines: `ports.Rpc` over the core's channels.

The hub owns no socket and no session; it turns call events into queues that handlers and callers read, and asks
the node to flush what they wrote. A call's unread messages are bounded by its stream's flow-control window, since
`took` is said only when the application took them.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, assert_never

import structlog

from meshnode.mesh import Channel
from protocols.envelope import TrafficClass
from protocols.errors import LinkError, RefusedError, RemoteError
from protocols.ids import NodeId, short_id
from protocols.rpc import (
    CallCancelled,
    CallEnded,
    CallReceived,
    CallRefused,
    CallWritable,
    Code,
    MessagesReceived,
    RpcEvent,
)

CONNECT_S = 10.0  # how long a call waits for a peer that is not connected; its own deadline may be shorter
MS_PER_S = 1_000

log = structlog.stdlib.get_logger()

Handler = Callable[["Call"], Awaitable[bytes | None]]


class Wire(Protocol):
    """What the hub needs of the node."""

    def channel(self, peer: NodeId) -> Channel | None:
        """The channel to use for a new call; None while there is no session with a live link."""
        ...

    def touch(self, channel: Channel) -> None:
        """Something was queued on this channel: flush it before the loop's turn ends."""
        ...

    def want(self, peer: NodeId) -> None: ...

    def now_ns(self) -> int: ...

    async def until_connected(self, peer: NodeId) -> None:
        """Returns once the peer is connected."""
        ...


class Call:
    """One call, as either side sees it (`ports.IncomingCall`, `ports.OutgoingCall`)."""

    def __init__(
        self,
        wire: Wire,
        channel: Channel,
        call_id: int,
        *,
        method: str = "",
        body: bytes = b"",
        incoming: bool = False,
    ) -> None:
        self._wire, self._channel, self._id = wire, channel, call_id
        self.method, self.body, self.incoming = method, body, incoming
        self._inbox: deque[list[bytes]] = deque()
        self._finished = False
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None

    @property
    def peer(self) -> NodeId:
        return self._channel.peer

    @property
    def over(self) -> bool:
        """It failed, or the other end gave it up."""
        return self._failure is not None

    @property
    def key(self) -> tuple[int, int]:
        return self._channel.id, self._id

    # -- sending ----------------------------------------------------------------------------------------------

    async def send(self, message: bytes) -> None:
        """Raises as `ports.Rpc.call` once the call is over."""
        await self.send_many((message,))

    async def send_many(self, messages: "tuple[bytes, ...] | list[bytes]") -> None:
        """Several messages at the price of one."""
        while self._writable is not None:
            await asyncio.shield(self._writable)  # others may wait for it too
        self._raise_failure()
        channel = self._channel
        unsent = channel.rpc.send_many(self._id, messages)
        self._wire.touch(channel)
        if unsent > channel.connection.limits.unsent_bytes_max:
            self._writable = asyncio.get_running_loop().create_future()

    async def end(self) -> None:
        if self._failure is None:
            self._channel.rpc.end(self._id)
            self._wire.touch(self._channel)

    async def refuse(self, code: str, sentence: str) -> None:
        if self._failure is None:
            self._channel.rpc.refuse(self._id, code, sentence)
            self._wire.touch(self._channel)

    async def cancel(self, code: int = Code.CANCELLED) -> None:
        if self._failure is None and not self._finished:
            self._failure = LinkError("the call was cancelled")
            self._channel.rpc.cancel(self._id, code)
            self._wire.touch(self._channel)
            self._wake()

    # -- receiving --------------------------------------------------------------------------------------------

    async def messages(self) -> AsyncIterator[bytes]:
        async for batch in self.batches():
            for message in batch:
                yield message

    async def batches(self) -> AsyncIterator[list[bytes]]:
        """As `messages`, but all that is ready at once."""
        while True:
            while self._inbox:
                batch = self._inbox.popleft()
                self._took(batch)
                yield batch
            if self._finished:
                return
            self._raise_failure()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def _took(self, batch: list[bytes]) -> None:
        if self._failure is None:
            self._channel.rpc.took(self._id, messages=len(batch), nbytes=sum(map(len, batch)))
            self._wire.touch(self._channel)  # there may be a window to renew

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    # -- told by the hub --------------------------------------------------------------------------------------

    def arrived(self, messages: list[bytes]) -> None:
        self._inbox.append(messages)
        self._wake()

    def finished(self) -> None:
        self._finished = True
        self._wake()

    def failed(self, failure: Exception) -> None:
        if self._failure is None:
            self._failure = failure
        self._wake()

    def writable(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        if self._failure is not None:
            self.writable()


class RpcHub:
    """All calls of one node, in and out."""

    def __init__(self, wire: Wire) -> None:
        self.counts: Counter[str] = Counter()
        self._wire = wire
        self._handlers: dict[str, Handler] = {}
        self._calls: dict[
            tuple[int, int], Call
        ] = {}  # (channel id, call id); bounded by rpc's limits per peer
        self._crew: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Owns the handlers' tasks until cancelled."""
        try:
            async with asyncio.TaskGroup() as crew:
                self._crew = crew
                await asyncio.get_running_loop().create_future()
        finally:
            self._crew = None
            self._fail(list(self._calls), "this node is stopping")

    def register(self, service: str, handler: Handler) -> None:
        assert service not in self._handlers, f"{service} is registered"
        self._handlers[service] = handler

    def services(self) -> list[str]:
        return sorted(self._handlers)

    # -- calling ----------------------------------------------------------------------------------------------

    async def call(
        self,
        peer: NodeId,
        service: str,
        method: str,
        body: bytes,
        *,
        timeout_s: float = 10.0,
        traffic: TrafficClass = TrafficClass.INTERACTIVE,
    ) -> bytes:
        async with asyncio.timeout(timeout_s):
            call = await self._open(peer, service, method, body, timeout_s, traffic, end=True)
            answer = b""
            try:
                async for message in call.messages():
                    answer = message
            except BaseException:
                await call.cancel()
                raise
            return answer

    async def open(
        self,
        peer: NodeId,
        service: str,
        method: str,
        body: bytes,
        *,
        timeout_s: float | None = None,
        traffic: TrafficClass = TrafficClass.INTERACTIVE,
    ) -> Call:
        return await self._open(peer, service, method, body, timeout_s, traffic, end=False)

    async def _open(
        self,
        peer: NodeId,
        service: str,
        method: str,
        body: bytes,
        timeout_s: float | None,
        traffic: TrafficClass,
        *,
        end: bool,
    ) -> Call:
        channel = self._wire.channel(peer)
        if channel is None:
            self._wire.want(peer)
            try:
                async with asyncio.timeout(CONNECT_S):
                    await self._wire.until_connected(peer)
            except TimeoutError:
                raise LinkError(f"{short_id(peer)} can't be reached now") from None
            channel = self._wire.channel(peer)
        if channel is None:
            raise LinkError(f"{short_id(peer)} went away")
        deadline_ms = 0 if timeout_s is None else max(1, int(timeout_s * MS_PER_S))
        call_id = channel.rpc.call(
            service,
            method,
            body,
            deadline_ms=deadline_ms,
            traffic=traffic,
            end=end,
            now_ns=self._wire.now_ns(),
        )
        call = self._calls[channel.id, call_id] = Call(self._wire, channel, call_id)
        self.counts["calls_out"] += 1
        self._wire.touch(channel)
        return call

    # -- told by the node -------------------------------------------------------------------------------------

    def happened(self, channel: Channel, event: RpcEvent) -> None:
        if isinstance(event, CallReceived):
            self._received(channel, event)
            return
        key = (channel.id, event.call_id)
        call = self._calls.get(key)
        if call is None:
            return
        match event:
            case MessagesReceived():
                call.arrived(event.messages)
            case CallWritable():
                call.writable()
            case CallEnded():
                call.finished()
                if not call.incoming:
                    del self._calls[key]
            case CallRefused():
                call.failed(RefusedError(event.code, event.sentence))
                del self._calls[key]
            case CallCancelled():
                call.failed(_failure_of(event.code))
                del self._calls[key]
            case _:
                assert_never(event)

    def channel_closed(self, channel_id: int, reason: str) -> None:
        """Its calls fail: what they had not answered must be asked again."""
        self._fail([key for key in self._calls if key[0] == channel_id], f"the session ended: {reason}")

    def _fail(self, keys: list[tuple[int, int]], sentence: str) -> None:
        for key in keys:
            self._calls.pop(key).failed(LinkError(sentence))

    def _received(self, channel: Channel, event: CallReceived) -> None:
        handler = self._handlers.get(event.service)
        self.counts["calls_in"] += 1
        if handler is None or self._crew is None:
            channel.rpc.refuse(event.call_id, "unknown_service", f"this node offers no {event.service!r}")
            self._wire.touch(channel)
            return
        call = Call(self._wire, channel, event.call_id, method=event.method, body=event.body, incoming=True)
        self._calls[channel.id, event.call_id] = call
        self._crew.create_task(self._serve(handler, call))

    async def _serve(self, handler: Handler, call: Call) -> None:
        try:
            answer = await handler(call)
            if answer is not None:
                await call.send(answer)
            await call.end()
        except RefusedError as error:
            await call.refuse(error.code, str(error))
        except RemoteError as error:
            self.counts["bad_requests"] += 1
            await call.refuse("bad_request", str(error))
        except LinkError as error:  # of this call, or of one that the handler made
            self.counts["callers_gone"] += call.over
            await call.refuse("unreachable", str(error))
        except Exception:  # a service's rim: one bad call must not end the node
            log.exception("rpc_handler_failed", method=call.method, peer=short_id(call.peer))
            await call.refuse("internal", "the other node failed while answering; its log says why")
        finally:
            self._calls.pop(call.key, None)


def _failure_of(code: int) -> Exception:
    match code:
        case Code.DEADLINE:
            return TimeoutError("the deadline passed")
        case Code.OVER_LIMIT:
            return RefusedError("over_limit", "the other node has too much to do for us; try again later")
        case _:
            return LinkError("the other node cancelled the call")
