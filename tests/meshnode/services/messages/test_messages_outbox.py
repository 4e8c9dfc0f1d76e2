"""The outbox against a simple model of the disk: whatever happens between, it sends in order and forgets nothing."""

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meshnode.services.messages.frames import WireMessage
from meshnode.services.messages.limits import (
    BATCH_BYTES_MAX,
    BATCH_MESSAGES_MAX,
    TEXT_BYTES_MAX,
    WINDOW_MESSAGES_MAX,
)
from meshnode.services.messages.outbox import Item, Outbox
from meshnode.settings import QuotaSettings
from policies.backoff import backoff_range_ns
from protocols.errors import RefusedError
from protocols.ids import MessageId, NodeId

BOB = NodeId(b"b" * 32)
CAROL = NodeId(b"c" * 32)


def item(place: int, *, body: bytes = b"hi", traffic: int = 0) -> Item:
    message = WireMessage(MessageId(place.to_bytes(16)), "text", body, 0, 1, bytes(8))
    return Item(place, message, traffic)


def new_outbox() -> Outbox:
    return Outbox(Random("die"), QuotaSettings())


def filled(*items: Item) -> Outbox:
    outbox = new_outbox()
    for each in items:
        outbox.reserve(BOB)
        outbox.stored(BOB, each, keep=True)
    return outbox


def places(batch: list[Item]) -> list[int]:
    return [each.place for each in batch]


def test_a_batch_has_one_class_and_keeps_to_its_sizes() -> None:
    assert places(filled(item(1), item(2), item(3, traffic=1)).next_batch(BOB)) == [1, 2]
    many = filled(*(item(place) for place in range(1, BATCH_MESSAGES_MAX + 2)))
    assert len(many.next_batch(BOB)) == BATCH_MESSAGES_MAX
    large = filled(*(item(place, body=bytes(TEXT_BYTES_MAX)) for place in range(1, 20)))
    assert len(large.next_batch(BOB)) == BATCH_BYTES_MAX // TEXT_BYTES_MAX


def test_after_failures_batches_are_smaller() -> None:
    outbox = filled(*(item(place, body=bytes(TEXT_BYTES_MAX)) for place in range(1, 9)))
    sizes: list[int] = []
    for _ in range(6):
        outbox.begin(BOB, now_ns=10**18)
        sizes.append(len(outbox.next_batch(BOB)))
        outbox.failed(BOB, now_ns=0, connected=True)
    assert sizes == [8, 4, 2, 1, 1, 1]


def test_only_one_batch_to_a_peer_is_under_way() -> None:
    outbox = filled(item(1))
    assert outbox.begin(BOB, now_ns=0)
    assert not outbox.begin(BOB, now_ns=0)
    assert outbox.next_due(BOB) is None
    assert not outbox.begin(CAROL, now_ns=0)


def test_after_a_failure_it_rests_longer_and_longer() -> None:
    outbox, now_ns = filled(item(1)), 0
    for failures in range(4):
        assert outbox.begin(BOB, now_ns=now_ns)
        outbox.failed(BOB, now_ns=now_ns, connected=True)
        due_ns = outbox.next_due(BOB)
        low_ns, high_ns = backoff_range_ns(failures)
        assert due_ns is not None
        assert low_ns <= due_ns - now_ns <= high_ns
        assert not outbox.begin(BOB, now_ns=due_ns - 1)
        now_ns = due_ns


def test_a_peer_that_comes_back_ends_the_rest_also_while_the_old_call_still_fails() -> None:
    outbox = filled(item(1))
    outbox.begin(BOB, now_ns=0)
    outbox.up(BOB)
    outbox.failed(BOB, now_ns=0, connected=True)
    assert outbox.begin(BOB, now_ns=0)
    outbox.failed(BOB, now_ns=0, connected=True)
    assert not outbox.begin(BOB, now_ns=0)
    outbox.up(BOB)
    assert outbox.begin(BOB, now_ns=0)


def test_what_was_sent_is_sent_for_the_first_time_once() -> None:
    outbox = filled(item(1))
    batch = outbox.next_batch(BOB)
    assert outbox.sent(batch) == batch
    assert outbox.sent(batch) == []
    assert outbox.was_sent(batch[0].message.id)
    outbox.settled(BOB, [1])
    assert not outbox.was_sent(batch[0].message.id)


def test_one_that_cannot_be_read_is_looked_for_one_by_one() -> None:
    outbox = filled(item(1), item(2))
    assert outbox.not_understood(BOB, outbox.next_batch(BOB)) is None
    single = outbox.next_batch(BOB)
    assert places(single) == [1]
    assert outbox.not_understood(BOB, single) is single[0]
    outbox.settled(BOB, [1])
    assert places(outbox.next_batch(BOB)) == [2]


def test_an_absent_peer_costs_no_memory() -> None:
    outbox = filled(item(1))
    outbox.down(BOB)
    assert outbox.next_batch(BOB) == []
    assert outbox.reading_from(BOB) == 0
    outbox.read(BOB, [item(1)], whole=True)
    assert places(outbox.next_batch(BOB)) == [1]


def test_a_connected_peer_costs_a_window_at_most() -> None:
    outbox = filled(*(item(place) for place in range(1, WINDOW_MESSAGES_MAX + 3)))
    held = 0
    while batch := outbox.next_batch(BOB):
        held += len(batch)
        outbox.settled(BOB, places(batch))
    assert held == WINDOW_MESSAGES_MAX
    assert outbox.reading_from(BOB) == WINDOW_MESSAGES_MAX


def test_a_peer_for_whom_nothing_waits_is_forgotten() -> None:
    outbox = filled(item(1))
    assert outbox.peers() == [BOB]
    outbox.settled(BOB, [1])
    assert outbox.peers() == []
    outbox.owe_receipts(BOB)
    assert outbox.take_receipts(BOB)
    assert not outbox.take_receipts(BOB)
    outbox.done(BOB)
    assert outbox.peers() == []


@pytest.mark.parametrize(
    ("peers", "each", "setting"), [(1, 10, r"quotas\.outbox_per_peer"), (4, 5, r"quotas\.outbox$")]
)
def test_a_full_outbox_refuses_and_names_the_setting(peers: int, each: int, setting: str) -> None:
    outbox = Outbox(Random("die"), QuotaSettings(outbox_per_peer=10, outbox=20))
    outbox.furnish([(NodeId(bytes([peer]) * 32), each) for peer in range(peers)], [])
    with pytest.raises(RefusedError, match=setting):
        outbox.reserve(NodeId(bytes(32)))


class World:
    """The outbox, what is truly on disk, and a peer that is told things in the order in which they are sent."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.outbox = new_outbox()
        self.disk: list[int] = []
        self.untold: list[int] = []  # committed, their writers don't know yet
        self.reading: tuple[list[int], bool] | None = None
        self.busy = False
        self.connected = True
        self.told: list[int] = []
        self.expired: list[int] = []
        self.last = 0

    def write(self) -> None:
        self.last += 1
        self.outbox.reserve(BOB)
        self.disk.append(self.last)
        self.untold.append(self.last)

    def learn(self) -> None:
        if self.untold:
            place = self.untold.pop(self.random.choice([0, 0, 0, -1]))
            self.outbox.stored(BOB, item(place), keep=self.connected)

    def flush(self) -> None:
        """One step of what the shell does."""
        if not self.busy:
            self.busy = self.connected and self.outbox.begin(BOB, now_ns=10**18)
        elif self.reading is not None:
            self.outbox.read(BOB, [item(place) for place in self.reading[0]], whole=self.reading[1])
            self.reading = None
            self.send()
        elif (after := self.outbox.reading_from(BOB)) is not None:
            found = [place for place in sorted(self.disk) if place > after]
            self.reading = (found[:3], len(found) <= 3)
        else:
            self.send()

    def send(self) -> None:
        batch = places(self.outbox.next_batch(BOB))
        if not batch:
            self.busy = False
            self.outbox.done(BOB)
            return
        self.outbox.sent([item(place) for place in batch])
        if not self.connected or self.random.random() < 0.2:
            self.busy = False
            self.outbox.failed(BOB, now_ns=0, connected=self.connected)
            return
        kept = batch[: self.random.randint(1, len(batch))]
        self.told += kept
        self.disk = [place for place in self.disk if place not in kept]
        self.outbox.settled(BOB, kept)

    def expire(self) -> None:
        known = [place for place in self.disk if place not in self.untold]
        if known:
            self.disk.remove(known[0])
            self.expired.append(known[0])
            self.outbox.went(BOB, known[0])

    def come_or_go(self) -> None:
        self.connected = not self.connected
        if self.connected:
            self.outbox.up(BOB)
        else:
            self.outbox.down(BOB)


@given(
    st.lists(st.sampled_from(["write", "learn", "flush", "expire", "come_or_go"]), max_size=120),
    st.integers(0, 1_000),
)
@example(["write"] * 3, 0)  # learnt of in the order 3, 2, 1: the first draft lost 1
def test_every_message_is_sent_once_the_world_lets_it(steps: list[str], seed: int) -> None:
    world = World(seed)
    moves: dict[str, Callable[[], None]] = {
        "write": world.write,
        "learn": world.learn,
        "flush": world.flush,
        "expire": world.expire,
        "come_or_go": world.come_or_go,
    }
    for step in steps:
        moves[step]()
        assert world.outbox.count == len(world.disk)
    while world.untold:
        world.learn()
    if not world.connected:
        world.come_or_go()
    for _ in range(10 * len(steps) + 20):
        world.flush()
    assert sorted(world.told + world.expired) == list(range(1, world.last + 1)), "each once"
    assert world.outbox.count == 0
    assert world.outbox.peers() == []
