"""A broadcast's bytes: what is taken, what is refused, and what nobody can change."""

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.codec import encode
from protocols.envelope import Envelope, Kind, TrafficClass, decode_envelope, header_bytes, relayed
from protocols.errors import LocalError, RemoteError
from protocols.ids import NodeId
from protocols.keys import Identity
from protocols.routing.broadcast import (
    BODY_BYTES_MAX,
    FRAME_BYTES_MAX,
    HOPS_DEFAULT,
    LIFE_MS_MAX,
    Life,
    life_of,
    make_broadcast,
    open_broadcast,
)
from protocols.routing.broadcast.frames import ID_LABEL, LABEL

ALICE = Identity(b"a" * 32)
AT_MS = 1_800_000_000_000
HOUR_MS = 3_600_000


def made(**changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "kind": "text",
        "body": b"hello",
        "at_ms": AT_MS,
        "expires_ms": AT_MS + HOUR_MS,
        "traffic": TrafficClass.INTERACTIVE,
        "salt": b"12345678",
        **changes,
    }
    return make_broadcast(ALICE, **fields)


def signed_with(**changes: Any) -> Envelope:
    """Of a source that signs what it should not."""
    fields: dict[str, Any] = {
        "at": AT_MS, "exp": AT_MS + HOUR_MS, "hops": 0, "k": "text", "b": b"x", "n": b"12345678", **changes
    }  # fmt: skip
    body = encode({key: value for key, value in fields.items() if value is not ...})
    nobody = NodeId(bytes(32))

    def header(broadcast_id: bytes, hops_left: int) -> bytes:
        return header_bytes(Kind.BROADCAST, 0, hops_left, broadcast_id, ALICE.node_id, nobody, local=False)

    broadcast_id = hashlib.sha256(ID_LABEL + header(bytes(16), 0) + body).digest()[:16]
    signature = ALICE.sign(LABEL, header(broadcast_id, 0) + body)
    return decode_envelope(header(broadcast_id, 9) + signature + body)


def reason_of(envelope: Envelope) -> str:
    with pytest.raises(RemoteError) as refused:
        open_broadcast(envelope)
    return refused.value.reason


def test_what_was_made_is_read_as_it_was_meant() -> None:
    frame = made(hops=3, traffic=TrafficClass.EMERGENCY)
    found = open_broadcast(decode_envelope(frame))
    assert (found.source, found.kind, found.body) == (ALICE.node_id, "text", b"hello")
    assert (found.at_ms, found.expires_ms, found.hops) == (AT_MS, AT_MS + HOUR_MS, 3)
    assert found.traffic == TrafficClass.EMERGENCY
    assert frame[3] == 3
    assert made()[3] == HOPS_DEFAULT


def test_relays_change_the_hops_left_and_nothing_else() -> None:
    frame = made()
    onward = relayed(frame, hops_left=7, via=NodeId(bytes(32)))
    assert open_broadcast(decode_envelope(onward)) == open_broadcast(decode_envelope(frame))


@given(place=st.integers(0, len(made()) - 1), bit=st.integers(0, 7))
def test_no_other_bit_can_be_changed(place: int, bit: int) -> None:
    changed = bytearray(made())
    changed[place] ^= 1 << bit
    if place == 3:
        return
    with pytest.raises(RemoteError):
        open_broadcast(decode_envelope(bytes(changed)))


@given(data=st.binary(max_size=400))
def test_any_payload_is_a_broadcast_or_an_error(data: bytes) -> None:
    header = made()[:84]
    with pytest.raises(RemoteError):
        open_broadcast(decode_envelope(header + data))


def test_the_longest_body_fits_and_one_byte_more_does_not() -> None:
    assert len(made(kind="k" * 32, body=b"x" * BODY_BYTES_MAX)) <= FRAME_BYTES_MAX
    with pytest.raises(LocalError):
        made(body=b"x" * (BODY_BYTES_MAX + 128))


@pytest.mark.parametrize(
    "changes",
    [
        {"expires_ms": AT_MS},
        {"expires_ms": AT_MS + LIFE_MS_MAX + 1},
        {"hops": 33},
        {"kind": ""},
        {"kind": "k" * 33},
        {"salt": b"short"},
    ],
)
def test_what_others_would_refuse_is_not_made(changes: dict[str, Any]) -> None:
    with pytest.raises(LocalError):
        made(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"at": -1},
        {"at": AT_MS + HOUR_MS},
        {"exp": AT_MS + LIFE_MS_MAX + 1},
        {"exp": 2**60},
        {"hops": 33},
        {"hops": True},
        {"k": ""},
        {"k": b"text"},
        {"b": "text"},
        {"n": b"1234567"},
        {"n": ...},
    ],
)
def test_signed_nonsense_is_refused(changes: dict[str, Any]) -> None:
    assert reason_of(signed_with(**changes)) == "bad_broadcast"


def test_fields_of_later_versions_are_ignored() -> None:
    assert open_broadcast(signed_with(later=1)).body == b"x"


def test_an_envelope_of_another_kind_or_way_is_refused() -> None:
    envelope = decode_envelope(made())
    for other in (
        envelope._replace(kind=Kind.RECORD),
        envelope._replace(local=True),
        envelope._replace(via=ALICE.node_id),
        envelope._replace(payload=bytes(64)),
    ):
        assert reason_of(other) == "bad_broadcast"
    assert reason_of(envelope._replace(source=NodeId(b"b" * 32))) == "bad_broadcast"


def test_a_signature_of_somebody_else_is_refused() -> None:
    envelope = signed_with()
    assert reason_of(envelope._replace(payload=bytes(64) + bytes(envelope.payload)[64:])) == "bad_signature"


@pytest.mark.parametrize(
    ("wall_ms", "told"),
    [
        (AT_MS, Life(0, HOUR_MS)),
        (AT_MS + 60_000, Life(60_000, HOUR_MS - 60_000)),
        (AT_MS - 60_000, Life(0, HOUR_MS)),
        (AT_MS + HOUR_MS, "expired"),
        (AT_MS - 3 * HOUR_MS, "from_the_future"),
        (1_000, Life(0, HOUR_MS)),
    ],
    ids=["now", "a minute old", "a clock ahead", "too old", "far ahead", "our clock was never set"],
)
def test_age_is_judged_as_far_as_our_clock_can_tell(wall_ms: int, told: object) -> None:
    assert life_of(open_broadcast(decode_envelope(made())), wall_ms=wall_ms) == told


def test_the_format_does_not_change_unseen() -> None:
    digest = hashlib.sha256(made(hops=2)).hexdigest()
    assert digest == "3cde2d52576fb1883cab821cf924a90dd168f8747a848f6bfb8af59876bd3dc5"
