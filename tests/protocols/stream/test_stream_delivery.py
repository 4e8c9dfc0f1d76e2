"""Everything arrives exactly once and in order, whatever the lanes do."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.envelope import TrafficClass
from protocols.stream import Path, StreamLimits

if TYPE_CHECKING:
    from conftest import Pair

MS, MIB = 1_000_000, 1024 * 1024
DATAGRAM = Path(1, reliable=False, bytes_max=1_180)
SMALL_DATAGRAM = Path(3, reliable=False, bytes_max=200)
RELIABLE = Path(2, reliable=True, bytes_max=65_504)


def upload(pair: Pair, data: bytes, *, traffic: TrafficClass = TrafficClass.BULK) -> int:
    stream = pair.left.connection.open_stream(traffic=traffic)
    pair.left.connection.send(stream, [data], fin=True)
    return stream


@pytest.mark.parametrize("loss", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("seed", range(4))
def test_both_directions_arrive_exactly_once_over_a_lossy_reordering_lane(
    seed: int, loss: float, make_pair: Callable[..., Pair]
) -> None:
    dice = Random(f"{seed}/lossy")
    pair = make_pair(dice, loss=loss, copies=0.05, jitter_ns=5 * MS)
    there, back = dice.randbytes(300_000), dice.randbytes(200_000)
    stream = upload(pair, there)
    pair.run(until=lambda: stream in pair.right.got)
    pair.right.connection.send(stream, [back], fin=True)
    pair.run(until=lambda: pair.left.ended == [stream] and pair.right.ended == [stream])
    assert pair.right.got[stream] == there
    assert pair.left.got[stream] == back
    pair.run(until=lambda: not pair.left.connection.open_streams and not pair.right.connection.open_streams)
    assert pair.left.connection.open_streams == pair.right.connection.open_streams == 0


@pytest.mark.parametrize("seed", range(6))
def test_a_lane_lost_in_the_middle_loses_nothing(seed: int, make_pair: Callable[..., Pair]) -> None:
    dice = Random(f"{seed}/lanes")
    pair = make_pair(dice, loss=0.05, jitter_ns=3 * MS)
    pair.paths = [RELIABLE, DATAGRAM]
    data = dice.randbytes(2 * MIB)
    stream = upload(pair, data)
    pair.run(for_ns=dice.randrange(1, 40) * MS)
    pair.lose_lane(RELIABLE.lane)
    pair.run(for_ns=dice.randrange(1, 40) * MS)
    pair.paths.append(SMALL_DATAGRAM)
    pair.lose_lane(DATAGRAM.lane)
    pair.run(for_ns=dice.randrange(1, 40) * MS)
    pair.paths.append(RELIABLE._replace(lane=9))
    pair.run(until=lambda: pair.right.ended == [stream])
    assert pair.right.got[stream] == data


def test_what_a_lost_lane_carried_goes_again_at_once(make_pair: Callable[..., Pair]) -> None:
    pair = make_pair()
    pair.paths = [RELIABLE]
    stream = upload(pair, b"x" * 100_000)
    pair.pump()
    pair.lose_lane(RELIABLE.lane)
    pair.paths = [RELIABLE._replace(lane=5)]
    pair.run(until=lambda: bool(pair.right.ended))
    assert pair.now_ns == 10 * MS
    assert pair.right.got[stream] == b"x" * 100_000


def test_a_session_without_lanes_waits_and_goes_on(make_pair: Callable[..., Pair]) -> None:
    pair = make_pair()
    pair.paths = []
    stream = upload(pair, b"later")
    pair.run(for_ns=3_600_000 * MS)
    pair.paths = [DATAGRAM]
    pair.run(until=lambda: pair.right.ended == [stream])
    assert pair.right.got[stream] == b"later"


@pytest.mark.parametrize("seed", range(3))
def test_a_fifth_of_the_air_lost_still_leaves_100_kib_each_second(
    seed: int, make_pair: Callable[..., Pair]
) -> None:
    pair = make_pair(Random(f"{seed}/air"), loss=0.2)
    stream = upload(pair, bytes(MIB))
    pair.run(until=lambda: pair.right.ended == [stream])
    assert MIB / (pair.now_ns / 1e9) >= 100 * 1024


def test_a_clean_lane_is_filled(make_pair: Callable[..., Pair]) -> None:
    pair = make_pair()
    stream = upload(pair, bytes(4 * MIB))
    pair.run(until=lambda: pair.right.ended == [stream])
    assert pair.left.connection.stats.records_lost == 0
    assert pair.now_ns < 400 * MS  # slow start: 16 KiB doubled each 20 ms


def test_the_tail_of_a_stream_is_probed_for(make_pair: Callable[..., Pair]) -> None:
    pair = make_pair()
    stream = upload(pair, b"only one record")
    assert pair.left.connection.next_record(DATAGRAM, 0, now_ns=0) is not None  # lost on the air
    pair.left.counter = 1
    pair.run(until=lambda: pair.right.ended == [stream])
    assert pair.right.got[stream] == b"only one record"
    assert pair.left.connection.stats.records_lost == 1


def test_a_round_trip_far_above_the_first_guess_is_learnt_in_spite_of_early_probes(
    make_pair: Callable[..., Pair],
) -> None:
    pair = make_pair(delay_ns=800 * MS)
    stream = upload(pair, b"far away")
    pair.run(until=lambda: not pair.left.connection.flying_records and bool(pair.right.ended))
    assert pair.right.got[stream] == b"far away"
    assert pair.left.connection.stats.records_late > 0
    rtt_ns = pair.left.connection.rtt_ns
    assert rtt_ns is not None
    assert rtt_ns > 1_000 * MS


def test_a_lost_acknowledgement_on_a_reliable_lane_is_asked_for(make_pair: Callable[..., Pair]) -> None:
    pair = make_pair()
    pair.paths = [RELIABLE]
    upload(pair, b"arrives")
    pair.run(until=lambda: bool(pair.right.ended))
    pair.right.connection.handle_timeout(pair.now_ns + 10 * MS)
    pair.right.connection.next_record(DATAGRAM, pair.right.counter, now_ns=pair.now_ns)  # the answer, lost
    pair.right.counter += 1
    pair.run(until=lambda: not pair.left.connection.flying_records)
    assert pair.left.connection.stats.records_lost == 0
    assert pair.now_ns < 2_000 * MS


def test_a_reliable_lane_that_swallows_everything_is_given_up_after_a_long_stall(
    make_pair: Callable[..., Pair],
) -> None:
    pair = make_pair()
    stream = upload(pair, b"swallowed")
    assert pair.left.connection.next_record(RELIABLE, 0, now_ns=0) is not None
    pair.left.counter = 1
    pair.run(for_ns=19_000 * MS, until=lambda: bool(pair.right.ended))
    assert not pair.right.ended
    pair.run(until=lambda: pair.right.ended == [stream])
    assert 20_000 * MS <= pair.now_ns < 21_000 * MS


def test_an_acknowledgement_of_later_records_shows_a_hole_on_a_reliable_lane(
    make_pair: Callable[..., Pair],
) -> None:
    pair = make_pair()
    pair.paths = [RELIABLE]
    data = bytes(range(256)) * 1024
    stream = upload(pair, data)
    assert pair.left.connection.next_record(RELIABLE, 0, now_ns=0) is not None  # refused at the other end
    pair.left.counter = 1
    pair.run(until=lambda: pair.right.ended == [stream])
    assert pair.right.got[stream] == data
    assert pair.now_ns < 1_000 * MS


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_many_streams_survive_any_mix_of_lanes(
    data: st.DataObject, seed: int, make_pair: Callable[..., Pair]
) -> None:
    dice = Random(f"{seed}/mix")
    loss = data.draw(st.sampled_from([0.0, 0.05, 0.2]))
    pair = make_pair(dice, loss=loss, copies=0.1, jitter_ns=data.draw(st.integers(0, 30)) * MS)
    lanes = [DATAGRAM, RELIABLE, SMALL_DATAGRAM]
    pair.paths = data.draw(st.lists(st.sampled_from(lanes), min_size=1, unique=True))
    sent: dict[int, bytes] = {}
    for size in data.draw(st.lists(st.integers(0, 40_000), min_size=1, max_size=30)):
        contents = dice.randbytes(size)
        sent[upload(pair, contents, traffic=dice.choice(list(TrafficClass)))] = contents
        pair.run(for_ns=dice.randrange(5) * MS)
    if data.draw(st.booleans()):
        pair.lose_lane(pair.paths[0].lane)
        pair.paths.append(DATAGRAM._replace(lane=77))
    pair.run(until=lambda: len(pair.right.ended) == len(sent))
    assert {stream: bytes(pair.right.got[stream]) for stream in sent} == sent, f"replay with {seed=}"


def test_a_reader_that_stands_still_stops_the_sender_at_its_window(make_pair: Callable[..., Pair]) -> None:
    limits = StreamLimits(data_window_bytes=MIB, stream_window_bytes=512 * 1024, unsent_bytes_max=8 * MIB)
    pair = make_pair(limits=limits)
    pair.paths = [RELIABLE]
    pair.right.reads = False
    streams = [upload(pair, bytes([n]) * MIB) for n in range(5)]
    pair.run(for_ns=5_000 * MS)
    assert pair.right.unread_max <= MIB
    assert pair.left.connection.wants_to_send() is None
    pair.right.reads = True
    for stream, data in list(pair.right.got.items()):
        pair.right.connection.consumed(stream, len(data))
    pair.run(until=lambda: len(pair.right.ended) == 5)
    assert all(pair.right.got[stream] == bytes([n]) * MIB for n, stream in enumerate(streams))
    assert pair.right.unread_max <= MIB


@pytest.mark.parametrize("seed", range(3))
def test_windows_are_never_passed_under_loss(seed: int, make_pair: Callable[..., Pair]) -> None:
    limits = StreamLimits(data_window_bytes=MIB, stream_window_bytes=256 * 1024)
    pair = make_pair(Random(f"{seed}/window"), loss=0.1, jitter_ns=20 * MS, limits=limits)
    streams = [upload(pair, bytes(200_000)) for _ in range(8)]
    pair.run(until=lambda: len(pair.right.ended) == len(streams))
    assert pair.right.unread_max <= MIB
