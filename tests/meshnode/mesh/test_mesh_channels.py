"""When channels are due: to the nanosecond, and without entries piling up."""

from typing import Any

import pytest

from meshnode.mesh import Channel
from meshnode.mesh.channel import AWAY_NS
from meshnode.mesh.channels import STALE_TIMERS_MAX, ChannelTable
from protocols.envelope import TrafficClass
from protocols.ids import NodeId
from protocols.stream import Path

KEEPALIVE_NS = 30_000_000_000
MS = 1_000_000
LANE = Path(2, reliable=True, bytes_max=65_000)


class Town:
    """Channels without sessions: of those the table asks for three attributes only."""

    def __init__(self) -> None:
        self.table = ChannelTable()
        self.made = 0

    def channel(self, *, now_ns: int = 0) -> Channel:
        self.made += 1
        session: Any = _Session(self.made)
        channel = self.table.make(session, contact=True, now_ns=now_ns)
        self.table.arm(channel)
        return channel

    def speak(self, channel: Channel, counter: int, *, now_ns: int) -> None:
        """It sends something that asks for an answer."""
        channel.connection.send_control(2, b"")
        assert channel.connection.next_record(LANE, counter, now_ns=now_ns) is not None
        self.table.arm(channel)


class _Session:
    def __init__(self, number: int) -> None:
        self.index, self.peer, self.initiator = bytes([number]) * 8, NodeId(bytes([number]) * 32), True


@pytest.fixture
def town() -> Town:
    return Town()


def test_the_first_that_is_due_is_given_and_then_the_next(town: Town) -> None:
    first, second = town.channel(), town.channel(now_ns=5)
    assert town.table.next_timeout() == KEEPALIVE_NS
    assert town.table.take_due(now_ns=KEEPALIVE_NS - 1) is None
    assert town.table.take_due(now_ns=KEEPALIVE_NS + 5) is first
    assert town.table.take_due(now_ns=KEEPALIVE_NS + 5) is second
    assert town.table.take_due(now_ns=KEEPALIVE_NS + 5) is None
    assert town.table.next_timeout() is None


def test_a_timer_that_moved_later_wakes_nobody_at_its_old_time(town: Town) -> None:
    channel = town.channel()
    channel.connection.open_stream(traffic=TrafficClass.INTERACTIVE)
    town.speak(channel, 0, now_ns=0)
    early_ns = town.table.next_timeout()
    assert early_ns is not None
    assert early_ns < KEEPALIVE_NS
    channel.connection.lane_lost(LANE.lane, now_ns=MS)  # nothing is out any more: no answer is waited for
    town.table.arm(channel)
    assert town.table.next_timeout() == KEEPALIVE_NS
    assert town.table.take_due(now_ns=early_ns) is None


def test_a_channel_that_is_over_is_never_due(town: Town) -> None:
    channel = town.channel()
    town.table.remove(channel)
    town.table.arm(channel)
    assert town.table.next_timeout() is None


def test_a_peer_that_is_away_is_due_when_it_has_been_so_too_long(town: Town) -> None:
    channel = town.channel()
    channel.connection.close(0, "")  # says nothing by itself any more
    channel.away_since_ns = 7
    town.table.arm(channel)
    assert town.table.take_due(now_ns=KEEPALIVE_NS) is None
    assert town.table.next_timeout() == 7 + AWAY_NS


def test_timers_that_come_and_go_leave_few_entries_behind(town: Town) -> None:
    channel = town.channel()
    for number in range(10 * STALE_TIMERS_MAX):
        town.speak(channel, number, now_ns=number * MS)
        town.table.take_due(now_ns=(number + 1) * 10_000 * MS)
        channel.connection.lane_lost(LANE.lane, now_ns=number * MS)
        town.table.arm(channel)
    assert len(town.table._timers) <= STALE_TIMERS_MAX + 2
