"""Write tests/vectors/noise-hfs.json: handshakes with the hfs hybrid, of which nobody has published any.

Worked out line by line from the specifications, without `protocols.noise`, so that the two check each other.
All keys come from fixed labels. Encapsulation takes no seed, so what the file already holds is kept and only a new
handshake gets a new ciphertext: a second run writes the same bytes.

python tools/make_noise_hfs_vectors.py [FILE]
"""

import hashlib
import hmac
import json
import struct
import sys
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

FILE = Path(__file__).parent.parent / "tests" / "vectors" / "noise-hfs.json"
SUITES = ("AESGCM_SHA256", "ChaChaPoly_BLAKE2s")
PROLOGUE = b"meshnode/test/hfs"
PAYLOADS = (
    b"",
    b"the responder speaks",
    b"the initiator proves itself",
    b"the responder's record",
    b"the initiator's record",
)


class Transcript:
    """h, ck and k of the specification."""

    def __init__(self, name: str) -> None:
        self.h = self.ck = hashlib.new(_hash_of(name), name.encode()).digest()
        self.k, self.n, self._hash = b"", 0, _hash_of(name)
        self._aes = "AESGCM" in name

    def mix(self, data: bytes) -> bytes:
        self.h = hashlib.new(self._hash, self.h + data).digest()
        return data

    def key(self, secret: bytes) -> None:
        (self.ck, self.k), self.n = self.hkdf(secret), 0

    def hkdf(self, secret: bytes) -> tuple[bytes, bytes]:
        temporary = hmac.new(self.ck, secret, self._hash).digest()
        first = hmac.new(temporary, b"\1", self._hash).digest()
        return first, hmac.new(temporary, first + b"\2", self._hash).digest()

    def seal(self, data: bytes) -> bytes:
        if self.k:
            data, self.n = self.encrypt(self.k, self.n, self.h, data), self.n + 1
        return self.mix(data)

    def encrypt(self, key: bytes, n: int, associated: bytes, data: bytes) -> bytes:
        if self._aes:
            return AESGCM(key).encrypt(struct.pack(">IQ", 0, n), data, associated)
        return ChaCha20Poly1305(key).encrypt(struct.pack("<IQ", 0, n), data, associated)


def make(pattern: str, suite: str, known: dict[str, Any] | None) -> dict[str, Any]:
    name = f"Noise_{pattern}_25519+MLKEM768_{suite}"
    initiator, responder, mine, theirs = (
        X25519PrivateKey.from_private_bytes(_seed(name, label)) for label in ("is", "rs", "ie", "re")
    )
    kem_seed = _seed(name, "d") + _seed(name, "z")
    kem = MLKEM768PrivateKey.from_seed_bytes(kem_seed)
    if known is None:
        secret, ciphertext = kem.public_key().encapsulate()
    else:
        secret, ciphertext = bytes.fromhex(known["kem_secret"]), bytes.fromhex(known["kem_ciphertext"])
        assert kem.decapsulate(ciphertext) == secret, "the file holds another handshake"
    transcript = Transcript(name)
    transcript.mix(PROLOGUE)
    messages = _messages(transcript, pattern, (initiator, responder, mine, theirs), (kem, ciphertext, secret))
    k1, k2 = transcript.hkdf(b"")
    records = [
        transcript.encrypt(key, 0, b"", PAYLOADS[3 + at]) for at, key in enumerate((k2, k1))
    ]  # in turn
    return {
        "protocol_name": name,
        "prologue": PROLOGUE.hex(),
        "init_static": initiator.private_bytes_raw().hex(),
        "resp_static": responder.private_bytes_raw().hex(),
        "init_ephemeral": mine.private_bytes_raw().hex(),
        "resp_ephemeral": theirs.private_bytes_raw().hex(),
        "kem_seed": kem_seed.hex(),
        "kem_ciphertext": ciphertext.hex(),
        "kem_secret": secret.hex(),
        "messages": [
            {"payload": payload.hex(), "ciphertext": message.hex()}
            for payload, message in zip(PAYLOADS, [*messages, *records], strict=True)
        ],
        "handshake_hash": transcript.h.hex(),
    }


def _messages(
    transcript: Transcript,
    pattern: str,
    keys: tuple[X25519PrivateKey, X25519PrivateKey, X25519PrivateKey, X25519PrivateKey],
    kem: tuple[MLKEM768PrivateKey, bytes, bytes],
) -> list[bytes]:
    initiator, responder, mine, theirs = keys
    kem_pair, ciphertext, kem_secret = kem
    if pattern == "XKhfs":  # <- s
        transcript.mix(_public(responder))
    first = transcript.mix(_public(mine))  # e
    if pattern == "XKhfs":
        transcript.key(mine.exchange(responder.public_key()))  # es
    first += transcript.seal(kem_pair.public_key().public_bytes_raw())  # e1
    first += transcript.seal(PAYLOADS[0])

    second = transcript.mix(_public(theirs))  # e
    transcript.key(theirs.exchange(mine.public_key()))  # ee
    second += transcript.seal(ciphertext)  # ekem1
    transcript.key(kem_secret)
    if pattern == "XXhfs":
        second += transcript.seal(_public(responder))  # s
        transcript.key(responder.exchange(mine.public_key()))  # es
    second += transcript.seal(PAYLOADS[1])

    third = transcript.seal(_public(initiator))  # s
    transcript.key(initiator.exchange(theirs.public_key()))  # se
    third += transcript.seal(PAYLOADS[2])
    return [first, second, third]


def _public(key: X25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def _seed(name: str, label: str) -> bytes:
    return hashlib.sha256(f"meshnode/test/hfs/{name}/{label}".encode()).digest()


def _hash_of(name: str) -> str:
    return "sha256" if name.endswith("SHA256") else "blake2s"


def main() -> None:
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    vectors: list[dict[str, Any]] = json.loads(file.read_text())["vectors"] if file.exists() else []
    known = {vector["protocol_name"]: vector for vector in vectors}
    made = [
        make(pattern, suite, known.get(f"Noise_{pattern}_25519+MLKEM768_{suite}"))
        for pattern in ("XXhfs", "XKhfs")
        for suite in SUITES
    ]
    file.write_text(json.dumps({"vectors": made}, indent=1) + "\n")


if __name__ == "__main__":
    main()
