"""The background loop: writes what is owed to the disk, runs errands, lets verifications time out."""

import asyncio
from collections.abc import Callable
from typing import assert_never

from meshnode.ports import Presence, Rpc
from meshnode.services.peers.desk import NS_PER_S, Desk
from meshnode.services.peers.errands import Errand, Errands
from meshnode.services.peers.frames import SERVICE, encode_record, encode_redeem, encode_revocations
from meshnode.services.peers.limits import (
    REVOCATIONS_PER_CALL,
    REVOCATIONS_TOLD_MAX,
    RPC_TIMEOUT_S,
    SAVE_REST_NS,
)
from protocols.envelope import TrafficClass
from protocols.errors import LinkError, RefusedError, StoreError
from protocols.ids import NodeId, node_id_text


class Runner:
    def __init__(
        self,
        desk: Desk,
        rpc: Rpc,
        presence: Presence,
        own_record: Callable[[], bytes],
        on_blocked: Callable[[NodeId], None],
    ) -> None:
        self._desk, self._rpc, self._presence = desk, rpc, presence
        self._own_record, self._on_blocked = own_record, on_blocked
        self._errands = Errands()
        self._told: dict[NodeId, int] = {}  # connected peer -> how many of our revocations it has heard
        self._save_due_ns = 0

    # -- told by the service ----------------------------------------------------------------------------------

    def greet(self, peer: NodeId) -> None:
        """A peer is connected, or became a contact while it was: what should it hear?"""
        if self._desk.redemptions.get(peer) is not None:
            self._errands.add(peer, Errand.REDEEM, now_ns=self._desk.now_ns())
        if self._desk.book.is_contact(peer) and self._desk.book.revocations():
            self._errands.add(peer, Errand.REVOCATIONS, now_ns=self._desk.now_ns())
        self._desk.bell.set()

    def greet_connected(self) -> None:
        for peer in self._presence.connected():
            self.greet(peer)

    def greet_if_connected(self, peer: NodeId) -> None:
        if self._presence.is_connected(peer):
            self.greet(peer)

    def let_go(self, peer: NodeId) -> None:
        """It was blocked or revoked: nothing more is wanted of it."""
        self._desk.redemptions.drop(peer)
        self._desk.verifications.drop(peer)
        self._on_blocked(peer)
        self._desk.bell.set()

    def revoked(self, peers: list[NodeId]) -> None:
        """Newly learnt: let go of them, and pass it on."""
        for peer in peers:
            self.let_go(peer)
        if peers:
            self.greet_connected()

    def peer_gone(self, peer: NodeId) -> None:
        self._errands.peer_gone(peer)
        self._told.pop(peer, None)
        self._desk.bell.set()

    def record_changed(self) -> None:
        for peer in self._presence.connected():
            if self._desk.book.is_contact(peer):
                self._errands.add(peer, Errand.RECORD, now_ns=self._desk.now_ns())
        self._desk.bell.set()

    # -- running ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled; what was still owed to the disk is written then."""
        bell = self._desk.bell
        try:
            async with asyncio.TaskGroup() as crew:
                while True:
                    bell.clear()
                    await self._save()
                    for peer in self._desk.verifications.handle_timeout(now_ns=self._desk.now_ns()):
                        self._desk.emit("verification_expired", {"node_id": node_id_text(peer)})
                    for peer, errand in self._errands.take(now_ns=self._desk.now_ns()):
                        crew.create_task(self._go(peer, errand))
                    try:
                        async with asyncio.timeout(self._delay_s()):
                            await bell.wait()
                    except TimeoutError:
                        pass  # something is due
        finally:
            self._save_due_ns = 0
            await self._save()

    def _delay_s(self) -> float | None:
        due = [
            self._errands.next_timeout(),
            self._desk.verifications.next_timeout(),
            self._save_due_ns or None,
        ]
        due_ns = min((one for one in due if one is not None), default=None)
        return None if due_ns is None else max(0, due_ns - self._desk.now_ns()) / NS_PER_S

    async def _save(self) -> None:
        if self._save_due_ns > self._desk.now_ns():
            return
        try:
            await self._desk.save()
            self._save_due_ns = 0
        except StoreError as error:
            self._desk.counts["store_failures"] += 1
            self._desk.emit("store_failed", {"store": SERVICE, "reason": str(error)})
            self._save_due_ns = self._desk.now_ns() + SAVE_REST_NS

    async def _go(self, peer: NodeId, errand: Errand) -> None:
        try:
            match errand:
                case Errand.REDEEM:
                    await self._redeem(peer)
                case Errand.REVOCATIONS:
                    await self._tell_revocations(peer)
                case Errand.RECORD:
                    # Small, and of use at once: also where a low battery holds back what can wait.
                    own = encode_record(self._own_record())
                    await self._call(peer, "record", own, TrafficClass.INTERACTIVE)
                case _:
                    assert_never(errand)
        except (LinkError, TimeoutError, RefusedError, StoreError):
            self._desk.counts[f"{errand.value}_failures"] += 1
            self._errands.failed(peer, errand, now_ns=self._desk.now_ns())
        else:
            self._errands.done(peer, errand, now_ns=self._desk.now_ns())
        self._desk.bell.set()

    async def _redeem(self, issuer: NodeId) -> None:
        pending = self._desk.redemptions.get(issuer)
        if pending is None:
            return
        refusal: RefusedError | None = None
        try:
            await self._call(issuer, "redeem", encode_redeem(pending.secret), TrafficClass.INTERACTIVE)
        except RefusedError as error:
            if not self._desk.redemptions.is_final(issuer, error.code, now_s=self._desk.now_s()):
                raise
            refusal = error
        if self._desk.redemptions.get(issuer) is not pending:
            return  # the owner took it back, or gave a newer one, which is asked for again
        self._desk.redemptions.drop(issuer)
        await self._desk.save()
        if refusal is None:
            self._desk.emit("invite_accepted", {"node_id": node_id_text(issuer)})
        else:
            fields = {"node_id": node_id_text(issuer), "code": refusal.code, "reason": str(refusal)}
            self._desk.emit("invite_refused", fields)

    async def _tell_revocations(self, peer: NodeId) -> None:
        signed = self._desk.book.revocations()
        start = max(self._told.get(peer, 0), len(signed) - REVOCATIONS_TOLD_MAX)
        for at in range(start, len(signed), REVOCATIONS_PER_CALL):
            await self._call(peer, "revocation", encode_revocations(signed[at : at + REVOCATIONS_PER_CALL]))
            self._told[peer] = min(at + REVOCATIONS_PER_CALL, len(signed))

    async def _call(
        self, peer: NodeId, method: str, body: bytes, traffic: TrafficClass = TrafficClass.BACKGROUND
    ) -> None:
        await self._rpc.call(peer, SERVICE, method, body, timeout_s=RPC_TIMEOUT_S, traffic=traffic)
