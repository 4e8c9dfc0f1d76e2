"""The bytes of frames: golden vectors, round trips, and no surprise from a stranger's bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import RemoteError
from protocols.stream.frames import (
    ACK,
    MAX_DATA,
    MAX_STREAM_DATA,
    MAX_STREAM_DATA_FRAME,
    MAX_STREAMS,
    ONE_U32,
    ONE_U64,
    RESET,
    RESET_FRAME,
    STOP,
    STOP_FRAME,
    Ack,
    Close,
    Control,
    Frame,
    MaxData,
    MaxStreamData,
    MaxStreams,
    Ping,
    Reset,
    Stop,
    decode_frame,
    encode_ack,
    encode_close,
    encode_control,
)
from protocols.stream.limits import ACK_RANGES_MAX
from protocols.stream.receipts import Receipts

VECTORS: list[tuple[str, Frame]] = [
    ("01 0000000000000009 000003e8 01 00000002 00000003 00000001", Ack(9, 1_000_000, [(8, 9), (4, 4)])),
    ("03 0000000001000000", MaxData(2**24)),
    ("04 00000005 0000000000000100", MaxStreamData(5, 256)),
    ("05 00000004 0002 0000000000000009", Reset(4, 2, 9)),
    ("06 00000004 0001", Stop(4, 1)),
    ("07 00000100", MaxStreams(256)),
    ("08", Ping()),
    ("09 0001 03 627965", Close(1, "bye")),
    ("0a 01 0002 abcd", Control(1, b"\xab\xcd")),
]


@pytest.mark.parametrize(("wire", "frame"), VECTORS)
def test_each_frame_reads_as_the_document_says(wire: str, frame: Frame) -> None:
    data = bytes.fromhex(wire)
    assert decode_frame(b"\x00" + data + b"\xff", 1) == (frame, 1 + len(data))


def test_each_frame_is_written_as_the_document_says() -> None:
    written = [
        encode_ack([(8, 9), (4, 4)], 1_000_000),
        ONE_U64.pack(MAX_DATA, 2**24),
        MAX_STREAM_DATA_FRAME.pack(MAX_STREAM_DATA, 5, 256),
        RESET_FRAME.pack(RESET, 4, 2, 9),
        STOP_FRAME.pack(STOP, 4, 1),
        ONE_U32.pack(MAX_STREAMS, 256),
        b"\x08",
        encode_close(1, "bye"),
        encode_control(1, b"\xab\xcd"),
    ]
    assert written == [bytes.fromhex(wire) for wire, _ in VECTORS]


@pytest.mark.parametrize("wire", [wire for wire, _ in VECTORS if wire != "08"])
def test_a_frame_cut_short_is_refused(wire: str) -> None:
    data = bytes.fromhex(wire)
    for end in range(1, len(data)):
        with pytest.raises(RemoteError):
            decode_frame(data[:end], 0)


@pytest.mark.parametrize(
    "wire",
    [
        "01 0000000000000009 00000000 00 00000000",  # an empty first range
        "01 0000000000000009 00000000 00 0000000b",  # below zero
        "01 0000000000000009 00000000 01 00000001 00000000 00000001",  # no gap
        "01 0000000000000009 00000000 01 00000001 00000001 00000000",  # an empty range
        "01 0000000000000009 00000000 01 00000001 00000001 00000009",  # below zero
        "01 0000000000000009 00000000 20 00000001",  # too many ranges
        "0a 01 0401" + "00" * 1025,  # control too long
        "0b",  # a type of a later version
    ],
)
def test_a_frame_that_makes_no_sense_is_refused(wire: str) -> None:
    with pytest.raises(RemoteError):
        decode_frame(bytes.fromhex(wire), 0)


@given(st.binary(min_size=1, max_size=64))
def test_any_bytes_are_a_frame_or_a_remote_error(data: bytes) -> None:
    try:
        _, end = decode_frame(data, 0)
    except RemoteError:
        return
    assert 0 < end <= len(data)


@given(st.sets(st.integers(0, 400), min_size=1))
def test_what_an_acknowledgement_names_is_what_arrived(counters: set[int]) -> None:
    receipts = Receipts()
    for counter in sorted(counters, key=lambda c: (c * 7919) % 401):
        receipts.received(counter, asks=True, reliable=False, now_ns=0)
    ack, _ = decode_frame(receipts.frame(receipts.frame_bytes(1_000), 0), 0)
    assert isinstance(ack, Ack)
    named = {counter for low, high in ack.ranges for counter in range(low, high + 1)}
    assert len(ack.ranges) <= ACK_RANGES_MAX
    assert named <= counters
    assert ack.largest == max(counters)
    if len(ack.ranges) < ACK_RANGES_MAX:
        assert named == counters


@given(st.lists(st.tuples(st.integers(1, 2**33), st.integers(1, 2**33)), min_size=1, max_size=50))
def test_ranges_too_wide_for_their_fields_leave_out_only_the_oldest(steps: list[tuple[int, int]]) -> None:
    high = sum(gap + length for gap, length in steps) + 5
    ranges: list[tuple[int, int]] = []
    for gap, length in steps:
        ranges.append((high - length + 1, high))
        high -= length + gap
    ack, _ = decode_frame(encode_ack(ranges, 0), 0)
    assert isinstance(ack, Ack)
    assert ack.largest == ranges[0][1]
    for low, top in ack.ranges:
        assert any(below <= low and top <= above for below, above in ranges)


def test_a_counter_heard_twice_changes_nothing() -> None:
    receipts = Receipts()
    for counter in (0, 1, 2, 1, 5, 5):
        receipts.received(counter, asks=True, reliable=True, now_ns=0)
    ack, _ = decode_frame(receipts.frame(receipts.frame_bytes(100), 0), 0)
    assert ack == Ack(5, 0, [(5, 5), (0, 2)])


def test_ranges_that_the_peer_knows_to_be_answered_are_forgotten() -> None:
    receipts = Receipts()
    for counter in (0, 2, 4, 6):
        receipts.received(counter, asks=True, reliable=True, now_ns=0)
    receipts.forget(4)
    ack, _ = decode_frame(receipts.frame(receipts.frame_bytes(100), 0), 0)
    assert ack == Ack(6, 0, [(6, 6)])


def test_an_old_hole_filled_late_pushes_out_the_oldest_range() -> None:
    receipts = Receipts()
    for counter in range(0, 4 * ACK_RANGES_MAX, 4):
        receipts.received(counter, asks=True, reliable=True, now_ns=0)
    receipts.received(66, asks=True, reliable=True, now_ns=0)
    ack, _ = decode_frame(receipts.frame(receipts.frame_bytes(1_000), 0), 0)
    assert isinstance(ack, Ack)
    assert (66, 66) in ack.ranges
    assert (0, 0) not in ack.ranges


def test_an_answer_is_due_after_two_datagrams_or_sixteen_reliable_records_or_some_milliseconds() -> None:
    for reliable, enough, delay_ns in ((False, 2, 10_000_000), (True, 16, 5_000_000)):
        receipts = Receipts()
        for counter in range(enough):
            assert not receipts.is_due
            receipts.received(counter, asks=True, reliable=reliable, now_ns=counter)
            assert receipts.due_ns == (None if counter == enough - 1 else delay_ns)
        assert receipts.is_due
        assert receipts.frame(receipts.frame_bytes(100), enough)[0] == ACK
        assert not receipts.is_due
        assert not receipts.waits_for(0)


def test_a_hole_on_a_datagram_lane_is_answered_at_once() -> None:
    receipts = Receipts()
    receipts.received(0, asks=True, reliable=False, now_ns=0)
    receipts.frame(receipts.frame_bytes(100), 0)
    receipts.received(2, asks=True, reliable=False, now_ns=0)
    assert receipts.is_due


def test_no_room_for_a_range_means_no_answer() -> None:
    receipts = Receipts()
    receipts.received(0, asks=True, reliable=False, now_ns=0)
    assert receipts.frame_bytes(17) == 0
