"""One-shot sealing to a prekey: Noise's one-way pattern N, with an ML-KEM token where both sides can.

    N:      <- s (the prekey)  ...  -> e, es, payload
    N+kem:  <- s, kem          ...  -> e, es, ekem, payload

Prologue: the clear header; then the prekey's id is mixed in, which the receiver finds by trying its few keys, the
newest first. The payload is signed by its sender over receiver, prekey, id and expiry: whoever opens it can't seal it
on to somebody else as the sender's, and no courier can give it another life. A signature is no denial: who wrote can
be proved to others. The sender's long-term key takes no part in the secret, so a stolen one opens nothing.

Spec: The Noise Protocol Framework, revision 34, sections 5.2 and 7.4; the token as in "KEM-based Hybrid Forward Secrecy
for Noise", for a key that the receiver published.
"""

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from protocols.codec import Value
from protocols.courier.bundle import Bundle
from protocols.courier.limits import SEALED_BYTES_MAX
from protocols.courier.prekeys import Opener
from protocols.courier.sealed import (
    CLASSIC,
    ENVELOPED_BYTES,
    HEADER_BYTES,
    HYBRID,
    KEM_BYTES,
    Sealed,
    decode_sealed,
    encode_header,
    overhead_bytes,
    padded_bytes,
)
from protocols.directory.signed import open_body, sign_body
from protocols.errors import LocalError, RemoteError
from protocols.ids import NodeId
from protocols.keys import Identity
from protocols.noise import Kem, SymmetricState
from protocols.noise.x25519 import X25519_BYTES

LABEL = b"meshnode/sealed/1"
VERSION = 1
NAMES = {
    CLASSIC: "meshnode_sealed_N_25519_AESGCM_SHA256",
    HYBRID: "meshnode_sealed_Nkem_25519+MLKEM768_AESGCM_SHA256",
}
LENGTH = struct.Struct("!I")
SIGNED_OVERHEAD_BYTES = 256  # most that signature, names and the map around the content take
CONTENT_BYTES_MAX = SEALED_BYTES_MAX - overhead_bytes(HYBRID) - LENGTH.size - SIGNED_OVERHEAD_BYTES


@dataclass(frozen=True, slots=True)
class Opened:
    sender: NodeId  # proved by its signature
    content: bytes = field(repr=False)
    prekey_id: bytes


def seal(
    identity: Identity,
    bundle: Bundle,
    content: bytes,
    *,
    sealed_id: bytes,
    expires_s: int,
    entropy: Callable[[int], bytes],
    kem: Kem | None,
) -> Sealed:
    """For the owner of this (verified) bundle alone. Raises LocalError for what doesn't fit; RemoteError for its key."""
    if len(content) > CONTENT_BYTES_MAX:
        raise LocalError(f"{len(content)} bytes don't fit a sealed object, which holds {CONTENT_BYTES_MAX}")
    suite = HYBRID if kem is not None and bundle.kem else CLASSIC
    body: dict[str, Value] = {
        "to": bundle.node,
        "pk": bundle.prekey_id,
        "id": sealed_id,
        "exp": expires_s,
        "data": content,
    }
    signed = sign_body(identity, LABEL, VERSION, body)
    plain = LENGTH.pack(len(signed)) + signed
    plain = plain.ljust(padded_bytes(len(plain), suite), b"\0")
    header = encode_header(suite, bundle.node, expires_s, sealed_id)
    ephemeral = identity.suite.agreement_key(entropy(X25519_BYTES))
    symmetric = _begun(suite, header, bundle.prekey_id, bundle.x25519, bundle.kem)
    symmetric.mix_hash(ephemeral.public)
    symmetric.mix_key(ephemeral.agree(bundle.x25519))
    parts = [header, ephemeral.public]
    if suite == HYBRID:
        assert kem is not None, "the suite was chosen by it"
        ciphertext, secret = kem.encapsulate(bundle.kem)
        parts.append(symmetric.encrypt_and_hash(ciphertext))
        symmetric.mix_key(secret)
    parts.append(symmetric.encrypt_and_hash(plain))
    symmetric.wipe()
    return decode_sealed(b"".join(parts))


def open_sealed(identity: Identity, sealed: Sealed, openers: Iterable[Opener], kem: Kem | None) -> Opened:
    """Raises RemoteError: "wrong_receiver", "bad_seal" (no key opens it), "bad_signature", "bad_binding", ..."""
    if sealed.receiver != identity.node_id:
        raise RemoteError("wrong_receiver")
    for opener in openers:
        plain = _try(sealed, opener, kem)
        if plain is not None:
            return _read(identity, sealed, opener.id, plain)
    raise RemoteError("bad_seal", "no prekey of ours opens it")


def _begun(suite: int, header: bytes, prekey: bytes, x25519: bytes, kem_public: bytes) -> SymmetricState:
    symmetric = SymmetricState(NAMES[suite], cipher="AESGCM", hash_name="SHA256")
    symmetric.mix_hash(header)
    symmetric.mix_hash(prekey)
    symmetric.mix_hash(x25519)
    if suite == HYBRID:
        symmetric.mix_hash(kem_public)
    return symmetric


def _try(sealed: Sealed, opener: Opener, kem: Kem | None) -> bytes | None:
    """The plaintext; None where this is not the key."""
    if sealed.suite == HYBRID and (kem is None or opener.kem is None):
        return None
    data, x25519 = sealed.data, opener.x25519
    ephemeral, rest = data[HEADER_BYTES:ENVELOPED_BYTES], data[ENVELOPED_BYTES:]
    symmetric = _begun(sealed.suite, sealed.header, opener.id, x25519.public, opener.kem_public)
    symmetric.mix_hash(ephemeral)
    symmetric.mix_key(x25519.agree(ephemeral))
    try:
        if sealed.suite == HYBRID:
            assert kem is not None, "looked at above"
            assert opener.kem is not None, "looked at above"
            ciphertext = symmetric.decrypt_and_hash(rest[:KEM_BYTES])
            symmetric.mix_key(kem.decapsulate(opener.kem, ciphertext))
            rest = rest[KEM_BYTES:]
        return symmetric.decrypt_and_hash(rest)
    except RemoteError:
        return None
    finally:
        symmetric.wipe()


def _read(identity: Identity, sealed: Sealed, prekey: bytes, plain: bytes) -> Opened:
    (length,) = LENGTH.unpack_from(plain)
    signed, padding = plain[LENGTH.size : LENGTH.size + length], plain[LENGTH.size + length :]
    if len(signed) != length or padding.count(0) != len(padding):
        raise RemoteError("bad_padding")
    sender, body = open_body(signed, LABEL, VERSION, bytes_max=SEALED_BYTES_MAX, suite=identity.suite)
    bound = body.get("to"), body.get("pk"), body.get("id"), body.get("exp")
    if bound != (identity.node_id, prekey, sealed.id, sealed.expires_s):
        raise RemoteError("bad_binding", "signed for another receiver, prekey, id or expiry")
    content = body.get("data")
    if not isinstance(content, bytes):
        raise RemoteError("bad_encoding", "no content")
    return Opened(sender, content, prekey)
