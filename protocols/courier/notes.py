"""What is signed on the way: by the receiver that something arrived, by a courier that it took something.

A delivered-note is the receipt that makes the sender's message "delivered", and the word by which couriers stop
carrying. Only the receiver can make one, so nobody can talk couriers out of what they carry for others.
"""

from dataclasses import dataclass

from protocols.codec import Value
from protocols.courier.limits import NOTE_BYTES_MAX, RECEIPT_BYTES_MAX, SEALED_ID_BYTES
from protocols.directory.fields import is_bytes, is_number
from protocols.directory.signed import open_body, sign_body
from protocols.errors import RemoteError
from protocols.ids import NODE_ID_BYTES, NodeId
from protocols.keys import REAL, Identity, Suite

NOTE_LABEL = b"meshnode/delivered/1"
CUSTODY_LABEL = b"meshnode/custody/1"
VERSION = 1


@dataclass(frozen=True, slots=True)
class DeliveredNote:
    """`receiver` has opened the object and has it on disk."""

    receiver: NodeId  # who signed
    id: bytes  # of the sealed object
    expires_s: int  # of the object: until then the note is worth keeping
    data: bytes  # as it is handed on


@dataclass(frozen=True, slots=True)
class CustodyReceipt:
    """`courier` has the object on disk and carries it. Kept by who handed it over, for later credits."""

    courier: NodeId  # who signed
    id: bytes
    giver: NodeId
    expires_s: int
    at_s: int  # by the courier's clock
    data: bytes


def sign_note(identity: Identity, sealed_id: bytes, expires_s: int) -> DeliveredNote:
    data = sign_body(identity, NOTE_LABEL, VERSION, {"id": sealed_id, "exp": expires_s})
    return DeliveredNote(identity.node_id, sealed_id, expires_s, data)


def open_note(data: bytes, suite: Suite = REAL) -> DeliveredNote:
    """Raises RemoteError. Whether the signer is the receiver of that object is the caller's to judge."""
    node, body = open_body(data, NOTE_LABEL, VERSION, bytes_max=NOTE_BYTES_MAX, suite=suite)
    sealed_id, expires_s = _named(body)
    return DeliveredNote(node, sealed_id, expires_s, data)


def sign_receipt(identity: Identity, sealed_id: bytes, expires_s: int, giver: NodeId, at_s: int) -> bytes:
    body: dict[str, Value] = {"id": sealed_id, "exp": expires_s, "from": giver, "at": at_s}
    return sign_body(identity, CUSTODY_LABEL, VERSION, body)


def open_receipt(data: bytes, suite: Suite = REAL) -> CustodyReceipt:
    """Raises RemoteError. Whether it is about what was handed over is the caller's to judge."""
    node, body = open_body(data, CUSTODY_LABEL, VERSION, bytes_max=RECEIPT_BYTES_MAX, suite=suite)
    sealed_id, expires_s = _named(body)
    giver, at_s = body.get("from"), body.get("at")
    if not is_bytes(giver, NODE_ID_BYTES) or not is_number(at_s):
        raise RemoteError("bad_receipt", "from or at")
    return CustodyReceipt(node, sealed_id, NodeId(giver), expires_s, at_s, data)


def _named(body: dict[str, Value]) -> tuple[bytes, int]:
    sealed_id, expires_s = body.get("id"), body.get("exp")
    if not is_bytes(sealed_id, SEALED_ID_BYTES) or not is_number(expires_s):
        raise RemoteError("bad_encoding", "id or exp")
    return sealed_id, expires_s
