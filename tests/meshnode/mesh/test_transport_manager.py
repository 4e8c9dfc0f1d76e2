"""How long an answer of the policy is good for."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from meshnode.mesh import LinkUp
from meshnode.mesh.links import LinkState
from meshnode.mesh.transport_manager import FRESH_NS, TransportManager
from policies.device import DeviceState
from protocols.envelope import TrafficClass
from protocols.ids import NodeId
from transports.api import LinkStats, LinkTraits

PEER = NodeId(bytes(32))
MS = 1_000_000
TRAITS = LinkTraits("memory", 1_200, has_reliable_lane=True)


@pytest.fixture
def make_link() -> Callable[..., LinkState]:
    def make(number: int, rtt_ms: int, traits: list[LinkTraits] | None = None) -> LinkState:
        now = traits or [TRAITS]
        up = LinkUp(
            link=number,
            traits=lambda: now[-1],
            dialled=True,
            binding=bytes(32),
            address=f"memory://{number}",
            target=None,
            stats=LinkStats(rtt_ns=rtt_ms * MS),
            backlog=lambda: 0,
            backlog_max=1,
        )
        return LinkState(up, 0, 0)

    return make


class Counted(TransportManager):
    """Says how often the policy was asked."""

    asked = 0

    def decide(self, *args: object, **named: object) -> object:  # type: ignore[override]
        self.asked += 1
        return super().decide(*args, **named)  # type: ignore[arg-type]


def ask(manager: Counted, links: list[LinkState], now_ns: int) -> LinkState | None:
    return manager.choose(PEER, links, TrafficClass.INTERACTIVE, now_ns=now_ns)


def test_a_single_link_is_judged_once(make_link: Callable[..., LinkState]) -> None:
    manager, link = Counted(), make_link(1, 10)
    for now_ns in (0, 1, 100 * FRESH_NS):
        assert ask(manager, [link], now_ns) is link
    assert manager.asked == 1


def test_a_single_link_is_judged_again_when_its_traits_changed(make_link: Callable[..., LinkState]) -> None:
    traits = [TRAITS]
    manager, link = Counted(), make_link(1, 10, traits)
    ask(manager, [link], 0)
    traits.append(replace(TRAITS, datagram_bytes_max=0, has_reliable_lane=False))
    assert ask(manager, [link], FRESH_NS + 1) is None
    assert manager.asked == 2


def test_of_two_links_the_quicker_is_chosen_as_round_trips_drift(make_link: Callable[..., LinkState]) -> None:
    manager, quick, slow = Counted(), make_link(1, 10), make_link(2, 50)
    assert ask(manager, [quick, slow], 0) is quick
    quick.up.stats.rtt_ns = 500 * MS
    assert ask(manager, [quick, slow], FRESH_NS) is quick, "remembered"
    assert ask(manager, [quick, slow], FRESH_NS + 1) is slow


@pytest.mark.parametrize("change", ["links", "device"])
def test_what_it_rests_on_changed(make_link: Callable[..., LinkState], change: str) -> None:
    manager, link = Counted(), make_link(1, 10)
    ask(manager, [link], 0)
    if change == "links":
        manager.links_changed(PEER)
    else:
        manager.device_changed(DeviceState(battery_percent=50.0))
    ask(manager, [link], 0)
    assert manager.asked == 2
