"""Neighbours that announce each other: sans-IO.

A node that nobody far away can dial (it has only a radio) asks neighbours that can be dialled to be its gateways; its
record then names them as `relay://` addresses, and they publish it. Whom we announce is our ward.
"""

from dataclasses import dataclass

from meshnode.services.directory.limits import GATEWAYS_MAX, NS_PER_S, WARD_LIFE_S, WARDS_MAX
from protocols.directory.kademlia import Card, gateways_of
from protocols.errors import RefusedError
from protocols.ids import NodeId


@dataclass(frozen=True, slots=True)
class Ward:
    card: Card
    until_ns: int


class Wards:
    """Whom we announce."""

    def __init__(self, me: NodeId) -> None:
        self._me = me
        self._wards: dict[NodeId, Ward] = {}

    def __len__(self) -> int:
        return len(self._wards)

    def take(self, card: Card, *, now_ns: int) -> bool:
        """True: its record is another than before. Raises RefusedError when there is no room."""
        self._purge(now_ns)
        old = self._wards.get(card.node)
        if old is None and len(self._wards) >= WARDS_MAX:
            raise RefusedError(
                "too_many_wards", "this node announces as many neighbours as it can; ask another"
            )
        if old is not None and old.card.sequence > card.sequence:
            card = old.card
        self._wards[card.node] = Ward(card, now_ns + WARD_LIFE_S * NS_PER_S)
        return old is None or old.card.sequence != card.sequence

    def drop(self, node: NodeId) -> None:
        self._wards.pop(node, None)

    def to_publish(self, *, now_ns: int) -> list[Card]:
        """Those whose record names us."""
        self._purge(now_ns)
        cards = [ward.card for ward in self._wards.values()]
        return [card for card in cards if self._me in gateways_of(card.record.addresses)]

    def _purge(self, now_ns: int) -> None:
        for node in [node for node, ward in self._wards.items() if ward.until_ns <= now_ns]:
            del self._wards[node]


class Gateways:
    """Who announces us."""

    def __init__(self) -> None:
        self._until_ns: dict[NodeId, int] = {}

    def agreed(self, gateway: NodeId, *, life_s: int, now_ns: int) -> None:
        self._until_ns[gateway] = now_ns + life_s * NS_PER_S

    def gone(self, gateway: NodeId) -> None:
        self._until_ns.pop(gateway, None)

    def clear(self) -> list[NodeId]:
        """We are reached without them now. Gives who they were."""
        were, self._until_ns = list(self._until_ns), {}
        return were

    def current(self, *, now_ns: int) -> list[NodeId]:
        for gateway in [each for each, until_ns in self._until_ns.items() if until_ns <= now_ns]:
            del self._until_ns[gateway]
        return list(self._until_ns)

    def to_ask(self, able: list[NodeId], *, now_ns: int) -> list[NodeId]:
        """Of those who could be one: those whose time is half over, and new ones up to GATEWAYS_MAX."""
        current = self.current(now_ns=now_ns)
        half_ns = WARD_LIFE_S * NS_PER_S // 2
        renew = [each for each in current if each in able and self._until_ns[each] - now_ns <= half_ns]
        fresh = [each for each in able if each not in current]
        return renew + fresh[: max(0, GATEWAYS_MAX - len(current))]
