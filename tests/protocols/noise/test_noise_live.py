"""Our engine against the `noiseprotocol` package, in both roles."""

from collections.abc import Callable
from random import Random
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from noise.connection import Keypair, NoiseConnection

from protocols.noise import Handshake

STATICS = {True: b"i" * 32, False: b"r" * 32}  # by "is the initiator"
PUBLICS = {
    who: X25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw()
    for who, key in STATICS.items()
}
KNOWS_RESPONDER = ("N", "X", "XK", "IK", "KK")
PAYLOADS = [b"", b"a", bytes(1_000)]
NAMES = [
    f"Noise_{pattern}_25519_{cipher}_{digest}"
    for pattern in ("XX", "XK", "X", "N", "NN", "IK", "KK")
    for cipher in ("AESGCM", "ChaChaPoly")
    for digest in ("SHA256", "BLAKE2s")
]


class Theirs:
    """The foreign engine, typed at this one place."""

    def __init__(self, name: str, *, initiator: bool) -> None:
        make = cast("Callable[[bytes], Any]", NoiseConnection.from_name)
        self._connection = connection = make(name.encode())
        pattern = name.split("_")[1]
        if initiator:
            connection.set_as_initiator()
        else:
            connection.set_as_responder()
        connection.set_prologue(b"live")
        if pattern != "NN" and (pattern != "N" or not initiator):
            connection.set_keypair_from_private_bytes(Keypair.STATIC, STATICS[initiator])
        if (initiator and pattern in KNOWS_RESPONDER) or pattern == "KK":
            connection.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, PUBLICS[not initiator])
        connection.start_handshake()

    def write(self, payload: bytes) -> bytes:
        return bytes(self._connection.write_message(payload))

    def read(self, message: bytes) -> bytes:
        return bytes(self._connection.read_message(message))

    @property
    def finished(self) -> bool:
        return bool(self._connection.handshake_finished)

    @property
    def hash(self) -> bytes:
        return bytes(self._connection.get_handshake_hash())

    def seal(self, data: bytes) -> bytes:
        return bytes(self._connection.encrypt(data))

    def open(self, data: bytes) -> bytes:
        return bytes(self._connection.decrypt(data))


def ours_of(name: str, *, initiator: bool) -> Handshake:
    pattern = name.split("_")[1]
    knows = (initiator and pattern in KNOWS_RESPONDER) or pattern == "KK"
    return Handshake(
        name,
        initiator=initiator,
        prologue=b"live",
        static=STATICS[initiator],
        remote_static=PUBLICS[not initiator] if knows else None,
        entropy=Random(name).randbytes,
    )


@pytest.mark.parametrize("initiator", [True, False], ids=["we-start", "they-start"])
@pytest.mark.parametrize("name", NAMES)
def test_we_understand_a_foreign_engine_and_it_us(*, name: str, initiator: bool) -> None:
    ours, theirs = ours_of(name, initiator=initiator), Theirs(name, initiator=not initiator)
    for payload in PAYLOADS:
        if ours.finished:
            break
        if ours.my_turn:
            assert theirs.read(ours.write_message(payload)) == payload
        else:
            assert ours.read_message(theirs.write(payload)) == payload
    assert (ours.finished, theirs.finished) == (True, True)
    assert ours.handshake_hash == theirs.hash
    sending, receiving = ours.split()
    one_way = name.split("_")[1] in {"N", "X"}
    for nonce in range(3):
        if initiator or not one_way:
            assert theirs.open(sending.encrypt(nonce, b"", b"from us")) == b"from us"
        if not initiator or not one_way:
            assert receiving.decrypt(nonce, b"", theirs.seal(b"from them")) == b"from them"
