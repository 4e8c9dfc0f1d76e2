"""Vectors: published ones for the plain patterns, those of HTX, and our own for the hybrid.

The published ones and HTX's are read beside the repository and are not part of it; tools/make_noise_hfs_vectors.py
makes ours, without the engine.
"""

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocols.noise import CipherState, Handshake, KemKeyPair, MlKem768, mlkem_or_none
from protocols.noise.patterns import PATTERNS

ROOT = Path(__file__).parents[3]
SPEC = ROOT.parent / "shared" / "spec"
PUBLISHED = [SPEC / "noise-vectors" / "cacophony.json", SPEC / "noise-vectors" / "snow.json"]
HTX = SPEC / "htx-vectors.json"
OURS = ROOT / "tests" / "vectors" / "noise-hfs.json"

Vector = dict[str, Any]
needs_mlkem = pytest.mark.skipif(mlkem_or_none() is None, reason="this build of cryptography has no ML-KEM")


class Recorded:
    """ML-KEM-768 whose encapsulation answers with one recorded pair; all else is real."""

    def __init__(self, ciphertext: bytes, secret: bytes) -> None:
        self._pair, self._real = (ciphertext, secret), MlKem768()

    def keypair(self, entropy: Callable[[int], bytes]) -> KemKeyPair:
        return self._real.keypair(entropy)

    def encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        self._real.encapsulate(public)  # a bad key is refused as ever
        return self._pair

    def decapsulate(self, pair: KemKeyPair, ciphertext: bytes) -> bytes:
        return self._real.decapsulate(pair, ciphertext)


class NothingElse:
    """Hands out the vector's keys, in the order in which the engine must ask for them."""

    def __init__(self, *parts: bytes) -> None:
        self.left = list(parts)

    def __call__(self, size: int) -> bytes:
        part = self.left.pop(0)
        assert len(part) == size
        return part


def vectors_of(paths: list[Path], *keys: str) -> list[Any]:
    """One parameter for each vector; one skipped with a word for each file that is not here."""
    found: list[Any] = []
    for path in paths:
        if not path.exists():
            reason = f"{path.name} is not beside the repository"
            found.append(pytest.param({}, marks=pytest.mark.skip(reason=reason), id=path.stem))
            continue
        table = json.loads(path.read_text())
        for key in keys:
            for number, vector in enumerate(table[key]):
                name = vector.get("protocol_name") or f"{key}-{number}"
                if "psk" not in name:
                    found.append(pytest.param(vector, id=f"{path.stem}-{name}"))
    return found


def unhex(vector: Vector, key: str) -> bytes | None:
    return bytes.fromhex(vector[key]) if key in vector else None


def play(initiator: Handshake, responder: Handshake, payloads: list[bytes]) -> list[bytes]:
    """Exchange payloads till both are finished; the messages as they went over the wire."""
    wire: list[bytes] = []
    for payload in payloads:
        writer, reader = (initiator, responder) if initiator.my_turn else (responder, initiator)
        wire.append(writer.write_message(payload))
        assert reader.read_message(wire[-1]) == payload
        assert writer.hash_before_payload == reader.hash_before_payload
    assert (initiator.finished, responder.finished) == (True, True)
    assert initiator.handshake_hash == responder.handshake_hash
    return wire


def replay(vector: Vector, initiator: Handshake, responder: Handshake) -> None:
    """The handshake's messages, then records, which in these files go on taking turns."""
    said = [(bytes.fromhex(m["payload"]), bytes.fromhex(m["ciphertext"])) for m in vector["messages"]]
    count = len(PATTERNS[vector["protocol_name"].split("_")[1]].messages)
    assert play(initiator, responder, [payload for payload, _ in said[:count]]) == [
        c for _, c in said[:count]
    ]
    assert initiator.handshake_hash.hex() == vector.get("handshake_hash", initiator.handshake_hash.hex())
    (mine, from_them), (theirs, from_me) = initiator.split(), responder.split()
    ways = [(mine, from_me)] if count == 1 else [(mine, from_me), (theirs, from_them)]
    for number, (payload, ciphertext) in enumerate(said[count:]):
        sender, receiver = ways[(number + count) % len(ways)]
        nonce = number // len(ways)
        assert sender.encrypt(nonce, b"", payload) == ciphertext
        assert receiver.decrypt(nonce, b"", ciphertext) == payload


@pytest.mark.parametrize("vector", vectors_of(PUBLISHED, "vectors"))
def test_a_published_handshake_comes_out_byte_for_byte(vector: Vector) -> None:
    initiator, responder = (
        Handshake(
            vector["protocol_name"],
            initiator=role == "init",
            prologue=bytes.fromhex(vector[f"{role}_prologue"]),
            static=unhex(vector, f"{role}_static"),
            remote_static=unhex(vector, f"{role}_remote_static"),
            entropy=NothingElse(*filter(None, [unhex(vector, f"{role}_ephemeral")])),
        )
        for role in ("init", "resp")
    )
    replay(vector, initiator, responder)


@needs_mlkem
@pytest.mark.parametrize("vector", vectors_of([OURS], "vectors"))
def test_a_hybrid_handshake_comes_out_byte_for_byte(vector: Vector) -> None:
    initiator, responder = hybrid_pair(
        vector,
        vector["protocol_name"],
        bytes.fromhex(vector["kem_seed"]),
        bytes.fromhex(vector["kem_ciphertext"]),
    )
    replay(vector, initiator, responder)
    assert initiator.remote_static == public_of(vector["resp_static"])
    assert responder.remote_static == public_of(vector["init_static"])


@needs_mlkem
def test_the_tool_writes_our_vectors_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = ROOT / "tools" / "make_noise_hfs_vectors.py"
    copy = tmp_path / OURS.name
    copy.write_bytes(OURS.read_bytes())
    monkeypatch.setattr("sys.argv", [str(tool), str(copy)])
    runpy.run_path(str(tool), run_name="__main__")
    assert copy.read_bytes() == OURS.read_bytes()


@pytest.mark.parametrize("vector", vectors_of([HTX], "noise_xk"))
def test_the_inner_handshake_of_htx_comes_out_byte_for_byte(vector: Vector) -> None:
    initiator, responder = (
        Handshake(
            vector["protocol"],
            initiator=role == "init",
            prologue=bytes.fromhex(vector["prologue"]),
            static=bytes.fromhex(vector[f"{role}_static"]),
            remote_static=bytes.fromhex(vector["resp_static_pub"]) if role == "init" else None,
            entropy=NothingElse(bytes.fromhex(vector[f"{role}_ephemeral"])),
        )
        for role in ("init", "resp")
    )
    wire = play(initiator, responder, [b"", b"", bytes.fromhex(vector["payload3"])])
    assert_htx(vector, wire, initiator)


@needs_mlkem
@pytest.mark.parametrize("vector", vectors_of([HTX], "noise_xkhfs"))
def test_the_hybrid_handshake_of_htx_comes_out_byte_for_byte(vector: Vector) -> None:
    seed = bytes.fromhex(vector["mlkem_seed_d_z"])
    initiator, responder = hybrid_pair(vector, vector["protocol"], seed, recorded_ciphertext(vector, seed))
    assert_htx(vector, play(initiator, responder, [b"", b"", b""]), initiator)


def assert_htx(vector: Vector, wire: list[bytes], initiator: Handshake) -> None:
    assert [message.hex() for message in wire] == [vector[f"msg{number}"] for number in (1, 2, 3)]
    assert initiator.handshake_hash.hex() == vector["handshake_hash"]
    sending, receiving = initiator.split()
    for state, key in ((sending, vector["k1"]), (receiving, vector["k2"])):
        assert state.encrypt(7, b"a", b"p") == CipherState("ChaChaPoly", bytes.fromhex(key)).encrypt(
            7, b"a", b"p"
        )


def recorded_ciphertext(vector: Vector, seed: bytes) -> bytes:
    """That file holds it sealed only: an initiator, driven to the second message, opens it."""
    opened: list[bytes] = []

    class Spy(MlKem768):
        def decapsulate(self, pair: KemKeyPair, ciphertext: bytes) -> bytes:
            opened.append(ciphertext)
            return super().decapsulate(pair, ciphertext)

    initiator = Handshake(
        vector["protocol"],
        initiator=True,
        prologue=bytes.fromhex(vector["prologue"]),
        static=bytes.fromhex(vector["init_static"]),
        remote_static=public_of(vector["resp_static"]),
        entropy=NothingElse(bytes.fromhex(vector["init_ephemeral"]), seed),
        kem=Spy(),
    )
    assert initiator.write_message().hex() == vector["msg1"]
    initiator.read_message(bytes.fromhex(vector["msg2"]))
    return opened[0]


def hybrid_pair(vector: Vector, name: str, seed: bytes, ciphertext: bytes) -> tuple[Handshake, Handshake]:
    secret = bytes.fromhex(vector.get("kem_secret") or vector["mlkem_ss"])
    initiator, responder = (
        Handshake(
            name,
            initiator=role == "init",
            prologue=bytes.fromhex(vector["prologue"]),
            static=bytes.fromhex(vector[f"{role}_static"]),
            remote_static=public_of(vector["resp_static"]) if role == "init" and "XK" in name else None,
            entropy=NothingElse(bytes.fromhex(vector[f"{role}_ephemeral"]), seed),
            kem=Recorded(ciphertext, secret),
        )
        for role in ("init", "resp")
    )
    return initiator, responder


def public_of(private: str) -> bytes:
    return X25519PrivateKey.from_private_bytes(bytes.fromhex(private)).public_key().public_bytes_raw()
