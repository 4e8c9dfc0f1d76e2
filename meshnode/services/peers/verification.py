"""Verifications under way, one per peer: sans-IO around `protocols.pairing`.

    starter:    begin -> COMMIT out ; answered -> REVEAL out, digits ; settle
    the other:  asked -> nonce out  ; revealed -> digits             ; settle

Where both start at once, the one with the lower NodeId carries on and the other gives way. Each is bound to the
handshake hash of one session: should the session change in between, it is over.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from meshnode.services.peers.attempts import Attempts
from meshnode.services.peers.limits import (
    COMMITMENTS_ALL_MAX,
    COMMITMENTS_EACH_MAX,
    VERIFICATIONS_ASKED_MAX,
    VERIFICATIONS_MAX,
)
from protocols.errors import RefusedError, RemoteError
from protocols.ids import UNKNOWN_NODE, NodeId, node_id_text, short_id
from protocols.pairing import Pairing


@dataclass(frozen=True, slots=True)
class VerificationView:
    node_id: str
    name: str
    state: Literal["waiting", "compare"]
    code: str  # to read out and compare; "" until both nodes have revealed their part
    started_here: bool


@dataclass(slots=True)
class _Entry:
    pairing: Pairing
    binding: bytes
    started_here: bool


class Verifications:
    def __init__(self, me: NodeId, entropy: Callable[[int], bytes]) -> None:
        self._me, self._entropy = me, entropy
        self._entries: dict[NodeId, _Entry] = {}
        self._commitments = Attempts(each_max=COMMITMENTS_EACH_MAX, all_max=COMMITMENTS_ALL_MAX)

    # -- the starter ------------------------------------------------------------------------------------------

    def begin(self, peer: NodeId, binding: bytes, *, now_ns: int) -> bytes:
        """The commitment to send. Raises RefusedError."""
        if peer in self._entries:
            raise RefusedError(
                "verification_busy",
                f"a verification of {short_id(peer)} is under way; confirm or deny it first",
            )
        if len(self._entries) >= VERIFICATIONS_MAX:
            raise RefusedError(
                "verification_busy", f"{VERIFICATIONS_MAX} verifications are under way; end one first"
            )
        return self._enter(peer, binding, started_here=True, now_ns=now_ns).pairing.start()

    def answered(self, peer: NodeId, message: bytes, binding: bytes, *, now_ns: int) -> bytes:
        """The other's nonce came; the reveal to send. Raises RefusedError, RemoteError."""
        return self._step(peer, message, binding, started_here=True, now_ns=now_ns)

    # -- the other --------------------------------------------------------------------------------------------

    def asked(self, peer: NodeId, message: bytes, binding: bytes, *, contact: bool, now_ns: int) -> bytes:
        """A peer's commitment came; our nonce to answer. Raises RefusedError, RemoteError.

        Each answer lets the peer see a code before anybody else does, so they are tallied.
        """
        payer = (
            peer if contact else UNKNOWN_NODE
        )  # strangers share one tally: another NodeId gives no more guesses
        self._commitments.check(payer, now_ns=now_ns)
        entry = self._entries.get(peer)
        if entry is not None and not self._gives_way(peer, entry):
            raise RefusedError("verification_busy", "a verification with this node is under way already")
        asked = sum(not one.started_here for one in self._entries.values() if one is not entry)
        if asked >= VERIFICATIONS_ASKED_MAX or (entry is None and len(self._entries) >= VERIFICATIONS_MAX):
            raise RefusedError(
                "verification_busy", "this node has too many verifications under way; try later"
            )
        self._commitments.count(payer, now_ns=now_ns)
        self._enter(peer, binding, started_here=False, now_ns=now_ns)
        return self._step(peer, message, binding, started_here=False, now_ns=now_ns)

    def revealed(self, peer: NodeId, message: bytes, binding: bytes, *, now_ns: int) -> str:
        """The peer opened its commitment; the digits to show. Raises RefusedError, RemoteError."""
        self._step(peer, message, binding, started_here=False, now_ns=now_ns)
        return self._entries[peer].pairing.digits or ""

    # -- both -------------------------------------------------------------------------------------------------

    def settle(self, peer: NodeId) -> None:
        """The owner compared the digits: it is over. Raises RefusedError where there are none to compare."""
        entry = self._entries.get(peer)
        if entry is None or not entry.pairing.digits:
            raise RefusedError(
                "nothing_to_confirm", f"no digits of {short_id(peer)} wait to be compared; start again"
            )
        del self._entries[peer]

    def drop(self, peer: NodeId) -> None:
        self._entries.pop(peer, None)

    def peers(self) -> list[NodeId]:
        return list(self._entries)

    def view(self, peer: NodeId, name: str) -> VerificationView | None:
        entry = self._entries.get(peer)
        if entry is None:
            return None
        code = entry.pairing.digits or ""
        return VerificationView(
            node_id_text(peer), name, "compare" if code else "waiting", code, started_here=entry.started_here
        )

    def next_timeout(self) -> int | None:
        dues = [entry.pairing.next_timeout() for entry in self._entries.values()]
        return min((due_ns for due_ns in dues if due_ns is not None), default=None)

    def handle_timeout(self, *, now_ns: int) -> list[NodeId]:
        """Those that took too long, which are over."""
        late: list[NodeId] = []
        for peer, entry in self._entries.items():
            due_ns = entry.pairing.next_timeout()
            if due_ns is not None and due_ns <= now_ns:
                late.append(peer)
        for peer in late:
            del self._entries[peer]
        return late

    # -- inside -----------------------------------------------------------------------------------------------

    def _gives_way(self, peer: NodeId, entry: _Entry) -> bool:
        """To a new commitment of the same peer: its own unfinished one, or ours where both started at once.

        Never one whose code is shown already: it must not change under the eyes of who compares it.
        """
        if entry.pairing.digits:
            return False
        return peer < self._me if entry.started_here else True

    def _enter(self, peer: NodeId, binding: bytes, *, started_here: bool, now_ns: int) -> _Entry:
        pairing = Pairing(
            me=self._me,
            peer=peer,
            handshake_hash=binding,
            initiator=started_here,
            entropy=self._entropy,
            now_ns=now_ns,
        )
        entry = self._entries[peer] = _Entry(pairing, binding, started_here)
        return entry

    def _step(
        self, peer: NodeId, message: bytes, binding: bytes, *, started_here: bool, now_ns: int
    ) -> bytes:
        """One message into the machine. Whatever is wrong ends this verification."""
        entry = self._entries.get(peer)
        if entry is None or entry.started_here is not started_here:
            raise RefusedError("verification_over", "this verification is over; start again")
        if not hmac.compare_digest(entry.binding, binding):
            self.drop(peer)
            raise RefusedError("verification_over", "the session changed in between; start again")
        try:
            return entry.pairing.receive(message, now_ns=now_ns)
        except RemoteError:
            self.drop(peer)
            raise
