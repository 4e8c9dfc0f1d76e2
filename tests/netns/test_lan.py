"""Several hosts in network namespaces of our own: found by mDNS, reachable after an address changed."""

from collections.abc import Callable
from functools import partial
from typing import Any


def peers_connected(node: Any) -> list[str]:
    found: list[dict[str, Any]] = node.ctl("peers")
    return sorted(peer["node_id"] for peer in found if peer["state"] == "connected")


def sees(node: Any, others: list[str]) -> bool:
    return peers_connected(node) == others


def test_nodes_on_one_network_find_each_other_without_any_configuration(
    daemon: Callable[..., Any], lan: Callable[[int], Any], eventually: Callable[..., Any]
) -> None:
    net = lan(3)
    nodes = [
        daemon(name, namespace=host).start() for name, host in zip(("a", "b", "c"), net.hosts, strict=True)
    ]
    for node in nodes:
        others = sorted(other.node_id for other in nodes if other is not node)
        eventually(partial(sees, node, others))
    sent = nodes[0].ctl("send", nodes[1].node_id, "found you", "--wait", "delivered", "--timeout", "20")
    assert sent["state"] in {"delivered", "read"}


def test_a_node_whose_address_changes_is_reached_again_and_nothing_is_lost(
    daemon: Callable[..., Any], lan: Callable[[int], Any], eventually: Callable[..., Any]
) -> None:
    net = lan(2)
    alice, bob = (
        daemon(name, namespace=host).start() for name, host in zip(("alice", "bob"), net.hosts, strict=True)
    )
    eventually(lambda: peers_connected(alice))
    alice.ctl("send", bob.node_id, "before", "--wait", "delivered", "--timeout", "20")
    net.change_address(1, "10.77.0.99")
    alice.ctl("send", bob.node_id, "after")
    eventually(lambda: [each["text"] for each in bob.messages()] == ["before", "after"], within_s=60)
