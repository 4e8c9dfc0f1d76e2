"""Who is at the other end of a Noise handshake (docs/wire.md, section 3).

Noise proves that the peer holds an X25519 key. The claim inside proves whose key that is: a node record signed by
the NodeId names the key, and a signature by the NodeId covers this very handshake.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from protocols.directory import NodeRecord, open_record
from protocols.errors import RemoteError
from protocols.ids import NodeId
from protocols.keys import Identity, Suite, verify
from protocols.session.frames import Claim, decode_claim
from protocols.session.limits import SessionLimits

PROOF_LABEL = b"meshnode/proof/1"
INITIATOR, RESPONDER = b"\x00", b"\x01"
HYBRID_FEATURE = "mlkem768"  # in a node record's features


@dataclass(frozen=True, slots=True)
class Proved:
    """A peer's claim after every signature in it was checked."""

    record: NodeRecord
    record_bytes: bytes
    boot: bytes
    binding: bytes
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """What the peer must be, beyond honest."""

    peer: NodeId | None  # None: anybody
    hybrid: bool  # whether the pattern is
    link: bytes  # our view of the link on which the handshake runs; empty over a longer path


class Passport:
    """Our own claims, and what we accept of others."""

    def __init__(
        self,
        identity: Identity,
        *,
        own_record: Callable[[], bytes],
        boot: bytes,
        features: tuple[str, ...],
        is_blocked: Callable[[NodeId], bool],
        remember_hybrid: Callable[[NodeId], bool],
        limits: SessionLimits,
    ) -> None:
        self.node = identity.node_id
        self._identity, self._suite = identity, identity.suite
        self._own_record = own_record
        self._boot = boot
        self._features = features
        self._is_blocked = is_blocked
        self._remember_hybrid = remember_hybrid
        self._records_known_max = limits.records_known_max
        self._records: dict[bytes, NodeRecord] = {}  # verified before, least recently used first

    def claim(
        self, role: bytes, *, initiator: NodeId, responder: NodeId, transcript: bytes, binding: bytes
    ) -> bytes:
        """`initiator` is UNKNOWN_NODE for a responder who has not been told. `transcript`: initiator's index ‖
        responder's index ‖ handshake hash before this payload. Noise itself does not see the indexes, and a
        session at the wrong index would be deaf.
        """
        signature = self._identity.sign(PROOF_LABEL, role + initiator + responder + transcript)
        return Claim(self._own_record(), signature, self._boot, binding, self._features).encode()

    def check_responder(
        self, payload: bytes, *, initiator: NodeId, transcript: bytes, remote_static: bytes | None
    ) -> Proved:
        """What step 2 proves. Raises RemoteError."""
        claim, record = self._open(payload, remote_static)
        _verify(claim, record.node, RESPONDER + initiator + record.node + transcript, self._suite)
        return Proved(record, claim.record, claim.boot, claim.binding, claim.features)

    def check_initiator(self, payload: bytes, *, transcript: bytes, remote_static: bytes | None) -> Proved:
        """What step 3 proves. Raises RemoteError."""
        claim, record = self._open(payload, remote_static)
        _verify(claim, record.node, INITIATOR + record.node + self.node + transcript, self._suite)
        return Proved(record, claim.record, claim.boot, claim.binding, claim.features)

    def accept(self, proved: Proved, expected: Expected) -> bool:
        """True where the link is bound as well. Raises RemoteError for a peer with whom there is no session."""
        peer = proved.record.node
        if peer == self.node:
            raise RemoteError("own_node", "dialled ourselves, or our words came back")
        if expected.peer not in (None, peer):
            raise RemoteError("wrong_peer")
        if self._is_blocked(peer):
            raise RemoteError("blocked")
        if proved.binding and not hmac.compare_digest(proved.binding, expected.link):
            raise RemoteError("wrong_binding")
        if not expected.hybrid and (self._both_offer_hybrid(proved.record) or self._remember_hybrid(peer)):
            raise RemoteError("downgraded")
        return bool(proved.binding)

    def _both_offer_hybrid(self, record: NodeRecord) -> bool:
        return (
            HYBRID_FEATURE in record.features and HYBRID_FEATURE in self._record(self._own_record()).features
        )

    def _open(self, payload: bytes, remote_static: bytes | None) -> tuple[Claim, NodeRecord]:
        claim = decode_claim(payload)
        record = self._record(claim.record)
        if remote_static is None or not hmac.compare_digest(record.x25519, remote_static):
            raise RemoteError("wrong_key", "the record names another X25519 key")
        return claim, record

    def _record(self, data: bytes) -> NodeRecord:
        """Verify a record unless these very bytes were verified before. Raises RemoteError."""
        record = self._records.pop(data, None) or open_record(data, self._suite)
        self._records[data] = record
        if len(self._records) > self._records_known_max:
            del self._records[next(iter(self._records))]
        return record


def _verify(claim: Claim, node: NodeId, data: bytes, suite: Suite) -> None:
    if not verify(node, PROOF_LABEL, data, claim.signature, suite):
        raise RemoteError("bad_proof")
