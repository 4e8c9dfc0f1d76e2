"""One connection's rules, record by record."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.envelope import TrafficClass
from protocols.errors import LocalError, RefusedError, RemoteError
from protocols.stream import (
    Closed,
    Connection,
    ControlReceived,
    Path,
    State,
    StreamData,
    StreamLimits,
    StreamOpened,
    StreamReset,
    StreamStopped,
    StreamWritable,
    Waiting,
)
from protocols.stream.frames import (
    FIN_BIT,
    MAX_STREAM_DATA,
    MAX_STREAM_DATA_FRAME,
    RESET,
    RESET_FRAME,
    STOP,
    STOP_FRAME,
    STREAM,
    STREAM_FRAME,
    encode_ack,
)
from protocols.stream.limits import (
    CHUNKS_HELD_MAX,
    CONTROLS_MAX,
    DATA_BYTES_INITIAL,
    LANES_MAX,
    RECORDS_SPAN_MAX,
    STREAM_BYTES_INITIAL,
    STREAM_INDEX_MAX,
    STREAMS_INITIAL,
)

if TYPE_CHECKING:
    from conftest import Pair

MS = 1_000_000
DATAGRAM = Path(1, reliable=False, bytes_max=1_180)
RELIABLE = Path(2, reliable=True, bytes_max=65_504)
QUIET = StreamLimits(
    data_window_bytes=DATA_BYTES_INITIAL,
    stream_window_bytes=STREAM_BYTES_INITIAL,
    streams_max=STREAMS_INITIAL,
    streams_waiting_max=40,
    unsent_bytes_max=100_000,
    keepalive_ns=None,
)  # nothing goes unasked


def responder(limits: StreamLimits = QUIET) -> Connection:
    return Connection(initiator=False, now_ns=0, limits=limits)


def initiator(limits: StreamLimits = QUIET) -> Connection:
    return Connection(initiator=True, now_ns=0, limits=limits)


def data_frame(stream: int, offset: int, data: bytes, *, fin: bool = False) -> bytes:
    return STREAM_FRAME.pack(STREAM, stream, offset, len(data) | (FIN_BIT if fin else 0)) + data


def hear(connection: Connection, counter: int, *frames: bytes) -> list[object]:
    return list(connection.receive(counter, b"".join(frames), reliable=True, now_ns=0))


def test_a_record_holds_the_piggybacked_answer_before_the_data(make_pair: Callable[..., Pair]) -> None:
    left = initiator()
    hear(left, 0, b"\x08")
    left.send(left.open_stream(traffic=TrafficClass.BULK), [b"abc"], fin=True)
    record = left.next_record(DATAGRAM, 0, now_ns=2_000)
    assert record == encode_ack([(0, 0)], 2_000) + data_frame(0, 0, b"abc", fin=True)


def test_an_answer_alone_waits_until_it_is_due_and_is_not_answered() -> None:
    left, right = initiator(), responder()
    hear(right, 0, b"\x08")
    assert right.next_record(DATAGRAM, 0, now_ns=0) is None
    assert right.next_timeout() == 5 * MS
    right.handle_timeout(5 * MS)
    assert right.wants_to_send() == Waiting(TrafficClass.INTERACTIVE, 0)
    left.send_control(1, b"x")
    left.next_record(DATAGRAM, 0, now_ns=0)
    record = right.next_record(DATAGRAM, 0, now_ns=5 * MS)
    assert record is not None
    left.receive(0, record, reliable=False, now_ns=5 * MS)
    assert left.next_timeout() is None
    assert left.rtt_ns == 5 * MS


def test_classes_are_served_in_order_and_the_lowest_does_not_starve() -> None:
    left = initiator(StreamLimits(keepalive_ns=None))
    streams = {left.open_stream(traffic=traffic): traffic for traffic in TrafficClass}
    for stream in streams:
        left.send(stream, [bytes(200_000)])
    assert left.wants_to_send() == Waiting(TrafficClass.EMERGENCY, 800_000)
    served: list[TrafficClass] = []
    for counter in range(1, 40):
        record = left.next_record(RELIABLE._replace(bytes_max=10_000), counter, now_ns=0)
        assert record is not None
        at = record.index(bytes([STREAM]) + b"\0\0\0")
        served.append(streams[STREAM_FRAME.unpack_from(record, at)[1]])
    assert served[15] == served[31] == TrafficClass.BACKGROUND
    first = [traffic for n, traffic in enumerate(served) if n not in (15, 31)]
    assert first[:20] == [TrafficClass.EMERGENCY] * 20
    assert first[21:] == [TrafficClass.INTERACTIVE] * (len(first) - 21)


def test_streams_of_a_class_take_turns() -> None:
    left = initiator()
    for stream in [left.open_stream(traffic=TrafficClass.BULK) for _ in range(3)]:
        left.send(stream, [bytes(5_000)])
    order: list[int] = []
    for counter in range(6):
        record = left.next_record(RELIABLE._replace(bytes_max=1_000), counter, now_ns=0)
        assert record is not None
        order.append(STREAM_FRAME.unpack_from(record)[1])
    assert order == [0, 2, 4, 0, 2, 4]


def test_a_stream_changes_its_class() -> None:
    left = initiator()
    low, high = (left.open_stream(traffic=TrafficClass.BACKGROUND) for _ in range(2))
    left.send(low, [b"low"])
    left.send(high, [b"high"])
    left.set_traffic(high, TrafficClass.EMERGENCY)
    left.set_traffic(99, TrafficClass.EMERGENCY)
    assert left.wants_to_send() == Waiting(TrafficClass.EMERGENCY, 7)
    assert left.next_record(DATAGRAM, 0, now_ns=0) == data_frame(high, 0, b"high") + data_frame(
        low, 0, b"low"
    )


def test_small_messages_share_a_record_and_no_sliver_of_a_chunk_is_sent() -> None:
    left = initiator()
    stream = left.open_stream(traffic=TrafficClass.INTERACTIVE)
    left.send(stream, [b"a" * 500, b"b" * 500])
    other = left.open_stream(traffic=TrafficClass.INTERACTIVE)
    left.send(other, [b"c" * 500])
    record = left.next_record(DATAGRAM._replace(bytes_max=1_017 + 17 + 63), 0, now_ns=0)
    assert record == data_frame(stream, 0, b"a" * 500 + b"b" * 500)
    assert left.next_record(DATAGRAM, 1, now_ns=0) == data_frame(other, 0, b"c" * 500)


def test_a_full_stream_says_when_it_takes_more() -> None:
    left = initiator()
    stream = left.open_stream(traffic=TrafficClass.BULK)
    assert left.send(stream, [bytes(150_000)]) == 150_000
    assert left.unsent_bytes(stream) == 150_000
    with pytest.raises(LocalError):
        left.send(stream, [b"more"])
    left.next_record(RELIABLE, 0, now_ns=0)
    assert left.take_events() == []
    left.next_record(RELIABLE, 1, now_ns=0)
    assert left.take_events() == [StreamWritable(stream)]
    left.send(stream, [bytes(150_000)])
    left.send(stream, [b"last words"], fin=True)
    with pytest.raises(LocalError):
        left.send(stream, [b"after the end"])


def test_writable_streams_are_told_with_the_next_record_that_comes() -> None:
    left = initiator()
    stream = left.open_stream(traffic=TrafficClass.BULK)
    left.send(stream, [bytes(100_001)])
    left.next_record(RELIABLE, 0, now_ns=0)
    assert hear(left, 0, b"\x08") == [StreamWritable(stream)]


def test_streams_beyond_the_peers_permission_wait_for_it(make_pair: Callable[..., Pair]) -> None:
    pair = make_pair(limits=QUIET)
    streams = [pair.left.connection.open_stream(traffic=TrafficClass.BULK) for _ in range(40)]
    with pytest.raises(RefusedError):
        pair.left.connection.open_stream(traffic=TrafficClass.BULK)
    for stream in streams:
        pair.left.connection.send(stream, [b"x"], fin=True)
    pair.left.connection.reset(streams[-1], 7)
    pair.run(for_ns=1_000 * MS)
    assert len(pair.right.ended) == STREAMS_INITIAL
    for stream in streams:  # answered, a stream is over, and makes room for another
        pair.right.connection.send(stream, [], fin=True)
        pair.run(for_ns=100 * MS)
    assert pair.right.ended == streams[:-1]
    assert StreamReset(streams[-1], 7) in pair.right.events
    assert pair.left.connection.open_streams == 0


def test_a_used_up_session_opens_no_more_streams() -> None:
    left = initiator()
    left._table._ours = STREAM_INDEX_MAX + 1
    with pytest.raises(RefusedError, match="new one"):
        left.open_stream(traffic=TrafficClass.BULK)


def test_using_a_stream_opens_those_below_it() -> None:
    right = responder()
    assert hear(right, 0, data_frame(4, 0, b"x")) == [
        StreamOpened(0),
        StreamOpened(2),
        StreamOpened(4),
        StreamData(4, b"x", fin=False),
    ]


def test_a_reset_stream_ends_with_a_code_and_gives_its_credit_back(make_pair: Callable[..., Pair]) -> None:
    pair = make_pair()
    left, right = pair.left.connection, pair.right.connection
    stream = left.open_stream(traffic=TrafficClass.BULK)
    left.send(stream, [bytes(100_000)])
    pair.right.reads = False
    pair.pump()
    left.reset(stream, 9)
    left.reset(stream, 10)
    assert left.send(stream, [b"dropped"]) == 0
    assert left.unsent_bytes(stream) == 0
    pair.run(for_ns=1_000 * MS)
    assert StreamReset(stream, 9) in pair.right.events
    assert right.unread_bytes == len(pair.right.got[stream])
    right.consumed(stream, right.unread_bytes)
    right.reset(stream, 9)
    pair.run(for_ns=1_000 * MS)
    assert left.open_streams == right.open_streams == 0
    assert right._inflow._credit.consumed == right._inflow._credit.received == left._outflow._sent


def test_a_stopped_stream_is_reset_by_its_sender(make_pair: Callable[..., Pair]) -> None:
    pair = make_pair()
    left, right = pair.left.connection, pair.right.connection
    stream = left.open_stream(traffic=TrafficClass.BULK)
    left.send(stream, [bytes(400_000)])
    pair.run(until=lambda: bool(pair.right.got[stream]))
    right.stop(stream, 3)
    right.stop(stream, 4)
    got = len(pair.right.got[stream])
    pair.run(for_ns=1_000 * MS)
    assert StreamStopped(stream, 3) in pair.left.events
    assert not any(isinstance(event, StreamReset) for event in pair.right.events)
    assert len(pair.right.got[stream]) == got
    right.reset(stream, 3)
    right.stop(stream, 3)
    right.stop(99, 3)
    left.reset(99, 3)
    pair.run(for_ns=1_000 * MS)
    assert left.open_streams == right.open_streams == 0
    assert right._inflow._credit.consumed == right._inflow._credit.received


def test_a_stop_after_the_end_was_seen_needs_no_frame() -> None:
    right = responder()
    hear(right, 0, data_frame(0, 5, b"late", fin=True))
    right.stop(0, 1)
    right.reset(0, 1)
    record = right.next_record(RELIABLE, 0, now_ns=0)
    assert record is not None
    assert record.endswith(RESET_FRAME.pack(RESET, 0, 1, 0))
    assert right.open_streams == 0


def test_farewells_and_windows_that_were_lost_go_again() -> None:
    limits = StreamLimits(keepalive_ns=None)
    right = responder(limits)
    hear(right, 0, data_frame(0, 0, bytes(100_000)), data_frame(2, 0, b"x"))
    right.consumed(0, 100_000)
    right.reset(2, 1)
    right.stop(2, 1)
    right.send_control(1, b"bind", lane=RELIABLE.lane)
    right.send_control(2, b"any")
    first = right.next_record(RELIABLE, 0, now_ns=0)
    assert right.wants_to_send() is None
    right.lane_lost(RELIABLE.lane, now_ns=0)
    again = right.next_record(DATAGRAM, 1, now_ns=0)
    assert first is not None
    assert again is not None
    for frame in (
        RESET_FRAME.pack(RESET, 2, 1, 0),
        STOP_FRAME.pack(STOP, 2, 1),
        b"any",
        b"\x03",
        b"\x04",
        b"\x07",
    ):
        assert frame in first
        assert frame in again
    assert b"bind" in first
    assert b"bind" not in again


def test_the_window_of_a_stream_that_ended_meanwhile_is_not_renewed() -> None:
    right = responder(StreamLimits(keepalive_ns=None))
    hear(right, 0, data_frame(0, 0, bytes(100_000)))
    right.consumed(0, 100_000)
    hear(right, 1, RESET_FRAME.pack(RESET, 0, 1, 100_000))
    right.reset(0, 1)
    record = right.next_record(RELIABLE, 0, now_ns=0)
    assert record is not None
    right._inflow._streams_due[0] = None
    record = right.next_record(RELIABLE, 1, now_ns=0)
    assert record is None


def test_control_goes_first_on_its_lane_and_on_an_unbound_one_alone() -> None:
    left = initiator()
    left.send(left.open_stream(traffic=TrafficClass.EMERGENCY), [b"data"])
    hear(left, 0, b"\x08")
    left.send_control(1, b"bind", lane=7)
    left.send_control(2, b"free")
    assert left.own_lanes() == [7]
    record = left.next_record(Path(7, reliable=False, bytes_max=1_000, only="control"), 0, now_ns=0)
    assert record == b"\x0a\x01\x00\x04bind"
    assert left.own_lanes() == []
    record = left.next_record(DATAGRAM, 1, now_ns=0)
    assert record is not None
    assert record.endswith(b"\x0a\x02\x00\x04free" + data_frame(0, 0, b"data"))


def test_control_for_a_lane_goes_again_on_that_lane_and_is_forgotten_with_it() -> None:
    left, unbound = initiator(), Path(7, reliable=False, bytes_max=1_000, only="control")
    left.send_control(1, b"bind", lane=7)
    first = left.next_record(unbound, 0, now_ns=0)
    due_ns = left.next_timeout()
    assert due_ns is not None
    left.handle_timeout(due_ns)
    assert left.next_record(unbound, 1, now_ns=due_ns) == first
    left.send_control(1, b"bind", lane=7)
    left.lane_lost(7, now_ns=due_ns)
    assert left.own_lanes() == []


def test_control_is_heard_and_too_many_push_out_the_oldest() -> None:
    left, right = initiator(), responder()
    for n in range(CONTROLS_MAX + 1):
        left.send_control(1, bytes([n]))
    record = left.next_record(RELIABLE, 0, now_ns=0)
    assert record is not None
    assert hear(right, 0, record) == [ControlReceived(1, bytes([n])) for n in range(1, CONTROLS_MAX + 1)]
    left._send_again()
    assert left.stats.controls_dropped == 1


def test_control_that_does_not_fit_waits_for_a_bigger_record() -> None:
    left = initiator()
    left.send_control(1, bytes(500))
    assert left.next_record(Path(3, reliable=False, bytes_max=200), 0, now_ns=0) is None
    assert left.next_record(DATAGRAM, 0, now_ns=0) is not None


def test_a_close_is_the_last_record() -> None:
    left, right = initiator(), responder()
    left.close(5, "good night")
    left.close(6, "twice")
    assert left.wants_to_send() is not None
    record = left.next_record(DATAGRAM, 0, now_ns=0)
    assert record is not None
    assert hear(right, 0, record) == [Closed(5, "good night")]
    for side in (left, right):
        assert side.state is State.CLOSED
        assert side.wants_to_send() is None
        assert side.next_record(DATAGRAM, 1, now_ns=0) is None
        assert side.next_timeout() is None
        assert hear(side, 1, b"\xff") == []


def test_silence_is_broken_by_a_ping() -> None:
    left = initiator(
        StreamLimits(streams_max=STREAMS_INITIAL, data_window_bytes=DATA_BYTES_INITIAL, keepalive_ns=30)
    )
    assert left.next_timeout() == 30
    left.handle_timeout(30)
    assert left.next_timeout() is None
    assert left.next_record(DATAGRAM, 0, now_ns=30) == b"\x08"
    assert left.next_timeout() == 60


def test_a_spare_connection_is_kept_alive_only_while_a_stream_is_open() -> None:
    left = initiator(
        StreamLimits(streams_max=STREAMS_INITIAL, data_window_bytes=DATA_BYTES_INITIAL, keepalive_ns=30)
    )
    left.is_spare = True
    assert left.next_timeout() is None
    left.open_stream(traffic=TrafficClass.INTERACTIVE)
    assert left.next_timeout() == 30


def test_the_congestion_window_stops_a_datagram_lane_and_not_a_reliable_one() -> None:
    left = initiator()
    left.send(left.open_stream(traffic=TrafficClass.BULK), [bytes(100_000)])
    counter = 0
    while left.next_record(DATAGRAM, counter, now_ns=0) is not None:
        counter += 1
    assert counter == 16_384 // 1_180
    assert left.wants_to_send() is not None
    assert left.next_record(RELIABLE, counter, now_ns=0) is not None


def test_too_many_unanswered_records_stop_every_lane() -> None:
    left = initiator()
    stream = left.open_stream(traffic=TrafficClass.BULK)
    for counter in range(RECORDS_SPAN_MAX):
        left.send(stream, [b"x"])
        assert left.next_record(RELIABLE, counter, now_ns=0) is not None
    left.send(stream, [b"x"])
    assert left.next_record(RELIABLE, RECORDS_SPAN_MAX, now_ns=0) is None
    hear(left, 0, encode_ack([(0, RECORDS_SPAN_MAX - 1)], 0))
    assert left.next_record(RELIABLE, RECORDS_SPAN_MAX, now_ns=0) is not None


def test_too_many_lanes_lose_the_one_used_longest_ago() -> None:
    left = initiator()
    stream = left.open_stream(traffic=TrafficClass.BULK)
    for lane in range(LANES_MAX):
        left.send(stream, [b"x"])
        left.next_record(Path(lane, reliable=True, bytes_max=1_000), lane, now_ns=0)
    left.next_record(Path(0, reliable=True, bytes_max=1_000), LANES_MAX, now_ns=0)
    assert left.flying_records == LANES_MAX
    left.send_control(1, b"x")
    left.next_record(Path(LANES_MAX, reliable=True, bytes_max=1_000), LANES_MAX, now_ns=0)
    assert left.flying_records == LANES_MAX  # lane 1 gave one back, the new one took one
    left.lane_lost(12345, now_ns=0)


def test_a_jump_of_the_counter_by_an_epoch_is_nothing_special() -> None:
    left = initiator()
    stream = left.open_stream(traffic=TrafficClass.BULK)
    left.send(stream, [b"x"])
    left.next_record(RELIABLE, 3, now_ns=0)
    left.send(stream, [b"y"])
    left.next_record(RELIABLE, 1 << 20, now_ns=0)
    hear(left, 0, encode_ack([(1, 1 << 20)], 0))
    assert left.flying_records == 0


def test_more_early_chunks_than_are_kept_make_the_record_come_again() -> None:
    right = responder()
    frames = [data_frame(0, 2 * n + 1, b"x") for n in range(CHUNKS_HELD_MAX)]
    for counter in range(8):
        hear(right, counter, *frames[counter * 512 : (counter + 1) * 512])
    hear(right, 8, data_frame(0, 2 * CHUNKS_HELD_MAX + 1, b"refused"))
    assert right.stats.records_refused == 1
    right.handle_timeout(10 * MS)
    record = right.next_record(RELIABLE, 0, now_ns=10 * MS)
    assert record is not None
    assert record.startswith(encode_ack([(0, 7)], 10 * MS))
    events = hear(right, 9, *[data_frame(0, 2 * n, b"y") for n in range(CHUNKS_HELD_MAX)])
    data = b"".join(bytes(event.data) for event in events if isinstance(event, StreamData))
    assert data == b"yx" * CHUNKS_HELD_MAX
    assert right.unread_bytes == len(data)


def test_overlapping_chunks_are_told_once() -> None:
    right = responder()
    text = b"abcdefghijklmnopqrstuvwxyz"
    events: list[object] = []
    for counter, (start, end) in enumerate(
        [(2, 5), (2, 9), (2, 4), (6, 8), (12, 20), (10, 14), (0, 3), (1, 11), (15, 26)]
    ):
        events += hear(right, counter, data_frame(0, start, text[start:end], fin=end == 26))
    data = [event for event in events if isinstance(event, StreamData)]
    assert b"".join(bytes(event.data) for event in data) == text
    assert [event.fin for event in data] == [False] * (len(data) - 1) + [True]


def test_an_early_end_without_data_waits_for_the_rest() -> None:
    right = responder()
    assert hear(right, 0, data_frame(0, 3, b"", fin=True)) == [StreamOpened(0)]
    assert hear(right, 1, data_frame(0, 0, b"abc")) == [StreamData(0, b"abc", fin=True)]
    assert hear(right, 2, data_frame(0, 0, b"abc"), STOP_FRAME.pack(STOP, 0, 1)) == [StreamStopped(0, 1)]
    assert hear(right, 3, RESET_FRAME.pack(RESET, 0, 1, 3)) == []


def test_late_frames_of_a_closed_stream_are_ignored() -> None:
    right = responder()
    hear(right, 0, data_frame(0, 0, b"abc", fin=True))
    right.send(0, [b"done"], fin=True)
    right.next_record(RELIABLE, 0, now_ns=0)
    hear(right, 1, encode_ack([(0, 0)], 0))
    assert right.open_streams == 0
    assert hear(right, 2, data_frame(0, 0, b"abc", fin=True), STOP_FRAME.pack(STOP, 0, 1)) == []
    assert right.send(0, [b"gone"]) == 0
    right.consumed(0, 3)


def test_taking_more_than_was_given_is_our_own_fault() -> None:
    right = responder()
    hear(right, 0, data_frame(0, 0, b"abc"))
    with pytest.raises(LocalError):
        right.consumed(0, 4)


@pytest.mark.parametrize(
    ("reason", "frames"),
    [
        ("bad_frame", [b"\x0b"]),
        ("bad_frame", [b"\x02\0\0"]),
        ("bad_frame", [STREAM_FRAME.pack(STREAM, 0, 0, 5) + b"abc"]),
        ("bad_stream", [data_frame(1, 0, b"x")]),
        ("bad_stream", [STOP_FRAME.pack(STOP, 1, 0)]),
        ("stream_limit", [data_frame(2 * STREAMS_INITIAL, 0, b"x")]),
        ("flow_control", [data_frame(0, STREAM_BYTES_INITIAL, b"x")]),
        ("flow_control", [data_frame(2 * n, STREAM_BYTES_INITIAL - 1, b"x") for n in range(5)]),
        ("flow_control", [RESET_FRAME.pack(RESET, 0, 0, STREAM_BYTES_INITIAL + 1)]),
        ("final_size", [data_frame(0, 0, b"abc", fin=True)[:-3] + b"abc", RESET_FRAME.pack(RESET, 2, 0, 0), data_frame(4, 9, b"x", fin=True), data_frame(4, 10, b"x")]),
        ("final_size", [data_frame(0, 5, b"x"), data_frame(0, 0, b"abc", fin=True)]),
        ("final_size", [data_frame(0, 5, b"x", fin=True), data_frame(0, 0, b"abc", fin=True)]),
        ("final_size", [data_frame(0, 5, b"x"), RESET_FRAME.pack(RESET, 0, 0, 3)]),
        ("bad_ack", [encode_ack([(0, 0)], 0)]),
        ("bad_ack", [b"\x01", bytes(17)]),
    ],
)  # fmt: skip
def test_a_peer_that_breaks_a_rule_is_told_apart(reason: str, frames: list[bytes]) -> None:
    with pytest.raises(RemoteError) as caught:
        hear(responder(), 0, *frames)
    assert caught.value.reason == reason


def test_two_answers_in_a_record_are_one_too_many() -> None:
    right = responder()
    right.send_control(1, b"x")
    right.next_record(RELIABLE, 0, now_ns=0)
    with pytest.raises(RemoteError, match="two in one"):
        hear(right, 0, encode_ack([(0, 0)], 0), encode_ack([(0, 0)], 0))


def test_a_window_raised_for_a_stream_lets_it_go_on() -> None:
    left = initiator(StreamLimits(keepalive_ns=None))
    stream = left.open_stream(traffic=TrafficClass.BULK)
    left.send(stream, [bytes(STREAM_BYTES_INITIAL + 10)])
    for counter in range(5):
        left.next_record(RELIABLE, counter, now_ns=0)
    assert left.wants_to_send() is None
    hear(left, 0, MAX_STREAM_DATA_FRAME.pack(MAX_STREAM_DATA, stream, STREAM_BYTES_INITIAL + 5))
    record = left.next_record(RELIABLE, 9, now_ns=0)
    assert record is not None
    assert record.endswith(data_frame(stream, STREAM_BYTES_INITIAL, bytes(5)))


def reset_frame(stream: int, code: int, final_size: int) -> bytes:
    return RESET_FRAME.pack(RESET, stream, code, final_size)


def stop_frame(stream: int, code: int) -> bytes:
    return STOP_FRAME.pack(STOP, stream, code)


def window_frame(stream: int, bytes_max: int) -> bytes:
    return MAX_STREAM_DATA_FRAME.pack(MAX_STREAM_DATA, stream, bytes_max)


def ack_frame(low: int, length: int) -> bytes:
    return encode_ack([(low, low + length)], 0)


STREAM_IDS, SMALL = st.integers(0, 40), st.integers(0, 9)
FRAMES = st.one_of(
    st.binary(max_size=40),
    st.builds(data_frame, STREAM_IDS, st.integers(0, 300_000), st.binary(max_size=60), fin=st.booleans()),
    st.builds(reset_frame, STREAM_IDS, SMALL, st.integers(0, 99)),
    st.builds(stop_frame, STREAM_IDS, SMALL),
    st.builds(window_frame, STREAM_IDS, st.integers(0, 2**63)),
    st.builds(ack_frame, SMALL, SMALL),
    st.just(b"\x08"),
)


@settings(max_examples=300, deadline=None)
@given(records=st.lists(st.lists(FRAMES, max_size=6), max_size=30), answers=st.booleans())
def test_any_bytes_cost_bounded_memory_and_raise_nothing_but_remote_errors(
    *, records: list[list[bytes]], answers: bool
) -> None:
    right = responder()
    if answers:
        right.send(right.open_stream(traffic=TrafficClass.BULK), [bytes(50_000)])
    sent = 0
    for counter, frames in enumerate(records):
        try:
            right.receive(counter, b"".join(frames), reliable=bool(counter % 2), now_ns=counter)
        except RemoteError:
            return
        if right.next_record(RELIABLE if counter % 3 else DATAGRAM, sent, now_ns=counter) is not None:
            sent += 1
        right.handle_timeout(counter)
        assert right.unread_bytes <= DATA_BYTES_INITIAL
        assert right.open_streams <= STREAMS_INITIAL + 1
