"""What the two engines do differently from the libraries behind them."""

import os

import pytest

from transports.quic.certificate import make_certificate
from transports.quic.engine import Engine, EngineFactory, load_engine
from transports.quic.limits import QuicLimits

CALLER, CALLEE = ("127.0.0.1", 1_000), ("127.0.0.1", 2_000)
HOP_S = 0.000_25
HOPS_MAX = 400
TICK_S = 0.002  # of an event loop
LIBRARY_BURST = 16  # datagrams that aioquic's own pacer lets leave at once


class Pair:
    """Two engines joined in memory. Time is a number that each hop moves on."""

    def __init__(self, factory: EngineFactory) -> None:
        self.now = 100.0
        self.caller = factory.client(CALLEE, 65_000)
        self.caller.connect(CALLEE, self.now)
        first, _ = self.caller.flight(self.now)[0]
        self.callee = factory.server(CALLER, 65_000, first[6 : 6 + first[5]], None)
        self.callee.receive(first, len(first), CALLER, self.now)
        for _ in range(20):
            self.hop(self.caller, self.callee)
            self.hop(self.callee, self.caller)

    def hop(self, sender: Engine, receiver: Engine) -> int:
        """All that may leave now arrives; how many datagrams that was."""
        self.now += HOP_S
        due_s = sender.timer()
        if due_s is not None and due_s <= self.now:
            sender.handle_timer(self.now)
        flight = sender.flight(self.now)
        for data, _ in flight:
            receiver.receive(data, len(data), CALLER if sender is self.caller else CALLEE, self.now)
        return len(flight)


@pytest.fixture(params=["qh3", "aioquic"])
def pair(request: pytest.FixtureRequest) -> Pair:
    pytest.importorskip(request.param)
    return Pair(load_engine(request.param, make_certificate(os.urandom), QuicLimits()))


def test_datagrams_are_taken_in_order_and_only_as_many_as_may_leave(pair: Pair) -> None:
    queue = [b"%d" % number * 100 for number in range(300)]
    wanted = list(queue)
    pair.callee.drain()
    pair.caller.take_datagrams(queue)
    assert 0 < len(queue) < len(wanted)
    got: list[bytes] = []
    for _ in range(HOPS_MAX):
        pair.hop(pair.caller, pair.callee)
        got += pair.callee.drain().datagrams
        pair.hop(pair.callee, pair.caller)
        pair.caller.take_datagrams(queue)
    assert got == wanted


@pytest.mark.parametrize("pair", ["qh3"], indirect=True)
def test_a_single_packet_is_acknowledged_late_so_that_data_can_take_it_along(pair: Pair) -> None:
    pair.caller.take_datagrams([b"hello"])
    pair.hop(pair.caller, pair.callee)
    due_s = pair.callee.timer()
    assert due_s is not None
    assert 0.003 < due_s - pair.now < 0.025  # RFC 9000's max_ack_delay
    assert pair.hop(pair.callee, pair.caller) == 0
    pair.now = due_s
    pair.callee.handle_timer(pair.now)
    assert pair.hop(pair.callee, pair.caller) == 1


@pytest.mark.parametrize("pair", ["aioquic"], indirect=True)
def test_the_pacer_lets_a_tick_of_the_loop_leave_in_one_flight(pair: Pair) -> None:
    pair.caller.send_stream(bytes(1 << 20))
    for _ in range(HOPS_MAX):  # the window opens
        pair.hop(pair.caller, pair.callee)
        pair.hop(pair.callee, pair.caller)
    assert pair.caller.stream_unsent() == 0
    pair.now += TICK_S
    pair.caller.send_stream(bytes(1 << 20))
    assert pair.hop(pair.caller, pair.callee) > 10 * LIBRARY_BURST
