import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshnode.services.peers.frames import (
    VerifyStep,
    decode_record,
    decode_redeem,
    decode_revocations,
    decode_verify,
    decode_verify_answer,
    encode_record,
    encode_redeem,
    encode_revocations,
    encode_verify,
    encode_verify_answer,
)
from protocols.codec import encode
from protocols.errors import RefusedError, RemoteError

DECODERS = (decode_redeem, decode_record, decode_revocations, decode_verify, decode_verify_answer)


def test_the_bytes_of_a_redemption_are_these() -> None:
    assert encode_redeem(bytes(16)).hex() == "82a6736563726574c410" + "00" * 16 + "a17601"


def test_the_bytes_of_a_verification_are_these() -> None:
    assert encode_verify(VerifyStep.COMMIT, b"\x07").hex() == "83a36d7367c40107a47374657001a17601"


@given(secret=st.binary(min_size=16, max_size=16), raw=st.binary(max_size=2048))
def test_what_is_encoded_is_decoded(secret: bytes, raw: bytes) -> None:
    assert decode_redeem(encode_redeem(secret)) == secret
    assert decode_record(encode_record(raw)) == raw
    assert decode_revocations(encode_revocations([raw, secret])) == [raw, secret]
    assert decode_verify_answer(encode_verify_answer(raw)) == raw
    body = decode_verify(encode_verify(VerifyStep.REVEAL, raw))
    assert (body.step, body.message) == (VerifyStep.REVEAL, raw)


@pytest.mark.parametrize("decode", DECODERS)
@given(body=st.binary(max_size=200))
def test_any_bytes_are_a_body_or_the_senders_fault(decode: Callable[[bytes], object], body: bytes) -> None:
    with contextlib.suppress(RemoteError, RefusedError):
        decode(body)


@pytest.mark.parametrize("decode", DECODERS)
def test_another_version_is_refused_by_name(decode: Callable[[bytes], object]) -> None:
    with pytest.raises(RefusedError) as caught:
        decode(encode({"v": 2}))
    assert caught.value.code == "unsupported_version"


@pytest.mark.parametrize(
    ("decode", "body"),
    [
        (decode_redeem, {"v": 1, "secret": b"short"}),
        (decode_redeem, {"v": True, "secret": bytes(16)}),
        (decode_record, {"v": 1, "rec": "text"}),
        (decode_revocations, {"v": 1, "list": [b""] * 65}),
        (decode_revocations, {"v": 1, "list": ["text"]}),
        (decode_revocations, {"v": 1}),
        (decode_verify, {"v": 1, "step": 3, "msg": b""}),
        (decode_verify, {"v": 1, "step": True, "msg": b""}),
        (decode_verify, {"v": 1, "step": [], "msg": b""}),
    ],
)
def test_a_body_of_the_wrong_form_is_the_senders_fault(
    decode: Callable[[bytes], object], body: object
) -> None:
    with pytest.raises(RemoteError):
        decode(encode(body))


def test_keys_of_a_later_day_are_ignored() -> None:
    assert decode_record(encode({"v": 1, "rec": b"r", "zzz": 1})) == b"r"
