"""Flooding and sync joined: what is verified, kept, delivered and handed on."""

import hashlib
from random import Random
from typing import Any

import pytest

from protocols.envelope import TrafficClass, decode_envelope
from protocols.errors import RemoteError
from protocols.ids import NodeId
from protocols.keys import Identity
from protocols.routing.broadcast import HOPS_DEFAULT, make_broadcast
from protocols.sync import Commons
from protocols.sync.frames import Cell, Ids, Want
from protocols.sync.limits import BUCKET_MS
from sim.crypto import HashSuite

NS_PER_S = 1_000_000_000
AT_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
SUITE = HashSuite()
ME, BOB = Identity(b"m" * 32, SUITE), Identity(b"b" * 32, SUITE)
PEERS = [NodeId(bytes([number]) * 32) for number in range(1, 6)]


class Wall:
    ms = AT_MS


def commons(wall: Wall | None = None) -> Commons:
    clock = wall or Wall()
    made = Commons(
        ME.node_id, flood_die=Random("f"), sync_die=Random("s"), wall_ms=lambda: clock.ms, suite=SUITE
    )
    for peer in PEERS:
        made.neighbour_up(peer, now_ns=0)
    return made


def frame_of(source: Identity = BOB, **changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "kind": "text",
        "body": b"hello",
        "at_ms": AT_MS,
        "expires_ms": AT_MS + HOUR_MS,
        "traffic": TrafficClass.INTERACTIVE,
        "salt": bytes(8),
        **changes,
    }
    return make_broadcast(source, **fields)


def hear(node: Commons, frame: bytes, *, peer: int = 0, now_ns: int = 0) -> bool:
    return node.receive(PEERS[peer], decode_envelope(frame), frame, now_ns=now_ns) is not None


def wanted(node: Commons, frame: bytes) -> list[bytes]:
    """What a neighbour gets that asks for it."""
    node.receive_sync(PEERS[4], Want([frame[4:12]]).encode(), now_ns=0)
    return [sent for _, sent in node.outgoing(now_ns=0)]


def test_what_is_new_is_delivered_once_and_handed_on() -> None:
    node, frame = commons(), frame_of()
    found = node.receive(PEERS[0], decode_envelope(frame), frame, now_ns=0)
    assert found is not None
    assert found.body == b"hello"
    assert not hear(node, frame, peer=1)
    assert {peer for peer, _ in node.outgoing(now_ns=NS_PER_S)} == set(PEERS[2:])


def test_what_is_forged_raises_and_leaves_no_trace() -> None:
    node, frame = commons(), frame_of()
    forged = frame[:-1] + bytes([frame[-1] ^ 1])
    with pytest.raises(RemoteError):
        hear(node, forged)
    assert hear(node, frame), "it did not shut out the true one"


def test_a_stranger_copy_under_a_known_id_is_not_delivered() -> None:
    node, frame = commons(), frame_of()
    hear(node, frame)
    assert not hear(node, frame[:90] + b"something else", peer=1)
    assert {sent[84:] for _, sent in node.outgoing(now_ns=NS_PER_S)} == {frame[84:]}


@pytest.mark.parametrize(
    ("wall_ms", "word"), [(AT_MS + HOUR_MS, "expired"), (AT_MS - 24 * HOUR_MS, "from_the_future")]
)
def test_what_is_too_old_or_not_yet_is_counted_and_dropped(wall_ms: int, word: str) -> None:
    wall = Wall()
    wall.ms = wall_ms
    node = commons(wall)
    assert not hear(node, frame_of())
    assert node.counts[word] == 1
    assert not node.outgoing(now_ns=NS_PER_S)


def test_whose_clock_differs_is_asked_once_and_not_taken_for_a_liar() -> None:
    wall = Wall()
    wall.ms = AT_MS + HOUR_MS
    node, frame = commons(wall), frame_of()
    offer = Ids(Cell(AT_MS // BUCKET_MS), answer=True, keys=[frame[4:12]]).encode()
    for now_ns in (0, 20 * NS_PER_S):
        node.receive_sync(PEERS[0], offer, now_ns=now_ns)
        node.handle_timeout(now_ns=now_ns + NS_PER_S)
        hear(node, frame, now_ns=now_ns + NS_PER_S)
    assert [body[0] for _, body in node.bodies()].count(4) == 1
    assert node.sync.counts["frames_asked"] == 1


def test_what_we_shout_goes_to_all_and_is_kept_for_others() -> None:
    node, frame = commons(), frame_of(ME)
    node.shout(frame, now_ns=0)
    assert [peer for peer, _ in node.outgoing(now_ns=0)] == PEERS
    assert wanted(node, frame) == [frame]
    assert not hear(node, frame)


def test_what_came_back_from_before_a_crash_is_delivered_to_us() -> None:
    assert hear(commons(), frame_of(ME))


def test_what_is_recalled_is_given_and_neither_delivered_nor_flooded() -> None:
    node, frame = commons(), frame_of()
    node.recall(frame, now_ns=0)
    node.recall(frame, now_ns=0)
    assert not node.outgoing(now_ns=NS_PER_S)
    assert wanted(node, frame) == [frame]
    assert not hear(node, frame)


def test_what_is_recalled_broken_or_too_late_is_not_kept() -> None:
    wall = Wall()
    node = commons(wall)
    with pytest.raises(RemoteError):
        node.recall(frame_of()[:-1], now_ns=0)
    wall.ms += 2 * HOUR_MS
    node.recall(frame_of(), now_ns=0)
    assert len(node.sync) == 0


def test_hops_are_renewed_for_everybody_and_counted_in_a_scope() -> None:
    everywhere, scoped, last = frame_of(salt=b"1" * 8), frame_of(hops=3), frame_of(hops=1)
    node = commons()
    for frame in (everywhere[:3] + b"\x02" + everywhere[4:], scoped, last):
        assert hear(node, frame)
    node.outgoing(now_ns=NS_PER_S)
    assert [sent[3] for sent in wanted(node, everywhere)] == [HOPS_DEFAULT]
    assert [sent[3] for sent in wanted(node, scoped)] == [2]
    assert not wanted(node, last)


def test_a_scope_of_ours_begins_with_our_neighbours() -> None:
    node, frame = commons(), frame_of(ME, hops=1)
    node.shout(frame, now_ns=0)
    node.outgoing(now_ns=0)
    assert [sent[3] for sent in wanted(node, frame)] == [1]


def test_what_was_asked_for_is_flooded_to_those_who_did_not_offer_it() -> None:
    node, frame = commons(), frame_of()
    offer = Ids(Cell(AT_MS // BUCKET_MS), answer=True, keys=[frame[4:12]]).encode()
    for peer in PEERS[:3]:
        node.receive_sync(peer, offer, now_ns=0)
    node.handle_timeout(now_ns=NS_PER_S)
    asked = [peer for peer, body in node.bodies() if body[0] == 4]
    assert asked == [PEERS[0]]
    assert hear(node, frame, now_ns=NS_PER_S)
    assert [peer for peer, _ in node.outgoing(now_ns=2 * NS_PER_S)] == PEERS[3:]


def test_what_only_sync_remembers_is_not_taken_again() -> None:
    node, frame = commons(), frame_of()
    hear(node, frame)
    for number in range(2):  # an hour and more later the flood has forgotten it
        other = frame_of(Identity(hashlib.sha256(bytes([number])).digest(), SUITE))
        hear(node, other, now_ns=(3_600 + number) * NS_PER_S)
    assert not node.flood.is_known(frame[4:20])
    assert not hear(node, frame, now_ns=3_700 * NS_PER_S)
    assert node.counts["came_late"] == 1


def test_the_next_thing_to_do_is_known() -> None:
    node = commons()
    due_ns = node.next_timeout()
    assert due_ns is not None
    assert due_ns < NS_PER_S
    for peer in PEERS:
        node.neighbour_down(peer, now_ns=0)
    assert node.next_timeout() is None
