"""The neighbours as routing sees them: what their links cost, what they may be told, and how fast."""

from protocols.ids import NodeId
from protocols.routing.frames import KEY_BYTES, Request
from protocols.routing.limits import NEIGHBOURS_MAX, RoutingLimits, S

PASS_OVER = -1  # the cursor of who has heard everything


class Neighbour:
    __slots__ = (
        "asked_ns",
        "asks",
        "bit",
        "cost",
        "counter_in",
        "counter_out",
        "cursor",
        "due_ns",
        "filled_ns",
        "id",
        "index",
        "is_fresh",
        "key",
        "lower",
        "owes_own",
        "period_s",
        "rate",
        "retell",
        "retold_ns",
        "sole",
        "tokens",
        "transit",
        "width",
    )

    def __init__(self, peer: NodeId, me: NodeId, index: int, now_ns: int, limits: RoutingLimits) -> None:
        self.id, self.key, self.index, self.bit = peer, peer[:KEY_BYTES], index, 1 << index
        self.lower = peer < me  # breaks ties between equal costs
        self.cost = self.width = 0
        self.transit = True
        self.period_s = limits.period_max_ns // S  # until it says its own
        self.rate = 1  # bytes per second for what we say
        self.tokens, self.filled_ns = 0, now_ns
        self.sole = 0  # destinations that it alone offers
        self.cursor = 0  # how far it has heard the present telling: cost ‖ slot; PASS_OVER when done
        self.owes_own = True  # it must be told of ourselves
        self.is_fresh = True  # has not heard everything yet: landmarks come with their whole NodeId
        self.asks: list[Request] = []
        self.counter_in: int | None = None
        self.counter_out = 0
        self.retell = False  # ask it to say everything again
        self.asked_ns = self.retold_ns = now_ns - limits.retell_ns  # when we asked, and when we obeyed
        self.due_ns: int | None = now_ns

    def fill(self, now_ns: int, limits: RoutingLimits) -> None:
        """Tokens in bytes; what is over the burst is lost."""
        gained = (now_ns - self.filled_ns) * self.rate // S
        if gained > 0:
            most = max(self.rate * limits.burst_s, limits.burst_bytes_min)
            self.tokens = min(most, self.tokens + gained)
            self.filled_ns += gained * S // self.rate
            if self.tokens == most:
                self.filled_ns = now_ns

    def full_ns(self, need: int, now_ns: int) -> int:
        """When there will be so many tokens."""
        return max(now_ns + 1, self.filled_ns + max(0, need - self.tokens) * S // self.rate + 1)


class Neighbours:
    """Numbered from 0 to 249; a number is used again once its owner is gone and the table forgot it."""

    def __init__(self, me: NodeId, limits: RoutingLimits) -> None:
        self._me, self._limits = me, limits
        self.by_index: list[Neighbour | None] = []
        self.by_id: dict[NodeId, Neighbour] = {}

    def add(self, peer: NodeId, now_ns: int) -> Neighbour | None:
        """None where there are too many already."""
        index = next((i for i, other in enumerate(self.by_index) if other is None), len(self.by_index))
        if index == NEIGHBOURS_MAX:
            return None
        neighbour = Neighbour(peer, self._me, index, now_ns, self._limits)
        if index == len(self.by_index):
            self.by_index.append(neighbour)
        else:
            self.by_index[index] = neighbour
        self.by_id[peer] = neighbour
        return neighbour

    def remove(self, neighbour: Neighbour) -> None:
        self.by_index[neighbour.index] = None
        del self.by_id[neighbour.id]
