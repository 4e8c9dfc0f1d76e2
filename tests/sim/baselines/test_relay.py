from sim.baselines.relay import HOPS_UNLIMITED, Relay, Rule, Wait, wait_ms

FEW, MANY = 4, 8


def test_a_flood_relays_each_message_once_and_counts_no_hops() -> None:
    relay = Relay(Rule())
    assert relay.hear(1, HOPS_UNLIMITED, neighbours=FEW, draw=0.9) == Wait((60, 150), HOPS_UNLIMITED)
    assert relay.hear(1, HOPS_UNLIMITED, neighbours=FEW, draw=0.9) is None
    assert relay.waited(1)
    assert not relay.waited(1)


def test_hops_are_counted_down_and_the_last_one_is_not_sent_on() -> None:
    relay = Relay(Rule(hops_max=7))
    assert relay.originate(1) == 7
    wait = relay.hear(2, 7, neighbours=FEW, draw=0.0)
    assert wait is not None
    assert wait.hops_left == 6
    assert relay.hear(3, 1, neighbours=FEW, draw=0.0) is None


def test_where_many_are_heard_fewer_hops_are_left() -> None:
    relay = Relay(Rule(hops_max=7, hops_dense_max=5))
    wait = relay.hear(1, 7, neighbours=MANY, draw=0.0)
    assert wait is not None
    assert wait.hops_left == 4


def test_a_relay_is_given_up_once_enough_copies_were_heard() -> None:
    relay = Relay(Rule(copies_enough=3))
    for _ in range(2):
        relay.hear(1, HOPS_UNLIMITED, neighbours=FEW, draw=0.0)
        relay.hear(2, HOPS_UNLIMITED, neighbours=FEW, draw=0.0)
    relay.hear(1, HOPS_UNLIMITED, neighbours=FEW, draw=0.0)
    assert not relay.waited(1)
    assert relay.waited(2)


def test_an_own_message_that_comes_back_is_known() -> None:
    relay = Relay(Rule())
    relay.originate(1)
    assert relay.knows(1)
    assert relay.hear(1, HOPS_UNLIMITED, neighbours=FEW, draw=0.0) is None


def test_gossip_leaves_it_to_the_draw() -> None:
    relay = Relay(Rule(chance=0.7))
    assert relay.hear(1, HOPS_UNLIMITED, neighbours=FEW, draw=0.69) is not None
    assert relay.hear(2, HOPS_UNLIMITED, neighbours=FEW, draw=0.7) is None


def test_the_more_neighbours_the_longer_the_wait() -> None:
    spans = [wait_ms(neighbours) for neighbours in (1, 2, 3, 6, 10, 100)]
    assert spans == sorted(spans)
    assert (spans[0], spans[-1]) == ((10, 40), (100, 220))
