"""What neighbours ask of us: prekeys, what we would carry, and to take it. Nothing is answered before it is on disk."""

from collections import Counter
from collections.abc import Callable

from meshnode.ports import IncomingCall
from meshnode.services.courier.desk import Desk
from meshnode.services.courier.frames import (
    BUNDLE,
    HAND,
    NOTES,
    OFFER,
    OK,
    Hand,
    Handed,
    decode_bundle_call,
    decode_hand,
    decode_notes,
    decode_offers,
    encode_bundle_call,
    encode_handed,
    encode_replies,
)
from meshnode.services.courier.keeper import Keeper
from meshnode.services.courier.limits import BAD_MAX
from meshnode.services.courier.tables import put_carried
from protocols.courier import (
    CLOCK_SKEW_S,
    Sealed,
    decode_sealed,
    is_too_far,
    open_note,
    open_sealed,
    sign_note,
    sign_receipt,
)
from protocols.errors import RefusedError, RemoteError, StoreError
from protocols.ids import NodeId, node_id_text


class Answers:
    def __init__(self, desk: Desk, keeper: Keeper, on_exchanged: Callable[[NodeId, int], None]) -> None:
        """`on_exchanged`: this peer and we have each other's prekeys, ours up to this sequence."""
        self._desk, self._keeper, self._on_exchanged = desk, keeper, on_exchanged
        self._bad: Counter[NodeId] = Counter()  # objects that didn't open, of each neighbour that is here

    async def handle(self, call: IncomingCall) -> bytes:
        """Raises RefusedError (the peer is told) or RemoteError (and counted)."""
        desk = self._desk
        await desk.ready.wait()
        if desk.standings.is_blocked(call.peer):
            desk.counts["from_blocked"] += 1
            raise _store_full()
        try:
            match call.method:
                case "bundle":
                    return await self._bundle(call.peer, call.body)
                case "offer":
                    return self._offer(call.peer, call.body)
                case "hand":
                    return encode_handed(await self._hand(call.peer, decode_hand(call.body)))
                case "notes":
                    return await self._notes(call.peer, call.body)
                case _:
                    pass
        except RemoteError as error:
            desk.counts[error.reason] += 1
            raise
        except StoreError:
            desk.counts["store_failures"] += 1
            raise _store_full() from None
        raise RefusedError("unknown_method", f"the courier service has {BUNDLE}, {OFFER}, {HAND} and {NOTES}")

    def gone(self, peer: NodeId) -> None:
        self._bad.pop(peer, None)

    async def _bundle(self, peer: NodeId, body: bytes) -> bytes:
        """Theirs is taken where it is newer; ours is given where they have none, or an older one."""
        call, keeper = decode_bundle_call(body), self._keeper
        if call.bundle:
            await keeper.take(peer, call.bundle)
        ours = keeper.call_for(peer, whole=True)
        if ours.have >= call.sequence:
            self._on_exchanged(peer, ours.sequence)
        return encode_bundle_call(ours if ours.sequence > call.have else keeper.call_for(peer, whole=False))

    def _offer(self, peer: NodeId, body: bytes) -> bytes:
        desk = self._desk
        contact, now_s = desk.standings.is_contact(peer), desk.now_s()
        offers = decode_offers(body)
        return encode_replies(
            [desk.carrier.consider(peer, offer, contact=contact, now_s=now_s) for offer in offers]
        )

    async def _hand(self, peer: NodeId, hand: Hand) -> Handed:
        desk = self._desk
        sealed = decode_sealed(hand.sealed)
        note = desk.carrier.note_of(sealed.id)
        if note is not None and note.receiver == sealed.receiver:
            desk.counts["replayed"] += 1
            return Handed("delivered", note.data)
        if sealed.receiver == desk.me:
            return Handed("delivered", await self._open(peer, sealed))
        return await self._carry(peer, hand, sealed)

    async def _carry(self, peer: NodeId, hand: Hand, sealed: Sealed) -> Handed:
        desk, now_s = self._desk, self._desk.now_s()
        custody = desk.carrier.take(
            peer,
            sealed,
            copies=hand.copies,
            mark_age_s=hand.mark_age_s,
            contact=desk.standings.is_contact(peer),
            now_s=now_s,
        )
        if custody is None:
            return Handed("have", b"")
        try:
            await desk.store.write(lambda connection: put_carried(connection, custody, sealed))
        except BaseException:
            desk.carrier.drop(sealed.id)
            raise
        desk.emit(
            "courier_took",
            {
                "from": node_id_text(peer),
                "to": node_id_text(sealed.receiver),
                "bytes": sealed.size,
                "id": sealed.id.hex(),
            },
        )
        desk.tell_all()
        return Handed("taken", sign_receipt(desk.identity, sealed.id, sealed.expires_s, peer, now_s))

    async def _open(self, peer: NodeId, sealed: Sealed) -> bytes:
        """It is for us. The note that says so is given only once its content is on disk."""
        desk, now_s = self._desk, self._desk.now_s()
        if self._bad[peer] >= BAD_MAX:
            raise RefusedError("too_many_bad", "too much of what you brought could not be opened")
        if desk.clock_is_set and (
            sealed.is_over(now_s, patience_s=CLOCK_SKEW_S) or is_too_far(sealed.expires_s, now_s)
        ):
            desk.counts["bad_expiry"] += 1
            raise RefusedError("bad_expiry", "its time is over, or too far away")
        try:
            opened = open_sealed(desk.identity, sealed, self._keeper.ring.openers(), desk.kem)
        except RemoteError:
            self._bad[peer] += 1
            raise
        outcome = await desk.mail.arrived(opened.sender, opened.content)
        if outcome == "later":
            raise RefusedError("later", "this node has no room for it at the moment")
        if outcome == "hopeless":
            raise RefusedError("unwanted", "this node can't use what is in it")
        note = sign_note(desk.identity, sealed.id, sealed.expires_s)
        desk.counts["opened"] += 1
        await desk.learn(note, None)
        return note.data

    async def _notes(self, peer: NodeId, body: bytes) -> bytes:
        desk = self._desk
        for data in decode_notes(body):
            await desk.learn(open_note(data, desk.identity.suite), peer)
        return OK


def _store_full() -> RefusedError:
    return RefusedError("store_full", "this node's disk keeps nothing at the moment")
