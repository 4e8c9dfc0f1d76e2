"""A round with one neighbour: prekeys are exchanged, notes told, arrivals handed over, the rest offered."""

from collections.abc import Sequence
from dataclasses import dataclass

from meshnode.ports import Rpc
from meshnode.services.courier.desk import Desk
from meshnode.services.courier.frames import (
    BUNDLE,
    HAND,
    NOTES,
    OFFER,
    SERVICE,
    Hand,
    decode_bundle_call,
    decode_handed,
    decode_replies,
    encode_bundle_call,
    encode_hand,
    encode_notes,
    encode_offers,
)
from meshnode.services.courier.keeper import Keeper
from meshnode.services.courier.limits import REST_NS, RPC_TIMEOUT_S
from meshnode.services.courier.tables import drop_carried, put_handed, read_carried
from protocols.courier import Custody, DeliveredNote, Giving, Offer, Reply, open_note, open_receipt
from protocols.envelope import TrafficClass
from protocols.errors import LinkError, RefusedError, RemoteError, StoreError
from protocols.ids import NodeId


@dataclass(slots=True)
class _Visit:
    """What we know of a neighbour while it stays."""

    told_sequence: int = -1  # of our bundle, that it was called about
    deaf: bool = False  # it has no courier service
    due_ns: int = 0


class Rounds:
    def __init__(self, desk: Desk, keeper: Keeper, rpc: Rpc) -> None:
        self._desk, self._keeper, self._rpc = desk, keeper, rpc
        self._visits: dict[NodeId, _Visit] = {}

    def up(self, peer: NodeId) -> None:
        self._visits[peer] = _Visit()

    def down(self, peer: NodeId) -> None:
        self._visits.pop(peer, None)

    def exchanged(self, peer: NodeId, sequence: int) -> None:
        """It called: there is no need to call it about the same."""
        visit = self._visits.get(peer)
        if visit is not None:
            visit.told_sequence = max(visit.told_sequence, sequence)

    def may_begin(self, peer: NodeId) -> bool:
        visit = self._visits.get(peer)
        return visit is not None and not visit.deaf and visit.due_ns <= self._desk.now_ns()

    def next_due(self, peer: NodeId) -> int | None:
        visit = self._visits.get(peer)
        return None if visit is None or visit.deaf else visit.due_ns

    async def go(self, peer: NodeId) -> None:
        """Until there is nothing more for it. Its failures end the round, and it rests."""
        desk, visit = self._desk, self._visits.get(peer)
        try:
            await self._exchange_bundles(peer)
            while await self._tell_notes(peer) or await self._bring(peer) or await self._offer(peer):
                pass
        except RefusedError as error:
            desk.counts["peer_refused"] += 1
            if visit is not None:
                visit.deaf = visit.deaf or error.code in {"unknown_service", "unknown_method"}
                visit.due_ns = desk.now_ns() + REST_NS
        except (LinkError, TimeoutError, RemoteError, StoreError) as error:
            desk.counts[_word(error)] += 1
            desk.news[peer] = None
            if visit is not None:
                visit.due_ns = desk.now_ns() + REST_NS

    # -- prekeys ----------------------------------------------------------------------------------------------

    async def _exchange_bundles(self, peer: NodeId) -> None:
        """Whoever has the other for a contact asks; who is asked gives what the other lacks."""
        desk, keeper, visit = self._desk, self._keeper, self._visits.get(peer)
        ours = keeper.call_for(peer, whole=False)
        if visit is None or visit.told_sequence >= ours.sequence or not desk.standings.is_contact(peer):
            return
        theirs = decode_bundle_call(
            await self._call(peer, BUNDLE, encode_bundle_call(ours), TrafficClass.INTERACTIVE)
        )
        if theirs.bundle:
            await keeper.take(peer, theirs.bundle)
        if theirs.have < ours.sequence:
            whole = encode_bundle_call(keeper.call_for(peer, whole=True))
            await self._call(peer, BUNDLE, whole, TrafficClass.INTERACTIVE)
        visit.told_sequence = ours.sequence

    # -- notes ------------------------------------------------------------------------------------------------

    async def _tell_notes(self, peer: NodeId) -> bool:
        notes = self._desk.carrier.untold(peer)
        if notes:
            await self._call(peer, NOTES, encode_notes([note.data for note in notes]))
        return bool(notes)

    # -- objects ----------------------------------------------------------------------------------------------

    async def _bring(self, peer: NodeId) -> bool:
        """What is for this neighbour itself."""
        desk = self._desk
        arrivals = desk.carrier.arrivals(peer, now_s=desk.now_s(), now_ns=desk.now_ns())
        for custody in arrivals:
            try:
                await self._hand(peer, custody, None)
            except RefusedError as error:
                desk.counts["peer_refused"] += 1
                if error.code == "unwanted":  # it can't be used, and only its receiver can say so
                    desk.carrier.drop(custody.id)
                    await desk.store.write(
                        lambda connection, custody=custody: drop_carried(connection, [custody.id])
                    )
            desk.carrier.offered(peer, custody.id, now_ns=desk.now_ns())
        return bool(arrivals)

    async def _offer(self, peer: NodeId) -> bool:
        desk = self._desk
        items = desk.carrier.offers(peer, now_s=desk.now_s(), now_ns=desk.now_ns())
        if not items:
            return False
        offers = [Offer(each.id, each.receiver, each.size, each.expires_s) for each in items]
        replies = decode_replies(await self._call(peer, OFFER, encode_offers(offers)), asked=len(offers))
        for custody, reply in zip(items, replies, strict=True):
            await self._answered(peer, custody, reply)
            desk.carrier.offered(peer, custody.id, now_ns=desk.now_ns())
        return True

    async def _answered(self, peer: NodeId, custody: Custody, reply: Reply) -> None:
        desk = self._desk
        if reply.word == "delivered":
            await desk.learn(self._note_about(custody, reply.note), peer)
            return
        giving = desk.carrier.answered(peer, custody.id, reply, now_s=desk.now_s())
        if giving is None:
            return
        try:
            taken = await self._hand(peer, custody, giving)
        except RefusedError:
            desk.counts["peer_refused"] += 1
            taken = False
        except BaseException:
            desk.carrier.not_taken(custody.id, giving)
            raise
        if not taken:
            desk.carrier.not_taken(custody.id, giving)

    async def _hand(self, peer: NodeId, custody: Custody, giving: Giving | None) -> bool:
        """Whether it carries the object from now on, on its word and with its signature. None: it is for the peer."""
        desk = self._desk
        sealed = await desk.store.read(lambda connection: read_carried(connection, custody.id))
        if sealed is None:  # it was delivered meanwhile
            return False
        copies, age_s = 1, None
        if giving is not None:
            copies = giving.copies
            age_s = None if giving.mark_s is None else max(0, desk.now_s() - giving.mark_s)
        traffic = TrafficClass.INTERACTIVE if giving is None else TrafficClass.BACKGROUND
        handed = decode_handed(
            await self._call(peer, HAND, encode_hand(Hand(copies, age_s, sealed)), traffic)
        )
        if handed.outcome == "delivered":
            await desk.learn(self._note_about(custody, handed.proof), peer)
            return False
        if handed.outcome == "have" or giving is None:
            return False
        receipt = open_receipt(handed.proof, desk.identity.suite)
        if (receipt.courier, receipt.id, receipt.giver) != (peer, custody.id, desk.me):
            raise RemoteError("bad_receipt", "of somebody else, or about something else")
        await desk.store.write(lambda connection: put_handed(connection, custody, peer, receipt.data))
        desk.carrier.taken(peer, custody.id)
        desk.tell_carried(custody.id, custody.receiver, peer, custody.couriers)
        return True

    def _note_about(self, custody: Custody, data: bytes) -> DeliveredNote:
        note = open_note(data, self._desk.identity.suite)
        if (note.id, note.receiver) != (custody.id, custody.receiver):
            raise RemoteError("bad_note", "about something else, or not the receiver's")
        return note

    async def _call(
        self, peer: NodeId, method: str, body: bytes, traffic: TrafficClass = TrafficClass.BACKGROUND
    ) -> bytes:
        return await self._rpc.call(peer, SERVICE, method, body, timeout_s=RPC_TIMEOUT_S, traffic=traffic)


def _word(error: Exception) -> str:
    match error:
        case TimeoutError():
            return "peer_timeouts"
        case RemoteError():
            return "peer_broke_rules"
        case StoreError():
            return "store_failures"
        case _:
            return "peer_unreachable"


def contacts_first(desk: Desk) -> Sequence[NodeId]:
    """Peers that there is news for, in the order in which they are asked."""
    company = [peer for peer in desk.company() if peer in desk.news]
    desk.news = dict.fromkeys(company)
    return company
