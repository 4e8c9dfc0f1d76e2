"""In a village of whole daemons, people who moved find each other through whoever stayed."""

from meshnode.node import Node
from protocols.ids import NodeId
from sim.host import Host
from sim.stage import Stage, node_of, village


def running(host: Host) -> Node:
    node = node_of(host)
    assert node is not None
    return node


def together(one: Host, other: Host) -> bool:
    node = node_of(one)
    return node is not None and any(link.peer == other.node_id for link in node.driver.mesh.links.all())


async def settled(nodes: int, seed: int, scenario: str) -> Stage:
    stage = await village(nodes=nodes, seed=seed, scenario=scenario)
    for host in stage.hosts:
        for other in host.acquaintances:
            await stage.until(lambda host=host, other=other: together(host, other))
    await stage.pass_s(30)
    return stage


def move(*hosts: Host) -> None:
    for host in hosts:
        host.stop()
        host.moves += 1


async def test_two_who_both_moved_find_each_other_while_one_common_friend_remains() -> None:
    stage = await settled(3, 7, "crash")
    alice, bob, _carol = stage.hosts
    move(alice, bob)
    await stage.pass_s(60)
    alice.boot()
    await stage.pass_s(40)
    bob.boot()
    await stage.until(lambda: together(alice, bob))
    letter = alice.send(bob)
    await stage.until(lambda: letter.arrivals)


async def test_they_do_not_while_nobody_is_left_who_knows_both() -> None:
    stage = await settled(3, 7, "crash")
    alice, bob, carol = stage.hosts
    move(alice, bob, carol)
    await stage.pass_s(10)
    for host in (alice, bob, carol):
        host.boot()
    await stage.pass_s(600)
    assert not together(alice, bob)
    assert not together(alice, carol)


async def test_a_record_lies_with_strangers_too_so_that_friends_need_not_be_there() -> None:
    stage = await settled(10, 3, "knowledge")
    alice = stage.hosts[0]
    bob = alice.acquaintances[0]
    friends = [host for host in stage.hosts if host in alice.acquaintances or alice in host.acquaintances]
    move(bob)
    await stage.pass_s(30)
    bob.boot()
    await stage.pass_s(60)
    move(alice)
    for friend in friends:
        if friend is not bob:
            friend.stop()
    await stage.pass_s(10)
    alice.boot()
    await stage.until(lambda: together(alice, bob))


async def test_connections_to_strangers_are_let_go() -> None:
    stage = await settled(8, 5, "knowledge")
    await stage.pass_s(120)
    for host in stage.hosts:
        node = running(host)
        known: list[NodeId] = [each.node_id for each in stage.hosts if node.peers.is_contact(each.node_id)]
        strangers = [link for link in node.driver.mesh.links.all() if link.peer not in known]
        assert len(strangers) <= 24
        assert node.directory.view().nodes >= len(known) - 1
