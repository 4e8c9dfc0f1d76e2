"""Beyond the table: landmarks are elected, nodes are known as far as theirs, and found through it."""

from typing import Any

from protocols.ids import NodeId
from protocols.routing import Found, Lost, RoutingLimits
from protocols.routing.frames import encode_body, make_word
from protocols.routing.routed import NoRoute

S = 1_000_000_000
SMALL = RoutingLimits(
    near_max=32, near_min=16, landmarks_max=64, spare_max=32, elect_ns=(2 * S, 12 * S), check_ns=2 * S
)


def field(make_net: Any, size: int) -> Any:
    net = make_net(size, seed=4, limits=SMALL)
    net.field(seed=4)
    net.run(40)
    return net


def test_a_network_that_fits_the_table_has_no_landmark(make_net: Any) -> None:
    net = make_net(30)
    net.field()
    net.run(60)
    assert not any(router.describe().is_landmark for router in net.routers)
    assert all(router.describe().radius is None for router in net.routers)


def test_whom_the_table_cannot_hold_is_reached_through_landmarks(make_net: Any) -> None:
    net = field(make_net, 120)
    views = [router.describe() for router in net.routers]
    landmarks = sum(view.is_landmark for view in views)
    assert 2 <= landmarks <= 30
    assert all(len(router._vector.table) <= 32 + 64 + 32 for router in net.routers)
    start = max(range(120), key=lambda i: len(net.distances(i)))
    distances = net.distances(start)
    ends = sorted(distances)[1::9]
    for end in ends:
        for _ in range(2):
            net.routers[start].watch(net.ids[end], now_ns=net.now_ns)
        net.settle(start)
    net.run(20)
    paths = [net.walk(start, net.ids[end]) for end in ends if end != start]
    arrived = [path for path in paths if path is not None]
    assert len(arrived) >= 0.9 * len(paths)
    stretch = sum((len(path) - 1) / distances[path[-1]] for path in arrived) / len(arrived)
    assert stretch < 1.5
    assert any(isinstance(event, Found) for event in net.events[start])


def three_far_apart(make_net: Any, landmark: Any) -> Any:
    """0 - 1 - 2 - ... - 7, with a landmark in the middle; the ends are out of each other's scope."""
    net = make_net(8)
    for i in range(7):
        net.link(i, i + 1)
    net.run(5)
    landmark(net, 3)
    net.run(150)
    return net


def test_a_node_is_known_as_far_as_its_landmark_and_a_hop_more(make_net: Any, landmark: Any) -> None:
    net = three_far_apart(make_net, landmark)
    assert net.routers[0].describe().radius == 3 * 16 + 16
    assert net.routers[3].describe().locators == 7
    assert net.routers[0].describe().landmark == net.ids[3]
    assert not net.routers[0].reachable(net.ids[7])
    assert net.routers[0].reachable(net.ids[3])


def test_a_lookup_finds_who_is_out_of_scope_and_a_doubt_forgets_it(make_net: Any, landmark: Any) -> None:
    net = three_far_apart(make_net, landmark)
    net.routers[0].watch(net.ids[7], now_ns=net.now_ns)
    net.settle(0)
    net.run(5)
    assert net.events[0] == [Found(net.ids[7])]
    hop = net.routers[0].next_hop(net.ids[7], via=None, now_ns=net.now_ns)
    assert (hop.neighbour, hop.via) == (net.ids[1], net.ids[3])
    assert net.walk(0, net.ids[7]) == list(range(8))
    assert net.walk(7, net.ids[0]) is None or net.walk(7, net.ids[0]) == list(range(7, -1, -1))
    net.run(10)
    hint = NoRoute(net.ids[7]).encode()
    assert net.routers[0].receive_routed(net.ids[2], hint, now_ns=net.now_ns) == [Lost(net.ids[7])]
    net.settle(0)
    net.run(10)
    assert net.events[0][-1] == Found(net.ids[7])


def test_nobody_is_found_by_a_lookup_for_who_does_not_exist(make_net: Any, landmark: Any) -> None:
    net = three_far_apart(make_net, landmark)
    net.routers[0].watch(NodeId(b"?" * 32), now_ns=net.now_ns)
    net.settle(0)
    sent = net.bodies_out
    net.run(30)
    assert net.events[0] == []
    assert net.bodies_out - sent < 100


def test_a_landmark_looks_into_its_own_memory(make_net: Any, landmark: Any) -> None:
    net = three_far_apart(make_net, landmark)
    net.routers[3]._finder.watch(net.ids[7])
    net.routers[3]._finder.handle_timeout()
    assert net.routers[3].describe().located == 1


def test_two_landmarks_side_by_side_become_one(make_net: Any, landmark: Any) -> None:
    net = three_far_apart(make_net, landmark)
    landmark(net, 4)
    net.run(300)
    standing = [i for i in range(8) if net.routers[i].describe().is_landmark]
    assert standing == [min((3, 4), key=lambda i: net.ids[i])]


def test_who_does_not_relay_is_no_landmark(make_net: Any, landmark: Any) -> None:
    net = three_far_apart(make_net, landmark)
    net.routers[3].transit = False
    net.settle(3)
    net.run(300)
    assert not net.routers[3].describe().is_landmark
    assert net.routers[0].describe().radius is None


def test_old_locators_are_forgotten(make_net: Any, landmark: Any) -> None:
    net = three_far_apart(make_net, landmark)
    keeper = net.routers[3]._finder.keeper
    assert keeper.find(net.ids[7], net.now_ns) is not None
    assert keeper.find(net.ids[7], net.now_ns + 3_000 * S) is None
    keeper.sweep(net.now_ns + 3_000 * S)
    assert len(keeper) == 0


def test_a_node_on_battery_waits_longer_before_it_becomes_a_landmark(make_net: Any) -> None:
    limits = RoutingLimits(near_max=4, near_min=2, elect_ns=(10 * S, 10 * S), check_ns=S)
    net = make_net(8, limits=limits)
    for router in net.routers:
        router.willing = False
    net.routers[5].willing = True
    for i in range(7):
        net.link(i, i + 1)
    net.run(30)
    assert [i for i in range(8) if net.routers[i].describe().is_landmark] == [5]
    assert not net.routers[0].willing


def test_state_at_three_hundred_destinations_and_degree_eight_fits_64_kib(make_net: Any) -> None:
    net = make_net(301)
    for i in range(1, 9):
        net.link(0, i)
    router = net.routers[0]
    for peer in range(1, 9):
        for at in range(9, 301, 40):
            for named in (False, True):
                ids = [node for i, node in enumerate(net.ids[at : at + 40]) if (i % 3 == 0) == named]
                entries = [
                    (node if named else node[:12], make_word(7, 16 * peer, 0xFFFF, 12, int(named)))
                    for node in ids
                ]
                body = encode_body(
                    retell=False,
                    counter=0,
                    period_s=60,
                    entries=[] if named else entries,
                    landmarks=entries if named else [],
                    requests=[],
                )
                router.receive(net.ids[peer], body, now_ns=net.now_ns)
    net.run(60)
    assert len(router.describe().destinations) >= 292
    assert router.state_bytes() <= 64 * 1024


def test_a_peer_is_not_watched_beyond_the_bound(make_net: Any) -> None:
    net = make_net(1, limits=RoutingLimits(watched_max=2))
    for i in range(5):
        net.routers[0].watch(NodeId(bytes([i]) * 32), now_ns=0)
    assert len(net.routers[0]._finder.watched) == 2
