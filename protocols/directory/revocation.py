"""A NodeId's last word: never trust it again. Signed by the identity, so by whoever holds the recovery phrase."""

from dataclasses import dataclass

from protocols.directory.fields import is_number
from protocols.directory.signed import open_body, sign_body
from protocols.errors import LocalError, RemoteError
from protocols.ids import NodeId
from protocols.keys import REAL, Identity, Suite

LABEL = b"meshnode/revocation/1"
VERSION = 1
REVOCATION_BYTES_MAX = 256


@dataclass(frozen=True, slots=True)
class Revocation:
    node: NodeId
    at: int  # seconds since 1970, by the signer's clock; for display


def sign_revocation(identity: Identity, at_s: int) -> bytes:
    """Raises LocalError for a time that no reader would take."""
    if not is_number(at_s):
        raise LocalError(f"{at_s} is no time of a revocation")
    return sign_body(identity, LABEL, VERSION, {"at": at_s})


def open_revocation(data: bytes, suite: Suite = REAL) -> Revocation:
    """Raises RemoteError."""
    node, body = open_body(data, LABEL, VERSION, bytes_max=REVOCATION_BYTES_MAX, suite=suite)
    at = body.get("at")
    if not is_number(at):
        raise RemoteError("bad_revocation", "at")
    return Revocation(node, at)
