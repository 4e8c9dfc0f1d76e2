"""Liars, forgers and floods: counted, told to whoever judges, and bounded."""

from typing import Any

import pytest

from protocols.errors import RemoteError
from protocols.ids import NodeId
from protocols.routing import Router, RoutingLimits, Suspicious
from protocols.routing.frames import decode_body, encode_body, make_word
from protocols.routing.locators import sign_locator
from protocols.routing.routed import Answer, Lookup, NoRoute, Register

S = 1_000_000_000
INFINITE = 0xFFFF


def body(
    *entries: tuple[bytes, int],
    requests: list[tuple[bytes, int, int]] | None = None,
    counter: int = 1,
    retell: bool = False,
) -> bytes:
    return encode_body(
        retell=retell,
        counter=counter,
        period_s=15,
        entries=list(entries),
        landmarks=[],
        requests=requests or [],
    )


def word(cost: int, *, sequence: int = 5, radius: int = INFINITE, width: int = 12, flags: int = 0) -> int:
    return make_word(sequence, cost, radius, width, flags)


def key(i: int) -> bytes:
    return i.to_bytes(12, "big")


@pytest.fixture
def net(make_net: Any) -> Any:
    net = make_net(4)
    net.link(0, 1)
    net.link(0, 2)
    net.run(5)
    return net


def hear(net: Any, peer: int, data: bytes, now_ns: int | None = None) -> Any:
    return net.routers[0].receive(net.ids[peer], data, now_ns=now_ns or net.now_ns)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ((key(7), word(0)), "false_origin"),
        ((key(7), word(16, flags=2)), "bad_entry"),
        ((key(7), word(16, width=99)), "bad_entry"),
    ],
)
def test_a_contradictory_entry_is_told_and_not_believed(net: Any, entry: Any, reason: str) -> None:
    assert hear(net, 1, body(entry)) == [Suspicious(net.ids[1], reason)]
    assert net.routers[0].dropped[reason] == 1
    assert not net.routers[0].reachable(NodeId(key(7) + bytes(20)))


def test_a_neighbour_that_names_a_cost_to_itself_is_told(net: Any) -> None:
    assert hear(net, 1, body((net.ids[1][:12], word(5)))) == [Suspicious(net.ids[1], "false_self")]


def test_the_same_reproach_is_told_once_in_ten_seconds_and_always_counted(net: Any) -> None:
    liar = body((key(7), word(0)))
    told = [event for _ in range(5) for event in hear(net, 1, liar)]
    assert len(told) == 1
    assert net.routers[0].dropped["false_origin"] == 5
    assert hear(net, 1, liar, net.now_ns + 10 * S) == [Suspicious(net.ids[1], "false_origin")]


def test_an_older_sequence_changes_nothing(net: Any) -> None:
    far = NodeId(key(7) + bytes(20))
    hear(net, 1, body((key(7), word(16, sequence=9))))
    hear(net, 1, body((key(7), word(INFINITE, sequence=8))))
    hear(net, 1, body((key(7), word(16, sequence=8))))
    assert net.routers[0].reachable(far)
    assert net.routers[0].dropped["stale_entry"] == 2


def test_malformed_bodies_are_refused_and_counted(net: Any) -> None:
    with pytest.raises(RemoteError, match="bad_routing"):
        hear(net, 1, b"\x01")
    with pytest.raises(RemoteError, match="bad_routed"):
        net.routers[0].receive_routed(net.ids[3], b"\xff", now_ns=net.now_ns)
    assert net.routers[0].dropped["bad_routing"] == net.routers[0].dropped["bad_routed"] == 1


def test_who_is_no_neighbour_is_not_heard(net: Any) -> None:
    assert hear(net, 3, body((key(7), word(16)))) == []
    assert net.routers[0].dropped["not_a_neighbour"] == 1


def test_a_flood_of_invented_nodes_gets_half_of_the_table_at_most(make_net: Any) -> None:
    net = make_net(30, limits=RoutingLimits(near_max=40, spare_max=8))
    net.link(0, 1)
    for i in range(2, 30):
        net.link(1, i)
    net.link(0, 2)
    net.run(10)
    before = [net.routers[0].reachable(node) for node in net.ids[2:]]
    assert all(before)
    for flood in range(40):
        hear(net, 2, body(*[(key(1_000 + 40 * flood + i), word(1)) for i in range(40)], counter=flood))
    table = net.routers[0]._vector.table
    assert table.near <= 40
    assert len(table) <= 40 + 8 + 256  # near, spare, landmarks
    assert sum(net.routers[0].reachable(node) for node in net.ids[3:]) >= 40 // 2 - 3
    assert all(net.routers[0].reachable(node) for node in net.ids[1:3])
    assert net.routers[0].dropped["table_share"] > 0


def test_a_flood_of_requests_is_bounded(net: Any) -> None:
    hear(net, 1, body((key(7), word(16))))
    for sequence in range(2_000):
        hear(net, 2, body(requests=[(key(7), 6 + sequence, 64)], counter=sequence & 0xFF))
    neighbours = net.routers[0]._vector.neighbours.by_id
    assert len(neighbours[net.ids[1]].asks) <= net.limits.asks_max
    assert len(net.routers[0]._asks._recent) <= net.limits.requests_max


def test_a_forged_sequence_of_ours_is_jumped_over_and_not_too_often(net: Any) -> None:
    router = net.routers[0]
    was = router.describe().sequence
    for step in range(1, 50):
        hear(net, 1, body((net.ids[0][:12], word(16, sequence=(was + 100 * step) & INFINITE)), counter=step))
        router.handle_timeout(now_ns=net.now_ns)
    assert (router.describe().sequence - was) & INFINITE == 101
    router.handle_timeout(now_ns=net.now_ns + 4 * S)
    assert (router.describe().sequence - was) & INFINITE == 4_901


def test_a_request_for_a_sequence_of_ours_raises_it_once(net: Any) -> None:
    router = net.routers[0]
    was = router.describe().sequence
    hear(net, 1, body(requests=[(net.ids[0][:12], (was + 1) & INFINITE, 64)]))
    router.handle_timeout(now_ns=net.now_ns)
    hear(net, 1, body(requests=[(net.ids[0][:12], (was + 1) & INFINITE, 64)]))
    router.handle_timeout(now_ns=net.now_ns + 4 * S)
    assert (router.describe().sequence - was) & INFINITE == 1


def test_more_neighbours_than_a_byte_can_number_are_not_taken(net: Any) -> None:
    router = net.routers[0]
    for i in range(300):
        router.neighbour_up(
            NodeId(i.to_bytes(32, "little")),
            cost=16,
            width=12,
            bytes_per_s=1,
            transit=True,
            now_ns=net.now_ns,
        )
    assert len(router._vector.neighbours.by_id) == 250
    assert router.dropped["too_many_neighbours"] == 52


def test_saying_everything_again_is_asked_and_obeyed_once_in_ten_seconds(net: Any) -> None:
    hear(net, 1, body(counter=100))
    hear(net, 1, body(counter=90))
    sent = net.routers[0].outgoing(now_ns=net.now_ns + S)
    assert [decode_body(data).retell for peer, data in sent if peer == net.ids[1]] == [True]
    for _ in range(5):
        hear(net, 1, body(counter=100, retell=True), net.now_ns + 2 * S)
    assert len(net.routers[0].outgoing(now_ns=net.now_ns + 3 * S)) == 1


def test_only_a_landmark_keeps_locators_and_only_signed_ones(net: Any, landmark: Any) -> None:
    signed = sign_locator(net.identities[3], sequence=1, landmark=net.ids[0])
    with pytest.raises(RemoteError, match="not_a_landmark"):
        net.routers[0].receive_routed(net.ids[3], Register(signed).encode(), now_ns=net.now_ns)
    landmark(net, 0)
    net.routers[0].receive_routed(net.ids[3], Register(signed).encode(), now_ns=net.now_ns)
    newer = sign_locator(net.identities[3], sequence=2, landmark=net.ids[0])
    net.routers[0].receive_routed(net.ids[3], Register(newer).encode(), now_ns=net.now_ns)
    with pytest.raises(RemoteError, match="old_locator"):
        net.routers[0].receive_routed(net.ids[3], Register(signed).encode(), now_ns=net.now_ns)
    with pytest.raises(RemoteError, match="bad_encoding"):
        net.routers[0].receive_routed(net.ids[3], Register(b"rubbish").encode(), now_ns=net.now_ns)
    assert net.routers[0].describe().locators == 1


def test_a_lookup_is_answered_with_what_is_kept_or_nothing(net: Any, landmark: Any) -> None:
    landmark(net, 0)
    router = net.routers[0]
    signed = sign_locator(net.identities[3], sequence=1, landmark=net.ids[0])
    router.receive_routed(net.ids[3], Register(signed).encode(), now_ns=net.now_ns)
    router.receive_routed(net.ids[2], Lookup(1, net.ids[3], b"").encode(), now_ns=net.now_ns)
    router.receive_routed(net.ids[2], Lookup(2, net.ids[1], b"").encode(), now_ns=net.now_ns)
    assert router.outgoing_routed() == [
        (net.ids[2], Answer(1, net.ids[3], signed).encode()),
        (net.ids[2], Answer(2, net.ids[1], b"").encode()),
    ]


def test_an_answer_that_nobody_asked_for_teaches_nothing(net: Any) -> None:
    signed = sign_locator(net.identities[3], sequence=1, landmark=net.ids[1])
    net.routers[0].receive_routed(net.ids[2], Answer(5, net.ids[3], signed).encode(), now_ns=net.now_ns)
    assert net.routers[0].describe().located == 0


def test_an_askers_locator_must_be_the_askers(net: Any) -> None:
    signed = sign_locator(net.identities[3], sequence=1, landmark=net.ids[1])
    with pytest.raises(RemoteError, match="bad_locator"):
        net.routers[0].receive_routed(net.ids[2], Lookup(5, net.ids[1], signed).encode(), now_ns=net.now_ns)


def test_a_no_route_hint_is_told_once_to_one_source(net: Any) -> None:
    router = net.routers[0]
    for _ in range(10):
        router.no_route(net.ids[2], net.ids[3])
    router.no_route(net.ids[0], net.ids[3])
    assert router.outgoing_routed() == [(net.ids[2], NoRoute(net.ids[3]).encode())]


def test_hints_and_routed_control_are_bounded(net: Any) -> None:
    router: Router = net.routers[0]
    for i in range(1_000):
        router.no_route(NodeId(i.to_bytes(32, "little")), net.ids[3])
    assert len(router.outgoing_routed()) == net.limits.outbox_max
    assert len(router._finder._hinted) == net.limits.hints_max
