"""What peers may ask of us: redeem, record, revocation, verify. Nothing is answered before it is on disk."""

from collections.abc import Callable

from meshnode.ports import IncomingCall
from meshnode.services.peers.desk import Desk
from meshnode.services.peers.frames import (
    OK,
    VerifyStep,
    decode_record,
    decode_redeem,
    decode_revocations,
    decode_verify,
    encode_verify_answer,
)
from meshnode.services.peers.runner import Runner
from protocols.directory import open_record, open_revocation
from protocols.errors import RefusedError, RemoteError
from protocols.ids import NodeId, node_id_text, to_base32


class Answers:
    """Each method returns the answer, or raises RefusedError (the peer is told) or RemoteError (and counted)."""

    def __init__(
        self,
        desk: Desk,
        runner: Runner,
        session_hash: Callable[[NodeId], bytes | None],
    ) -> None:
        self._desk, self._runner, self._session_hash = desk, runner, session_hash

    async def handle(self, call: IncomingCall) -> bytes:
        if self._desk.book.is_blocked(call.peer):
            raise RefusedError("refused", "this node does not answer")
        try:
            return await self._answer(call)
        except RemoteError as error:
            self._desk.counts[error.reason] += 1
            raise
        except RefusedError as error:
            self._desk.counts[error.code] += 1
            raise

    async def _answer(self, call: IncomingCall) -> bytes:
        match call.method:
            case "redeem":
                return await self._redeem(call.peer, call.body)
            case "record":
                return self._record(call.peer, call.body)
            case "revocation":
                return await self._revocation(call.peer, call.body)
            case "verify":
                return self._verify(call.peer, call.body)
            case _:
                raise RefusedError("unknown_method", "the peers service of this node has no such method")

    async def _redeem(self, guest: NodeId, body: bytes) -> bytes:
        desk, secret = self._desk, decode_redeem(body)
        issued, fresh = desk.invites.check(guest, secret, now_s=desk.now_s(), now_ns=desk.now_ns())
        if fresh:
            desk.tell(desk.book.pin_guest(guest))
            desk.invites.keep(issued)
            desk.emit(
                "invite_redeemed",
                {
                    "node_id": node_id_text(guest),
                    "name": desk.book.name_of(guest),
                    "invite": to_base32(issued.id),
                    "uses_left": issued.uses_left,
                },
            )
        await desk.save()  # also for a guest that asks again: the first time the disk may have failed
        return OK

    def _record(self, peer: NodeId, body: bytes) -> bytes:
        """Not awaited onto the disk: the next handshake brings the record again."""
        raw = decode_record(body)
        record = open_record(raw, self._desk.suite)
        if record.node != peer:
            raise RefusedError("not_yours", "a node may only bring its own record")
        self._desk.tell(self._desk.book.learn(record, raw, now_s=self._desk.now_s()))
        self._desk.bell.set()
        return OK

    async def _revocation(self, peer: NodeId, body: bytes) -> bytes:
        """From contacts only, so that strangers can't keep us busy with signatures."""
        if not self._desk.book.is_contact(peer):
            raise RefusedError("not_a_contact", "this node takes revocations from its contacts only")
        found = [(open_revocation(raw, self._desk.suite), raw) for raw in decode_revocations(body)]
        revoked: list[NodeId] = []
        for revocation, raw in found:
            try:
                events = self._desk.book.revoke(revocation, raw, by_owner=False)
            except RefusedError:
                self._desk.counts["revocations_dropped"] += (
                    1  # full; asking the teller to repeat it would not help
                )
                continue
            self._desk.tell(events)
            revoked += [revocation.node] if events else []
        await self._desk.save()
        self._runner.revoked(revoked)
        return OK

    def _verify(self, peer: NodeId, body: bytes) -> bytes:
        message = decode_verify(body)
        binding = self._session_hash(peer)
        if binding is None:
            raise RefusedError("not_connected", "the session has just gone; start again")
        verifications, now_ns = self._desk.verifications, self._desk.now_ns()
        answer, name = b"", self._desk.book.name_of(peer)
        if message.step is VerifyStep.COMMIT:
            contact = self._desk.book.is_contact(peer)
            answer = verifications.asked(peer, message.message, binding, contact=contact, now_ns=now_ns)
            self._desk.emit("verification_asked", {"node_id": node_id_text(peer), "name": name})
        else:
            code = verifications.revealed(peer, message.message, binding, now_ns=now_ns)
            self._desk.emit("verification_ready", {"node_id": node_id_text(peer), "name": name, "code": code})
        self._desk.bell.set()
        return encode_verify_answer(answer)
