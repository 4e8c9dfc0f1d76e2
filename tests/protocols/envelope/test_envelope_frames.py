import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.envelope import (
    ENVELOPE_BYTES_MAX,
    LOCAL_HEADER_BYTES,
    PAYLOAD_BYTES_MAX,
    ROUTED_HEADER_BYTES,
    Envelope,
    Kind,
    TrafficClass,
    decode_envelope,
    header_bytes,
    relayed,
    via_of,
)
from protocols.errors import RemoteError
from protocols.ids import UNKNOWN_NODE, NodeId

ALICE, BOB, CAROL = NodeId(b"a" * 32), NodeId(b"b" * 32), NodeId(b"c" * 32)
ID = bytes(range(16))

kinds = st.sampled_from(list(Kind))
classes = st.sampled_from(list(TrafficClass))
nodes = st.binary(min_size=32, max_size=32).map(NodeId)
ids = st.binary(min_size=16, max_size=16)


@st.composite
def envelopes(draw: st.DrawFn) -> bytes:
    local = draw(st.booleans())
    hops = 1 if local else draw(st.integers(1, 255))
    header = header_bytes(draw(kinds), draw(classes), hops, draw(ids), draw(nodes), draw(nodes), local=local)
    frame = header + draw(st.binary(max_size=200))
    via = draw(nodes | st.just(UNKNOWN_NODE))
    return frame if local else relayed(frame, hops_left=hops, via=via)


def routed(payload: bytes = b"hello", *, hops: int = 7) -> bytes:
    return header_bytes(Kind.RECORD, TrafficClass.BULK, hops, ID, ALICE, BOB, local=False) + payload


def local(payload: bytes = b"hello") -> bytes:
    return header_bytes(Kind.HANDSHAKE, TrafficClass.EMERGENCY, 1, ID, ALICE, BOB, local=True) + payload


def refused(data: bytes) -> str:
    with pytest.raises(RemoteError) as caught:
        decode_envelope(data)
    return caught.value.reason


def test_a_routed_envelope_has_the_bytes_that_the_document_says() -> None:
    assert routed() == b"\x01\x02\x01\x07" + ID + ALICE + BOB + b"hello"
    assert len(routed(b"")) == ROUTED_HEADER_BYTES == 84


def test_a_local_envelope_names_nobody() -> None:
    assert local() == b"\x01\x01\x83\x01" + ID + b"hello"
    assert len(local(b"")) == LOCAL_HEADER_BYTES == 20
    envelope = decode_envelope(local())
    assert envelope.source == envelope.destination == UNKNOWN_NODE


def test_a_decoded_envelope_says_who_and_to_whom_and_how_far() -> None:
    assert decode_envelope(routed()) == Envelope(
        Kind.RECORD,
        TrafficClass.BULK,
        7,
        ID,
        ALICE,
        BOB,
        local=False,
        payload=memoryview(b"hello"),
        associated=b"\x01\x02\x01\x00" + ID + ALICE + BOB,
    )


def test_hops_are_not_part_of_what_a_seal_covers() -> None:
    assert decode_envelope(routed(hops=7)).associated == decode_envelope(routed(hops=3)).associated


@pytest.mark.parametrize("local", [True, False])
def test_the_associated_data_is_the_header_without_hops(*, local: bool) -> None:
    data = header_bytes(2, 1, 1, ID, ALICE, BOB, local=local)
    assert decode_envelope(data).associated == header_bytes(2, 1, 0, ID, ALICE, BOB, local=local)


@given(envelopes())
def test_any_envelope_survives_the_wire(data: bytes) -> None:
    assert decode_envelope(data).encode() == data


@given(st.binary(max_size=200))
def test_any_bytes_are_an_envelope_or_refused(data: bytes) -> None:
    try:
        envelope = decode_envelope(data)
    except RemoteError as error:
        assert error.reason in ("bad_envelope", "unknown_version")  # noqa: PT017 - either outcome is right
    else:
        assert envelope.encode() == data


@given(envelopes(), st.integers(0, 83), st.integers(1, 255))
def test_a_damaged_header_never_escapes_as_another_error(data: bytes, at: int, flip: int) -> None:
    damaged = bytearray(data)
    damaged[at % len(damaged)] ^= flip
    try:
        assert decode_envelope(bytes(damaged)).encode() == bytes(damaged)
    except RemoteError as error:
        assert error.reason in ("bad_envelope", "unknown_version")  # noqa: PT017 - either outcome is right


@given(envelopes(), st.integers(0, 300))
def test_a_cut_header_is_refused(data: bytes, length: int) -> None:
    header = LOCAL_HEADER_BYTES if data[2] & 0x80 else ROUTED_HEADER_BYTES
    if length < header:
        assert refused(data[:length]) == "bad_envelope"


def test_a_relay_may_say_towards_whom_it_goes_and_nothing_else_changes() -> None:
    envelope = decode_envelope(relayed(routed(hops=7), hops_left=6, via=CAROL))
    assert (envelope.via, envelope.hops_left) == (CAROL, 6)
    assert envelope.payload == b"hello"
    assert envelope.associated == decode_envelope(routed(hops=7)).associated


def test_the_way_is_taken_off_again() -> None:
    sent = relayed(routed(hops=7), hops_left=6, via=CAROL)
    assert (via_of(sent), via_of(routed())) == (CAROL, None)
    assert relayed(sent, hops_left=5, via=UNKNOWN_NODE) == routed(hops=5)
    assert via_of(relayed(sent, hops_left=5, via=ALICE)) == ALICE


def test_a_way_that_is_cut_short_is_refused() -> None:
    sent = relayed(routed(b"", hops=7), hops_left=6, via=CAROL)
    assert refused(sent[:-1]) == "bad_envelope"


def test_an_unknown_version_is_never_guessed_at() -> None:
    assert refused(b"\x02" + routed()[1:]) == "unknown_version"


@pytest.mark.parametrize("kind", [0, 4, 8, 255])
def test_reserved_kinds_are_refused(kind: int) -> None:
    assert refused(b"\x01" + bytes([kind]) + routed()[2:]) == "bad_envelope"


@pytest.mark.parametrize("bit", [2, 3, 4, 5])
def test_reserved_flag_bits_are_refused(bit: int) -> None:
    assert refused(b"\x01\x02" + bytes([1 << bit]) + routed()[3:]) == "bad_envelope"


def test_an_envelope_without_hops_left_should_not_have_come() -> None:
    assert refused(routed(hops=0)) == "bad_envelope"


def test_a_local_envelope_that_could_be_relayed_is_refused() -> None:
    assert refused(header_bytes(1, 0, 2, ID, ALICE, BOB, local=True)) == "bad_envelope"
    towards = bytearray(local())
    towards[2] |= 0x40
    assert refused(bytes(towards)) == "bad_envelope"


def test_the_largest_payload_fits_and_one_byte_more_does_not() -> None:
    longest = relayed(routed(bytes(PAYLOAD_BYTES_MAX)), hops_left=7, via=CAROL)
    assert len(longest) == ENVELOPE_BYTES_MAX
    assert len(decode_envelope(longest).payload) == PAYLOAD_BYTES_MAX
    assert len(decode_envelope(routed(bytes(PAYLOAD_BYTES_MAX))).payload) == PAYLOAD_BYTES_MAX
    assert refused(routed(bytes(PAYLOAD_BYTES_MAX + 1))) == "bad_envelope"
    assert refused(local(bytes(PAYLOAD_BYTES_MAX + 1))) == "bad_envelope"
