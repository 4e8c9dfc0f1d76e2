"""How often something may be done for each route, in a bounded table."""

from protocols.session.limits import SECOND_NS


class RouteRates:
    """A token bucket for each route, one second deep. A route that was forgotten starts afresh."""

    def __init__(self, *, per_s: int, routes_max: int) -> None:
        self._step_ns = SECOND_NS // per_s
        self._routes_max = routes_max
        self._full_ns: dict[
            int, int
        ] = {}  # route -> when its bucket is full again; least recently used first

    def allow(self, route: int, now_ns: int) -> bool:
        """Take a token; False where there is none."""
        full_ns = max(self._full_ns.pop(route, now_ns), now_ns)
        allowed = full_ns + self._step_ns <= now_ns + SECOND_NS
        self._full_ns[route] = full_ns + self._step_ns if allowed else full_ns
        if len(self._full_ns) > self._routes_max:
            del self._full_ns[next(iter(self._full_ns))]
        return allowed
