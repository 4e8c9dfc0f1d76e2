"""How long an answer of the policy is good for."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from meshnode.mesh import LinkUp
from meshnode.mesh.links import LinkState
from meshnode.mesh.switches import PEERS_MAX as HISTORIES_MAX
from meshnode.mesh.switches import SWITCHES_MAX
from meshnode.mesh.transport_manager import FRESH_NS, PEERS_MAX, TransportManager
from policies.device import DeviceState
from protocols.envelope import TrafficClass
from protocols.ids import NodeId
from protocols.stream import WayAnswers, WaySilent
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
        return LinkState(up, 0, 0, peer=PEER)

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


SILENT = WaySilent(1, owed_ns=130 * MS, limit_ns=120 * MS, until_ns=FRESH_NS)


def test_a_silent_link_is_left_at_once_and_taken_again_when_it_answers(
    make_link: Callable[..., LinkState],
) -> None:
    manager, quick, slow = Counted(), make_link(1, 10), make_link(2, 50)
    manager.keep_figures(PEER, (1, 2))
    assert ask(manager, [quick, slow], 0) is quick
    manager.link_silent(PEER, 1, SILENT)
    assert ask(manager, [quick, slow], 1) is slow
    manager.link_answers(PEER, 1, WayAnswers(1, 400 * MS))
    assert ask(manager, [quick, slow], 2) is quick
    silent, again = manager.switches(PEER)
    assert (silent.at_ns, silent.link_from, silent.link_to) == (1, "memory://1#1", "memory://2#2")
    assert (silent.cause, silent.reason, silent.traffic) == ("silent", "answers", "interactive")
    assert silent.figures == {"owed_ms": 130.0, "limit_ms": 120.0}
    assert (again.cause, again.reason, again.figures) == ("answers_again", "fastest", {"silent_ms": 400.0})
    assert manager.take_switched() == [(PEER, silent), (PEER, again)]
    assert manager.take_switched() == []


def test_silence_that_nobody_speaks_of_any_more_is_not_believed_for_ever(
    make_link: Callable[..., LinkState],
) -> None:
    manager, quick, slow = Counted(), make_link(1, 10), make_link(2, 50)
    manager.keep_figures(PEER, (1, 2))
    manager.link_silent(PEER, 1, SILENT)
    assert ask(manager, [quick, slow], 0) is slow
    assert ask(manager, [quick, slow], SILENT.until_ns + FRESH_NS) is quick


def test_two_equals_do_not_take_turns(make_link: Callable[..., LinkState]) -> None:
    manager, one, other = Counted(), make_link(1, 10), make_link(2, 11)
    manager.keep_figures(PEER, (1, 2))
    for number in range(20):
        one.up.stats.rtt_ns = (10 + number % 2 * 3) * MS
        assert ask(manager, [one, other], number * 2 * FRESH_NS) is one
    assert manager.switches(PEER) == []


def test_a_lost_link_and_a_change_of_mind_are_told_apart(make_link: Callable[..., LinkState]) -> None:
    manager, quick, slow = Counted(), make_link(1, 10), make_link(2, 50)
    manager.keep_figures(PEER, (1, 2))
    ask(manager, [quick, slow], 0)
    quick.up.stats.rtt_ns = 500 * MS
    ask(manager, [quick, slow], 2 * FRESH_NS)
    manager.keep_figures(PEER, ())
    ask(manager, [quick], 3 * FRESH_NS)
    mind, lost = manager.switches(PEER)
    assert (mind.cause, list(mind.figures)) == ("policy", ["score_from", "score_to"])
    assert mind.figures["score_from"] < mind.figures["score_to"]
    assert (lost.cause, lost.link_from, lost.link_to) == ("link_lost", "memory://2#2", "memory://1#1")


def test_being_told_to_wait_is_a_switch_too(make_link: Callable[..., LinkState]) -> None:
    manager, one, other = Counted(), make_link(1, 10), make_link(2, 50)
    manager.keep_figures(PEER, (1, 2))
    manager.choose(PEER, [one, other], TrafficClass.BULK, now_ns=0)
    manager.device_changed(DeviceState(battery_percent=10.0, discharging=True))
    manager.choose(PEER, [one, other], TrafficClass.BULK, now_ns=1)
    (switch,) = manager.switches(PEER)
    assert (switch.link_to, switch.reason) == (None, "save_battery")


def test_rates_count_where_all_links_have_been_measured(make_link: Callable[..., LinkState]) -> None:
    manager, one, other = Counted(), make_link(1, 10), make_link(2, 12)
    manager.keep_figures(PEER, (1, 2))

    def bulk(now_ns: int) -> LinkState | None:
        return manager.choose(PEER, [one, other], TrafficClass.BULK, now_ns=now_ns)

    manager.measured(PEER, 1, 200_000)
    assert bulk(0) is one, "a guess must not win over what was measured"
    assert manager.beside(PEER, TrafficClass.BULK) == (other,)
    manager.measured(PEER, 2, 2_000_000)
    assert bulk(2 * FRESH_NS) is other
    assert manager.beside(PEER, TrafficClass.BULK) == ()


def test_what_is_remembered_is_bounded(make_link: Callable[..., LinkState]) -> None:
    manager, quick, slow = Counted(), make_link(1, 10), make_link(2, 50)
    peer = PEER
    for number in range(max(PEERS_MAX, HISTORIES_MAX) + 10):
        peer = NodeId(number.to_bytes(32, "big"))
        quick.peer = slow.peer = peer
        manager.keep_figures(peer, (1, 2))
        manager.choose(peer, [quick, slow], TrafficClass.INTERACTIVE, now_ns=0)
    for turn in range(2 * SWITCHES_MAX):
        manager.link_silent(peer, 1, SILENT)
        manager.choose(peer, [quick, slow], TrafficClass.INTERACTIVE, now_ns=turn)
        manager.link_answers(peer, 1, WayAnswers(1, MS))
        manager.choose(peer, [quick, slow], TrafficClass.INTERACTIVE, now_ns=turn)
    assert len(manager.switches(peer)) == SWITCHES_MAX
    assert len(manager._figures) == PEERS_MAX
    assert len(manager._switches._peers) == HISTORIES_MAX


def test_of_links_nobody_knows_nothing_is_kept(make_link: Callable[..., LinkState]) -> None:
    manager = Counted()
    manager.link_silent(PEER, 1, SILENT)
    manager.link_answers(PEER, 1, WayAnswers(1, MS))
    manager.measured(PEER, 1, 1)
    assert manager.beside(PEER, TrafficClass.BULK) == ()
    assert manager.switches(PEER) == []
    assert ask(manager, [make_link(1, 10)], 0) is not None
