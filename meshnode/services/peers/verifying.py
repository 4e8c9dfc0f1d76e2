"""Verification of a peer by comparing a short string: the owner's side of it."""

from collections.abc import Callable

from meshnode.ports import Rpc
from meshnode.services.peers.desk import Desk
from meshnode.services.peers.frames import SERVICE, VerifyStep, decode_verify_answer, encode_verify
from meshnode.services.peers.limits import RPC_TIMEOUT_S
from meshnode.services.peers.verification import VerificationView
from protocols.envelope import TrafficClass
from protocols.errors import LinkError, RefusedError, RemoteError
from protocols.ids import NodeId, node_id_text, short_id


class Verifying:
    """`start` on one of the two nodes, compare what both show, `confirm` on each: each owner decides for itself."""

    def __init__(self, desk: Desk, rpc: Rpc, session_hash: Callable[[NodeId], bytes | None]) -> None:
        self._desk, self._rpc, self._session_hash = desk, rpc, session_hash

    async def start(self, peer: NodeId) -> VerificationView:
        """Both nodes show the digits once this returns. Where the peer was first, its attempt goes on instead.

        Raises RefusedError when one is under way, the peer is away, or it broke the rules; TimeoutError when its
        half didn't come.
        """
        if self._desk.book.is_blocked(peer):
            raise RefusedError("blocked", f"{short_id(peer)} is blocked or revoked; it can't be verified")
        verifications, now_ns = self._desk.verifications, self._desk.now_ns()
        commit = verifications.begin(peer, self._binding(peer), now_ns=now_ns)
        self._desk.bell.set()
        try:
            reveal = decode_verify_answer(await self._call(peer, VerifyStep.COMMIT, commit))
            last = verifications.answered(peer, reveal, self._binding(peer), now_ns=self._desk.now_ns())
            await self._call(peer, VerifyStep.REVEAL, last)
        except (LinkError, TimeoutError, RemoteError, RefusedError) as error:
            return self._failed(peer, error)
        view = self._view(peer)
        if view is None:
            raise RefusedError("verification_over", "the verification ended in between; start again")
        self._desk.emit("verification_ready", {"node_id": view.node_id, "name": view.name, "code": view.code})
        return view

    def pending(self) -> list[VerificationView]:
        """Those that wait for the peer, and those whose code waits to be compared."""
        return [view for peer in self._desk.verifications.peers() if (view := self._view(peer))]

    async def confirm(self, peer: NodeId, *, matches: bool) -> None:
        """The owner's word on the digits. On a match the peer is verified; otherwise nothing was proved.

        Raises RefusedError where there is nothing to confirm.
        """
        self._desk.verifications.settle(peer)
        if not matches:
            self._desk.emit("verification_failed", {"node_id": node_id_text(peer), "reason": "digits_differ"})
            return
        self._desk.book.verified(peer)
        await self._desk.save()
        self._desk.emit(
            "peer_verified", {"node_id": node_id_text(peer), "name": self._desk.book.name_of(peer)}
        )

    def _failed(self, peer: NodeId, error: Exception) -> VerificationView:
        """Both started at once and theirs goes on; or it is over."""
        view = self._view(peer)
        if view is not None and not view.started_here:
            return view
        self._desk.verifications.drop(peer)
        if isinstance(error, RefusedError | TimeoutError):
            raise error
        reason = error.reason if isinstance(error, RemoteError) else "unreachable"
        self._desk.counts[f"verify_{reason}"] += 1
        raise RefusedError(
            "verification_failed", f"{short_id(peer)} did not play its part ({reason}); start again"
        )

    def _view(self, peer: NodeId) -> VerificationView | None:
        return self._desk.verifications.view(peer, self._desk.book.name_of(peer))

    def _binding(self, peer: NodeId) -> bytes:
        binding = self._session_hash(peer)
        if binding is None:
            raise RefusedError(
                "not_connected", f"{short_id(peer)} is not connected; verify while both are online"
            )
        return binding

    async def _call(self, peer: NodeId, step: VerifyStep, message: bytes) -> bytes:
        return await self._rpc.call(
            peer,
            SERVICE,
            "verify",
            encode_verify(step, message),
            timeout_s=RPC_TIMEOUT_S,
            traffic=TrafficClass.INTERACTIVE,
        )
