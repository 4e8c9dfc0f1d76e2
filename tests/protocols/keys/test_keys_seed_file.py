"""The seed on disk: in the clear with a checksum, or sealed by a passphrase."""

import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id

from protocols.errors import LocalError, RefusedError
from protocols.keys import SealCost, decode_seed_file, encode_seed_file, seed_file_is_sealed

SEED = bytes(range(32))
CHEAP = SealCost(operations=1, memory_kib=8)


def entropy(size: int) -> bytes:
    return b"e" * size


def sealed(passphrase: str = "open sesame", cost: SealCost = CHEAP) -> bytes:
    return encode_seed_file(SEED, passphrase, entropy, cost=cost)


def refusal(data: bytes, passphrase: str | None = None) -> str:
    with pytest.raises(RefusedError) as caught:
        decode_seed_file(data, passphrase)
    return caught.value.code


def with_cost(operations: int, memory_kib: int) -> bytes:
    data = sealed()
    return data[:8] + operations.to_bytes(4, "big") + memory_kib.to_bytes(4, "big") + data[16:]


def test_a_file_in_the_clear_is_what_its_document_says() -> None:
    data = encode_seed_file(SEED, None, entropy)
    clear = b"MNSEED\1\0" + SEED
    assert data == clear + hashlib.sha256(clear).digest()[:4]
    assert not seed_file_is_sealed(data)
    assert decode_seed_file(data, None) == decode_seed_file(data, "needless") == SEED


def test_a_sealed_file_opens_with_its_passphrase_alone() -> None:
    data = sealed()
    assert seed_file_is_sealed(data)
    assert SEED not in data
    assert decode_seed_file(data, "open sesame") == SEED
    assert refusal(data, "open sesamE") == "wrong_passphrase"
    assert refusal(data) == "passphrase_needed"


def test_the_sealed_format_never_changes() -> None:
    assert sealed().hex() == (
        "4d4e534545440101000000010000000865656565656565656565656565656565"
        "6565656565656565656565652ec8d76a6aeb42f595938ecd9c74ac237183a688"
        "4f201426d021ca5a0b69b8e2ef6a8980c566669a2d52ac5a5ebb414a"
    )


def test_the_default_cost_is_written_into_the_file_and_read_from_it() -> None:
    data = encode_seed_file(SEED, "p", entropy)
    assert data[8:16] == (4).to_bytes(4, "big") + (65_536).to_bytes(4, "big")
    assert decode_seed_file(data, "p") == SEED


def test_a_passphrase_opens_however_the_keyboard_composes_it() -> None:
    assert decode_seed_file(sealed("caf\u00e9"), "cafe\u0301") == SEED


def test_a_passphrase_that_is_no_proper_text_still_works() -> None:
    assert decode_seed_file(sealed("\udce9"), "\udce9") == SEED


@pytest.mark.parametrize("cost", [(0, 8), (17, 8), (1, 7), (1, 2**20 + 1), (2**32 - 1, 2**32 - 1)])
def test_a_file_that_asks_for_absurd_work_is_refused_before_any(cost: tuple[int, int]) -> None:
    assert refusal(with_cost(*cost), "open sesame") == "bad_seed_file"
    with pytest.raises(LocalError):
        sealed(cost=SealCost(*cost))


def test_a_machine_without_the_memory_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    data = sealed()

    def fail(*_: Any, **__: Any) -> bytes:
        raise CryptoError

    monkeypatch.setattr(argon2id, "kdf", fail)
    assert refusal(data, "open sesame") == "out_of_memory"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "bad_seed_file"),
        (b"MNSEED\1", "bad_seed_file"),
        (b"SOMETHING ELSE", "bad_seed_file"),
        (b"MNSEED\2\0" + bytes(36), "newer_seed_file"),
        (b"MNSEED\1\2" + bytes(36), "newer_seed_file"),
        (b"MNSEED\1\0" + bytes(35), "bad_seed_file"),
        (b"MNSEED\1\0" + bytes(36), "bad_seed_file"),
        (b"MNSEED\1\1" + bytes(36), "bad_seed_file"),
    ],
)
def test_what_is_no_seed_file_of_ours_is_refused_with_the_reason(data: bytes, code: str) -> None:
    assert refusal(data, "open sesame") == code


@given(bit=st.integers(0, 8 * 44 - 1))
def test_any_bit_changed_in_a_clear_file_is_noticed(bit: int) -> None:
    data = int.from_bytes(encode_seed_file(SEED, None, entropy), "big") ^ 1 << bit
    assert refusal(data.to_bytes(44, "big"), "p") in {"bad_seed_file", "newer_seed_file"}


@given(position=st.integers(16, 91), bit=st.integers(0, 7))
@settings(deadline=None)
def test_any_bit_changed_behind_the_cost_of_a_sealed_file_is_noticed(position: int, bit: int) -> None:
    data = bytearray(sealed())
    data[position] ^= 1 << bit
    assert refusal(bytes(data), "open sesame") == "wrong_passphrase"


@given(data=st.binary(max_size=120) | st.binary(max_size=90).map(b"MNSEED\1\0".__add__))
def test_any_bytes_are_a_seed_or_a_sentence(data: bytes) -> None:
    assert refusal(data) in {"bad_seed_file", "newer_seed_file", "passphrase_needed"}
