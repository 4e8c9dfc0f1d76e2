"""What one seed becomes, and what a signature is good for."""

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import LocalError
from protocols.ids import UNKNOWN_NODE, NodeId
from protocols.keys import SEED_BYTES, Identity, RealSuite, verify

SEED = bytes(range(32))
LABEL = b"meshnode/test/1"
ALICE = Identity.from_seed(SEED)


def hkdf(label: bytes) -> bytes:
    """RFC 5869 by hand, one block."""
    key = hmac.new(b"meshnode/keys/1", SEED, hashlib.sha256).digest()
    return hmac.new(key, label + b"\1", hashlib.sha256).digest()


def test_each_key_comes_from_the_seed_under_its_own_label() -> None:
    assert (
        ALICE.node_id
        == Ed25519PrivateKey.from_private_bytes(hkdf(b"identity")).public_key().public_bytes_raw()
    )
    assert ALICE.x25519_private == hkdf(b"noise-static")
    assert ALICE.bitchat_noise_private == hkdf(b"bitchat-noise")
    assert ALICE.bitchat_signing_seed == hkdf(b"bitchat-signing")
    assert ALICE.storage_key == hkdf(b"storage")


def test_an_identity_signs_and_agrees_with_the_suite_that_it_is_given() -> None:
    class Loud(RealSuite):
        def verify(self, public: bytes, data: bytes, signature: bytes) -> bool:
            asked.append(public)
            return super().verify(public, data, signature)

    asked: list[bytes] = []
    loud = Loud()
    alice = Identity.from_seed(SEED, loud)
    assert alice.suite is loud
    assert (alice.node_id, alice.x25519_public) == (ALICE.node_id, ALICE.x25519_public)
    assert verify(alice.node_id, LABEL, b"data", alice.sign(LABEL, b"data"), alice.suite)
    assert asked == [alice.node_id]


def test_the_public_static_key_belongs_to_the_private_one() -> None:
    private = X25519PrivateKey.from_private_bytes(ALICE.x25519_private)
    assert ALICE.x25519_public == private.public_key().public_bytes_raw()


def test_the_identity_of_a_seed_never_changes() -> None:
    assert ALICE.node_id.hex() == "db514a1c6bab1d10c56c0b4f743859d89d783b019e66ecd72cfd9884dc515d1b"
    assert ALICE.x25519_public.hex() == "f3ba239839958ebbb22bbf8c9114b446ea2b520f85254ae72a73b0710f05a076"


def test_a_signature_is_ed25519_over_the_label_a_zero_and_the_data() -> None:
    private = Ed25519PrivateKey.from_private_bytes(hkdf(b"identity"))
    assert ALICE.sign(LABEL, b"data") == private.sign(LABEL + b"\0data")


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_seed_of_another_length_is_our_own_fault(length: int) -> None:
    with pytest.raises(LocalError):
        Identity.from_seed(bytes(length))


def test_no_secret_is_in_the_repr() -> None:
    assert repr(ALICE) == f"Identity({ALICE.node_id.hex()[:8]})"


def test_nobody_signs_for_the_unknown_node() -> None:
    assert not verify(UNKNOWN_NODE, LABEL, b"data", bytes(64))
    assert not verify(UNKNOWN_NODE, LABEL, b"data", b"\1" + bytes(63))


@given(label=st.binary(max_size=20).filter(lambda label: 0 not in label), data=st.binary(max_size=200))
def test_what_was_signed_verifies_under_its_label_alone(label: bytes, data: bytes) -> None:
    signature = ALICE.sign(label, data)
    assert verify(ALICE.node_id, label, data, signature)
    assert not verify(ALICE.node_id, label + b"2", data, signature)
    assert not verify(ALICE.node_id, label, data + b"\0", signature)


@given(bit=st.integers(0, 511))
def test_a_signature_with_one_bit_changed_does_not_verify(bit: int) -> None:
    signature = int.from_bytes(ALICE.sign(LABEL, b"data"), "big") ^ 1 << bit
    assert not verify(ALICE.node_id, LABEL, b"data", signature.to_bytes(64, "big"))


@given(node=st.binary(max_size=40), data=st.binary(max_size=40), signature=st.binary(max_size=80))
def test_any_bytes_are_an_answer(node: bytes, data: bytes, signature: bytes) -> None:
    assert verify(NodeId(node), LABEL, data, signature) is False


@given(one=st.binary(min_size=32, max_size=32), other=st.binary(min_size=32, max_size=32))
def test_two_seeds_are_two_nodes(one: bytes, other: bytes) -> None:
    assert (Identity.from_seed(one).node_id == Identity.from_seed(other).node_id) == (one == other)
    assert len(one) == SEED_BYTES
