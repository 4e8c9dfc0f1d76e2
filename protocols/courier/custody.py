"""What is carried: an index in memory, the objects themselves on the caller's disk."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from protocols.courier.limits import HOLDERS_MAX, CarryLimits
from protocols.errors import RefusedError
from protocols.ids import NodeId


@dataclass(slots=True)
class Custody:
    """One object that this node carries."""

    id: bytes
    receiver: NodeId
    size: int
    expires_s: int
    taken_s: int
    copies: int
    mark_s: int | None  # see rule.py
    giver: NodeId | None  # None: it is our own
    holders: dict[NodeId, None] = field(
        default_factory=dict[NodeId, None]
    )  # neighbours that have it, as we know

    @property
    def is_own(self) -> bool:
        return self.giver is None

    @property
    def couriers(self) -> int:
        """Of an object of ours: how many have it, as we know."""
        return len(self.holders)

    def held_by(self, peer: NodeId) -> None:
        """The one known longest is forgotten beyond HOLDERS_MAX; it is merely offered again."""
        self.holders[peer] = None
        if len(self.holders) > HOLDERS_MAX:
            del self.holders[next(iter(self.holders))]


class Shelf:
    """Bounded by objects and bytes, for all and for each giver; own objects have a bound of their own."""

    def __init__(self, limits: CarryLimits) -> None:
        self._limits = limits
        self._carried: dict[bytes, Custody] = {}
        self._by_giver: dict[NodeId, int] = {}  # bytes
        self.bytes = self.objects = self.own = 0  # the first two for others

    def __len__(self) -> int:
        return len(self._carried)

    def __iter__(self) -> Iterator[Custody]:
        return iter(self._carried.values())

    def __contains__(self, sealed_id: bytes) -> bool:
        return sealed_id in self._carried

    def get(self, sealed_id: bytes) -> Custody | None:
        return self._carried.get(sealed_id)

    def refusal(self, giver: NodeId, size: int) -> str | None:
        """Why one more of this size isn't taken from this neighbour; None: it is."""
        limits = self._limits
        if self.objects >= limits.objects_max or self.bytes + size > limits.bytes_max:
            return "courier_full"
        if self._by_giver.get(giver, 0) + size > limits.giver_bytes_max:
            return "giver_full"
        return None

    def put(self, custody: Custody) -> None:
        """Raises RefusedError("own_full")."""
        assert custody.id not in self._carried, "looked up before"
        if custody.giver is None:
            if self.own >= self._limits.own_max:
                raise RefusedError("own_full", f"{self.own} sealed objects are under way already")
            self.own += 1
        else:
            self.objects += 1
            self.bytes += custody.size
            self._by_giver[custody.giver] = self._by_giver.get(custody.giver, 0) + custody.size
        self._carried[custody.id] = custody

    def furnish(self, kept: Iterable[Custody]) -> None:
        """What the disk holds; limits that were lowered meanwhile don't throw it away."""
        for custody in kept:
            if custody.giver is None:
                self.own += 1
            else:
                self.objects += 1
                self.bytes += custody.size
                self._by_giver[custody.giver] = self._by_giver.get(custody.giver, 0) + custody.size
            self._carried[custody.id] = custody

    def pop(self, sealed_id: bytes) -> Custody | None:
        custody = self._carried.pop(sealed_id, None)
        if custody is None:
            return None
        if custody.giver is None:
            self.own -= 1
        else:
            self.objects -= 1
            self.bytes -= custody.size
            left = self._by_giver.pop(custody.giver) - custody.size
            if left:
                self._by_giver[custody.giver] = left
        return custody
