"""How much each of many may cost, in a bounded table."""

from protocols.ids import NodeId

MINUTE_NS = 60_000_000_000


class Rates:
    """A token bucket for each node: `burst` tokens deep, filled with `per_minute`. Who was forgotten starts afresh."""

    def __init__(self, *, per_minute: int, burst: int, nodes_max: int) -> None:
        self._step_ns = MINUTE_NS // per_minute
        self._depth_ns = self._step_ns * burst
        self._nodes_max = nodes_max
        self._full_ns: dict[NodeId, int] = {}  # when the bucket is full again; least recently used first

    def allow(self, node: NodeId, now_ns: int, tokens: int = 1) -> bool:
        """Take so many; False where there are fewer, and then none is taken."""
        full_ns = max(self._full_ns.pop(node, now_ns), now_ns)
        cost_ns = self._step_ns * tokens
        allowed = full_ns + cost_ns <= now_ns + self._depth_ns
        self._full_ns[node] = full_ns + cost_ns if allowed else full_ns
        if len(self._full_ns) > self._nodes_max:
            del self._full_ns[next(iter(self._full_ns))]
        return allowed
