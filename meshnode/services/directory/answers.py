"""What peers may ask: find, holders, store, gateway. A node that is open to contacts only answers nobody else."""

from dataclasses import dataclass

from meshnode.ports import IncomingCall
from meshnode.services.directory.desk import Desk
from meshnode.services.directory.gateways import Wards
from meshnode.services.directory.limits import (
    QUESTIONS_MAX,
    QUESTIONS_WINDOW_NS,
    TALLIES_MAX,
    WARD_LIFE_S,
)
from meshnode.services.directory.lines import Lines
from protocols.directory.kademlia import Card, Duty, is_far_reaching, place_of_key
from protocols.directory.kademlia.frames import (
    decode_gateway,
    decode_question,
    decode_store,
    encode_answer,
    encode_gateway_answer,
    encode_verdicts,
)
from protocols.directory.kademlia.lookup import Answer
from protocols.errors import RefusedError, RemoteError
from protocols.ids import NodeId


@dataclass(slots=True)
class Tally:
    since_ns: int
    count: int = 0


class Answers:
    """Each question is answered from memory. Raises RefusedError, which the peer is told, or RemoteError, counted."""

    def __init__(
        self,
        desk: Desk,
        lines: Lines,
        wards: Wards,
        *,
        open_to_strangers: bool,
        relays_for_strangers: bool,
    ) -> None:
        self._desk, self._lines, self._wards = desk, lines, wards
        self._open, self._relays_for_strangers = open_to_strangers, relays_for_strangers
        self._tallies: dict[NodeId, Tally] = {}

    async def handle(self, call: IncomingCall) -> bytes:
        desk, peer = self._desk, call.peer
        friend = desk.book.is_contact(peer)
        if desk.book.is_blocked(peer) or not (friend or self._open):
            raise RefusedError("refused", "this node does not answer")
        if not friend:
            self._tally(peer)
        self._lines.used(peer)
        if (card := desk.card_of(peer)) is not None:
            desk.met(card)
        try:
            return self._answer(call.method, call.body, peer, friend=friend)
        except RemoteError as error:
            desk.counts[error.reason] += 1
            raise

    def _answer(self, method: str, body: bytes, peer: NodeId, *, friend: bool) -> bytes:
        self._desk.counts[f"asked_{method}" if method in METHODS else "asked_other"] += 1
        match method:
            case "find":
                return self._find(decode_question(body), peer, friend=friend)
            case "holders":
                found = self._desk.directory.holders(
                    decode_question(body), asker=peer, wall_s=self._desk.wall_s()
                )
                return encode_answer(found)
            case "store":
                return self._store(body, peer)
            case "gateway":
                return self._gateway(body, peer, friend=friend)
            case _:
                raise RefusedError("unknown_method", "the directory of this node has no such method")

    def _find(self, key: bytes, peer: NodeId, *, friend: bool) -> bytes:
        desk, place = self._desk, place_of_key(key)
        desk.recall(place)
        found = desk.directory.find(place, friend=friend, asker=peer, wall_s=desk.wall_s())
        own = desk.own_card()
        if place == own.place and (own.listed or friend):
            found = Answer(found.near, own)
        return encode_answer(found)

    def _store(self, body: bytes, peer: NodeId) -> bytes:
        desk = self._desk
        store = decode_store(body, desk.open, desk.suite)
        records = [self._keep(card, peer, store.life_s) for card in store.cards]
        holdings = [
            "refused" if holding is None else desk.directory.keep_holdings([holding], wall_s=desk.wall_s())[0]
            for holding in store.holdings
        ]
        return encode_verdicts(records, holdings)

    def _keep(self, card: Card | None, peer: NodeId, life_s: int | None) -> str:
        """One that does not want to be listed is kept where it brings itself, and that to friends only."""
        desk = self._desk
        if card is None or not (card.listed or card.node == peer):
            desk.counts["records_refused"] += 1
            return "refused"
        if desk.book.heard_of(card.record, card.raw):
            desk.roads.want(card.node)
        [verdict] = desk.directory.keep_records([card], teacher=peer, life_s=life_s, wall_s=desk.wall_s())
        return verdict

    def _gateway(self, body: bytes, peer: NodeId, *, friend: bool) -> bytes:
        desk = self._desk
        raw, want = decode_gateway(body)
        if not want:
            self._wards.drop(peer)
            return encode_gateway_answer(0)
        card = desk.open(raw)
        if card.node != peer:
            raise RefusedError("not_yours", "a node may ask for itself only")
        if not is_far_reaching(desk.own_card().record.addresses):
            raise RefusedError("not_reachable", "this node can't be called from afar itself")
        if not (friend or self._relays_for_strangers):
            raise RefusedError("refused", "this node relays for contacts only")
        if self._wards.take(card, now_ns=desk.now_ns()):
            desk.directory.upkeep.soon(Duty.PUBLISH, now_ns=desk.now_ns())
            desk.bell.set()
        return encode_gateway_answer(WARD_LIFE_S)

    def _tally(self, peer: NodeId) -> None:
        now_ns = self._desk.now_ns()
        tally = self._tallies.get(peer)
        if tally is None or now_ns - tally.since_ns >= QUESTIONS_WINDOW_NS:
            self._tallies.pop(peer, None)
            if len(self._tallies) >= TALLIES_MAX:
                del self._tallies[next(iter(self._tallies))]
            tally = self._tallies[peer] = Tally(now_ns)
        tally.count += 1
        if tally.count > QUESTIONS_MAX:
            self._desk.counts["slowed_down"] += 1
            raise RefusedError("slow_down", "too many questions of late; ask again in a minute")


METHODS = frozenset({"find", "holders", "store", "gateway"})
