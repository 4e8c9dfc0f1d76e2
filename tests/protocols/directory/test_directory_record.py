"""Node records and revocations: signed, bounded, and read only after the signature held."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.codec import decode, encode
from protocols.directory import (
    NodeRecord,
    open_record,
    open_revocation,
    sign_record,
    sign_revocation,
    supersedes,
)
from protocols.directory.fields import NUMBER_MAX
from protocols.directory.record import LABEL, RECORD_BYTES_MAX
from protocols.directory.revocation import LABEL as REVOCATION_LABEL
from protocols.directory.signed import sign_body
from protocols.errors import LocalError, RemoteError
from protocols.keys import Identity

ALICE, BOB = Identity.from_seed(b"a" * 32), Identity.from_seed(b"b" * 32)
FIELDS: dict[str, Any] = {
    "sequence": 1_800_000_000_000,
    "expires_at": 1_800_086_400,
    "addresses": ("quic://192.0.2.1:7420", "quic://[2001:db8::1]:7420"),
    "services": ("messages", "rpc"),
    "features": ("mlkem768",),
    "name": "Alice's phone",
}
BODY: dict[str, Any] = {
    "seq": 1,
    "exp": 2,
    "x25519": bytes(32),
    "addr": [],
    "srv": [],
    "feat": [],
    "name": "",
}


def signed(**changes: Any) -> bytes:
    """A record that a peer with other ideas of a body might sign."""
    return sign_body(ALICE, LABEL, 1, {**BODY, **changes})


def refusal(data: bytes) -> str:
    with pytest.raises(RemoteError) as caught:
        open_record(data)
    return caught.value.reason


def test_a_record_says_what_was_signed() -> None:
    record = open_record(sign_record(ALICE, **FIELDS))
    assert record == NodeRecord(ALICE.node_id, x25519=ALICE.x25519_public, **FIELDS)


def test_the_bytes_are_those_that_the_wire_document_says() -> None:
    body = encode(
        {
            "addr": list(FIELDS["addresses"]),
            "exp": FIELDS["expires_at"],
            "feat": ["mlkem768"],
            "name": FIELDS["name"],
            "seq": FIELDS["sequence"],
            "srv": ["messages", "rpc"],
            "x25519": ALICE.x25519_public,
        }
    )
    signature = ALICE.sign(b"meshnode/record/1", b"\1" + body)
    assert sign_record(ALICE, **FIELDS) == encode([1, ALICE.node_id, body, signature])
    assert sign_revocation(ALICE, 5) == encode(
        [1, ALICE.node_id, encode({"at": 5}), ALICE.sign(b"meshnode/revocation/1", b"\1" + encode({"at": 5}))]
    )


def test_the_higher_sequence_is_newer_and_only_of_the_same_node() -> None:
    old = open_record(sign_record(ALICE, **FIELDS))
    newer = replace(old, sequence=old.sequence + 1)
    assert supersedes(newer, old)
    assert supersedes(old, None)
    assert not supersedes(old, newer)
    assert not supersedes(old, old)
    assert not supersedes(replace(newer, node=BOB.node_id), old)


def test_keys_of_a_body_that_we_do_not_know_are_ignored() -> None:
    assert open_record(signed(zzz=[1, {"deep": [b"x"]}])).sequence == 1


def test_a_newer_version_is_refused_by_name() -> None:
    assert refusal(sign_body(ALICE, LABEL, 2, BODY)) == "unknown_version"


def test_nobody_signs_for_another() -> None:
    version, _, body, signature = decode_list(signed())
    assert refusal(encode([version, BOB.node_id, body, signature])) == "bad_signature"


def test_a_signature_for_one_purpose_is_none_for_another() -> None:
    with pytest.raises(RemoteError, match="bad_signature"):
        open_revocation(sign_body(ALICE, LABEL, 1, {"at": 5}))


def test_a_body_is_not_read_before_its_signature_held() -> None:
    assert refusal(encode([1, ALICE.node_id, b"\xc1 no msgpack", bytes(64)])) == "bad_signature"


@pytest.mark.parametrize(
    "outer",
    [
        None,
        [],
        [1, bytes(32), b""],
        [1, bytes(31), b"", bytes(64)],
        [1, bytes(32), b"", bytes(63)],
        [True, bytes(32), b"", bytes(64)],
        ["1", bytes(32), b"", bytes(64)],
        [1, bytes(32), "", bytes(64)],
        [1, bytes(32), b"", bytes(64), 0],
    ],
)
def test_what_is_no_signed_body_is_refused(outer: Any) -> None:
    assert refusal(encode(outer)) == "bad_encoding"


@pytest.mark.parametrize(
    "change",
    [
        {"seq": -1},
        {"seq": True},
        {"seq": NUMBER_MAX + 1},
        {"seq": None},
        {"exp": "1"},
        {"x25519": bytes(31)},
        {"x25519": "x" * 32},
        {"name": b""},
        {"name": "x" * 65},
        {"name": "\u00e9" * 33},
        {"addr": "quic://"},
        {"addr": [""] * 17},
        {"addr": ["x" * 129]},
        {"srv": [b"messages"]},
        {"feat": ["x"] * 33},
        {"feat": ["x" * 33]},
    ],
)
def test_a_field_out_of_bounds_is_refused_though_well_signed(change: dict[str, Any]) -> None:
    assert refusal(signed(**change)) == "bad_record"


@pytest.mark.parametrize("key", list(BODY))
def test_a_missing_field_is_refused(key: str) -> None:
    body = {other: value for other, value in BODY.items() if other != key}
    assert refusal(sign_body(ALICE, LABEL, 1, body)) == "bad_record"


def test_a_field_at_its_bound_is_taken() -> None:
    record = open_record(
        signed(seq=NUMBER_MAX, name="x" * 64, addr=["x" * 60] * 16, srv=["x" * 8] * 32, feat=["x" * 8] * 32)
    )
    assert (record.sequence, len(record.addresses), len(record.features)) == (NUMBER_MAX, 16, 32)


def test_a_record_above_its_size_is_refused_before_it_is_read() -> None:
    assert refusal(signed(more=bytes(RECORD_BYTES_MAX))) == "too_long"


@pytest.mark.parametrize("change", [{"name": "x" * 65}, {"sequence": -1}, {"addresses": ("x" * 128,) * 16}])
def test_a_record_of_ours_that_nobody_would_take_is_our_own_fault(change: dict[str, Any]) -> None:
    with pytest.raises(LocalError):
        sign_record(ALICE, **{**FIELDS, **change})


words = st.lists(st.text(max_size=8), max_size=16).map(tuple)


@given(
    sequence=st.integers(0, NUMBER_MAX),
    expires_at=st.integers(0, NUMBER_MAX),
    addresses=words,
    services=words,
    features=words,
    name=st.text(max_size=16),
)
def test_every_record_comes_back_as_it_was(**fields: Any) -> None:
    data = sign_record(ALICE, **fields)
    assert open_record(data) == NodeRecord(ALICE.node_id, x25519=ALICE.x25519_public, **fields)


RECORD = sign_record(ALICE, **FIELDS)


@given(position=st.integers(0, len(RECORD) - 1), bit=st.integers(0, 7))
def test_any_bit_changed_is_noticed(position: int, bit: int) -> None:
    data = bytearray(RECORD)
    data[position] ^= 1 << bit
    assert refusal(bytes(data)) in {"bad_encoding", "bad_signature", "unknown_version", "too_long"}


@given(data=st.binary(max_size=300))
def test_any_bytes_are_refused_in_order(data: bytes) -> None:
    assert refusal(data) in {"bad_encoding", "unknown_version", "bad_signature"}
    with pytest.raises(RemoteError):
        open_revocation(data)


@given(at=st.integers(0, NUMBER_MAX))
def test_a_revocation_names_its_node_and_its_time(at: int) -> None:
    revocation = open_revocation(sign_revocation(BOB, at))
    assert (revocation.node, revocation.at) == (BOB.node_id, at)


@pytest.mark.parametrize("body", [{}, {"at": True}, {"at": "5"}, {"at": -1}, {"at": NUMBER_MAX + 1}])
def test_a_revocation_without_a_proper_time_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(RemoteError, match="bad_revocation"):
        open_revocation(sign_body(ALICE, REVOCATION_LABEL, 1, body))


def test_we_do_not_sign_a_revocation_that_nobody_would_take() -> None:
    with pytest.raises(LocalError):
        sign_revocation(ALICE, -1)


def test_a_revocation_stays_small() -> None:
    assert len(sign_revocation(ALICE, NUMBER_MAX)) < 128
    with pytest.raises(RemoteError, match="too_long"):
        open_revocation(sign_body(ALICE, REVOCATION_LABEL, 1, {"at": 5, "more": bytes(256)}))


def decode_list(data: bytes) -> list[Any]:
    value = decode(data, bytes_max=RECORD_BYTES_MAX)
    assert isinstance(value, list)
    return value
