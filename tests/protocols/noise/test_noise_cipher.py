"""One key: it seals, opens, makes way for the next, and forgets itself."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import LocalError, RemoteError
from protocols.noise import CipherState, mlkem_or_none
from protocols.noise.cipher import NONCE_MAX, REKEY_NONCE

KEY = b"k" * 32
BOTH = pytest.mark.parametrize("name", ["AESGCM", "ChaChaPoly"])
ciphers = st.sampled_from(["AESGCM", "ChaChaPoly"])
nonces = st.integers(0, NONCE_MAX)


@given(name=ciphers, nonce=nonces, associated=st.binary(max_size=100), plaintext=st.binary(max_size=100))
def test_what_was_sealed_opens(name: str, nonce: int, associated: bytes, plaintext: bytes) -> None:
    sealed = CipherState(name, KEY).encrypt(nonce, associated, plaintext)
    assert len(sealed) == len(plaintext) + 16
    assert CipherState(name, KEY).decrypt(nonce, associated, memoryview(sealed)) == plaintext


@given(name=ciphers, nonce=nonces, ciphertext=st.binary(max_size=100))
def test_whatever_was_not_sealed_is_refused(name: str, nonce: int, ciphertext: bytes) -> None:
    with pytest.raises(RemoteError, match="bad_seal"):
        CipherState(name, KEY).decrypt(nonce, b"", ciphertext)


@BOTH
def test_another_nonce_or_other_associated_data_does_not_open(name: str) -> None:
    state = CipherState(name, KEY)
    sealed = state.encrypt(1, b"a", b"p")
    for nonce, associated in ((2, b"a"), (1, b"b")):
        with pytest.raises(RemoteError, match="bad_seal"):
            state.decrypt(nonce, associated, sealed)


@BOTH
@pytest.mark.parametrize("nonce", [-1, REKEY_NONCE, 2**64])
def test_a_nonce_out_of_range_is_refused(name: str, nonce: int) -> None:
    state = CipherState(name, KEY)
    with pytest.raises(LocalError):
        state.encrypt(nonce, b"", b"")
    with pytest.raises(RemoteError, match="bad_seal"):
        state.decrypt(nonce, b"", bytes(16))


@BOTH
def test_the_next_key_is_the_one_of_the_specification(name: str) -> None:
    """REKEY: the first 32 bytes of 32 zeros sealed under the nonce 2**64 - 1."""
    state = CipherState(name, KEY)
    follower = state.rekeyed()
    expected = state._aead
    assert expected is not None
    nonce = bytes(4) + b"\xff" * 8
    next_key = expected.encrypt(nonce, bytes(32), b"")[:32]
    assert follower.encrypt(0, b"", b"p") == CipherState(name, next_key).encrypt(0, b"", b"p")
    assert state.decrypt(0, b"", CipherState(name, KEY).encrypt(0, b"", b"old")) == b"old"


@BOTH
def test_a_wiped_key_does_nothing_more(name: str) -> None:
    state = CipherState(name, KEY)
    state.wipe()
    state.wipe()
    assert not any(state._key)
    for action in (
        lambda: state.encrypt(0, b"", b""),
        lambda: state.decrypt(0, b"", bytes(16)),
        state.rekeyed,
    ):
        with pytest.raises(LocalError):
            action()


@pytest.mark.skipif(mlkem_or_none() is None, reason="this build of cryptography has no ML-KEM")
def test_the_real_kem_agrees_and_refuses_what_has_the_wrong_shape() -> None:
    kem = mlkem_or_none()
    assert kem is not None
    pair = kem.keypair(lambda size: b"s" * size)
    assert kem.keypair(lambda size: b"s" * size).public == pair.public
    ciphertext, secret = kem.encapsulate(pair.public)
    assert kem.decapsulate(pair, ciphertext) == secret
    assert kem.decapsulate(pair, bytes(len(ciphertext))) != secret
    with pytest.raises(RemoteError, match="bad_kem_ciphertext"):
        kem.decapsulate(pair, b"short")
    for public in (b"short", b"\xff" * 1_184):
        with pytest.raises(RemoteError, match="bad_kem_key"):
            kem.encapsulate(public)


def test_where_the_library_has_no_ml_kem_there_is_no_hybrid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.mlkem", None)
    monkeypatch.delattr("cryptography.hazmat.primitives.asymmetric.mlkem", raising=False)
    assert mlkem_or_none() is None
