from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.codec import decode, encode
from protocols.courier import open_bundle
from protocols.courier.bundle import LABEL, VERSION, sign_bundle
from protocols.courier.limits import BUNDLE_BYTES_MAX
from protocols.directory.signed import sign_body
from protocols.errors import RemoteError

NOW_S = 1_800_000_000
DAY_S = 86_400


def test_a_bundle_says_whose_it_is_and_how_to_seal_to_it(bob: Any) -> None:
    bundle = bob.bundle()
    assert bundle.node == bob.id
    assert bundle.expires_s == NOW_S + 14 * DAY_S
    assert bundle.prekey_id == bob.ring.current.id
    assert len(bob.ring.current.bundle) <= BUNDLE_BYTES_MAX


def test_a_node_without_ml_kem_gives_a_bundle_all_the_same(person: Callable[..., Any]) -> None:
    assert person("old pi", kem=None).bundle().kem == b""


def test_a_bundle_that_was_changed_is_refused(bob: Any) -> None:
    bob.bundle()
    fields = decode(bob.ring.current.bundle, bytes_max=BUNDLE_BYTES_MAX)
    assert isinstance(fields, list)
    assert isinstance(fields[2], bytes)
    fields[2] = fields[2].replace(b"x25519", b"x25518")
    with pytest.raises(RemoteError, match="bad_signature"):
        open_bundle(encode(fields))


def test_a_bundle_is_usable_until_it_expires_and_not_if_it_never_would(bob: Any) -> None:
    bundle = bob.bundle()
    assert bundle.is_usable(NOW_S)
    assert not bundle.is_usable(NOW_S + 14 * DAY_S)
    assert not bundle.is_usable(NOW_S - 2 * DAY_S)


@pytest.mark.parametrize(
    "change",
    [
        {"seq": -1},
        {"seq": True},
        {"exp": "soon"},
        {"exp": 2**60},
        {"x25519": bytes(31)},
        {"x25519": None},
        {"kem": bytes(5)},
        {"kem": 0},
    ],
)
def test_fields_that_make_no_sense_are_refused_though_they_are_signed(
    bob: Any, change: dict[str, Any]
) -> None:
    body = {"seq": 1, "exp": 2, "x25519": bytes(32), "kem": b""} | change
    with pytest.raises(RemoteError, match="bad_bundle"):
        open_bundle(sign_body(bob.identity, LABEL, VERSION, body))


def test_unknown_fields_are_ignored(bob: Any) -> None:
    body: dict[str, Any] = {"seq": 1, "exp": 2, "x25519": bytes(32), "kem": b"", "later": 1}
    assert open_bundle(sign_body(bob.identity, LABEL, VERSION, body)).sequence == 1


@given(st.binary(max_size=BUNDLE_BYTES_MAX + 10))
def test_any_bytes_are_a_bundle_or_refused(data: bytes) -> None:
    with pytest.raises(RemoteError):
        open_bundle(data)


def test_a_bundle_signed_for_another_purpose_is_none(bob: Any) -> None:
    signed = sign_bundle(bob.identity, sequence=1, expires_s=2, x25519=bytes(32), kem=b"")
    body = decode(signed, bytes_max=BUNDLE_BYTES_MAX)
    assert isinstance(body, list)
    fields = decode(bytes(body[2]), bytes_max=BUNDLE_BYTES_MAX)  # type: ignore[arg-type]
    assert isinstance(fields, dict)
    with pytest.raises(RemoteError, match="bad_signature"):
        open_bundle(sign_body(bob.identity, b"meshnode/record/1", VERSION, fields))
