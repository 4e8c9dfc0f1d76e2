"""Daemons behind NATs find a direct way to each other, where there is one; else a third relays for them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

LISTEN = ("--no-mdns", "--listen", "quic://0.0.0.0:7420")


def direct_addresses(node: Any, peer: Any) -> list[str]:
    """Where it reaches that peer without others' help."""
    found: list[dict[str, Any]] = node.ctl("peers")
    return [link["address"] for each in found if each["node_id"] == peer.node_id for link in each["links"]]


def is_connected(node: Any, peer: Any) -> bool:
    found: list[dict[str, Any]] = node.ctl("peers")
    return any(each["node_id"] == peer.node_id and each["state"] == "connected" for each in found)


def meeting_with(node: Any, peer: Any, *states: str) -> dict[str, Any] | None:
    """What became of the last try, once it is one of these."""
    meetings: list[dict[str, Any]] = node.ctl("net", "reach")["meetings"]
    return next((m for m in meetings if m["node_id"] == peer.node_id and m["state"] in states), None)


def way(node: Any) -> dict[str, Any]:
    return node.ctl("net", "reach")["ways"][0]


def is_symmetric(node: Any) -> bool:
    return way(node)["kind"] == "symmetric"


def deliver(sender: Any, name: str) -> None:
    sent = sender.ctl("send", name, "found you", "--wait", "delivered", "--timeout", "20")
    assert sent["state"] in {"delivered", "read"}


@pytest.fixture
def node(daemon: Callable[..., Any]) -> Callable[..., Any]:
    """A daemon in a place, that knows these others and is connected to them."""

    def make(name: str, place: Any) -> Any:
        return daemon(name, *LISTEN, namespace=place.space).start()

    return make


@pytest.fixture
def know(eventually: Callable[..., Any]) -> Callable[..., None]:
    def know(one: Any, other: Any) -> None:
        one.ctl("peers", "add", other.ctl("invite")["invite"], "--name", other.home.name)
        eventually(partial(is_connected, one, other))

    return know


@pytest.fixture
def acquainted(node: Callable[..., Any], know: Callable[..., None], internet: Any) -> Callable[..., Any]:
    """Alice and Bob in these places; both know Ruth, who is public, and Bob has an invite of Alice's."""

    def meet(place_of_alice: Any, place_of_bob: Any) -> tuple[Any, Any, Any]:
        ruth, alice, bob = (
            node("ruth", internet.host()),
            node("alice", place_of_alice),
            node("bob", place_of_bob),
        )
        know(alice, ruth)
        know(bob, ruth)
        know(bob, alice)
        return ruth, alice, bob

    return meet


@pytest.mark.parametrize(
    ("kind", "other_kind"),
    [
        ("full-cone", "restricted-cone"),
        ("port-restricted-cone", "port-restricted-cone"),
        ("full-cone", "symmetric"),
        ("symmetric", "restricted-cone"),
    ],
)
def test_two_behind_nats_meet_directly(
    internet: Any,
    acquainted: Callable[..., Any],
    eventually: Callable[..., Any],
    kind: str,
    other_kind: str,
) -> None:
    at_alice, at_bob = internet.behind(kind), internet.behind(other_kind)
    _, alice, bob = acquainted(at_alice, at_bob)
    address = eventually(lambda: direct_addresses(bob, alice))[0]
    assert address.startswith(f"quic://{at_alice.public}:")
    assert eventually(lambda: direct_addresses(alice, bob))[0].startswith(f"quic://{at_bob.public}:")
    deliver(bob, "alice")


def test_nats_that_refuse_aloud_are_no_hindrance(
    internet: Any, acquainted: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    places = [internet.behind("port-restricted-cone", "--rejects") for _ in range(2)]
    _, alice, bob = acquainted(*places)
    assert eventually(lambda: direct_addresses(bob, alice))


def test_nats_that_restart_cost_a_moment_on_the_relay(
    internet: Any, acquainted: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    places = [internet.behind("port-restricted-cone") for _ in range(2)]
    _, alice, bob = acquainted(*places)
    before = eventually(lambda: direct_addresses(bob, alice))
    for place in places:
        internet.restart(place)
    bob.ctl("send", "alice", "still there?")
    eventually(lambda: direct_addresses(bob, alice) not in ([], before), within_s=90.0)
    assert [each["text"] for each in alice.messages()] == ["still there?"]


@pytest.mark.parametrize("kind", ["port-restricted-cone", "symmetric"])
def test_a_symmetric_nat_and_one_that_filters_by_port_stay_relayed_and_say_so(
    internet: Any, acquainted: Callable[..., Any], eventually: Callable[..., Any], kind: str
) -> None:
    _, alice, bob = acquainted(internet.behind("symmetric"), internet.behind(kind))
    tried = eventually(lambda: meeting_with(bob, alice, "failed", "relayed"))
    assert tried["reason"]
    assert tried["again_in_s"] > 0
    assert direct_addresses(bob, alice) == []
    deliver(bob, "alice")


def test_two_behind_symmetric_nats_know_it_once_two_peers_outside_told_where_they_see_them(
    internet: Any,
    acquainted: Callable[..., Any],
    node: Callable[..., Any],
    know: Callable[..., None],
    eventually: Callable[..., Any],
) -> None:
    _, alice, bob = acquainted(internet.behind("symmetric"), internet.behind("symmetric"))
    paul = node("paul", internet.host())
    for each in (alice, bob):
        know(each, paul)
        eventually(partial(is_symmetric, each))
    tried = eventually(lambda: meeting_with(bob, alice, "relayed"), within_s=60.0)
    assert "both NATs are symmetric" in tried["reason"]


def test_two_in_one_house_meet_by_their_private_addresses(
    internet: Any, acquainted: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    at_alice = internet.behind("symmetric")
    at_bob = internet.join(at_alice, 3)
    _, alice, bob = acquainted(at_alice, at_bob)
    assert eventually(lambda: direct_addresses(bob, alice)) == [f"quic://{at_alice.address}:7420"]


def test_an_address_that_strangers_come_in_by_goes_into_the_record(
    internet: Any, node: Callable[..., Any], know: Callable[..., None], eventually: Callable[..., Any]
) -> None:
    at_alice = internet.behind("full-cone")
    ruth, alice, paul = (
        node("ruth", internet.host()),
        node("alice", at_alice),
        node("paul", internet.host()),
    )
    know(alice, ruth)
    door = eventually(lambda: way(alice)["address"])
    paul.ctl("peers", "add", door, "--name", "alice")
    assert eventually(lambda: direct_addresses(paul, alice)) == [door]
    assert eventually(lambda: alice.ctl("net", "reach")["published"]) == [door]
    assert way(alice)["kind"] == "public"
