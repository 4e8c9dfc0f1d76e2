"""Bodies of the rpc service "peers": canonical maps with "v": 1 (docs/identity.md, "On the wire").

Unknown keys are ignored. Another version is refused by RefusedError("unsupported_version"), which a caller that
speaks several takes as the hint to try an older one.
"""

from dataclasses import dataclass, field
from enum import IntEnum

from meshnode.services.peers.limits import BODY_BYTES_MAX, REVOCATIONS_PER_CALL
from protocols.codec import Value, decode_map, encode
from protocols.errors import RefusedError, RemoteError

SERVICE = "peers"
VERSION = 1
SECRET_BYTES = 16
OK = encode({"v": VERSION})


class VerifyStep(IntEnum):
    COMMIT = 1  # answered by the other's nonce
    REVEAL = 2  # answered by nothing


@dataclass(frozen=True, slots=True)
class VerifyBody:
    step: VerifyStep
    message: bytes = field(repr=False)


def encode_redeem(secret: bytes) -> bytes:
    return encode({"v": VERSION, "secret": secret})


def decode_redeem(body: bytes) -> bytes:
    secret = _bytes(_map(body), "secret")
    if len(secret) != SECRET_BYTES:
        raise RemoteError("bad_redeem", f"a secret has {SECRET_BYTES} bytes")
    return secret


def encode_record(record: bytes) -> bytes:
    return encode({"v": VERSION, "rec": record})


def decode_record(body: bytes) -> bytes:
    return _bytes(_map(body), "rec")


def encode_revocations(signed: list[bytes]) -> bytes:
    assert len(signed) <= REVOCATIONS_PER_CALL, "the caller cuts the list"
    return encode({"v": VERSION, "list": signed})


def decode_revocations(body: bytes) -> list[bytes]:
    items = _map(body).get("list")
    if not isinstance(items, list) or len(items) > REVOCATIONS_PER_CALL:
        raise RemoteError("bad_revocations", f"a list of at most {REVOCATIONS_PER_CALL}")
    signed = [item for item in items if isinstance(item, bytes)]
    if len(signed) != len(items):
        raise RemoteError("bad_revocations", "not bytes")
    return signed


def encode_verify(step: VerifyStep, message: bytes) -> bytes:
    return encode({"v": VERSION, "step": int(step), "msg": message})


def decode_verify(body: bytes) -> VerifyBody:
    table = _map(body)
    step = table.get("step")
    if step not in (VerifyStep.COMMIT, VerifyStep.REVEAL) or isinstance(step, bool):
        raise RemoteError("bad_verify", "no such step")
    return VerifyBody(VerifyStep(step), _bytes(table, "msg"))


def encode_verify_answer(message: bytes) -> bytes:
    return encode({"v": VERSION, "msg": message})


def decode_verify_answer(body: bytes) -> bytes:
    return _bytes(_map(body), "msg")


def _map(body: bytes) -> dict[str, Value]:
    table = decode_map(body, bytes_max=BODY_BYTES_MAX)
    version = table.get("v")
    if not isinstance(version, int) or isinstance(version, bool):
        raise RemoteError("bad_encoding", "no version")
    if version != VERSION:
        raise RefusedError("unsupported_version", f"this node speaks version {VERSION} of the peers service")
    return table


def _bytes(table: dict[str, Value], key: str) -> bytes:
    value = table.get(key)
    if not isinstance(value, bytes):
        raise RemoteError("bad_encoding", f"{key} is not bytes")
    return value
