"""rpc service "node": method `ping` gives back what it was sent."""

from meshnode.ports import IncomingCall, Rpc
from protocols.errors import RefusedError, RemoteError
from protocols.ids import NodeId

SERVICE = "node"
PING_BYTES_MAX = 1_024


class NodeInfoService:
    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc
        rpc.register(SERVICE, self._handle)

    async def ping(self, peer: NodeId, payload: bytes, *, timeout_s: float) -> None:
        """Returns when it came back whole. Raises as `Rpc.call`, or RemoteError for another answer."""
        answer = await self._rpc.call(peer, SERVICE, "ping", payload, timeout_s=timeout_s)
        if answer != payload:
            raise RemoteError("bad_pong")

    async def _handle(self, call: IncomingCall) -> bytes:
        if call.method != "ping":
            raise RefusedError("unknown_method", f"the service {SERVICE!r} has no method {call.method!r}")
        if len(call.body) > PING_BYTES_MAX:
            raise RefusedError("too_long", f"a ping carries at most {PING_BYTES_MAX} bytes")
        return call.body
