"""What is left where false words made honest ones infeasible."""

from typing import Any

import pytest

from protocols.ids import NodeId
from protocols.routing import Hop
from protocols.routing.frames import KEY_BYTES, encode_body, make_word
from protocols.routing.limits import COST_INFINITE

FAR = NodeId(bytes([77]) * 32)
LIAR, HONEST = 1, 2


def hear(net: Any, peer: int, cost: int) -> None:
    word = make_word(5, cost, COST_INFINITE, 12, 0)
    body = encode_body(
        retell=False,
        counter=1,
        period_s=15,
        entries=[(FAR[:KEY_BYTES], word)],
        landmarks=[],
        requests=[],
    )
    net.routers[0].receive(net.ids[peer], body, now_ns=net.now_ns)


def hop(net: Any, *avoid: int, venture: bool) -> Hop | None:
    shunned = tuple(net.ids[peer] for peer in avoid)
    return net.routers[0].next_hop(FAR, via=None, avoid=shunned, venture=venture, now_ns=net.now_ns)


@pytest.fixture
def net(make_net: Any) -> Any:
    """A liar says that somebody far is one hop behind it, an honest neighbour how far it is."""
    net = make_net(4)
    net.link(0, LIAR)
    net.link(0, HONEST)
    net.run(5)
    hear(net, LIAR, 16)
    hear(net, HONEST, 64)
    return net


def test_a_way_that_is_not_feasible_is_taken_by_venture_alone(net: Any) -> None:
    assert hop(net, LIAR, venture=False) is None
    taken = hop(net, LIAR, venture=True)
    assert taken is not None
    assert taken.neighbour == net.ids[HONEST]


def test_where_a_feasible_way_is_left_venture_changes_nothing(net: Any) -> None:
    assert hop(net, venture=True) == hop(net, venture=False)
    assert hop(net, venture=True) != hop(net, LIAR, venture=True)


def test_a_retracted_way_is_no_venture(net: Any) -> None:
    hear(net, HONEST, COST_INFINITE)
    assert hop(net, LIAR, venture=True) is None
