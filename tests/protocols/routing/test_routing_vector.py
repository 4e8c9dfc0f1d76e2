"""Distance vectors: who is reached how, and that ways never close to a circle."""

from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.ids import NodeId
from protocols.routing import Found, Hop, Lost, RoutingLimits

S = 1_000_000_000


def line(make_net: Any, size: int, **options: Any) -> Any:
    net = make_net(size, **options)
    for i in range(size - 1):
        net.link(i, i + 1)
    return net


def hop(net: Any, i: int, j: int, **options: Any) -> Any:
    return net.routers[i].next_hop(net.ids[j], via=None, now_ns=net.now_ns, **options)


def test_a_neighbour_is_reached_before_it_said_anything(make_net: Any) -> None:
    net = make_net(2)
    net.link(0, 1)
    assert hop(net, 0, 1) == Hop(net.ids[1], 12, None)
    assert hop(net, 0, 1, avoid=(net.ids[1],)) is None


def test_the_far_end_of_a_line_is_reached_hop_by_hop(make_net: Any) -> None:
    net = line(make_net, 10)
    net.run(10)
    assert net.walk(0, net.ids[9]) == list(range(10))
    view = net.routers[0].describe()
    assert [destination.cost for destination in view.destinations] == [16 * i for i in range(1, 10)]
    assert view.destinations[0].node == net.ids[1]
    assert view.radius is None
    assert view.landmark is None


def test_the_cheaper_way_is_taken_and_the_other_kept(make_net: Any) -> None:
    net = make_net(4)
    for i, j, cost in ((0, 1, 16), (1, 3, 16), (0, 2, 16), (2, 3, 40)):
        net.link(i, j, cost=cost)
    net.run(10)
    assert hop(net, 0, 3).neighbour == net.ids[1]
    net.routers[0].neighbour_changed(net.ids[1], cost=60, width=12, transit=True, now_ns=net.now_ns)
    net.run(60)
    assert hop(net, 0, 3).neighbour == net.ids[2]


def test_a_way_is_as_wide_as_its_narrowest_link(make_net: Any) -> None:
    net = make_net(3)
    net.link(0, 1, width=15)
    net.link(1, 2, width=9)
    net.run(10)
    assert hop(net, 0, 2).width == 9


def test_an_alternative_carries_on_at_once_when_the_best_link_breaks(make_net: Any) -> None:
    net = make_net(6)
    for i, j in ((0, 1), (0, 2), (1, 3), (2, 3), (3, 4)):
        net.link(i, j)
    net.run(10)
    best = hop(net, 0, 4).neighbour
    net.cut(0, net.number[best])
    other = hop(net, 0, 4)
    assert other is not None
    assert other.neighbour != best


def test_who_is_gone_is_retracted_everywhere_within_seconds(make_net: Any) -> None:
    net = line(make_net, 8)
    net.run(10)
    net.cut(6, 7)
    net.run(5)
    assert all(hop(net, i, 7) is None for i in range(7))


def test_a_longer_way_is_found_by_asking_for_a_newer_sequence(make_net: Any) -> None:
    net = make_net(7)
    for i, j in ((0, 1), (1, 6), (0, 2), (2, 3), (3, 4), (4, 5), (5, 6)):
        net.link(i, j)
    net.run(10)
    net.cut(1, 6)
    net.run(8)
    assert net.walk(1, net.ids[6]) == [1, 0, 2, 3, 4, 5, 6]


def test_a_node_that_was_started_anew_is_known_again_within_seconds(make_net: Any) -> None:
    net = line(make_net, 5)
    net.run(60)
    net.restart(4)
    net.run(10)
    assert net.walk(0, net.ids[4]) == [0, 1, 2, 3, 4]
    assert net.walk(4, net.ids[0]) == [4, 3, 2, 1, 0]


def test_a_neighbour_that_stops_speaking_is_forgotten(make_net: Any) -> None:
    net = line(make_net, 3)
    net.run(10)
    router, silence_ns = net.routers[0], 20 * 60 * S
    for step in range(60):
        router.handle_timeout(now_ns=net.now_ns + silence_ns * step // 60)
        router.outgoing(now_ns=net.now_ns + silence_ns * step // 60)
    assert router.next_hop(net.ids[2], via=None, now_ns=net.now_ns + silence_ns) is None
    assert len(router._vector.table) == 0


def test_who_is_no_transit_neighbour_hears_of_ourselves_only(make_net: Any) -> None:
    net = make_net(3)
    net.link(0, 1)
    net.link(1, 2, transit=False)
    net.run(10)
    assert hop(net, 2, 1) is not None
    assert hop(net, 2, 0) is None
    net.routers[1].neighbour_changed(net.ids[2], cost=16, width=12, transit=True, now_ns=net.now_ns)
    net.settle(1)
    net.run(5)
    assert hop(net, 2, 0) is not None
    net.routers[1].neighbour_changed(net.ids[2], cost=16, width=12, transit=False, now_ns=net.now_ns)
    net.settle(1)
    net.run(5)
    assert hop(net, 2, 0) is None


def test_a_node_that_does_not_relay_takes_its_word_back(make_net: Any) -> None:
    net = line(make_net, 3)
    net.run(10)
    net.routers[1].transit = False
    net.settle(1)
    net.run(5)
    assert hop(net, 0, 2) is None
    net.routers[1].transit = True
    net.routers[1].transit = True
    net.settle(1)
    net.run(5)
    assert hop(net, 0, 2) is not None


def test_unknown_peers_are_ignored(make_net: Any) -> None:
    net = make_net(2)
    router = net.routers[0]
    router.neighbour_changed(net.ids[1], cost=16, width=12, transit=True, now_ns=0)
    router.neighbour_down(net.ids[1], now_ns=0)
    router.passed(net.ids[1], net.ids[1], now_ns=0)
    assert router.next_timeout() is None
    assert router.outgoing(now_ns=0) == []
    assert router.outgoing_routed() == []


def test_a_watched_peer_is_found_and_lost(make_net: Any) -> None:
    net = line(make_net, 4)
    net.routers[0].watch(net.ids[3], now_ns=0)
    net.settle(0)
    net.run(10)
    assert net.events[0] == [Found(net.ids[3])]
    net.cut(2, 3)
    net.run(10)
    assert net.events[0] == [Found(net.ids[3]), Lost(net.ids[3])]
    net.routers[0].unwatch(net.ids[3])
    net.link(2, 3)
    net.run(10)
    assert len(net.events[0]) == 2


def test_what_was_relayed_leaves_a_way_back(make_net: Any) -> None:
    net = make_net(3)
    net.link(0, 1)
    stranger = NodeId(b"s" * 32)
    router = net.routers[0]
    router.passed(stranger, net.ids[1], now_ns=net.now_ns)
    assert router.next_hop(stranger, via=None, now_ns=net.now_ns) == Hop(net.ids[1], 12, None)
    assert not router.reachable(stranger)
    assert router.next_hop(stranger, via=None, avoid=(net.ids[1],), now_ns=net.now_ns) is None
    assert router.next_hop(stranger, via=None, now_ns=net.now_ns + 120 * S) is None
    for i in range(500):
        router.passed(NodeId(i.to_bytes(32, "little")), net.ids[1], now_ns=net.now_ns)
    assert len(router._crumbs) == net.limits.crumbs_max
    router.passed(stranger, net.ids[1], now_ns=net.now_ns)
    router.passed(stranger, net.ids[1], now_ns=net.now_ns)
    net.cut(0, 1)
    assert router.next_hop(stranger, via=None, now_ns=net.now_ns) is None


def test_crumbs_lead_back_to_one_whom_the_table_remembers_as_gone(make_net: Any) -> None:
    """A line 0 - 1 - 2: once 2 has gone from the table, what it sends over 1 must still be answerable."""
    net = make_net(3)
    net.link(0, 1)
    net.link(1, 2)
    net.run(10)
    router, gone = net.routers[0], net.ids[2]
    net.cut(1, 2)
    net.run(10)
    assert router.next_hop(gone, via=None, now_ns=net.now_ns) is None
    router.passed(gone, net.ids[1], now_ns=net.now_ns)
    assert router.next_hop(gone, via=None, now_ns=net.now_ns).neighbour == net.ids[1]


def test_a_relay_that_knows_the_destination_leaves_the_landmark_on(make_net: Any) -> None:
    """The next relay may have forgotten it."""
    net = make_net(3)
    net.link(0, 1)
    net.link(1, 2)
    net.run(10)
    hop = net.routers[0].next_hop(net.ids[2], via=net.ids[1], now_ns=net.now_ns)
    assert (hop.neighbour, hop.via) == (net.ids[1], net.ids[1])


def test_crumbs_are_swept(make_net: Any) -> None:
    net = line(make_net, 2)
    net.run(5)
    net.routers[0].passed(NodeId(b"s" * 32), net.ids[1], now_ns=net.now_ns)
    net.run(300)
    assert len(net.routers[0]._crumbs) == 0


def test_what_is_said_keeps_within_the_links_budget(make_net: Any) -> None:
    net = make_net(30, seed=2)
    net.field(seed=2)
    net.run(120)
    directions = 2 * len(net.links)
    burst = 20_000 * net.limits.budget * net.limits.burst_s
    assert net.bytes_out / directions <= 120 * 20_000 * net.limits.budget + burst
    before = net.bytes_out
    net.run(240)
    assert (net.bytes_out - before) / directions / 240 < 40  # calm: a tenth of it


def test_fifty_nodes_reach_each_other_in_three_seconds_and_soon_by_shortest_ways(make_net: Any) -> None:
    net = make_net(50, late=0.1, seed=3)
    net.field(seed=3)
    net.run(3)
    assert all(net.walk(0, net.ids[j]) is not None for j in net.distances(0))
    net.run(60)
    for i in range(0, 50, 7):
        for j, distance in net.distances(i).items():
            path = net.walk(i, net.ids[j])
            assert path is not None
            assert len(path) - 1 == distance


def test_walking_nodes_stay_connected(make_net: Any) -> None:
    """40 nodes, links of Bluetooth reach (25 m) that live about 25 s at 1.5 m/s."""
    net = make_net(40, seed=7, late=0.05)
    die = Random(7)
    side = (40 * 3.14159 / 8) ** 0.5
    places = [[die.random() * side, die.random() * side] for _ in range(40)]
    goals = [(die.random() * side, die.random() * side) for _ in range(40)]
    net.join([(x, y) for x, y in places])
    net.run(5)
    tried = arrived = 0
    for second in range(25):
        step(places, goals, die, side, 1.5 / 25)
        relink(net, places)
        net.run(1)
        if second < 5:
            continue
        for _ in range(10):
            i, j = die.randrange(40), die.randrange(40)
            if i != j and j in net.distances(i):
                tried += 1
                arrived += net.walk(i, net.ids[j]) is not None
    assert arrived / tried > 0.9
    assert not net.has_loop()


def step(places: Any, goals: Any, die: Random, side: float, speed: float) -> None:
    for i, (place, goal) in enumerate(zip(places, goals, strict=True)):
        dx, dy = goal[0] - place[0], goal[1] - place[1]
        distance = (dx * dx + dy * dy) ** 0.5
        if distance <= speed:
            goals[i] = (die.random() * side, die.random() * side)
        else:
            place[0] += dx / distance * speed
            place[1] += dy / distance * speed


def relink(net: Any, places: Any) -> None:
    near = {
        (i, j)
        for i in range(len(places))
        for j in range(i + 1, len(places))
        if (places[i][0] - places[j][0]) ** 2 + (places[i][1] - places[j][1]) ** 2 < 1
    }
    for i, j in sorted(net.links.keys() - near):
        net.cut(i, j)
    for i, j in sorted(near - net.links.keys()):
        net.link(i, j)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(5, 16), seed=st.integers(0, 10_000), late=st.sampled_from([0.0, 0.3, 0.6]))
def test_ways_never_close_to_a_circle_and_all_heals(make_net: Any, size: int, seed: int, late: float) -> None:
    """Links come and go at random, bodies are overtaken; at each look no circle; after calm everybody is reached."""
    net = make_net(size, seed=seed, late=late, limits=RoutingLimits(near_max=64))
    die = Random(seed)
    for _ in range(8):
        for _ in range(die.randint(1, size)):
            i, j = sorted((die.randrange(size), die.randrange(size)))
            if i == j:
                continue
            if (i, j) in net.links:
                net.cut(i, j)
            elif len(net.around[i]) < 5 and len(net.around[j]) < 5:
                net.link(i, j, cost=die.randint(1, 60))
        if die.random() < 0.2:
            net.restart(die.randrange(size))
        net.run(die.random())
        assert not net.has_loop()
    net.run(40)
    assert not net.has_loop()
    for i in range(size):
        for j in range(size):
            assert (net.walk(i, net.ids[j]) is not None) == (j in net.distances(i))
