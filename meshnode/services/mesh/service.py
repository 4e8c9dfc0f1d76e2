"""What we answer, and what we ask of others.

Who may ask: everyone, or only contacts where the node is visible to contacts only. How nodes are named: a neighbour
by its whole NodeId where its record says that it shows itself to everyone, else by the first bytes that routing
tells anyway; so a map discloses nobody who hides.
"""

from collections import Counter
from collections.abc import Callable

from meshnode.ports import IncomingCall, MeshView, Rpc, Standings
from meshnode.services.mesh.frames import (
    COST_MAX,
    Neighbourhood,
    Question,
    Tie,
    decode_neighbourhood,
    decode_question,
    encode_steps,
)
from meshnode.services.mesh.limits import (
    ASKERS_MAX,
    ASKS_BURST,
    ASKS_PER_S,
    HOPS_MAX,
    PREFIX_BYTES,
    SECOND_NS,
    TIES_MAX,
    TRACE_MS_MAX,
    TRACES_AT_ONCE_MAX,
)
from meshnode.services.mesh.trace import Trace, Tracer
from meshnode.world import Clock
from protocols.errors import RefusedError
from protocols.ids import NodeId

SERVICE = "mesh"
MS_PER_S = 1_000


class MeshService:
    def __init__(
        self,
        view: MeshView,
        rpc: Rpc,
        standings: Standings,
        clock: Clock,
        *,
        open_to_strangers: bool,
        answered: Callable[[NodeId, bool], None],
    ) -> None:
        """`answered`: evidence of whether a neighbour answers what it is asked."""
        self._view, self._rpc, self._standings, self._clock = view, rpc, standings, clock
        self._open = open_to_strangers
        self._tracer = Tracer(view, rpc, clock.now_ns, self._shown, answered)
        self._pace = _Pace(clock.now_ns)
        self._tracing = 0
        self.counts: Counter[str] = Counter()
        rpc.register(SERVICE, self._handle)

    # -- what we ask ------------------------------------------------------------------------------------------

    def own_ties(self) -> Neighbourhood:
        """As we see it ourselves: whole NodeIds."""
        ties = [
            Tie(each.peer, each.cost, each.links[0].transport if each.links else "")
            for each in self._view.neighbours()
        ]
        return Neighbourhood(tuple(ties))

    async def ties_of(self, peer: NodeId, *, timeout_s: float) -> Neighbourhood:
        """Raises as `Rpc.call`, and RemoteError where the answer makes no sense."""
        body = await self._rpc.call(peer, SERVICE, "neighbours", b"", timeout_s=timeout_s)
        return decode_neighbourhood(body)

    async def trace(self, peer: NodeId, *, timeout_s: float) -> Trace:
        left_ms = max(1, min(TRACE_MS_MAX, int(timeout_s * MS_PER_S)))
        steps = await self._tracer.ask(Question(peer, HOPS_MAX, left_ms, ()))
        end = steps[-1].end
        assert end is not None, "the last step says why it is the last"
        return Trace(steps, end)

    # -- what we answer ---------------------------------------------------------------------------------------

    async def _handle(self, call: IncomingCall) -> bytes:
        if not self._open and not self._standings.is_contact(call.peer):
            self.counts["refused_stranger"] += 1
            raise RefusedError("not_shown", "this node tells only its contacts what it sees of the network")
        if not self._pace.may(call.peer):
            self.counts["too_often"] += 1
            raise RefusedError(
                "too_often", "this node was asked too often in the last seconds; ask again later"
            )
        if call.method == "neighbours":
            return self._neighbourhood().encode()
        if call.method == "trace":
            return await self._passed_on(decode_question(call.body))
        raise RefusedError("unknown_method", f"the service {SERVICE!r} has no method {call.method!r}")

    def _neighbourhood(self) -> Neighbourhood:
        found = sorted(self._view.neighbours(), key=lambda each: (each.cost, each.peer))
        ties = [
            Tie(
                each.peer if each.open else each.peer[:PREFIX_BYTES],
                min(each.cost, COST_MAX),
                each.links[0].transport if each.links else "",
            )
            for each in found[:TIES_MAX]
        ]
        return Neighbourhood(tuple(ties), max(0, len(found) - TIES_MAX))

    async def _passed_on(self, question: Question) -> bytes:
        if self._tracing >= TRACES_AT_ONCE_MAX:
            self.counts["too_many_traces"] += 1
            raise RefusedError("too_often", "many traces go through this node just now; try again later")
        self._tracing += 1
        try:
            return encode_steps(await self._tracer.ask(question))
        finally:
            self._tracing -= 1

    def _shown(self, node: NodeId) -> bytes:
        if node == self._view.me:
            return node if self._open else node[:PREFIX_BYTES]
        is_open = any(each.open for each in self._view.neighbours() if each.peer == node)
        return node if is_open else node[:PREFIX_BYTES]


class _Pace:
    """A bucket of asks for each neighbour."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._buckets: dict[NodeId, tuple[float, int]] = {}  # asks left, as of when

    def may(self, peer: NodeId) -> bool:
        now_ns = self._now_ns()
        left, then_ns = self._buckets.pop(peer, (float(ASKS_BURST), now_ns))
        left = min(ASKS_BURST, left + (now_ns - then_ns) * ASKS_PER_S / SECOND_NS)
        allowed = left >= 1.0
        if len(self._buckets) >= ASKERS_MAX:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[peer] = (left - 1.0 if allowed else left, now_ns)
        return allowed
